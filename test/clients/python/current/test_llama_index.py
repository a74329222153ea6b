from embeddings_checks import EmbeddingsChecks
from llama_index.core import Document, VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.embeddings.openai_like import OpenAILikeEmbedding
from support import LOCAL


class LlamaIndexChecks(EmbeddingsChecks):
    def client(self, *, url, key, model) -> BaseEmbedding:
        raise NotImplementedError

    def many(self, texts, **target):
        return self.client(**target).get_text_embedding_batch(texts)

    def one(self, text, **target):
        return self.client(**target).get_query_embedding(text)


class TestOpenAILike(LlamaIndexChecks):
    def client(self, *, url, key, model):
        return OpenAILikeEmbedding(model_name=model, api_base=f"{url}/v1", api_key=key)

    def test_finds_the_nearest_document_whatever_its_length(self):
        documents = [Document(text=text) for text in ("The cat purrs on the sofa. " * 200, "Shares fell today.")]
        index = VectorStoreIndex.from_documents(documents, embed_model=self.client(**self.target(LOCAL)))
        [nearest] = index.as_retriever(similarity_top_k=1).retrieve("feline animals")
        assert "cat" in nearest.text


class TestOpenAIEmbedding(LlamaIndexChecks):
    def client(self, *, url, key, model):
        # It knows OpenAI's models alone; `model_name` is for those of others.
        return OpenAIEmbedding(model_name=model, api_base=f"{url}/v1", api_key=key)
