import logging

from embeddings_checks import EmbeddingsChecks
from haystack import Document
from haystack.components.embedders import OpenAIDocumentEmbedder, OpenAITextEmbedder
from haystack.utils import Secret


class Refusals(logging.Handler):
    """Haystack goes on without the vectors of a batch that failed, and writes why into the log."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


class TestHaystack(EmbeddingsChecks):
    def options(self, url, key, model):
        return {"api_base_url": f"{url}/v1", "api_key": Secret.from_token(key), "model": model}

    def many(self, texts, *, url, key, model):
        refusals = Refusals()
        log = logging.getLogger("haystack")
        log.addHandler(refusals)
        try:
            embedder = OpenAIDocumentEmbedder(**self.options(url, key, model), progress_bar=False)
            documents = embedder.run([Document(content=text) for text in texts])["documents"]
        finally:
            log.removeHandler(refusals)
        if any(document.embedding is None for document in documents):
            raise RuntimeError(" ".join(refusals.messages))
        return [document.embedding for document in documents]

    def one(self, text, *, url, key, model):
        return OpenAITextEmbedder(**self.options(url, key, model)).run(text)["embedding"]
