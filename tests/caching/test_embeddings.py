"""caching/embeddings.py: a text's vector is asked for once a day."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from pytest_django import Settings

from caching.embeddings import LIFE, embed_question, embed_texts
from core.errors import ProviderError, ProviderTimeout, ProviderUnreachable
from core.redis import async_redis, sync_redis
from providers.registry import get_embedder
from providers.types import Vector, Vectors
from tests.caching.conftest import forget_embedder, stored
from tests.caching.embedder import DIMENSIONS, EmbedderServer, vector_of

TEXT = "How many days do customers have?"


def names() -> list[bytes]:
    return list(sync_redis().scan_iter("polyai:embedding:*"))


def close_to(vector: Vector, expected: Vector) -> bool:
    return vector.dtype == np.float32 and np.allclose(vector, expected, atol=1e-6)


async def test_a_question_is_embedded_once(embedder: EmbedderServer) -> None:
    first = await embed_question(get_embedder(), TEXT)
    again = await embed_question(get_embedder(), TEXT)
    assert close_to(first, vector_of(TEXT))
    assert np.array_equal(first, again)
    assert embedder.texts == [TEXT]


async def test_a_vector_takes_four_bytes_a_number_for_a_day(embedder: EmbedderServer) -> None:
    await embed_question(get_embedder(), TEXT)
    (name,) = names()
    assert len(stored(name)) == 4 * DIMENSIONS
    assert close_to(np.frombuffer(stored(name), dtype="<f4"), vector_of(TEXT))
    assert LIFE - 5 <= await async_redis().ttl(name) <= LIFE


async def test_a_hit_does_not_extend_the_life(embedder: EmbedderServer) -> None:
    await embed_question(get_embedder(), TEXT)
    (name,) = names()
    await async_redis().pexpire(name, 5_000)
    await embed_question(get_embedder(), TEXT)
    assert await async_redis().pttl(name) <= 5_000


async def test_no_question_stands_in_a_name(embedder: EmbedderServer) -> None:
    await embed_question(get_embedder(), "my password is hunter2")
    (name,) = names()
    assert b"hunter2" not in name


def test_the_bundled_embedder_fills_it_too() -> None:
    vectors = embed_texts(get_embedder(), ["one", "two"])
    assert vectors.shape == (2, 384)
    assert [len(stored(name)) for name in names()] == [4 * 384] * 2


def test_many_texts_are_one_request_for_those_that_are_not_known(embedder: EmbedderServer) -> None:
    embed_texts(get_embedder(), ["b", "d"])
    vectors = embed_texts(get_embedder(), ["a", "b", "c", "d", "e"])
    assert embedder.history == [["b", "d"], ["a", "c", "e"]]
    assert all(close_to(row, vector_of(text)) for row, text in zip(vectors, "abcde", strict=True))
    embed_texts(get_embedder(), ["e", "a"])
    assert len(embedder.history) == 2


async def test_questions_and_documents_share_it(embedder: EmbedderServer) -> None:
    vector = await embed_question(get_embedder(), TEXT)
    assert np.array_equal(embed_texts(get_embedder(), [TEXT])[0], vector)
    assert embedder.texts == [TEXT]


def test_another_embedder_has_vectors_of_its_own(embedder: EmbedderServer, settings: Settings) -> None:
    embed_texts(get_embedder(), [TEXT])
    settings.EMBEDDING_MODEL = "another"
    forget_embedder()
    embed_texts(get_embedder(), [TEXT])
    assert embedder.texts == [TEXT, TEXT]
    assert len(names()) == 2


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"x",
        b"not a vector at all",
        b"[0.1, 0.2]",
        vector_of(TEXT).tobytes()[:-4],
        vector_of(TEXT).tobytes()[:-1],
        bytes(4 * DIMENSIONS),
        b"\xff" * 4 * DIMENSIONS,
        b"\x7f" * 4 * DIMENSIONS,
        (2 * vector_of(TEXT)).tobytes(),
    ],
    ids=["empty", "a byte", "text", "json", "a number short", "a byte short", "zeros", "NaN", "huge", "too long"],
)
async def test_a_value_that_is_no_vector_is_replaced(embedder: EmbedderServer, value: bytes) -> None:
    await embed_question(get_embedder(), TEXT)
    (name,) = names()
    await async_redis().set(name, value)
    assert close_to(await embed_question(get_embedder(), TEXT), vector_of(TEXT))
    assert close_to(np.frombuffer(stored(name), dtype="<f4"), vector_of(TEXT))
    await async_redis().set(name, value)
    both = embed_texts(get_embedder(), [TEXT, "another"])
    assert close_to(both[0], vector_of(TEXT))


async def test_a_name_that_holds_something_else_is_no_error(embedder: EmbedderServer) -> None:
    await embed_question(get_embedder(), TEXT)
    (name,) = names()
    await async_redis().delete(name)
    await async_redis().lpush(name, "a list")
    assert close_to(await embed_question(get_embedder(), TEXT), vector_of(TEXT))
    assert close_to(embed_texts(get_embedder(), [TEXT])[0], vector_of(TEXT))


async def test_without_redis_a_question_is_embedded_all_the_same(embedder: EmbedderServer, dead_redis: str) -> None:
    for _ in range(2):
        assert close_to(await embed_question(get_embedder(), TEXT), vector_of(TEXT))
    assert embedder.texts == [TEXT, TEXT]


def test_without_redis_documents_are_embedded_all_the_same(embedder: EmbedderServer, dead_redis: str) -> None:
    assert embed_texts(get_embedder(), ["a", "b"]).shape == (2, DIMENSIONS)


async def test_an_embedder_that_fails_leaves_nothing_behind(embedder: EmbedderServer) -> None:
    embedder.fail(401, 401)
    with pytest.raises(ProviderError):
        await embed_question(get_embedder(), TEXT)
    with pytest.raises(ProviderError):
        embed_texts(get_embedder(), [TEXT])
    assert names() == []


def test_what_is_known_needs_no_embedder(embedder: EmbedderServer) -> None:
    embed_texts(get_embedder(), [TEXT])
    embedder.fail(503)
    assert close_to(embed_texts(get_embedder(), [TEXT])[0], vector_of(TEXT))


async def test_a_silent_embedder_is_left_alone_for_a_while_by_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Silent:
        provider, model, identity = "local", "silent", "local|silent"
        shortened_to = 0

        async def embed(self, texts: Sequence[str]) -> Vectors:
            asked.extend(texts)
            raise ProviderTimeout("silent")

        def embed_sync(self, texts: Sequence[str]) -> Vectors:
            raise AssertionError("a worker's patience")

    monkeypatch.setattr("caching.embeddings._silent_until", {})
    with pytest.raises(ProviderTimeout):
        await embed_question(Silent(), "one")
    with pytest.raises(ProviderUnreachable):
        await embed_question(Silent(), "two")
    with pytest.raises(ProviderUnreachable):
        await asyncio.to_thread(embed_texts, Silent(), ["three"], is_awaited=True)
    assert asked == ["one"]
    monkeypatch.setattr("caching.embeddings.PAUSE", 0.0)
    monkeypatch.setattr("caching.embeddings._silent_until", {})
    for text in ("four", "five"):
        with pytest.raises(ProviderTimeout):
            await embed_question(Silent(), text)
