"""caching/flight.py: identical requests in one process share one generation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from caching.flight import Restarted, ride
from core.errors import PolyAIError, ProviderTimeout
from core.redis import sync_redis
from tests.caching.flights import Studio, listen, rest
from tests.conftest import eventually

pytestmark = pytest.mark.usefixtures("flights")


async def test_two_hundred_at_once_are_one_production_and_all_are_complete() -> None:
    studio = Studio()
    studio.make(*(b"%d" % n for n in range(500)), None)
    rides = await asyncio.gather(*(listen("same", studio) for _ in range(200)))
    assert studio.productions == 1
    assert [leads for leads, _ in rides].count(True) == 1
    assert all(items == [b"%d" % n for n in range(500)] for _, items in rides)


async def test_one_alone_leads_and_its_generation_is_closed() -> None:
    studio = Studio()
    studio.make(b"a", b"", b"\x00\xff", None)
    assert await listen("alone", studio) == (True, [b"a", b"", b"\x00\xff"])
    assert (studio.productions, studio.closed) == (1, 1)


async def test_whoever_comes_late_is_told_everything_from_the_beginning() -> None:
    studio = Studio()
    async with ride("late", studio.produce) as first:
        studio.make(b"a", b"b")
        assert [await anext(first), await anext(first)] == [b"a", b"b"]
        async with ride("late", studio.produce) as second:
            assert not second.leads
            studio.make(b"c", None)
            assert await rest(second) == [b"a", b"b", b"c"]
        assert await rest(first) == [b"c"]
    assert studio.productions == 1


async def test_after_the_end_the_next_begins_anew() -> None:
    studio = Studio()
    for item in (b"first", b"second"):
        studio.make(item, None)
        assert await listen("again", studio) == (True, [item])
    assert studio.productions == 2


async def test_who_asks_again_the_moment_it_ends_begins_anew() -> None:
    studio = Studio()
    async with ride("again", studio.produce) as first:
        studio.make(b"first", None)
        assert await rest(first) == [b"first"]
        studio.make(b"second", None)
        assert await listen("again", studio) == (True, [b"second"])


async def test_the_generation_goes_on_when_the_one_who_began_it_leaves() -> None:
    studio = Studio()
    async with ride("left", studio.produce) as first:
        studio.make(b"a")
        await anext(first)
        second = asyncio.create_task(listen("left", studio))
        await asyncio.sleep(0)
    studio.make(b"b", None)
    assert await second == (False, [b"a", b"b"])
    assert studio.productions == 1


async def test_the_generation_goes_on_when_the_one_who_began_it_is_cancelled() -> None:
    studio = Studio()
    first = asyncio.create_task(listen("cancelled", studio))
    await eventually(lambda: studio.productions)
    async with ride("cancelled", studio.produce) as second:
        first.cancel()
        await asyncio.wait({first})
        studio.make(b"a", None)
        assert await rest(second) == [b"a"]
    assert studio.productions == 1


async def test_when_nobody_rides_the_generation_is_cancelled_and_closed() -> None:
    studio = Studio()
    async with ride("empty", studio.produce) as first, ride("empty", studio.produce):
        studio.make(b"a")
        await anext(first)
    await eventually(lambda: studio.closed == 1)
    assert list(sync_redis().scan_iter("*:lease")) == []


@pytest.mark.parametrize("moment", range(0, 40, 4))
async def test_who_comes_at_any_moment_of_being_abandoned_gets_a_whole_answer(moment: int) -> None:
    old, new = Studio(), Studio()
    async with ride("abandoned", old.produce) as first:
        old.make(b"old")
        await anext(first)
    for _ in range(moment):
        await asyncio.sleep(0)
    old.make(b"more", None)
    new.make(b"new", None)
    _, items = await listen("abandoned", new)
    if Restarted() in items:
        items = items[items.index(Restarted()) + 1 :]
    assert items in ([b"old", b"more"], [b"new"])
    await eventually(lambda: old.closed == 1)


async def test_who_is_cancelled_before_anything_is_decided_leaves_nothing() -> None:
    studio = Studio()
    for moment in range(40):
        riding = asyncio.create_task(listen("hasty", studio))
        for _ in range(moment):
            await asyncio.sleep(0)
        riding.cancel()
        await asyncio.wait({riding})
    studio.make(b"a", None)
    assert (await listen("hasty", studio))[1] == [b"a"]


async def test_an_error_reaches_all_after_the_items_and_is_not_kept_for_the_next() -> None:
    studio = Studio()

    async def fail() -> bytes | Restarted:
        async with ride("error", studio.produce) as items:
            before = await anext(items)
            with pytest.raises(ProviderTimeout, match=r"^slow model$"):
                await anext(items)
            return before

    studio.make(b"a", ProviderTimeout("slow model"))
    assert await asyncio.gather(*(fail() for _ in range(20))) == [b"a"] * 20
    studio.make(b"b", None)
    assert await listen("error", studio) == (True, [b"b"])
    assert studio.productions == 2


async def test_a_fault_of_the_producer_is_logged_and_told_in_our_words(caplog: pytest.LogCaptureFixture) -> None:
    studio = Studio()
    studio.make(ZeroDivisionError("the secret is 42"))
    with caplog.at_level(logging.ERROR), pytest.raises(PolyAIError) as caught:
        await listen("fault", studio)
    assert "secret" not in caught.value.message
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [ZeroDivisionError]


async def test_a_generation_that_is_cancelled_from_within_keeps_nobody_waiting() -> None:
    async def produce() -> AsyncGenerator[bytes, None]:
        yield b"a"
        raise asyncio.CancelledError

    async with ride("inner", produce) as items:
        assert await anext(items) == b"a"
        with pytest.raises(PolyAIError):
            await anext(items)


NAMES = [
    "a",
    "a:b",
    "b",
    "a:lease",
    "a:b:lease",
    "a:stream",
    "",
    ":",
    "*",
    "a b\n",
    "\x00",
    "\u00e9",
    "e\u0301",
    "\ud800",
    "{a}",
]


async def test_different_names_never_mix() -> None:
    studios = {name: Studio() for name in NAMES}
    for number, studio in enumerate(studios.values()):
        studio.make(b"%d" % number, None)
    rides = await asyncio.gather(*(listen(name, studio) for name, studio in studios.items()))
    assert rides == [(True, [b"%d" % number]) for number in range(len(NAMES))]


def test_each_event_loop_has_flights_of_its_own_and_they_share_through_redis() -> None:
    async def whole() -> tuple[bool, list[bytes | Restarted]]:
        studio = Studio()
        studio.make(b"a", None)
        return await listen("loops", studio)

    assert asyncio.run(whole()) == asyncio.run(whole()) == (True, [b"a"])


@hypothesis_settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)
@given(
    steps=st.lists(
        st.one_of(
            st.just("board"), st.just("make"), st.tuples(st.just("leave"), st.integers(0, 9)), st.just("breathe")
        ),
        max_size=25,
    ),
    is_good=st.booleans(),
)
def test_in_any_order_of_events_each_rider_gets_every_item_once(steps: list[object], is_good: bool) -> None:
    async def happen() -> None:
        studio, name, made = Studio(), uuid4().hex, 0
        riding: list[asyncio.Task[tuple[bool, list[bytes | Restarted]]]] = []
        for step in ["board", *steps]:
            if step == "board":
                riding.append(asyncio.create_task(listen(name, studio)))
            elif step == "make":
                studio.make(b"%d" % made)
                made += 1
            elif step == "breathe":
                await asyncio.sleep(0.001)
            elif len(riding) > 1:  # the flight is never empty
                riding.pop(step[1] % len(riding)).cancel()  # type: ignore[index]  # the pair
            await asyncio.sleep(0)
        await eventually(lambda: studio.productions)
        studio.make(None if is_good else ProviderTimeout("slow model"))
        ends = await asyncio.gather(*riding, return_exceptions=True)
        if is_good:
            assert all(end[1] == [b"%d" % n for n in range(made)] for end in ends)  # type: ignore[index]  # no error
        else:
            assert {type(end) for end in ends} == {ProviderTimeout}
        assert studio.productions == 1

    asyncio.run(happen())
