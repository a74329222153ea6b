import asyncio

import pytest
import support
from gql import Client, GraphQLRequest, gql
from gql.transport.aiohttp import AIOHTTPTransport
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.httpx import HTTPXTransport
from gql.transport.requests import RequestsHTTPTransport
from gql.transport.websockets import WebsocketsTransport
from support import LOCAL, LONG, POISON, REMOTE, assert_vectors, calls_with, decode, fresh

EMBED = "mutation ($text: String!, $model: String) { embed(text: $text, model: $model) { embeddingBase64 } }"
STREAM = """subscription ($texts: [String!]!) {
  embedStream(texts: $texts) { embeddings { index embedding { embeddingBase64 } } failures { index code } }
}"""


def over_http(transport, url, key="anything", **options):
    return Client(transport=transport(url=f"{url}/graphql", headers={"authorization": f"Bearer {key}"}), **options)


def over_socket(transport, url, key="anything"):
    address = f"{url.replace('http', 'ws')}/graphql"
    return Client(transport=transport(url=address, init_payload={"authorization": f"Bearer {key}"}))


def embed(client, text, model=REMOTE):
    return client.execute(GraphQLRequest(EMBED, variable_values={"text": text, "model": model}))["embed"]


@pytest.mark.parametrize("transport", [AIOHTTPTransport, HTTPXTransport, RequestsHTTPTransport])
class TestOverHTTP:
    @pytest.mark.parametrize("model", [LOCAL, REMOTE])
    def test_embeds_one_text_and_many(self, transport, model):
        client = over_http(transport, support.stand.open)
        texts = [fresh(), "The cat purrs.", fresh("日本語 🐈")]
        many = "mutation ($texts: [String!]!, $model: String) { embedBatch(texts: $texts, model: $model) { embeddingsBase64 } }"
        answer = client.execute(GraphQLRequest(many, variable_values={"texts": texts, "model": model}))
        assert_vectors(model, texts, [decode(text) for text in answer["embedBatch"]["embeddingsBase64"]])
        assert_vectors(model, texts[:1], [decode(embed(client, texts[0], model)["embeddingBase64"])])

    def test_gets_what_went_well_beside_what_went_wrong(self, transport):
        two = "mutation ($a: String!, $b: String!) { a: embed(text: $a) { dimension } b: embed(text: $b) { dimension } }"
        with pytest.raises(TransportQueryError) as raised:
            over_http(transport, support.stand.open).execute(
                GraphQLRequest(two, variable_values={"a": fresh(), "b": fresh(POISON)})
            )
        assert raised.value.data == {"a": {"dimension": 1536}, "b": None}
        assert [error["extensions"]["code"] for error in raised.value.errors] == ["PROVIDER_ERROR"]

    def test_is_told_what_is_wrong(self, transport):
        client = over_http(transport, support.stand.open)
        for text, model, code in [(" ", REMOTE, "BAD_USER_INPUT"), ("a", "all-MiniLM-L6", "MODEL_NOT_FOUND")]:
            with pytest.raises(TransportQueryError) as raised:
                embed(client, text, model)
            assert raised.value.errors[0]["extensions"]["code"] == code
        with pytest.raises(TransportQueryError, match="TEXT_TOO_LONG"):
            client.execute(
                GraphQLRequest(
                    "mutation ($text: String!) { embed(text: $text, model: \"all-MiniLM-L6-v2\", truncate: false) { model } }",
                    variable_values={"text": LONG},
                )
            )
        with pytest.raises(TransportError):
            embed(over_http(transport, support.stand.guarded, "wrong"), "a")
        assert embed(over_http(transport, support.stand.guarded, "right"), fresh())

    def test_sends_several_operations_at_once_and_their_texts_share_a_provider_call(self, transport):
        texts = [fresh(), fresh(), fresh()]
        client = over_http(transport, support.stand.open)
        answers = client.execute_batch([GraphQLRequest(EMBED, variable_values={"text": text}) for text in texts])
        assert_vectors(REMOTE, texts, [decode(answer["embed"]["embeddingBase64"]) for answer in answers])
        [call] = calls_with(texts[0])
        assert sorted(call["input"]) == sorted(texts)


def test_batch_interval():
    async def ask():
        texts = [fresh(), fresh()]
        client = over_http(AIOHTTPTransport, support.stand.open, batch_interval=0.05)
        async with client as session:
            requests = [GraphQLRequest(EMBED, variable_values={"text": text}) for text in texts]
            answers = await asyncio.gather(*(session.execute(request) for request in requests))
        assert_vectors(REMOTE, texts, [decode(answer["embed"]["embeddingBase64"]) for answer in answers])

    asyncio.run(ask())


STREAMING = {
    "multipart over HTTP": lambda *target: over_http(AIOHTTPTransport, *target),
    "websockets": lambda *target: over_socket(WebsocketsTransport, *target),
    "aiohttp's WebSocket": lambda *target: over_socket(AIOHTTPWebsocketsTransport, *target),
}


@pytest.mark.parametrize("connect", STREAMING.values(), ids=STREAMING.keys())
class TestSubscribed:
    def test_gets_every_vector_once_and_what_failed(self, connect):
        texts = [fresh() for _ in range(150)]
        texts[70] = fresh(POISON)
        vectors, failures = {}, []
        request = GraphQLRequest(STREAM, variable_values={"texts": texts})
        for answer in connect(support.stand.open).subscribe(request):
            chunk = answer["embedStream"]
            vectors.update({item["index"]: decode(item["embedding"]["embeddingBase64"]) for item in chunk["embeddings"]})
            failures += [(failure["index"], failure["code"]) for failure in chunk["failures"]]
        assert failures == [(70, "PROVIDER_ERROR")]
        rest = [i for i in range(150) if i != 70]
        assert sorted(vectors) == rest
        assert_vectors(REMOTE, [texts[i] for i in rest], [vectors[i] for i in rest])

    def test_gets_in_with_the_right_key_only(self, connect):
        request = GraphQLRequest(STREAM, variable_values={"texts": [fresh()]})
        with pytest.raises(TransportError):
            list(connect(support.stand.guarded, "wrong").subscribe(request))
        [answer] = connect(support.stand.guarded, "right").subscribe(request)
        assert len(answer["embedStream"]["embeddings"]) == 1

    def test_embeds_over_the_same_connection(self, connect):
        text = fresh()
        assert_vectors(REMOTE, [text], [decode(embed(connect(support.stand.open), text)["embeddingBase64"])])


def test_the_schema_can_be_fetched():
    client = over_http(RequestsHTTPTransport, support.stand.open, fetch_schema_from_transport=True)
    assert client.execute(gql("{ health { service } }")) == {"health": {"service": "embedql"}}
