"""The answers that this process is writing: begun from a socket, but not bound to it.

A run goes on when its page is left, so that the answer is there when the page is opened again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from accounts.types import Actor
from chat.pipeline import answer
from chat.types import AnswerStarted, Event, Question, TextDelta

WINDOW = 0.05  # seconds: words that come closer together are shown together

# By who asked and where: nobody but the asker can stop a run, or learn that there is one.
_runs: dict[tuple[Actor, UUID], asyncio.Task[None]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerStopped:
    """The run was stopped; what had come is kept."""

    answer_id: UUID | None


def is_running(actor: Actor, conversation_id: UUID) -> bool:
    return (actor, conversation_id) in _runs


def start(question: Question, follow: Callable[[Event | AnswerStopped], Awaitable[None]]) -> None:
    """Answer in a task of its own, and hand each event to `follow`."""
    task = asyncio.create_task(_run(question, follow), name=f"answer-{question.conversation_id}")
    place = (question.actor, question.conversation_id)
    _runs[place] = task
    task.add_done_callback(lambda _: _runs.pop(place, None))


def stop(actor: Actor, conversation_id: UUID) -> bool:
    """Stop the actor's run in a conversation; whether there was one."""
    task = _runs.get((actor, conversation_id))
    return task is not None and task.cancel()


async def _run(question: Question, follow: Callable[[Event | AnswerStopped], Awaitable[None]]) -> None:
    answer_id: UUID | None = None
    try:
        async with aclosing(merge_deltas(answer(question))) as events:
            async for event in events:
                if isinstance(event, AnswerStarted):
                    answer_id = event.answer_id
                await follow(event)
    except asyncio.CancelledError:
        await follow(AnswerStopped(answer_id=answer_id))
        raise


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
            await asyncio.wait({coming}, timeout=max(0.0, sent + window - loop.time()) if waiting else None)
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
