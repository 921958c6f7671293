"""core/redis.py: one server, two kinds of client, and going on without it."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Generator
from pathlib import Path

import pytest
import redis.asyncio
from pytest_django import Settings

from core.redis import RedisError, async_redis, or_default, sync_redis


@pytest.fixture
def deaf(tmp_path: Path) -> Generator[str, None, None]:
    """The address of a server that takes connections and never says a word."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "deaf.sock"))
        server.listen()
        yield f"unix://{tmp_path}/deaf.sock?db=0"


@pytest.fixture
def dead(tmp_path: Path) -> str:
    """The address of no server at all."""
    return f"unix://{tmp_path}/dead.sock?db=0"


async def test_both_clients_see_the_same_keys() -> None:
    sync_redis().set("polyai:test", "from one side")
    assert await async_redis().get("polyai:test") == b"from one side"
    await async_redis().set("polyai:test", "from the other")
    assert sync_redis().get("polyai:test") == b"from the other"


async def test_one_loop_has_one_client() -> None:
    assert async_redis() is async_redis()


def test_each_loop_has_a_client_of_its_own_that_works_in_it() -> None:
    async def get() -> redis.asyncio.Redis:
        assert await async_redis().ping()
        return async_redis()

    assert asyncio.run(get()) is not asyncio.run(get())


def test_a_loop_that_ends_leaves_no_connection_behind() -> None:
    async def work() -> None:
        await asyncio.gather(*(async_redis().ping() for _ in range(5)))

    before = _own_clients()
    asyncio.run(work())
    deadline = time.monotonic() + 5  # the server hears of a closed connection a little later
    while _own_clients() != before and time.monotonic() < deadline:
        time.sleep(0.02)
    assert _own_clients() == before


def _own_clients() -> int:
    """Connections to this test process's own database: the server is shared."""
    client = sync_redis()
    number = str(client.connection_pool.connection_kwargs["db"])
    return sum(1 for connected in client.client_list() if connected["db"] == number)


async def test_what_redis_answers_is_what_one_gets() -> None:
    await async_redis().set("polyai:test", "there")
    assert await or_default(async_redis().get("polyai:test"), None, "a read") == b"there"
    assert await or_default(async_redis().get("polyai:nothing"), b"default", "a read") is None


async def test_without_redis_one_gets_the_default_and_one_line_in_the_log(
    dead: str, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.REDIS_URL = dead
    with caplog.at_level(logging.WARNING):
        assert await or_default(async_redis().get("polyai:key-of-alice"), "default", "reading a page") == "default"
    (line,) = caplog.messages
    assert "reading a page" in line
    assert "alice" not in line


async def test_a_redis_that_does_not_answer_in_time_is_as_good_as_none(deaf: str, settings: Settings) -> None:
    settings.REDIS_URL, settings.REDIS_TIMEOUT = deaf, 0.1
    assert await or_default(async_redis().get("polyai:test"), "default", "a read") == "default"


async def test_a_command_that_redis_refuses_is_a_default_too() -> None:
    await async_redis().set("polyai:test", "a string")
    with pytest.raises(RedisError):
        await async_redis().incr("polyai:test")
    assert await or_default(async_redis().incr("polyai:test"), 0, "a count") == 0


async def test_a_fault_of_our_own_is_not_taken_for_redis() -> None:
    async def fault() -> None:
        raise ValueError("ours")

    with pytest.raises(ValueError, match="ours"):
        await or_default(fault(), None, "a read")


async def test_a_cancelled_call_stays_cancelled(deaf: str, settings: Settings) -> None:
    settings.REDIS_URL = deaf
    task = asyncio.create_task(or_default(async_redis().get("polyai:test"), None, "a read"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_stopped_in_the_middle_of_a_call_stops() -> None:
    async def work() -> str:
        await or_default(async_redis().get("polyai:test"), None, "a test")
        return "went on"

    await work()  # connected
    ended: list[object] = []
    for steps in range(30):
        task = asyncio.create_task(work())
        for _ in range(steps):
            await asyncio.sleep(0)
        if task.cancel():
            ended += await asyncio.gather(task, return_exceptions=True)
    assert ended
    assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended
