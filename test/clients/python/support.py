"""What the tests of every client share: the servers, true vectors, fresh texts."""

import base64
import json
import math
import struct
import urllib.parse
import urllib.request
import uuid
from dataclasses import dataclass

LOCAL = "all-MiniLM-L6-v2"
REMOTE = "text-embedding-3-small"
# The provider refuses a call with this in a text.
POISON = "☠"
# Over the limit of the local model, and over that of OpenAI's models.
LONG = "word " * 2_000
TOO_LONG = "word " * 9_000


@dataclass
class Stand:
    """Where everything is; test/clients/stand.ts says what each server is for."""

    open: str
    guarded: str
    strained: str
    keyless: str
    control: str


stand: Stand


def fresh(start: str = "a text of") -> str:
    """A text that nobody has asked for yet."""
    return f"{start} {uuid.uuid4()}"


def truth(model: str, texts: list[str]) -> list[list[float]]:
    """The vectors that the texts have, from the model itself and not through any door."""
    body = json.dumps({"model": model, "texts": texts}).encode()
    with urllib.request.urlopen(f"{stand.control}/truth", body) as response:
        return json.load(response)


def calls_with(text: str) -> list[dict]:
    """The calls that the provider got with `text` in one of their texts."""
    with urllib.request.urlopen(f"{stand.control}/calls?text={urllib.parse.quote(text)}") as response:
        return json.load(response)


def cosine(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b)) / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def assert_vectors(model: str, texts: list[str], vectors: list[list[float]]) -> None:
    """Fails unless these are the texts' vectors, in order."""
    assert len(vectors) == len(texts)
    for i, expected in enumerate(truth(model, texts)):
        assert len(vectors[i]) == len(expected)
        assert 1 - cosine(vectors[i], expected) < 1e-6, f"text {i}"


def decode(text: str) -> list[float]:
    """The vector of `embeddingBase64`."""
    data = base64.b64decode(text)
    return list(struct.unpack(f"<{len(data) // 4}f", data))
