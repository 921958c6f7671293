"""Runs: answers that belong to the server, and not to the socket that asked.

A run writes its frames into the channel of its conversation; whoever opens the conversation follows the channel, from
whichever frame they have. So a reload, a lost network, a second tab or another device sees every frame once, in
order. What is led by another process comes through Redis (chat.mirror), and so does the word to stop it.

Losing Redis costs what crosses processes and nothing else: who asked is told by the process that answers.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from uuid import UUID

from django.utils.translation import gettext as _

from chat import mirror
from chat.channels import Channel, Place, channels, join, leave, stop_here
from chat.frames import AnswerStopped, Frame, Framer
from chat.pipeline import answer
from chat.selectors import is_closed
from chat.types import AnswerCompleted, AnswerFailed, AnswerStarted, Event, Question, TextDelta
from core.database import in_db
from core.errors import InvalidInput

WINDOW = 0.05  # seconds: words that come closer together are shown together


def is_led_here(place: Place) -> bool:
    channel = channels().get(place)
    return channel is not None and channel.led_by is not None


def start(question: Question) -> None:
    """Answer in a task of its own. Raises InvalidInput while another answer is written there."""
    place = (question.actor, question.conversation_id)
    if is_led_here(place):
        raise InvalidInput(_("This conversation is still being answered. Stop it first, or wait."))
    channel = join(place)
    channel.led_by = asyncio.create_task(_run(place, channel, question), name=f"answer-{question.conversation_id}")


async def _run(place: Place, channel: Channel, question: Question) -> None:
    framer, checked_at = Framer(question.project, channel.last), channel.doubted_at
    over = asyncio.Event()
    answer_id: UUID | None = None  # when it has begun; until then another process may be writing in its place

    def end() -> None:
        if not over.is_set():
            over.set()
            (channel.end if answer_id else channel.release)()

    def tell(frame: Frame) -> None:
        (channel.add if answer_id else channel.interject)(frame)

    try:
        async with aclosing(merge_deltas(answer(question))) as events:
            async for event in events:
                if isinstance(event, AnswerStarted):
                    answer_id = event.answer_id
                    channel.begin(answer_id)
                    mirror.publish(place, channel, over)
                is_long = framer.takes_long(event)
                tell(await asyncio.to_thread(framer.frame, event) if is_long else framer.frame(event))
                if isinstance(event, AnswerCompleted | AnswerFailed):
                    end()  # who reads this may ask again: nobody waits for what the pipeline still does
                elif channel.doubted_at > checked_at:
                    checked_at = channel.doubted_at
                    if await in_db(is_closed)(*place):
                        stop_here(place)
    except asyncio.CancelledError:
        if not over.is_set():
            tell(framer.frame(AnswerStopped(answer_id=answer_id)))
        raise
    finally:
        end()
        leave(place, channel)


async def follow(place: Place, after: int) -> AsyncGenerator[str, None]:
    """The frames behind `after`, as JSON, once each and in order: those that are there, then those that come. An empty
    one is no frame: whoever follows is to be looked at again (`channel.doubted_at`).

    Tells `answer_interrupted` when the process that wrote is gone. Close it to leave.
    """
    channel = join(place)
    channel.followers += 1
    mirror.look()
    try:
        frames, position, is_lost = channel.frames, 0, False
        aside, doubted_at = channel.aside, channel.doubted_at
        while True:
            news = channel.news
            if channel.doubted_at > doubted_at:
                doubted_at = channel.doubted_at
                yield ""
            while position < len(frames):
                frame, position = frames[position], position + 1
                if frame.id > after:
                    after = frame.id
                    yield frame.text
            if frames is not channel.frames:
                frames, position = channel.frames, 0
                continue
            if channel.aside is not aside and (aside := channel.aside):
                yield aside.text
                continue
            if channel.is_lost and not is_lost:
                yield json.dumps({"type": "answer_interrupted", "id": after, "answer_id": str(channel.answer_id)})
            is_lost = channel.is_lost
            await news.wait()
    finally:
        channel.followers -= 1
        leave(place, channel)


async def merge_deltas(events: AsyncGenerator[Event, None], window: float = WINDOW) -> AsyncGenerator[Event, None]:
    """The same events, with words that come within `window` seconds of each other as one TextDelta.

    The first word goes out at once; none waits longer than the window.
    """
    loop = asyncio.get_running_loop()
    waiting: list[str] = []
    sent = 0.0
    coming: asyncio.Future[Event | None] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(events, None))
            try:
                await asyncio.wait({coming}, timeout=max(0.0, sent + window - loop.time()) if waiting else None)
            except asyncio.CancelledError:
                coming.cancel()
                await asyncio.wait({coming})
                if not coming.cancelled() and not coming.exception() and (told := coming.result()):
                    yield told  # it came in spite of it: an answer that has begun is known to have
                raise
            arrived = coming.done()
            event = coming.result() if arrived and not coming.exception() else None
            if isinstance(event, TextDelta):
                waiting.append(event.text)
            if waiting and (loop.time() >= sent + window or (arrived and not isinstance(event, TextDelta))):
                yield TextDelta(text="".join(waiting))
                waiting.clear()
                sent = loop.time()
            if arrived:
                coming.result()  # raises what the stream raised, now that no word waits
                coming = None
                if event is None:
                    return
                if not isinstance(event, TextDelta):
                    yield event
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait({coming})
        await events.aclose()
