"""The answers that this process is writing: begun from a socket, but not bound to it.

A run goes on when its page is left, so that the answer is there when the page is opened again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from chat.pipeline import answer
from chat.types import AnswerStarted, Event, Question, TextDelta

WINDOW = 0.05  # seconds: words that come closer together are shown together

_runs: dict[UUID, asyncio.Task[None]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerStopped:
    """The run was stopped; what had come is kept."""

    answer_id: UUID | None


def is_running(conversation_id: UUID) -> bool:
    return conversation_id in _runs


def start(question: Question, follow: Callable[[Event | AnswerStopped], Awaitable[None]]) -> None:
    """Answer in a task of its own, and hand each event to `follow`."""
    task = asyncio.create_task(_run(question, follow), name=f"answer-{question.conversation_id}")
    _runs[question.conversation_id] = task
    task.add_done_callback(lambda _: _runs.pop(question.conversation_id, None))


def stop(conversation_id: UUID) -> bool:
    """Stop the run of a conversation; whether there was one."""
    task = _runs.get(conversation_id)
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
    coming: asyncio.Task[Event] | None = None
    try:
        while True:
            if coming is None:
                coming = asyncio.ensure_future(_next(events))
            timeout = max(0.0, sent + window - loop.time()) if waiting else None
            await asyncio.wait({coming}, timeout=timeout)
            event: Event | None = None
            if coming.done():
                try:
                    event = coming.result()
                except StopAsyncIteration:
                    break
                finally:
                    coming = None
            if isinstance(event, TextDelta):
                waiting.append(event.text)
            if waiting and (not isinstance(event, TextDelta) or loop.time() >= sent + window):
                yield TextDelta(text="".join(waiting))
                waiting.clear()
                sent = loop.time()
            if event is not None and not isinstance(event, TextDelta):
                yield event
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.wait({coming})
        await events.aclose()


async def _next(events: AsyncGenerator[Event, None]) -> Event:
    return await anext(events)
