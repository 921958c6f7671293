"""caching/lease.py: flights over a Redis that is away, hangs, is full, forgets, or holds what nobody wrote."""

from __future__ import annotations

import asyncio
import signal

import pytest

from caching import lease
from caching.flight import Restarted, ride
from core.redis import async_redis, sync_redis
from tests.caching.flights import Passenger, Studio, key_of, listen, rest
from tests.conftest import eventually

pytestmark = pytest.mark.usefixtures("flights")


@pytest.mark.usefixtures("flights", "dead_redis")
async def test_without_redis_one_process_shares_all_the_same() -> None:
    studio = Studio()
    studio.make(b"a", b"b", None)
    rides = await asyncio.gather(*(listen("dead", studio) for _ in range(20)))
    assert {tuple(items) for _, items in rides} == {(b"a", b"b")}
    assert studio.productions == 1


@pytest.mark.usefixtures("flights", "dead_redis")
async def test_without_redis_an_abandoned_generation_is_cancelled_too() -> None:
    studio = Studio()
    async with ride("dead", studio.produce):
        await eventually(lambda: studio.productions)
    await eventually(lambda: studio.closed == 1)


async def test_a_redis_that_hangs_costs_a_moment(
    own_redis: asyncio.subprocess.Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "TAKE_BUDGET", 0.05)
    monkeypatch.setattr(lease, "WRITE_BUDGET", 0.25)
    own_redis.send_signal(signal.SIGSTOP)
    studio = Studio()
    studio.make(b"a", None)
    assert await listen("hangs", studio) == (True, [b"a"])


async def test_a_redis_that_hung_only_at_the_start_is_used_from_then_on(
    own_redis: asyncio.subprocess.Process, passengers: list[Passenger], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "TAKE_BUDGET", 0.05)
    await async_redis().ping()
    own_redis.send_signal(signal.SIGSTOP)
    studio = Studio()
    async with ride("woke", studio.produce) as items:
        assert items.leads
        own_redis.send_signal(signal.SIGCONT)
        studio.make(b"a")
        passengers.append(other := await Passenger.board("woke"))
        assert await other.says("joins", "item") == [None, "a"]
        studio.make(None)
        assert await rest(items) == [b"a"]
        assert await other.says("end") == [False]
    assert studio.productions == 1


@pytest.mark.parametrize("fate", [signal.SIGKILL, signal.SIGSTOP])
async def test_when_redis_goes_in_the_middle_each_process_goes_on_by_itself(
    fate: signal.Signals,
    own_redis: asyncio.subprocess.Process,
    passengers: list[Passenger],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lease, "WRITE_BUDGET", 0.25)
    studio = Studio()
    async with ride("middle", studio.produce) as items:
        passengers.append(other := await Passenger.board("middle"))
        await other.says("joins")
        studio.make(b"a")
        assert await anext(items) == b"a"
        assert await other.says("item") == ["a"]
        own_redis.send_signal(fate)
        studio.make(b"b", None)
        assert await rest(items) == [b"b"]
        other.tell("item x", "item y", "end")
        assert await other.says("restarted", "item", "item", "end") == [None, "x", "y", True]
    assert studio.productions == 1


async def test_when_redis_is_full_the_leader_goes_on_and_the_others_begin_their_own(
    own_redis: asyncio.subprocess.Process, passengers: list[Passenger]
) -> None:
    studio = Studio()
    async with ride("full", studio.produce) as items:
        passengers.append(other := await Passenger.board("full"))
        await other.says("joins")
        studio.make(b"a")
        await other.says("item")
        await async_redis().config_set("maxmemory-policy", "noeviction")
        await async_redis().config_set("maxmemory", "1")
        studio.make(b"b", None)
        assert await rest(items) == [b"a", b"b"]
        other.tell("item x", "end")
        assert await other.says("restarted", "item", "end") == [None, "x", True]


UNREADABLE = [{"item": "x", "more": "y"}, {"other": "x"}, {"end": "{"}, {"end": '["no_such_code", "x"]'}, {"end": "7"}]


@pytest.mark.parametrize("entry", UNREADABLE, ids=str)
async def test_a_stream_that_cannot_be_read_is_a_leader_that_is_gone(
    entry: dict[str, str], passengers: list[Passenger]
) -> None:
    studio = Studio()
    passengers.append(leader := await Passenger.board("broken"))
    await leader.says("leads", "produces")
    async with ride("broken", studio.produce) as items:
        leader.tell("item a")
        assert await anext(items) == b"a"
        sync_redis().xadd(key_of("stream"), entry, id="2-0")  # type: ignore[arg-type]  # their dict is invariant
        studio.make(b"b", None)
        assert await rest(items) == [Restarted(), b"b"]
        assert items.leads


@pytest.mark.parametrize("lost", ["stream", "lease"])
async def test_what_redis_evicts_is_made_again_and_nothing_is_missing(lost: str, passengers: list[Passenger]) -> None:
    studio = Studio()
    passengers.append(leader := await Passenger.board("evicted"))
    await leader.says("leads", "produces")
    async with ride("evicted", studio.produce) as items:
        leader.tell("item a")
        assert await anext(items) == b"a"
        leader.process.send_signal(signal.SIGSTOP)
        leader.tell("item b", "item c", "end")
        sync_redis().delete(key_of(lost))
        leader.process.send_signal(signal.SIGCONT)
        if lost == "stream":  # the numbers go on where they were: nothing is missing for us
            assert await rest(items) == [b"b", b"c"]
        else:
            studio.make(b"b", None)
            assert await rest(items) == [Restarted(), b"b"]


async def test_who_joins_a_stream_whose_beginning_is_gone_begins_its_own(passengers: list[Passenger]) -> None:
    studio = Studio()
    passengers.append(leader := await Passenger.board("headless"))
    await leader.says("leads", "produces")
    leader.tell("item a", "item b")
    await leader.says("item", "item")
    client = sync_redis()
    await eventually(lambda: [client.xlen(key) for key in client.scan_iter("*:stream:*")] == [2])
    sync_redis().xtrim(key_of("stream"), maxlen=1, approximate=False)
    studio.make(b"whole", None)
    assert (await listen("headless", studio))[1] == [b"whole"]


async def test_a_lease_that_is_no_text_is_no_lease() -> None:
    studio = Studio()
    async with ride("odd", studio.produce):
        key = key_of("lease")
    await eventually(lambda: not sync_redis().exists(key))
    sync_redis().hset(key, "a", "b")
    sync_redis().expire(key, 60)
    studio.make(b"a", None)
    assert await listen("odd", studio) == (True, [b"a"])
