"""The chat over a WebSocket: `/ws/conversations/<id>/`.

The client sends `{"type": "ask", "text", "project", "fresh"?}` and `{"type": "stop"}`. The server sends
the pipeline's events as JSON, each with its `type` and a growing `id`; `text_delta` carries the words and,
in `html`, the blocks of rendered Markdown that they change. Described in docs/architecture.md.
"""

from __future__ import annotations

import json
import logging
import re
import time
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from channels.auth import get_user
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.sessions.backends.db import SessionStore
from django.template.loader import render_to_string

from accounts.types import Actor
from chat import runs
from chat.grounding import highest_number
from chat.presenting import sources_html
from chat.rendering import Rendered, StreamRenderer
from chat.runs import AnswerStopped
from chat.types import (
    AnswerCompleted,
    AnswerFailed,
    AnswerRestarted,
    AnswerStarted,
    Event,
    Question,
    SourcesFound,
    TextDelta,
)
from core.errors import InvalidInput, PolyAIError

log = logging.getLogger(__name__)
RECHECK_AFTER = 5.0  # seconds; two queries, a third of a cached answer's time
LOGGED_OUT = 4401  # the close code that tells a page to ask for a log-in


class ConversationConsumer(AsyncWebsocketConsumer):
    channel_layer_alias = "none"  # no groups here: with Redis away one can still ask

    async def connect(self) -> None:
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.accept()  # only an accepted socket can tell the page why it closes
            await self.close(code=LOGGED_OUT)
            return
        self.actor = Actor(user_id=user.pk)
        self.conversation_id: UUID = self.scope["url_route"]["kwargs"]["conversation_id"]
        self.checked_at = time.monotonic()  # the session was read for this connection
        self.last_id = 0
        self.is_connected = True
        await self.accept()

    async def disconnect(self, code: int) -> None:
        self.is_connected = False

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = _parse(text_data)
            if message["type"] == "stop":
                runs.stop(self.actor, self.conversation_id)
            elif await self._is_logged_in():
                self._ask(message)
            else:
                await self.close(code=LOGGED_OUT)
        except PolyAIError as error:
            await self._send({"type": "refused", "code": error.code, "message": error.message})

    async def _is_logged_in(self) -> bool:
        """Whether the session still is what it was: a socket outlives a log-out, a password change, a dismissal."""
        if time.monotonic() < self.checked_at + RECHECK_AFTER:
            return True
        self.checked_at = time.monotonic()
        session = SessionStore(self.scope["session"].session_key)
        user = await get_user({"session": session})
        return bool(user.is_authenticated and user.pk == self.actor.user_id)

    def _ask(self, message: dict[str, Any]) -> None:  # Any: what a client sent, checked by _parse
        if runs.is_running(self.actor, self.conversation_id):
            raise InvalidInput("This conversation is still being answered. Stop it first, or wait.")
        question = Question(
            actor=self.actor,
            project=message["project"],
            text=message["text"],
            conversation_id=self.conversation_id,
            fresh=message.get("fresh") is True,
        )
        runs.start(question, _Follower(self, question.project).follow)

    async def _send(self, body: dict[str, object]) -> None:
        """Send one message; nobody is there to read it when the page was left."""
        if self.is_connected:
            self.last_id += 1
            await self.send(json.dumps({"id": self.last_id, **body}, default=_plain, ensure_ascii=False))


class _Follower:
    """Tells one run's events to one socket."""

    def __init__(self, consumer: ConversationConsumer, project: str) -> None:
        self._consumer = consumer
        self._project = project
        self._renderer = StreamRenderer()

    async def follow(self, event: Event | AnswerStopped) -> None:
        body: dict[str, object] = {"type": _type_name(event), **asdict(event)}
        match event:
            case AnswerStarted():
                self._renderer.answer_id = str(event.answer_id)
            case SourcesFound():
                self._renderer.sources = highest_number(event.sources)
                body["sources_html"] = self._sources_html(event)
            case TextDelta():
                body["html"] = _rendered(self._renderer.feed(event.text))
            case AnswerCompleted():
                body["html"] = self._renderer.finish(event.text)
                body["facts_html"] = _facts_html(event)
            case AnswerRestarted():
                self._renderer = StreamRenderer(self._renderer.sources, self._renderer.answer_id)
            case AnswerFailed() | AnswerStopped():
                pass
        await self._consumer._send(body)

    def _sources_html(self, event: SourcesFound) -> str:
        rows = [asdict(source) for source in event.sources]
        return sources_html(self._renderer.answer_id, rows, None, self._project)


def _parse(text: str | None) -> dict[str, Any]:  # Any: JSON
    """A client's message. Raises InvalidInput."""
    try:
        message = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise InvalidInput("A message must be JSON, and not nested without end.") from error
    if not isinstance(message, dict) or message.get("type") not in ("ask", "stop"):
        raise InvalidInput("A message must be a JSON object whose 'type' is 'ask' or 'stop'.")
    if message["type"] == "ask" and not all(isinstance(message.get(field), str) for field in ("text", "project")):
        raise InvalidInput("'ask' needs 'text' and 'project', both texts.")
    return message


def _facts_html(event: AnswerCompleted) -> str:
    """The line under an answer, by the same template that the page uses."""
    message = {
        "id": event.answer_id,
        "cache": asdict(event.cache),
        "finish_reason": event.finish_reason,
        "model": event.model,
        "is_extractive": event.is_extractive,
        "stages": {stage.stage: stage.milliseconds for stage in event.stages},
        "usage": {"prompt_tokens": event.prompt_tokens, "completion_tokens": event.completion_tokens},
    }
    return render_to_string("chat/_facts.html", {"message": message})


def _rendered(update: Rendered) -> dict[str, object]:
    return {"start": update.start, "blocks": list(update.blocks)}


def _type_name(event: object) -> str:
    """`TextDelta` → `text_delta`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent")
