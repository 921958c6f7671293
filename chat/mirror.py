"""Runs across processes: what is written here for others to follow, and what others write, through one connection.

    polyai:run:<user>:<conversation>         stream: entry `n-0` is the frame n; outlives the run by a minute
    polyai:run:<user>:<conversation>:alive   the id of the answer that is being written; 5 s, renewed by its writer
    polyai:run:<user>:<conversation>:stop    stream: ids of answers that their reader wants stopped
    polyai:looks:<process>                   stream: an entry ends the read that waits, when there is more to read for
    polyai:doubts                            stream: users whose rights may have changed (chat.doubts)

All that a process follows is one XREAD, whoever follows it; nobody follows, nobody reads.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any
from uuid import UUID, uuid4

from redis.asyncio import Redis

from chat import doubts
from chat.channels import KEPT, Channel, Place, channels, doubt_here, stop_here
from chat.frames import Frame
from core.loops import PerLoop
from core.redis import PREFIX, RedisError, async_redis, or_default, sync_redis, waiting_redis

log = logging.getLogger(__name__)
PACE = 0.1  # seconds, at least, between two writes of a run
BEAT = 1.5  # seconds, at most
ALIVE = 5_000  # milliseconds
BLOCK = 500  # milliseconds for which a read waits at the server: below core's REDIS_TIMEOUT
BUDGET = 0.5  # seconds for a write; nobody waits for it
PAUSE = 1.0  # seconds between two looks while Redis is away
ENDS = ("answer_completed", "answer_failed", "answer_stopped")
DOUBT = 2.0  # seconds without a frame, after which the writer's sign of life is asked for


def _name(place: Place) -> str:
    actor, conversation_id = place
    return f"{PREFIX}run:{actor.user_id}:{conversation_id}"


# --- Writing -------------------------------------------------------------------------------------


def publish(place: Place, channel: Channel, over: asyncio.Event) -> None:
    """Write the frames of a run that has begun for other processes, in a task that ends after `over` was set."""
    task = asyncio.create_task(_publish(_name(place), channel, channel.frames, over), name="publish")
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)


async def _publish(name: str, channel: Channel, frames: list[Frame], over: asyncio.Event) -> None:
    written = 0
    is_shown = False
    while True:
        is_over = await _within(over, PACE)
        if not is_over and not is_shown:
            is_shown = True
            look()  # it lasts: from now on its reader may stop it from anywhere
        if not is_over and written == len(frames):
            is_over = await _either(over, channel, BEAT)
        batch = frames[written:]  # more may come while it is being written
        if await _write(name, channel, batch, is_first=not written, is_over=is_over):
            written += len(batch)
        if is_over:
            if is_shown:
                look()
            return


async def _write(name: str, channel: Channel, frames: list[Frame], *, is_first: bool, is_over: bool) -> bool:
    pipeline = async_redis().pipeline(transaction=False)
    if is_first:
        pipeline.delete(name)
    for frame in frames:
        pipeline.xadd(name, {"frame": frame.text}, id=f"{frame.id}-0")
    pipeline.expire(name, int(KEPT))
    if is_over:
        pipeline.delete(f"{name}:alive")
    elif channel.answer_id is not None:
        pipeline.set(f"{name}:alive", str(channel.answer_id), px=ALIVE)
    # One that came through although its reply did not is refused when it comes again: that is as good.
    call = pipeline.execute(raise_on_error=False)
    return await or_default(call, None, "writing a run", seconds=BUDGET) is not None


async def stop(place: Place, answer_id: UUID | None) -> None:
    """Stop a run, wherever it is led. `answer_id`: that one and no other."""
    if stop_here(place, answer_id):
        return
    wanted = answer_id or (await standing(place))[0]
    if wanted is None:
        return
    pipeline = async_redis().pipeline(transaction=False)
    pipeline.xadd(f"{_name(place)}:stop", {"answer": str(wanted)})
    pipeline.expire(f"{_name(place)}:stop", int(KEPT))
    await or_default(pipeline.execute(), None, "stopping a run", seconds=BUDGET)


async def standing(place: Place) -> tuple[UUID | None, int]:
    """The answer that is being written in a place, and the id of the last frame there; (None, 0) if nobody knows."""
    channel = channels().get(place)
    if channel is not None and channel.led_by is not None:
        return channel.writing, channel.last
    pipeline = async_redis().pipeline(transaction=False)
    pipeline.get(f"{_name(place)}:alive")
    pipeline.xrevrange(_name(place), count=1)
    nothing: Any = (None, [])  # Any: replies of two kinds
    alive, last = await or_default(pipeline.execute(), nothing, "looking for a run", seconds=BUDGET)
    known = int(last[0][0].split(b"-")[0]) if last else 0
    return UUID(alive.decode()) if alive else None, max(known, channel.last if channel else 0)


def find_written(place: Place, answer_id: UUID) -> tuple[str, list[dict[str, Any]]]:  # Any: a source's fields
    """What a run has written of an answer, and its sources, when its process is gone; as far as Redis knows."""
    try:
        entries: Any = sync_redis().xrange(_name(place))  # Any: pairs of an id and its fields
    except (RedisError, OSError) as error:
        log.warning("redis: a run could not be read (%s)", type(error).__name__)
        return "", []
    text = ""
    sources: list[dict[str, Any]] = []  # Any: as above
    frames = [json.loads(fields[b"frame"]) for _identity, fields in entries]
    if not frames or frames[0].get("answer_id") != str(answer_id):
        return "", []
    for frame in frames:
        match frame["type"]:
            case "answer_restarted":
                text, sources = "", []
            case "sources_found":
                sources = frame["sources"]
            case "text_delta":
                text += frame["text"]
    return text, sources


# --- Reading -------------------------------------------------------------------------------------


def look() -> None:
    """Read for whoever follows now."""
    reader().look()


class Reader:
    """One task, with one connection, for as long as anybody follows anything here."""

    def __init__(self) -> None:
        self._wake = f"{PREFIX}looks:{uuid4()}"
        self._woken = self._doubted = "0-0"
        self._stops: dict[Place, str] = {}  # how far the word to stop was read
        self._task: asyncio.Task[None] | None = None
        self._heard: dict[Place, float] = {}

    def look(self) -> None:
        if not self.is_reading:
            self._task = asyncio.create_task(self._read(), name="mirror")
        else:
            task = asyncio.create_task(self._nudge())
            _tasks.add(task)
            task.add_done_callback(_tasks.discard)

    @property
    def is_reading(self) -> bool:
        return self._task is not None and not self._task.done()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _nudge(self) -> None:
        pipeline = async_redis().pipeline(transaction=False)
        pipeline.xadd(self._wake, {"look": 1}, maxlen=1)
        pipeline.expire(self._wake, int(KEPT))
        await or_default(pipeline.execute(), None, "looking for runs", seconds=BUDGET)

    async def _read(self) -> None:
        client = waiting_redis().client()
        is_away = False
        try:
            while channels():
                try:
                    await self._read_once(client)
                    await self._doubt(client)
                    is_away = False
                except (RedisError, OSError, TimeoutError) as error:
                    if not is_away:
                        log.warning("redis: runs of other processes are out of sight (%s)", type(error).__name__)
                    is_away = True
                    await asyncio.sleep(PAUSE)
        finally:
            await client.aclose()

    async def _read_once(self, client: Redis) -> None:
        places = {}
        streams = {self._wake: self._woken, doubts.NAME: self._doubted}
        for place, channel in channels().items():
            if channel.led_by is None:
                streams[_name(place)] = f"{channel.last}-0"
            else:
                streams[f"{_name(place)}:stop"] = self._stops.get(place, "0-0")
            places[_name(place)] = place
        replies: Any = await client.xread(streams, block=BLOCK)  # type: ignore[arg-type]  # Any: streams with their entries
        for raw, entries in replies:
            name = raw.decode()
            if name == self._wake:
                self._woken = entries[-1][0].decode()
            elif name == doubts.NAME:
                self._doubted = entries[-1][0].decode()
                for _identity, fields in entries:
                    doubt_here(fields[b"user"].decode())
            elif name.endswith(":stop"):
                place = places[name.removesuffix(":stop")]
                self._stops[place] = entries[-1][0].decode()
                for _identity, fields in entries:
                    stop_here(place, UUID(fields[b"answer"].decode()))
            elif (mirrored := channels().get(places[name])) is not None and mirrored.led_by is None:
                for identity, fields in entries:
                    self._mirror(mirrored, int(identity.split(b"-")[0]), fields[b"frame"].decode())
                self._heard[places[name]] = asyncio.get_running_loop().time()
        self._stops = {place: upto for place, upto in self._stops.items() if place in channels()}
        self._heard = {place: when for place, when in self._heard.items() if place in channels()}

    def _mirror(self, channel: Channel, identity: int, text: str) -> None:
        if identity <= channel.last:
            return
        kind, answer_id = _kind(text)
        if kind == "answer_started" or channel.is_over:
            channel.begin(answer_id)
        channel.is_lost = False
        channel.add(Frame(id=identity, text=text))
        if kind in ENDS:
            channel.end()

    async def _doubt(self, client: Redis) -> None:
        """Whether those that have been silent for a while are still there."""
        now = asyncio.get_running_loop().time()
        silent = [
            place
            for place, channel in channels().items()
            if channel.led_by is None and not channel.is_over and not channel.is_lost
            if self._heard.get(place, 0.0) < now - DOUBT
        ]
        if not silent:
            return
        for place, alive in zip(silent, await client.mget([f"{_name(p)}:alive" for p in silent]), strict=True):
            self._heard[place] = now
            channel = channels().get(place)
            if alive is None and channel is not None and channel.led_by is None:
                channel.lose()


def _kind(text: str) -> tuple[str, UUID | None]:
    body = json.loads(text)
    return body["type"], UUID(body["answer_id"]) if body.get("answer_id") else None


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


async def _either(over: asyncio.Event, channel: Channel, seconds: float) -> bool:
    """Wait for a frame or the end; whether it was the end."""
    waits = [asyncio.ensure_future(event.wait()) for event in (over, channel.news)]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    return over.is_set()


reader: PerLoop[Reader] = PerLoop(Reader, Reader.close)
_tasks: set[asyncio.Task[None]] = set()  # a loop itself holds its tasks weakly
