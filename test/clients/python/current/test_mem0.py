from embeddings_checks import EmbeddingsChecks
from mem0.configs.embeddings.base import BaseEmbedderConfig
from mem0.embeddings.openai import OpenAIEmbedding
from support import LOCAL, assert_vectors, fresh


class TestMem0(EmbeddingsChecks):
    def client(self, *, url, key, model, **options):
        return OpenAIEmbedding(
            BaseEmbedderConfig(model=model, api_key=key, openai_base_url=f"{url}/v1", **options)
        )

    def many(self, texts, **target):
        return self.client(**target).embed_batch(texts)

    def one(self, text, **target):
        return self.client(**target).embed(text)

    def test_a_models_own_dimension_is_taken(self):
        text = fresh()
        assert_vectors(LOCAL, [text], [self.client(**self.target(LOCAL), embedding_dims=384).embed(text)])
