"""caching/exact.py: what is stored comes back whole, alive, and to nobody else; or not at all."""

from __future__ import annotations

import asyncio
import json
import socket
import zlib
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pytest_django import Settings

from caching import exact
from caching.exact import Unreadable, dump, is_alive, load
from caching.types import CachedAnswer, Source
from core.redis import RedisAway, RedisError, async_redis, sync_redis
from tests.caching.answers import PROJECT, make_answer, make_source
from tests.caching.conftest import stored

Fields = dict[str, Any]  # Any: JSON
EPOCH = 4
KEY = "a" * 64
NAME = f"polyai:exact:{PROJECT}:{EPOCH}:{KEY}"
LONG = make_answer(text="Thirty days [1]. " * 1000)


async def store(answer: CachedAnswer, **options: bool) -> None:
    await exact.store(EPOCH, KEY, answer, **options)


async def find(key: str = KEY, *, project: UUID = PROJECT, epoch: int = EPOCH) -> CachedAnswer | None:
    return await exact.find(project, epoch, key)


async def put(value: bytes | str) -> None:
    await async_redis().set(NAME, value)


# --- There and back -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields", [{}, {"sources": ()}, {"text": LONG.text}, {"text": ""}], ids=["short", "no sources", "long", "no text"]
)
async def test_what_is_stored_comes_back_whole(fields: Fields) -> None:
    answer = make_answer(**fields)
    await store(answer)
    assert await find() == answer


async def test_what_was_never_stored_is_a_miss() -> None:
    assert await find() is None


async def test_storing_again_replaces() -> None:
    await store(make_answer())
    await store(make_answer(text="Sixty [1]."))
    found = await find()
    assert found is not None
    assert found.text == "Sixty [1]."


async def test_another_key_project_or_epoch_is_a_miss() -> None:
    await store(make_answer())
    assert await find("b" * 64) is None
    assert await find(project=UUID(int=8)) is None
    assert await find(epoch=EPOCH - 1) is None
    assert await find(epoch=EPOCH + 1) is None
    assert await find() is not None


async def test_an_answer_of_another_project_is_not_served_though_it_lies_in_this_ones_place() -> None:
    await put(dump(make_answer(project_id=UUID(int=8))))
    with pytest.raises(Unreadable):
        await find()
    assert not await async_redis().exists(NAME)


keys = st.text("0123456789abcdef", min_size=64, max_size=64)
projects = st.uuids()
epochs = st.integers(0, 10**9)


@given(st.tuples(projects, epochs, keys), st.tuples(projects, epochs, keys))
def test_no_two_places_have_one_name(one: tuple[UUID, int, str], other: tuple[UUID, int, str]) -> None:
    assert (exact.name(*one) == exact.name(*other)) is (one == other)


texts = st.text(st.characters(exclude_categories=["Cs"]))
moments = st.datetimes(
    min_value=datetime(1971, 1, 1),
    max_value=datetime(9000, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=11))]),
)
sources = st.builds(
    Source,
    n=st.integers(1, 99),
    chunk_id=st.uuids(),
    content_hash=texts,
    document_id=st.uuids(),
    document=texts,
    locator=texts,
    text=texts,
    similarity=st.floats(-1, 1),
)
answers = st.builds(
    CachedAnswer,
    project_id=st.uuids(),
    question=texts,
    text=texts | st.integers(0, 3000).map(lambda n: "Thirty days. " * n),
    sources=st.lists(sources, max_size=3).map(tuple),
    model=texts,
    prompt_tokens=st.integers(0, 10**9),
    completion_tokens=st.integers(0, 10**9),
    corpus_version=st.integers(0, 2**63),
    created_at=moments,
    expires_at=moments,
)


@given(answers)
def test_every_answer_comes_back_as_it_was(answer: CachedAnswer) -> None:
    assert load(dump(answer)) == answer


# --- The value ------------------------------------------------------------------------------------


def test_the_head_tells_format_version_and_end_without_the_body() -> None:
    answer = make_answer(corpus_version=17)
    head, body = dump(answer).split(b"\n", 1)
    assert head == b"3 17 %d j" % int(answer.expires_at.timestamp() * 1000)
    assert json.loads(body)["text"] == answer.text


def test_a_large_answer_is_packed() -> None:
    value = dump(LONG)
    assert value.split(b"\n", 1)[0].endswith(b" z")
    assert len(value) < len(LONG.text) / 10
    assert load(value) == LONG


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\n",
        b"not ours",
        b"\xff\xfe\x00",
        b"null",
        b"{}",
        b"3 3 4 j",
        b"3 3 4 j\n",
        b"3 3 4 j\nnull",
        b"3 3 4 j\n[]",
        b'3 3 4 j\n"text"',
        b"3 3 4 j\n7",
        b"3 3 4 j\n{}",
        b"3 3 4 z\n{}",
        b"3 3 j\n{}",
        b"3 3 4 j\n" + b"[" * 100_000,
        b"3 3 4 j\n" + b"9" * 10_000,
        dump(LONG)[:-1],
        dump(LONG)[:100],
        dump(LONG)[:500] + b"????" + dump(LONG)[504:],
        dump(make_answer())[:-1],
        dump(make_answer()).replace(b" j\n", b" q\n"),
        dump(make_answer()).replace(b" j\n", b" z\n"),
        dump(LONG).replace(b" z\n", b" j\n"),
        dump(make_answer()).split(b"\n", 1)[1],
        b"2" + dump(make_answer())[1:],
        b"4" + dump(make_answer())[1:],
        b'{"format": 1, "text": "of the first version"}',
    ],
    ids=[
        *("empty", "line end", "text", "bytes", "null", "object", "head alone", "no body"),
        *("body null", "body list", "body text", "body number", "no fields", "not packed", "short head"),
        *("nested without end", "endless number", "packed and cut", "packed and cut short", "packed and damaged"),
        *("plain and cut", "unknown packing", "called packed", "called plain", "no head"),
        *("older format", "newer format", "oldest format"),
    ],
)
async def test_a_value_that_cannot_be_read_is_dropped(value: bytes, caplog: pytest.LogCaptureFixture) -> None:
    await put(value)
    with pytest.raises(Unreadable):
        await find()
    assert not await async_redis().exists(NAME)
    assert await find() is None
    assert "cannot be read" in caplog.text


def _set(**changes: object) -> Callable[[Fields], object]:
    return lambda fields: fields.update(changes)


def _set_source(**changes: object) -> Callable[[Fields], object]:
    return lambda fields: fields["sources"][0].update(changes)


@pytest.mark.parametrize(
    "change",
    [
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
        *("no text", "no version", "no similarity", "unknown field", "unknown field of a source"),
        *("broken project", "no project", "version as text", "broken date", "no expiry", "expiry without a zone"),
        *("text is null", "text is a list", "question is a number", "sources are an object", "sources are texts"),
        *("id is a number", "source without text", "number is text"),
    ],
)
def test_an_answer_of_another_shape_is_unreadable(change: Callable[[Fields], object]) -> None:
    head, body = dump(make_answer()).split(b"\n", 1)
    fields = json.loads(body)
    change(fields)
    with pytest.raises(Unreadable):
        load(head + b"\n" + json.dumps(fields).encode())


def _is_unreadable_or_an_answer(value: bytes) -> bool:
    try:
        return isinstance(load(value), CachedAnswer)
    except Unreadable:
        return True


@given(st.binary())
@example(b"3 3 4 z\n" + zlib.compress(b"[" * 100_000))
def test_no_bytes_are_an_error_of_another_kind(value: bytes) -> None:
    assert _is_unreadable_or_an_answer(value)
    assert _is_unreadable_or_an_answer(b"3 3 4 j\n" + value)
    assert _is_unreadable_or_an_answer(b"3 3 4 z\n" + value)
    assert _is_unreadable_or_an_answer(b"3 3 4 z\n" + zlib.compress(value))


@given(st.integers(0, 3000), st.integers(0, 255), st.booleans())
def test_no_single_damaged_byte_is_an_error_of_another_kind(place: int, byte: int, is_long: bool) -> None:
    value = bytearray(dump(LONG if is_long else make_answer()))
    value[place % len(value)] = byte
    assert _is_unreadable_or_an_answer(bytes(value))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(json.loads(dump(make_answer()).split(b"\n", 1)[1]))), json_values)
def test_no_value_of_a_field_is_an_error_of_another_kind(field: str, value: object) -> None:
    head, body = dump(make_answer()).split(b"\n", 1)
    assert _is_unreadable_or_an_answer(head + b"\n" + json.dumps({**json.loads(body), field: value}).encode())


def test_a_small_value_that_unpacks_without_measure_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "LARGEST", 1000)
    with pytest.raises(Unreadable, match="too large"):
        load(dump(LONG))


def test_the_log_can_tell_an_older_format() -> None:
    with pytest.raises(Unreadable, match="format b'1'"):
        load(b"1 3 4 j\n{}")


async def test_a_broken_value_is_told_in_the_log_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    await put(b'3 3 4 j\n{"text": "a secret"}')
    with pytest.raises(Unreadable):
        await find()
    assert "a secret" not in caplog.text


async def test_a_name_that_holds_something_else_is_as_a_redis_that_is_away_until_it_is_stored_over() -> None:
    await async_redis().lpush(NAME, "a list")
    with pytest.raises(RedisAway):
        await find()
    await store(make_answer())
    assert await find() is not None


# --- Its life -------------------------------------------------------------------------------------


async def test_an_entry_lives_until_its_answer_expires() -> None:
    await store(make_answer(60))
    assert 50_000 < await async_redis().pttl(NAME) <= 60_000


async def test_a_copy_that_is_made_later_keeps_the_end() -> None:
    await store(make_answer(60, age=3000))
    assert await async_redis().pttl(NAME) <= 60_000


async def test_a_hit_never_extends_a_life() -> None:
    await store(make_answer())
    await async_redis().pexpire(NAME, 5_000)
    for _ in range(3):
        assert await find() is not None
    assert await async_redis().pttl(NAME) <= 5_000


async def test_a_renewal_keeps_the_end() -> None:
    answer = make_answer(30)
    await store(answer)
    await store(replace(answer, corpus_version=9), only_if_there=True)
    assert await async_redis().pttl(NAME) <= 30_000
    found = await find()
    assert found is not None
    assert (found.corpus_version, found.expires_at) == (9, answer.expires_at)


async def test_a_renewal_does_not_bring_back_what_was_dropped_meanwhile() -> None:
    await store(make_answer())
    exact.forget(PROJECT, EPOCH, [KEY])
    await store(make_answer(corpus_version=9), only_if_there=True)
    assert await find() is None


async def test_an_expired_answer_is_a_miss_even_where_redis_still_has_it() -> None:
    await put(dump(make_answer(-1)))
    assert await find() is None


async def test_an_answer_is_gone_when_its_time_is_over() -> None:
    await store(make_answer(0.05))
    await asyncio.sleep(0.08)
    assert await find() is None
    assert not await async_redis().exists(NAME)


@pytest.mark.parametrize("seconds", [0, -1])
async def test_an_answer_without_a_life_is_not_stored(seconds: float) -> None:
    await store(make_answer(seconds))
    assert not await async_redis().exists(NAME)


@pytest.mark.parametrize(
    ("age", "seconds", "alive"),
    [(0, 60, True), (-30, 60, True), (-120, 600, False), (-7200, 10_800, False), (3000, 1, True), (3000, 0, False)],
    ids=["now", "clocks of two servers", "clock set back", "clock set back far", "nearly over", "over"],
)
async def test_an_answer_from_the_future_is_not_alive(age: float, seconds: float, alive: bool) -> None:
    answer = make_answer(seconds, age=age)
    assert is_alive(answer) is alive
    await put(dump(answer))
    assert (await find() is not None) is alive


# --- Forgetting -----------------------------------------------------------------------------------


async def test_forgetting_drops_these_entries_of_this_project_and_epoch_alone() -> None:
    other = "b" * 64
    for epoch, key in ((EPOCH, KEY), (EPOCH, other), (EPOCH + 1, KEY)):
        await exact.store(epoch, key, make_answer())
    await exact.store(EPOCH, KEY, make_answer(project_id=UUID(int=8)))
    exact.forget(PROJECT, EPOCH, [KEY, "never stored"])
    assert await find() is None
    assert await find(other) is not None
    assert await find(epoch=EPOCH + 1) is not None
    assert await find(project=UUID(int=8)) is not None


async def test_a_key_cannot_reach_other_values() -> None:
    sync_redis().set("polyai:alive:worker", "host")
    exact.forget(PROJECT, EPOCH, ["*", "../../alive:worker", ""])
    await exact.drop(PROJECT, EPOCH, "*")
    assert sync_redis().exists("polyai:alive:worker")


def test_forgetting_nothing_is_no_error(dead_redis: str) -> None:
    exact.forget(PROJECT, EPOCH, [])


# --- Redis is gone --------------------------------------------------------------------------------


@pytest.fixture
def deaf_redis(tmp_path: Path, settings: Settings) -> Generator[None, None, None]:
    """A server that takes connections and never says a word, where the connection itself has no limit."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "deaf.sock"))
        server.listen()
        settings.REDIS_URL = f"unix://{tmp_path}/deaf.sock?db=0"
        settings.REDIS_TIMEOUT, settings.REDIS_BUDGET = None, 0.05
        yield


@pytest.mark.usefixtures("deaf_redis")
async def test_a_slow_redis_is_given_up_when_the_budget_is_spent() -> None:
    with pytest.raises(RedisAway):
        await find()
    await store(make_answer())
    await exact.drop(PROJECT, EPOCH, KEY)


async def test_without_redis_a_read_says_so_and_a_write_does_not(
    dead_redis: str, caplog: pytest.LogCaptureFixture
) -> None:
    await store(make_answer())
    await exact.drop(PROJECT, EPOCH, KEY)
    with pytest.raises(RedisAway):
        await find()
    assert "exact cache read failed" in caplog.text
    assert "exact cache write failed" in caplog.text


def test_without_redis_forgetting_is_an_error(dead_redis: str) -> None:
    with pytest.raises((RedisError, OSError)):
        exact.forget(PROJECT, EPOCH, [KEY])


@pytest.fixture
def refusing_redis(settings: Settings) -> Generator[None, None, None]:
    """The real server, which answers every write with an error, as it does when it is full."""
    user = f"reader-{uuid4().hex}"
    sync_redis().acl_setuser(user, enabled=True, nopass=True, keys=["*"], commands=["+get", "+ping", "+select"])
    settings.REDIS_URL = settings.REDIS_URL.replace("unix://", f"unix://{user}:any@")
    yield
    sync_redis().acl_deluser(user)


@pytest.mark.usefixtures("refusing_redis")
async def test_a_redis_that_refuses_to_write_keeps_nothing_and_goes_on_reading(
    caplog: pytest.LogCaptureFixture,
) -> None:
    await store(make_answer())
    assert await find() is None
    assert "exact cache write failed" in caplog.text


async def test_the_bytes_in_redis_are_the_ones_that_dump_gives() -> None:
    answer = make_answer()
    await store(answer)
    assert stored(NAME) == dump(answer)


def test_a_source_may_lie_anywhere() -> None:
    answer = make_answer(sources=(make_source(3), make_source(1)))
    assert [source.n for source in load(dump(answer)).sources] == [3, 1]
