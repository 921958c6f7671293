"""providers/openai_compatible.py: embeddings through OpenAI's SDK, from our own server and from those of others."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from core.errors import ProviderError, ProviderRateLimited, ProviderRefused, ProviderUnreachable
from providers.openai_compatible import OpenAIEmbedder
from providers.registry import get_embedder
from providers.types import Embedder, Vectors
from tests.providers.conftest import ERROR, SECRET, Endpoint, Wire, as_json

# --- Embeddings: our own server -----------------------------------------------------------------

IN_AN_HOUR = "in an hour"
TEXTS = ["I love dogs", "Quarterly revenue report", "Puppies are wonderful", "x", "Grüße aus 東京 🦊"]


@pytest.fixture
def own() -> Embedder:
    """The one embedder of the process, against our own embedding server on its unix socket."""
    return get_embedder()


async def test_vectors_are_rows_of_length_one_in_the_order_of_the_texts(own: Embedder) -> None:
    vectors = await own.embed(TEXTS)
    assert vectors.shape == (len(TEXTS), 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    for text, vector in zip(TEXTS, vectors, strict=True):
        (alone,) = await own.embed([text])
        assert np.allclose(vector, alone, atol=1e-5)
    assert vectors[0] @ vectors[2] > 0.5 > vectors[0] @ vectors[1]


async def test_both_ways_of_asking_give_the_same_vectors(own: Embedder) -> None:
    assert np.allclose(await own.embed(TEXTS), await asyncio.to_thread(own.embed_sync, TEXTS), atol=1e-6)


async def test_many_may_ask_at_once(own: Embedder) -> None:
    texts = [f"Sentence number {n} about {n * n} things" for n in range(40)]
    together = await own.embed(texts)
    apart = await asyncio.gather(*(own.embed([text]) for text in texts))
    assert np.allclose(together, np.vstack(apart), atol=1e-5)


def test_the_identity_tells_the_kinds_of_vectors_apart(own: Embedder) -> None:
    assert own.identity == "local|all-MiniLM-L6-v2"
    others = {
        OpenAIEmbedder(model=model, base_url=url, api_key="").identity
        for model in ("all-MiniLM-L6-v2", "nomic-embed-text")
        for url in ("http://one.example/v1", "http://two.example/v1")
    }
    assert len(others | {own.identity}) == 5


async def test_an_embedding_server_that_is_away_is_unreachable() -> None:
    embedder = OpenAIEmbedder(model="m", base_url="", api_key="", socket="/nowhere/embeddings.sock")
    with pytest.raises(ProviderUnreachable, match="The embedding model 'm' cannot be reached"):
        await embedder.embed(["x"])


async def test_a_text_that_our_server_refuses_is_told_as_a_refusal(own: Embedder) -> None:
    with pytest.raises(ProviderRefused, match="HTTP 400"):
        await own.embed(["   "])


# --- Embeddings: somebody else's server ---------------------------------------------------------

ROWS = [[3.0, 4.0], [0.0, -2.0], [1.0, 0.0]]
OF_LENGTH_ONE = [[0.6, 0.8], [0.0, -1.0], [1.0, 0.0]]
Embed = Callable[[OpenAIEmbedder], Vectors]


def sync(embedder: OpenAIEmbedder) -> Vectors:
    return embedder.embed_sync(["a", "b", "c"])


def asynchronous(embedder: OpenAIEmbedder) -> Vectors:
    async def embed() -> Vectors:
        return await embedder.embed(["a", "b", "c"])

    return asyncio.run(embed())


both_ways = pytest.mark.parametrize("embed", [sync, asynchronous])


def vectors_of(*rows: object, **fields: object) -> Wire:
    items = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
    return as_json({"object": "list", "data": items, "model": "m", "usage": {}, **fields})


def encoded(row: list[float]) -> str:
    return base64.b64encode(np.array(row, dtype="<f4").tobytes()).decode()


@pytest.fixture
def foreign(endpoint: Endpoint) -> OpenAIEmbedder:
    return OpenAIEmbedder(model="m", base_url=endpoint.base_url, api_key="sk-test")


@both_ways
@pytest.mark.parametrize("form", ["base64", "numbers"])
def test_numbers_do_where_base64_was_asked_for(
    endpoint: Endpoint, foreign: OpenAIEmbedder, embed: Embed, form: str
) -> None:
    endpoint.says(vectors_of(*(ROWS if form == "numbers" else map(encoded, ROWS))))
    assert np.allclose(embed(foreign), OF_LENGTH_ONE)
    assert endpoint.history == [{"input": ["a", "b", "c"], "model": "m", "encoding_format": "base64"}]


@both_ways
def test_rows_that_come_out_of_order_are_put_in_order(
    endpoint: Endpoint, foreign: OpenAIEmbedder, embed: Embed
) -> None:
    items = [{"object": "embedding", "index": index, "embedding": ROWS[index]} for index in (2, 0, 1)]
    endpoint.says(vectors_of(data=items))
    assert np.allclose(embed(foreign), OF_LENGTH_ONE)


NO_VECTORS = {
    "not a number": vectors_of([1, 2], [float("nan"), 1], [1, 2]),
    "not a number, in base64": vectors_of(encoded([1, 2]), encoded([float("nan"), 1]), encoded([1, 2])),
    "infinite": vectors_of([1, 2], [float("inf"), 1], [1, 2]),
    "of no length": vectors_of([1, 2], [0, 0], [1, 2]),
    "of differing lengths": vectors_of([1, 2], [1, 2, 3], [1, 2]),
    "fewer than asked for": vectors_of([1, 2], [3, 4]),
    "more than asked for": vectors_of([1, 2], [3, 4], [5, 6], [7, 8]),
    "empty": vectors_of([], [], []),
    "none": vectors_of(),
    "null": vectors_of(None, None, None),
    "words": vectors_of(["a"], ["b"], ["c"]),
    "no base64": vectors_of("%%%", "%%%", "%%%"),
    "half a number in base64": vectors_of(*["AAA="] * 3),
    "no list": vectors_of(data=None),
    "no object": as_json(None),
    "a list instead of an object": as_json([1]),
    "no JSON": Wire(body=b"{not json", kind="application/json"),
    "a web page": Wire(body=b"<html>hello</html>", kind="text/html"),
}


@both_ways
@pytest.mark.parametrize("case", NO_VECTORS)
def test_what_is_no_vector_never_gets_through(
    endpoint: Endpoint, foreign: OpenAIEmbedder, embed: Embed, case: str
) -> None:
    endpoint.says(NO_VECTORS[case])
    with pytest.raises(ProviderError, match="The embedding model 'm'"):
        embed(foreign)


@both_ways
@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ProviderRefused),
        (401, ProviderRefused),
        (403, ProviderRefused),
        (404, ProviderRefused),
        (429, ProviderRateLimited),
        (500, ProviderUnreachable),
        (503, ProviderUnreachable),
    ],
)
def test_each_refusal_of_an_embedder_is_one_of_our_errors(
    endpoint: Endpoint, foreign: OpenAIEmbedder, embed: Embed, status: int, error: type[ProviderError]
) -> None:
    endpoint.says(as_json(ERROR, status))
    with pytest.raises(ProviderError) as caught:
        embed(foreign)
    assert type(caught.value) is error
    assert "The embedding model 'm'" in caught.value.message
    assert SECRET not in caught.value.message


@both_ways
@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("0", 0, 0),
        (IN_AN_HOUR, 3590, 3600),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0, 0),
    ],
    ids=["seconds", "at once", "a date", "a date gone by"],
)
def test_when_an_embedder_wants_to_be_asked_again_is_passed_on(
    endpoint: Endpoint,
    foreign: OpenAIEmbedder,
    embed: Embed,
    status: int,
    header: str,
    least: float,
    most: float,
) -> None:
    if header == IN_AN_HOUR:
        header = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    endpoint.says(replace(as_json(ERROR, status), headers={"Retry-After": header}))
    with pytest.raises(ProviderError) as caught:
        embed(foreign)
    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most
    assert len(endpoint.history) == 1


@pytest.mark.parametrize("header", ["soon", "-5", "1e9", ""])
def test_a_time_that_cannot_be_read_is_none(endpoint: Endpoint, foreign: OpenAIEmbedder, header: str) -> None:
    endpoint.says(replace(as_json(ERROR, 429), headers={"Retry-After": header}))
    with pytest.raises(ProviderRateLimited) as caught:
        foreign.embed_sync(["a"])
    assert caught.value.retry_after is None


@pytest.mark.parametrize(("status", "setting"), [(401, "POLYAI_EMBEDDING_API_KEY"), (404, "POLYAI_EMBEDDING_MODEL")])
def test_the_advice_names_the_setting_that_is_the_embedders(
    endpoint: Endpoint, foreign: OpenAIEmbedder, status: int, setting: str
) -> None:
    endpoint.says(as_json(ERROR, status))
    with pytest.raises(ProviderRefused) as caught:
        foreign.embed_sync(["a"])
    assert setting in caught.value.message


async def test_a_question_gets_a_second_try_when_the_embedder_stumbles(endpoint: Endpoint) -> None:
    once = threading.Event()

    def stumble(asked: dict[str, Any]) -> Wire:  # Any: what was posted
        if once.is_set():
            return vectors_of([1.0, 0.0])
        once.set()
        return Wire(status=None)

    endpoint.answer = stumble
    embedder = OpenAIEmbedder(model="m", base_url=endpoint.base_url, api_key="sk-test")
    assert np.allclose(await embedder.embed(["a"]), [[1, 0]])
    assert len(endpoint.history) == 2
