"""caching/exact.py: an answer is served again only if it is whole, alive and of the same documents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from caching import exact
from caching.types import CachedAnswer, Source
from core.redis import async_redis, sync_redis
from tests.caching.conftest import stored

Fields = dict[str, Any]  # Any: JSON
PROJECT = UUID(int=7)
KEY = "a" * 64
NAME = f"polyai:exact:{PROJECT}:{KEY}"
SOURCE = Source(
    n=1,
    chunk_id=UUID(int=1),
    content_hash="0" * 64,
    document_id=UUID(int=2),
    document="Über uns.md",
    locator="Page 3 · Refunds",
    text="Goods may be returned within 30 days. 🙂",
    similarity=0.7123,
)


def make_answer(seconds: float = 60, **fields: Any) -> CachedAnswer:  # Any: an answer's fields
    now = datetime.now(UTC)
    answer = CachedAnswer(
        project_id=PROJECT,
        question="How many days?",
        text="30 days [1].",
        sources=(SOURCE,),
        model="gpt-x",
        prompt_tokens=100,
        completion_tokens=5,
        corpus_version=3,
        created_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )
    return replace(answer, **fields)


async def find(key: str = KEY, corpus_version: int = 3) -> CachedAnswer | None:
    return await exact.find(PROJECT, key, corpus_version=corpus_version)


async def test_what_is_stored_comes_back_whole() -> None:
    answer = make_answer()
    await exact.store(KEY, answer)
    assert await find() == answer


async def test_an_answer_without_sources_comes_back_too() -> None:
    answer = make_answer(sources=())
    await exact.store(KEY, answer)
    assert await find() == answer


async def test_what_was_never_stored_is_a_miss() -> None:
    assert await find() is None


@pytest.mark.parametrize("version", [2, 4, 0])
async def test_another_version_of_the_documents_is_a_miss(version: int) -> None:
    await exact.store(KEY, make_answer())
    assert await find(corpus_version=version) is None
    assert await find() is not None


async def test_another_key_or_another_project_is_a_miss() -> None:
    await exact.store(KEY, make_answer())
    assert await find("b" * 64) is None
    assert await exact.find(UUID(int=8), KEY, corpus_version=3) is None


async def test_storing_again_replaces() -> None:
    await exact.store(KEY, make_answer())
    await exact.store(KEY, make_answer(text="Sixty [1]."))
    found = await find()
    assert found is not None
    assert found.text == "Sixty [1]."


# --- Its life -----------------------------------------------------------------------------------


async def test_an_entry_lives_until_its_answer_expires() -> None:
    await exact.store(KEY, make_answer(seconds=60))
    assert 58_000 < await async_redis().pttl(NAME) <= 60_000


async def test_a_hit_never_extends_a_life() -> None:
    await exact.store(KEY, make_answer())
    await async_redis().pexpire(NAME, 5_000)
    for _ in range(3):
        assert await find() is not None
    assert await async_redis().pttl(NAME) <= 5_000


async def test_an_expired_answer_is_a_miss_even_where_redis_still_has_it() -> None:
    await exact.store(KEY, make_answer())
    fields = json.loads(stored(NAME))
    fields["expires_at"] = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    await async_redis().set(NAME, json.dumps(fields))
    assert await find() is None


async def test_an_answer_is_gone_when_its_time_is_over() -> None:
    await exact.store(KEY, make_answer(seconds=0.05))
    await asyncio.sleep(0.08)
    assert await find() is None
    assert not await async_redis().exists(NAME)


@pytest.mark.parametrize("seconds", [0, -1])
async def test_an_answer_without_a_life_is_not_stored(seconds: float) -> None:
    await exact.store(KEY, make_answer(seconds=seconds))
    assert not await async_redis().exists(NAME)


# --- Values that cannot be read -----------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"not json",
        b"\xff\xfe\x00",
        b"null",
        b"[]",
        b'"text"',
        b"7",
        b"{}",
        b'{"format": 1}',
        b'{"format": 1, "sources": null}',
        b"[" * 100_000,
    ],
    ids=[
        *("empty", "no JSON", "bytes", "null", "list", "text", "number", "no fields"),
        *("no answer", "no sources", "nested without end"),
    ],
)
async def test_a_value_that_cannot_be_read_is_a_miss(value: bytes) -> None:
    await async_redis().set(NAME, value)
    assert await find() is None
    assert list(exact.list_entries()) == []
    assert exact.get_entry(f"{PROJECT}:{KEY}") is None


def _set(**changes: object) -> Callable[[Fields], None]:
    return lambda fields: fields.update(changes)


def _set_source(**changes: object) -> Callable[[Fields], None]:
    return lambda fields: fields["sources"][0].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        _set(format=0),
        _set(format=2),
        _set(format="1"),
        lambda fields: fields.pop("format"),
        lambda fields: fields.pop("text"),
        lambda fields: fields.pop("corpus_version"),
        lambda fields: fields["sources"][0].pop("similarity"),
        _set(new_field="of a later version"),
        _set_source(new_field="of a later version"),
        _set(project_id="not an id"),
        _set(project_id=None),
        _set(corpus_version="3"),
        _set(created_at="yesterday"),
        _set(expires_at=None),
        _set(expires_at="2999-01-01T00:00:00"),
        _set(text=None),
        _set(text=["30 days"]),
        _set(question=7),
        _set(sources={}),
        _set(sources=["text"]),
        _set_source(chunk_id=7),
        _set_source(text=None),
        _set_source(n="1"),
    ],
    ids=[
        *("older format", "newer format", "format as text", "no format", "no text", "no version", "no similarity"),
        *("unknown field", "unknown field of a source", "broken project", "no project", "version as text"),
        *(
            "broken date",
            "no expiry",
            "expiry without a zone",
            "text is null",
            "text is a list",
            "question is a number",
        ),
        *("sources are an object", "sources are texts", "id is a number", "source without text", "number is text"),
    ],
)
async def test_an_answer_of_another_shape_is_a_miss_and_never_an_error(change: Callable[[Fields], None]) -> None:
    await exact.store(KEY, make_answer())
    fields = json.loads(stored(NAME))
    change(fields)
    await async_redis().set(NAME, json.dumps(fields))
    assert await find() is None


async def test_a_name_that_holds_something_else_is_a_miss() -> None:
    await async_redis().lpush(NAME, "a list")
    assert await find() is None
    assert list(exact.list_entries()) == []


async def test_a_broken_value_is_told_in_the_log_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    await async_redis().set(NAME, b'{"format": 1, "text": "a secret"}')
    await find()
    assert "cannot be read" in caplog.text
    assert "a secret" not in caplog.text


# --- Redis is gone ------------------------------------------------------------------------------


async def test_without_redis_every_question_is_a_miss(dead_redis: str, caplog: pytest.LogCaptureFixture) -> None:
    await exact.store(KEY, make_answer())
    assert await find() is None
    assert "exact cache read failed" in caplog.text
    assert "exact cache write failed" in caplog.text


# --- The admin's view ---------------------------------------------------------------------------


async def test_entries_are_listed_and_searched_in_question_and_answer() -> None:
    for number, question in enumerate(["How many DAYS?", "Where is Öslo?", "Who?"]):
        await exact.store(f"{number}" * 64, make_answer(question=question, text=f"Answer {number}"))
    await async_redis().set(f"polyai:exact:{PROJECT}:broken", b"broken")
    await async_redis().set("polyai:embedding:x", b"something else")
    assert len(list(exact.list_entries())) == 3
    assert [answer.question for _, answer in exact.list_entries("days")] == ["How many DAYS?"]
    assert [answer.question for _, answer in exact.list_entries("öSLO")] == ["Where is Öslo?"]
    assert [answer.question for _, answer in exact.list_entries("answer 2")] == ["Who?"]
    assert list(exact.list_entries("nothing like it")) == []


async def test_more_entries_than_one_batch_are_all_listed_once() -> None:
    pipeline = async_redis().pipeline()
    await exact.store(KEY, make_answer())
    value = stored(NAME)
    for number in range(1, 1_200):
        pipeline.set(f"polyai:exact:{PROJECT}:{number}", value)
    await pipeline.execute()
    ids = [entry_id for entry_id, _ in exact.list_entries()]
    assert len(ids) == len(set(ids)) == 1_200


async def test_an_entry_is_found_and_forgotten_by_the_id_of_the_list() -> None:
    answer = make_answer()
    await exact.store(KEY, answer)
    ((entry_id, listed),) = exact.list_entries()
    assert entry_id == f"{PROJECT}:{KEY}"
    assert exact.get_entry(entry_id) == listed == answer
    assert exact.delete_entries([entry_id, "no such entry"]) == 1
    assert exact.get_entry(entry_id) is None
    assert await find() is None


def test_forgetting_nothing_is_no_error() -> None:
    assert exact.delete_entries([]) == 0


def test_an_id_cannot_reach_other_values() -> None:
    sync_redis().set("polyai:alive:worker", "host")
    assert exact.get_entry("../alive:worker") is None
    assert exact.delete_entries(["../alive:worker", "*"]) == 0
    assert sync_redis().exists("polyai:alive:worker")


async def test_the_worst_value_stops_no_list_of_the_others() -> None:
    await exact.store(KEY, make_answer())
    fields = json.loads(stored(NAME))
    await async_redis().set(f"polyai:exact:{uuid4()}:{KEY}", json.dumps({**fields, "question": None, "text": 7}))
    assert [answer.question for _, answer in exact.list_entries("days")] == ["How many days?"]
