"""caching/flight.py: identical requests share one generation among processes, which are real ones here."""

from __future__ import annotations

import asyncio
import signal

import pytest

from caching.flight import Restarted, ride
from core.errors import ProviderTimeout
from tests.caching.flights import Passenger, Studio, listen, rest
from tests.conftest import eventually

pytestmark = pytest.mark.usefixtures("flights")


async def test_two_processes_are_one_production(passengers: list[Passenger]) -> None:
    studio = Studio()
    async with ride("two", studio.produce) as items:
        studio.make(b"a", b"b")
        passengers.append(other := await Passenger.board("two"))
        await other.says("joins")
        assert await other.says("item", "item") == ["a", "b"]
        studio.make(b"c", None)
        assert await rest(items) == [b"a", b"b", b"c"]
    assert await other.says("item", "end") == ["c", False]
    assert studio.productions == 1


async def test_two_hundred_join_another_process(passengers: list[Passenger]) -> None:
    studio = Studio()
    passengers.append(leader := await Passenger.board("many"))
    await leader.says("leads", "produces")
    async with ride("many", studio.produce):
        riding = [asyncio.create_task(listen("many", studio)) for _ in range(200)]
        await asyncio.sleep(0)
        leader.tell(*(f"item {n}" for n in range(1000)), "end")
        rides = await asyncio.gather(*riding)
    assert rides == [(False, [b"%d" % n for n in range(1000)])] * 200
    assert studio.productions == 0


async def test_the_generation_goes_on_for_another_process_when_its_own_leaves(passengers: list[Passenger]) -> None:
    studio = Studio()
    passengers.append(leader := await Passenger.board("far"))
    await leader.says("leads", "produces")
    async with ride("far", studio.produce) as items:
        leader.tell("item a")
        assert await anext(items) == b"a"
        leader.tell("leave")
        await leader.says("item", "left")
        await asyncio.sleep(2.5)  # several heartbeats
        leader.tell("item b", "end")
        assert await rest(items) == [b"b"]
    await leader.says("closed")
    assert studio.productions == 0


@pytest.mark.parametrize("how", ["leave", "kill"])
async def test_the_generation_is_cancelled_when_the_last_in_another_process_is_gone(
    how: str, passengers: list[Passenger]
) -> None:
    studio = Studio()
    async with ride("last", studio.produce) as items:
        studio.make(b"a")
        await anext(items)
        passengers.append(other := await Passenger.board("last"))
        await other.says("joins", "item")
    await asyncio.sleep(1.5)
    assert studio.closed == 0
    if how == "kill":
        other.process.kill()
    else:
        other.tell("leave")
        await other.says("left")
    await eventually(lambda: studio.closed == 1)


async def test_when_the_leader_is_killed_exactly_one_takes_over(passengers: list[Passenger]) -> None:
    passengers += [leader := await Passenger.board("killed")]
    await leader.says("leads", "produces")
    leader.tell("item old")
    studio = Studio()
    async with ride("killed", studio.produce) as items:
        passengers.append(other := await Passenger.board("killed"))
        assert await anext(items) == b"old"
        assert await other.says("joins", "item") == [None, "old"]
        leader.process.kill()
        studio.make(b"ours", None)
        other.tell("item theirs", "end")
        ours = await rest(items)
        if items.leads:
            assert ours == [Restarted(), b"ours"]
            assert await other.says("restarted", "item", "end") == [None, "ours", False]
        else:
            assert ours == [Restarted(), b"theirs"]
            assert await other.says("restarted", "item", "end") == [None, "theirs", True]
        assert studio.productions == items.leads


async def test_nobody_is_told_of_a_restart_who_had_nothing_yet(passengers: list[Passenger]) -> None:
    passengers.append(leader := await Passenger.board("silent"))
    await leader.says("leads", "produces")
    studio = Studio()
    studio.make(b"a", None)
    async with ride("silent", studio.produce) as items:
        assert not items.leads
        leader.process.kill()
        assert await rest(items) == [b"a"]
        assert items.leads


async def test_a_leader_that_was_paused_past_its_lease_disturbs_nobody(passengers: list[Passenger]) -> None:
    passengers.append(leader := await Passenger.board("paused"))
    await leader.says("leads", "produces")
    leader.tell("item old")
    studio = Studio()
    async with ride("paused", studio.produce) as items:
        assert await anext(items) == b"old"
        leader.process.send_signal(signal.SIGSTOP)
        assert isinstance(await anext(items), Restarted)
        studio.make(b"new")
        assert await anext(items) == b"new"
        leader.process.send_signal(signal.SIGCONT)
        leader.tell("item older", "end")
        # Its own riders have it whole.
        assert await leader.says("item", "item", "end") == ["old", "older", True]
        passengers.append(third := await Passenger.board("paused"))
        assert await third.says("joins", "item") == [None, "new"]
        studio.make(b"newer", None)
        assert await rest(items) == [b"newer"]
        assert await third.says("item", "end") == ["newer", False]
    assert studio.productions == 1


async def test_an_error_reaches_another_process_as_what_it_is(passengers: list[Passenger]) -> None:
    studio = Studio()
    passengers.append(leader := await Passenger.board("error"))
    await leader.says("leads", "produces")
    async with ride("error", studio.produce) as items:
        leader.tell("item a", "fail “slow” model: \\ud800")
        assert await anext(items) == b"a"
        with pytest.raises(ProviderTimeout) as caught:
            await anext(items)
        assert caught.value.message == "“slow” model: \\ud800"
        assert caught.value.retry_after == 7
        studio.make(b"b", None)
        assert await listen("error", studio) == (True, [b"b"])


async def test_a_fault_reaches_another_process_in_our_words(passengers: list[Passenger]) -> None:
    studio = Studio()
    async with ride("fault", studio.produce):
        passengers.append(other := await Passenger.board("fault"))
        await other.says("joins")
        studio.make(ZeroDivisionError("the secret is 42"))
        assert await other.says("error") == [["PolyAIError", "Something went wrong on the server. Its log says what."]]
