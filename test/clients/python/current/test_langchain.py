import math
import os
from pathlib import Path

import pytest
from embeddings_checks import EmbeddingsChecks
from langchain_openai import OpenAIEmbeddings
from llama_index.core import _static
from support import REMOTE, TOO_LONG

# tiktoken fetches its vocabulary from a hub; LlamaIndex brings the same file along.
os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(Path(_static.__path__[0]) / "tiktoken_cache"))


class TestLangChain(EmbeddingsChecks):
    # An empty document is embedded by a request of its own.
    empty = "input.*empty"

    def client(self, *, url, key, model):
        return OpenAIEmbeddings(model=model, base_url=f"{url}/v1", api_key=key)

    def many(self, texts, **target):
        return self.client(**target).embed_documents(texts)

    def one(self, text, **target):
        return self.client(**target).embed_query(text)

    def test_is_told_which_text_an_openai_model_cannot_read(self):
        # It divides a long text itself, and gives the pieces' mean.
        [vector] = self.many([TOO_LONG], **self.target(REMOTE))
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)
