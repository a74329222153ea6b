"""What the official package gets, in each of its major versions."""

import json
import time

import openai
import pytest
import support
from embeddings_checks import EmbeddingsChecks
from support import LOCAL, REMOTE, assert_vectors, fresh


class OpenAIChecks(EmbeddingsChecks):
    def client(self, url: str, key: str = "anything") -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{url}/v1", api_key=key)

    def many(self, texts, *, url, key, model):
        return [item.embedding for item in self.client(url, key).embeddings.create(model=model, input=texts).data]

    def one(self, text, *, url, key, model):
        return self.many(text, url=url, key=key, model=model)[0]

    def test_lists_of_tokens_are_the_texts_that_they_stand_for(self):
        answer = self.client(support.stand.open).embeddings.create(model=REMOTE, input=[[15339, 1917], [15339]])
        assert_vectors(REMOTE, ["hello world", "hello"], [item.embedding for item in answer.data])

    def test_dimensions_numbers_and_usage(self):
        text = fresh()
        embeddings = self.client(support.stand.open).embeddings
        own = embeddings.create(model=LOCAL, input=text, dimensions=384)
        assert_vectors(LOCAL, [text], [own.data[0].embedding])
        short = embeddings.create(model=REMOTE, input=text, dimensions=256)
        assert len(short.data[0].embedding) == 256
        assert short.usage.prompt_tokens > 3
        numbers = embeddings.create(model=REMOTE, input=text, encoding_format="float")
        assert_vectors(REMOTE, [text], [numbers.data[0].embedding])
        assert numbers._request_id
        nothing = embeddings.create(model=REMOTE, input=text, encoding_format=None, dimensions=None)
        assert_vectors(REMOTE, [text], [nothing.data[0].embedding])

    def test_files_and_batches(self):
        client = self.client(support.stand.open)
        texts = [fresh(), fresh()]
        lines = [
            json.dumps(
                {
                    "custom_id": f"request-{i}",
                    "method": "POST",
                    "url": "/v1/embeddings",
                    "body": {"model": REMOTE, "input": text},
                }
            )
            for i, text in enumerate([*texts, ""])
        ]
        upload = client.files.create(file=("requests.jsonl", "\n".join(lines).encode()), purpose="batch")
        batch = client.batches.create(
            input_file_id=upload.id, endpoint="/v1/embeddings", completion_window="24h", metadata={"from": "python"}
        )
        while batch.status not in ("completed", "failed"):
            time.sleep(0.2)
            batch = client.batches.retrieve(batch.id)
        assert (batch.request_counts.completed, batch.request_counts.failed) == (2, 1)
        answers = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
        vectors = [answer["response"]["body"]["data"][0]["embedding"] for answer in answers]
        assert_vectors(REMOTE, texts, vectors)
        [failed] = [json.loads(line) for line in client.files.content(batch.error_file_id).text.splitlines()]
        assert failed["custom_id"] == "request-2"
        assert batch.id in [one.id for one in client.batches.list(limit=1)]
        assert client.batches.cancel(batch.id).status == "completed"
        assert client.files.delete(upload.id).deleted
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(upload.id)
        with pytest.raises(openai.BadRequestError, match="Line 1"):
            wrong = client.files.create(file=("wrong.jsonl", b"nonsense"), purpose="batch")
            client.batches.create(input_file_id=wrong.id, endpoint="/v1/embeddings", completion_window="24h")

    def test_extras(self):
        text = "word " * 9_000
        cut = self.client(support.stand.open).embeddings.create(
            model=REMOTE, input=[text], extra_body={"truncate": True, "input_type": "query"}
        )
        assert len(cut.data[0].embedding) == 1536

    def test_finds_the_models_that_are_listed(self):
        models = self.client(support.stand.keyless).models
        ids = [model.id for model in models.list()]
        assert LOCAL in ids
        assert [models.retrieve(id).id for id in ids] == ids
        with pytest.raises(openai.NotFoundError):
            models.retrieve("nope")

    def test_errors_are_those_that_programs_look_for(self):
        with pytest.raises(openai.AuthenticationError):
            self.one("a", **self.target(REMOTE, support.stand.guarded, "wrong"))
        with pytest.raises(openai.NotFoundError):
            self.one("a", **self.target("nope"))
        with pytest.raises(openai.BadRequestError, match="at least one"):
            self.many([], **self.target(REMOTE))
        with pytest.raises(openai.NotFoundError, match="/v1/embeddings"):
            self.client(support.stand.open).chat.completions.create(
                model=REMOTE, messages=[{"role": "user", "content": "hi"}]
            )

    def test_a_base_url_without_v1_works(self):
        bare = openai.OpenAI(base_url=support.stand.open, api_key="anything")
        assert len(bare.embeddings.create(model=REMOTE, input=fresh()).data) == 1

    def test_a_days_money_that_is_spent_is_not_asked_for_again_and_again(self):
        asked = []
        client = self.client(support.stand.guarded, "poor")
        send = client._client.send
        client._client.send = lambda *args, **options: (asked.append(args), send(*args, **options))[1]
        with pytest.raises(openai.RateLimitError):
            client.embeddings.create(model=REMOTE, input=fresh())
        assert len(asked) == 1
