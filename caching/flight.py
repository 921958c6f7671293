"""Single flight: identical requests at the same time share one generation, in one process and across many.

A *flight* is what one process (one event loop) knows of a name: the items so far, and who rides. Its task
makes the items or follows those of another process; whoever comes late is told everything from the beginning.

                  ┌── lease is free, or Redis is silent ──→ LEADING ──┬── all made ───────→ ended well
    ride() → ASKING                                                   ├── an error ───────→ ended with it, for all
                  └── another holds it ──→ FOLLOWING ──┬── its end    └── nobody rides ───→ cancelled
                  ↑                                    │      └──────────────────────────→ ended as it did
                  └─ the leader is gone: Restarted ────┘

The generation belongs to the flight and not to the request that began it: it goes on while anybody rides,
here or elsewhere, and is cancelled when nobody does. What has ended is forgotten: the next request begins
anew. Losing Redis in any way costs further generations, never an item: the leader goes on for its own
process, a follower becomes the leader of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from copy import copy
from dataclasses import dataclass

from django.utils.translation import gettext as _

from caching.lease import BEAT, End, Lease, Standing
from core.errors import PolyAIError, StreamCut
from core.loops import PerLoop

log = logging.getLogger(__name__)

Produce = Callable[[], AsyncGenerator[bytes, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarted:
    """What came before is void: its leader is gone, and everything comes anew."""


class Ride:
    """One request's place in a flight: iterate it for the items, once each and in order.

    Raises the PolyAIError with which the generation failed, after the items that came before it.
    """

    def __init__(self, flight: _Flight, produce: Produce) -> None:
        self.produce = produce
        self._flight = flight
        self._attempt = self._position = 0

    @property
    def leads(self) -> bool:
        """Whether the items are made by this ride's own `produce`. A `Restarted` may turn it to True."""
        return self._flight.leader is self

    def __aiter__(self) -> Ride:
        return self

    async def __anext__(self) -> bytes | Restarted:
        flight = self._flight
        while True:
            if self._attempt != flight.attempt:
                told, self._attempt, self._position = self._position, flight.attempt, 0
                if told:
                    return Restarted()
            if self._position < len(flight.items):
                self._position += 1
                return flight.items[self._position - 1]
            if flight.end is not None:
                if (error := flight.end.error) is not None:
                    raise copy(error) from error  # one for each: a traceback grows where it passes
                raise StopAsyncIteration
            await flight.news.wait()


@asynccontextmanager
async def ride(name: str, produce: Produce) -> AsyncIterator[Ride]:
    """Join the flight of this name, or begin it with `produce`; leave it at the end of the block.

    Entering waits until it is known who leads, for 50 ms at the most.
    """
    flights = _flights()
    flight = flights.get(name)
    if flight is None:
        flight = flights[name] = _Flight(name, flights)
    place = Ride(flight, produce)
    flight.riders.append(place)
    try:
        await flight.decided.wait()
        yield place
    finally:
        flight.leave(place)


class _Flight:
    """`items` are those of the present `attempt`; `news` is set, and replaced, whenever anything changes."""

    def __init__(self, name: str, flights: dict[str, _Flight]) -> None:
        self.items: list[bytes] = []
        self.attempt = 0
        self.end: End | None = None
        self.riders: list[Ride] = []
        self.leader: Ride | None = None
        self.news = asyncio.Event()
        self.decided = asyncio.Event()
        self._name, self._flights = name, flights
        self._made: End | None = None  # how our own generation ended, before the other processes know
        self._task = asyncio.create_task(self._fly(), name="flight")
        _tasks.add(self._task)
        self._task.add_done_callback(_tasks.discard)

    def leave(self, place: Ride) -> None:
        self.riders.remove(place)
        self._tell()

    async def _fly(self) -> None:
        end = _cut()
        try:
            end = await self._reach_end(Lease(self._name))
        except Exception:  # a fault of our own: logged here, and nobody waits for what does not come
            log.exception("a flight crashed")
            end = _unforeseen()
        finally:
            self._close()
            self.end = end
            self.decided.set()
            self._tell()

    async def _reach_end(self, lease: Lease) -> End:
        gone = ""
        try:
            while self.riders:
                holder = await lease.take(gone)
                if holder not in (lease.token, gone):  # one that holds on, but cannot be read, is of no use to us
                    if (end := await self._follow(lease, holder)) is not None:
                        return end
                    gone = holder
                    self._restart()
                elif self.riders:
                    return await self._lead(lease)
            return await self._abandon(lease)
        except asyncio.CancelledError:  # the loop ends: nobody else shall wait for us
            await lease.release()
            raise

    async def _follow(self, lease: Lease, holder: str) -> End | None:
        """Add what the holder makes, to its end; None when the holder is gone, or nobody rides any more."""
        self.decided.set()
        while self.riders and (page := await lease.read(holder, after=len(self.items))) is not None:
            self._add(*page.items)
            if page.end is not None or not page.is_held:
                return page.end
        return None

    async def _abandon(self, lease: Lease) -> End:
        self._close()
        await lease.release()
        return _cut()

    async def _lead(self, lease: Lease) -> End:
        """Make the items here, by the `produce` of one who rides, in a task that no rider can stop alone."""
        self.leader = self.riders[0]
        self.decided.set()
        generation = asyncio.create_task(self._generate(self.leader.produce), name="generation")
        try:
            return await self._share(lease)
        finally:
            generation.cancel()
            await asyncio.wait({generation})

    async def _share(self, lease: Lease) -> End:
        """Write what the generation makes, many items at a time, until it ends or nobody rides any more.

        Returns when the end is written, so that whoever asks after having seen it begins anew.
        """
        written, standing = 0, Standing.UNREAD
        while True:
            news, end, items = self.news, self._made, self.items[written:]
            if standing is not Standing.LOST:
                standing = await lease.write(items, end, after=written)
                written += len(items)
                if standing is Standing.LOST:
                    await lease.release()  # Redis may be full: then it is ours, and the others would wait for us
            if end is not None:
                return end
            if not self.riders and standing is not Standing.READ:
                return await self._abandon(lease)
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT):
                    await news.wait()

    async def _generate(self, produce: Produce) -> None:
        end = _cut()
        try:
            async with aclosing(produce()) as items:
                async for item in items:
                    self._add(item)
            end = End()
        except PolyAIError as error:
            end = End(error=error)
        except Exception:  # the last border of a generation: its riders, some in other processes, are told in our words
            log.exception("a generation failed")
            end = _unforeseen()
        finally:
            self._made = end
            self._tell()

    def _add(self, *items: bytes) -> None:
        self.items += items
        self._tell()

    def _restart(self) -> None:
        if self.items:
            self.items = []
            self.attempt += 1
            self._tell()

    def _tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()

    def _close(self) -> None:
        """Take nobody aboard any more: the next of this name begins another flight."""
        if self._flights.get(self._name) is self:
            del self._flights[self._name]


def _cut() -> End:
    return End(error=StreamCut(_("The answer stopped in the middle. Ask again.")))


def _unforeseen() -> End:
    return End(error=PolyAIError(_("Something went wrong on the server. Its log says what.")))


async def _forget(flights: dict[str, _Flight]) -> None:
    flights.clear()


_flights: PerLoop[dict[str, _Flight]] = PerLoop(dict, _forget)
_tasks: set[asyncio.Task[None]] = set()  # a loop itself holds its tasks weakly
