"""What every client of /v1/embeddings gets."""

import pytest
import support
from support import LOCAL, LONG, REMOTE, TOO_LONG, assert_vectors, calls_with, fresh


class EmbeddingsChecks:
    """For a subclass that says how its client embeds with its defaults."""

    #: What an empty text beside another is answered with.
    empty = r"input\[1\]"

    def many(self, texts: list[str], *, url: str, key: str, model: str) -> list[list[float]]:
        raise NotImplementedError

    def one(self, text: str, *, url: str, key: str, model: str) -> list[float]:
        raise NotImplementedError

    def target(self, model: str, url: str | None = None, key: str = "anything") -> dict:
        return {"url": url or support.stand.open, "key": key, "model": model}

    @pytest.mark.parametrize("model", [LOCAL, REMOTE])
    def test_embeds_one_text_and_many(self, model):
        texts = [fresh(), "The cat purrs.", fresh(), fresh("日本語 🐈")]
        assert_vectors(model, texts, self.many(texts, **self.target(model)))
        assert_vectors(model, texts[:1], [self.one(texts[0], **self.target(model))])

    def test_keeps_the_order_of_more_texts_than_one_provider_call_takes(self):
        texts = [fresh() for _ in range(230)]
        assert_vectors(REMOTE, texts, self.many(texts, **self.target(REMOTE)))

    def test_gets_a_vector_for_white_space(self):
        texts = [fresh(), " "]
        assert_vectors(REMOTE, texts, self.many(texts, **self.target(REMOTE)))

    def test_is_told_which_text_is_empty(self):
        with pytest.raises(Exception, match=self.empty):
            self.many([fresh(), ""], **self.target(REMOTE))

    def test_has_a_long_text_cut_by_a_local_model(self):
        texts = [fresh(), LONG]
        assert_vectors(LOCAL, texts, self.many(texts, **self.target(LOCAL)))

    def test_is_told_which_text_an_openai_model_cannot_read(self):
        with pytest.raises(Exception, match=r"input\[1\]"):
            self.many([fresh(), TOO_LONG], **self.target(REMOTE))

    def test_is_told_of_a_wrong_model_what_there_is(self):
        with pytest.raises(Exception, match=LOCAL):
            self.one(fresh(), **self.target("all-MiniLM-L6"))

    def test_is_told_that_it_is_the_server_that_has_no_key(self):
        with pytest.raises(Exception, match=rf"(?s)server.*{LOCAL}"):
            self.one(fresh(), **self.target(REMOTE, support.stand.keyless))

    def test_gets_in_with_the_right_key_only(self):
        with pytest.raises(Exception, match="(?i)key"):
            self.one(fresh(), **self.target(REMOTE, support.stand.guarded, "wrong"))
        text = fresh()
        assert_vectors(REMOTE, [text], [self.one(text, **self.target(REMOTE, support.stand.guarded, "right"))])

    def test_tries_again_after_a_429(self):
        text = fresh("slow down")
        assert_vectors(REMOTE, [text], [self.one(text, **self.target(REMOTE, support.stand.strained))])
        assert len(calls_with(text)) == 2
