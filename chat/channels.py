"""What this process knows of the runs that are led or followed here, one channel for each conversation."""

from __future__ import annotations

import asyncio
import time
from typing import TypeAlias
from uuid import UUID

from accounts.types import Actor
from chat.frames import Frame
from core.loops import PerLoop

KEPT = 60.0  # seconds for which the frames of a run outlive it: who was cut off near its end still gets the rest

Place: TypeAlias = tuple[Actor, UUID]  # who talks, and in which conversation: nobody else learns of a run there


class Channel:
    """What is known of the last run in one place.

    `frames` are that run's, from its beginning; `led_by` is its task while it is led here, also before it has begun;
    `is_lost` tells that the process that led it is gone. `aside` is told to those who follow now, and to nobody later:
    the end of a run that had not begun. `news` is set, and replaced, whenever anything changes. `doubted_at`: who
    follows must have been looked at since (time.monotonic).
    """

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.aside: Frame | None = None
        self.last = 0  # the highest id that was seen here
        self.answer_id: UUID | None = None
        self.led_by: asyncio.Task[None] | None = None
        self.is_over = True
        self.is_lost = False
        self.followers = 0
        self.doubted_at = 0.0
        self.news = asyncio.Event()

    @property
    def writing(self) -> UUID | None:
        """The answer that is being written."""
        return None if self.is_over else self.answer_id

    def begin(self, answer_id: UUID | None) -> None:
        self.frames, self.answer_id = [], answer_id
        self.is_over = self.is_lost = False

    def add(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.last = frame.id
        self.tell()

    def interject(self, frame: Frame) -> None:
        self.aside = frame
        self.tell()

    def release(self) -> None:
        """A run has ended here before it began: nothing is known of what another process may be writing."""
        self.led_by = None
        self.tell()

    def end(self) -> None:
        self.led_by, self.is_over = None, True
        self.tell()
        asyncio.get_running_loop().call_later(KEPT, self._forget, self.frames)

    def lose(self) -> None:
        self.is_lost = True
        self.tell()

    def tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()

    def _forget(self, frames: list[Frame]) -> None:
        if self.frames is frames:
            self.frames = []


async def _close(channels: dict[Place, Channel]) -> None:
    channels.clear()


channels: PerLoop[dict[Place, Channel]] = PerLoop(dict, _close)


def join(place: Place) -> Channel:
    return channels().setdefault(place, Channel())


def leave(place: Place, channel: Channel) -> None:
    """Forget a channel that nobody follows and nobody writes."""
    if not channel.followers and channel.led_by is None and channels().get(place) is channel:
        del channels()[place]


def doubt_here(user_id: str) -> None:
    """Have everyone who follows here looked at again; `user_id`: this user's sockets only."""
    for (actor, _), channel in channels().items():
        if user_id in ("", str(actor.user_id)):
            channel.doubted_at = time.monotonic()
            channel.tell()


def stop_here(place: Place, answer_id: UUID | None = None) -> bool:
    """Stop the run that is led here, in a moment; whether there is one. `answer_id`: that one and no other."""
    channel = channels().get(place)
    if channel is None or channel.led_by is None or answer_id not in (None, channel.writing):
        return False
    if not channel.led_by.cancelling():  # stopped twice, it would not end as it should
        asyncio.get_running_loop().call_soon(channel.led_by.cancel)  # nor without having taken its first step
    return True
