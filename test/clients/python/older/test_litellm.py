import litellm
import pytest
from embeddings_checks import EmbeddingsChecks
from support import REMOTE, TOO_LONG


class TestLiteLLM(EmbeddingsChecks):
    def many(self, texts, *, url, key, model):
        answer = litellm.embedding(model=f"openai/{model}", input=texts, api_base=f"{url}/v1", api_key=key)
        return [item["embedding"] for item in answer.data]

    def one(self, text, *, url, key, model):
        return self.many([text], url=url, key=key, model=model)[0]

    def test_a_long_text_is_the_error_that_programs_look_for(self):
        with pytest.raises(litellm.ContextWindowExceededError):
            self.one(TOO_LONG, **self.target(REMOTE))
