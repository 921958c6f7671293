"""core/loops.py: a client for each event loop, closed with it."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from core.loops import PerLoop


class Client:
    def __init__(self) -> None:
        self.loop = id(asyncio.get_running_loop())
        self.is_closed = False

    async def close(self) -> None:
        assert id(asyncio.get_running_loop()) == self.loop
        await asyncio.sleep(0)
        self.is_closed = True


@pytest.fixture
def client_of_loop() -> PerLoop[Client]:
    return PerLoop(Client, lambda client: client.close())


async def test_one_loop_has_one_client(client_of_loop: PerLoop[Client]) -> None:
    first = client_of_loop()
    await asyncio.sleep(0)
    assert client_of_loop() is first
    assert not first.is_closed


def test_two_loops_have_two_clients(client_of_loop: PerLoop[Client]) -> None:
    async def get() -> Client:
        return client_of_loop()

    assert asyncio.run(get()) is not asyncio.run(get())


def test_a_client_is_closed_in_its_own_loop_when_that_shuts_down(client_of_loop: PerLoop[Client]) -> None:
    async def get() -> Client:
        client = client_of_loop()
        assert not client.is_closed
        return client

    assert asyncio.run(get()).is_closed


def test_a_client_is_closed_when_the_work_fails_too(client_of_loop: PerLoop[Client]) -> None:
    made: list[Client] = []

    async def fail() -> None:
        made.append(client_of_loop())
        raise RuntimeError

    with pytest.raises(RuntimeError):
        asyncio.run(fail())
    assert made[0].is_closed


def test_a_client_that_cannot_be_made_is_tried_again() -> None:
    attempts = iter([OSError("not yet"), None])

    def make() -> Client:
        if problem := next(attempts):
            raise problem
        return Client()

    client_of_loop = PerLoop(make, lambda client: client.close())

    async def get_twice() -> Client:
        with pytest.raises(OSError, match="not yet"):
            client_of_loop()
        return client_of_loop()

    assert asyncio.run(get_twice()).is_closed


def test_a_loop_that_ended_is_not_kept(client_of_loop: PerLoop[Client]) -> None:
    async def get() -> weakref.ref[asyncio.AbstractEventLoop]:
        client_of_loop()
        return weakref.ref(asyncio.get_running_loop())

    gc.freeze()  # what other tests left behind is not looked through here
    try:
        ended = asyncio.run(get())
        gc.collect()
        assert ended() is None
    finally:
        gc.unfreeze()
