"""The smallest server with OpenAI's /v1/embeddings around a library that has none, so that only the library is measured.

    python embeddings_server.py PORT sentence-transformers|fastembed FOLDER [--batching]

One thread computes. With --batching, requests that wait while it does are computed together, up to 64 texts; without, each
request by itself, in the order of arrival.
"""

import argparse
import asyncio
import base64
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from aiohttp import web

LARGEST_BATCH = 64
MAX_BODY = 16 * 1024 * 1024


def sentence_transformers(folder):
    """A function from texts to unit vectors [texts, dimension]."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(folder, device='cpu')
    return lambda texts: model.encode(texts, batch_size=LARGEST_BATCH, normalize_embeddings=True)


def fastembed(folder):
    """The same by fastembed, from a folder in the hub's layout with onnx/model_int8.onnx."""
    from fastembed import TextEmbedding
    from fastembed.common.model_description import ModelSource, PoolingType

    TextEmbedding.add_custom_model(
        model='local',
        pooling=PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf='local'),
        dim=384,
        model_file='onnx/model_int8.onnx',
    )
    model = TextEmbedding('local', specific_model_path=folder)
    return lambda texts: np.stack(list(model.embed(texts, batch_size=LARGEST_BATCH)))


class Queue:
    """Hands lists of texts to the one thread that computes."""

    def __init__(self, embed, batching):
        self.embed = embed
        self.batching = batching
        self.waiting = asyncio.Queue()
        self.thread = ThreadPoolExecutor(1)

    async def vectors(self, texts):
        future = asyncio.get_running_loop().create_future()
        self.waiting.put_nowait((texts, future))
        return await future

    async def run(self):
        while True:
            taken = [await self.waiting.get()]
            count = len(taken[0][0])
            while self.batching and count < LARGEST_BATCH and not self.waiting.empty():
                taken.append(self.waiting.get_nowait())
                count += len(taken[-1][0])
            texts = [text for some, _ in taken for text in some]
            try:
                vectors = await asyncio.get_running_loop().run_in_executor(self.thread, self.embed, texts)
            except Exception as error:
                for _, future in taken:
                    if not future.done():
                        future.set_exception(error)
                continue
            start = 0
            for some, future in taken:
                if not future.done():
                    future.set_result(vectors[start : start + len(some)])
                start += len(some)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('port', type=int)
    parser.add_argument('library', choices=['sentence-transformers', 'fastembed'])
    parser.add_argument('folder')
    parser.add_argument('--batching', action='store_true')
    options = parser.parse_args()
    load = sentence_transformers if options.library == 'sentence-transformers' else fastembed
    queue = Queue(load(options.folder), options.batching)

    async def embeddings(request):
        body = await request.json()
        texts = [body['input']] if isinstance(body['input'], str) else body['input']
        vectors = await queue.vectors(texts)
        as_base64 = body.get('encoding_format') == 'base64'
        data = [
            {
                'object': 'embedding',
                'index': index,
                'embedding': base64.b64encode(vector.astype(np.float32).tobytes()).decode()
                if as_base64
                else vector.tolist(),
            }
            for index, vector in enumerate(vectors)
        ]
        return web.json_response({'object': 'list', 'model': body.get('model'), 'data': data})

    async def running(_app):
        task = asyncio.create_task(queue.run())
        yield
        task.cancel()

    app = web.Application(client_max_size=MAX_BODY)
    app.router.add_post('/v1/embeddings', embeddings)
    app.cleanup_ctx.append(running)
    web.run_app(app, host='127.0.0.1', port=options.port, print=None, access_log=None)


if __name__ == '__main__':
    main()
