"""The chat over a WebSocket: `/ws/conversations/<id>/`, described in docs/protocol.md.

The client sends `ask`, `follow` and `stop`; the server sends the frames of the conversation's runs (chat.frames),
`following` when it begins to, and `refused` for a message that cannot be used.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import aclosing
from dataclasses import asdict
from typing import Any
from uuid import UUID

from channels.generic.websocket import AsyncWebsocketConsumer
from django.utils.translation import gettext as _

from accounts.sessions import LOGGED_OUT, has_ended
from accounts.types import Actor
from chat import mirror, runs
from chat.channels import channels, join
from chat.selectors import find_tip, is_closed
from chat.types import EVERYTHING, AnswerFailed, Branch, Question
from core.database import in_db
from core.errors import InvalidInput, NotFound, PolyAIError
from knowledge.types import Filters

log = logging.getLogger(__name__)
# Seconds after which a right is looked at again that nobody has told of losing (chat.doubts).
RECHECK_AFTER = 5.0  # of somebody who asks: two queries, a third of a cached answer's time
RECHECK_READER_AFTER = 30.0  # of somebody who only reads along
MAX_MESSAGE = 200_000  # characters of what a client sends: the longest question, escaped, and all that it picks
MOST_PICKED = 100  # documents or tags of one question


class ConversationConsumer(AsyncWebsocketConsumer):
    channel_layer_alias = "none"  # no groups here: with Redis away one can still ask
    following: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.accept()  # only an accepted socket can tell the page why it closes
            await self.close(code=LOGGED_OUT)
            return
        self.actor = Actor(user_id=user.pk)
        self.conversation_id: UUID = self.scope["url_route"]["kwargs"]["conversation_id"]
        self.place = (self.actor, self.conversation_id)
        # When the session was looked at, which was read for this connection; and that with the conversation's project.
        self.session_at = self.rights_at = time.monotonic()
        await self.accept()

    async def disconnect(self, code: int) -> None:
        if self.following is not None:
            self.following.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            message = _parse(text_data)
            if message["type"] == "stop":
                await mirror.stop(self.place, _uuid(message, "answer_id"))
            elif self._is_due(self.session_at, RECHECK_AFTER) and not await self._is_logged_in():
                return
            elif message["type"] == "follow":
                await self._follow(message.get("after"))
            else:
                self._ask(message)
        except PolyAIError as error:
            await self._refuse(error)

    async def _follow(self, after: object) -> None:
        """Tell what comes, and before it what came behind the frame `after`; without one, the run in progress."""
        if after is not None and (type(after) is not int or after < 0):
            raise InvalidInput(_("'after' must be the id of the last event that was received."))
        await self._check_open()
        answer_id, last = await mirror.standing(self.place)
        if not isinstance(after, int):
            after = 0 if answer_id else last
        after = min(after, max(last, time.time_ns() // 1000))  # no event has come that is still to come
        tip = await in_db(find_tip)(self.actor, self.conversation_id)
        body = {"answer_id": answer_id and str(answer_id), "tip": tip and str(tip)}
        await self._send({"type": "following", "id": after, **body})
        self._tell_from(after)

    def _ask(self, message: dict[str, Any]) -> None:  # Any: what a client sent, checked by _parse
        question = Question(
            actor=self.actor,
            project=message["project"],
            text=message["text"],
            conversation_id=self.conversation_id,
            fresh=message.get("fresh") is True,
            branch=_branch(message),
            model=message["model"] if isinstance(message.get("model"), str) else "",
            filters=_filters(message),
        )
        if self.following is None or self.following.done():
            channel = join(self.place)
            channel.last = channel.last or time.time_ns() // 1000  # what came before, here or elsewhere, is not told
            self._tell_from(channel.last)
        runs.start(question)

    def _tell_from(self, after: int) -> None:
        if self.following is not None:
            self.following.cancel()
        self.following = asyncio.create_task(self._tell(after), name="follow")

    async def _tell(self, after: int) -> None:
        channel = join(self.place)
        try:
            async with aclosing(runs.follow(self.place, after)) as frames:
                async for frame in frames:
                    if self._is_due(self.rights_at, RECHECK_READER_AFTER) and not await self._may_read():
                        return
                    if frame:
                        await self.send(frame)
        except NotFound as error:
            failed = asdict(AnswerFailed.of(error)) | {"answer_id": channel.answer_id and str(channel.answer_id)}
            await self._send({"type": "answer_failed", "id": channel.last, **failed})
        except PolyAIError as error:  # who is cut off comes back, and is told the rest
            log.warning("a reader was cut off: %s", error.message)
            await self.close()

    def _is_due(self, checked_at: float, recheck_after: float) -> bool:
        channel = channels().get(self.place)
        is_doubted = channel is not None and channel.doubted_at > checked_at
        return is_doubted or time.monotonic() >= checked_at + recheck_after

    async def _is_logged_in(self) -> bool:
        """Whether the session goes on; if not, the socket is closed. Of the project a question is asked of, the
        pipeline itself makes sure."""
        now = time.monotonic()
        if await has_ended(self.scope):
            await self.close(code=LOGGED_OUT)
            return False
        self.session_at = now
        return True

    async def _may_read(self) -> bool:
        """The same of somebody who reads along. Raises NotFound for the conversation."""
        now = time.monotonic()
        if not await self._is_logged_in():
            return False
        await self._check_open()
        self.rights_at = now
        return True

    async def _check_open(self) -> None:
        """Raises NotFound for a conversation in a project that is closed to its owner, and stops what is written."""
        if await in_db(is_closed)(self.actor, self.conversation_id):
            await mirror.stop(self.place, None)
            raise NotFound(_("This project is not open to you any more."))

    async def _refuse(self, error: PolyAIError) -> None:
        await self._send({"type": "refused", "code": error.code, "message": error.message})

    async def _send(self, body: dict[str, object]) -> None:
        await self.send(json.dumps(body, ensure_ascii=False))


def _parse(text: str | None) -> dict[str, Any]:  # Any: JSON
    """A client's message. Raises InvalidInput."""
    if text and len(text) > MAX_MESSAGE:
        raise InvalidInput(_("A message of this length is not read. Upload long texts instead."))
    try:
        message = json.loads(text or "")
    except (ValueError, RecursionError) as error:
        raise InvalidInput(_("A message must be JSON, and not nested without end.")) from error
    if not isinstance(message, dict) or message.get("type") not in ("ask", "follow", "stop"):
        raise InvalidInput(_("A message must be a JSON object whose 'type' is 'ask', 'follow' or 'stop'."))
    if message["type"] == "ask" and not all(isinstance(message.get(field), str) for field in ("text", "project")):
        raise InvalidInput(_("'ask' needs 'text' and 'project', both texts."))
    return message


def _uuid(message: dict[str, Any], field: str) -> UUID | None:  # Any: JSON
    value = message.get(field)
    if value is None:
        return None
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError) as error:
        raise InvalidInput(_("'%(field)s' must be an id.") % {"field": field}) from error


def _branch(message: dict[str, Any]) -> Branch | None:  # Any: JSON
    """`{"edit": "<id of a message>"}`: see chat.types.Branch."""
    asked = message.get("branch")
    if asked is None:
        return None
    if not isinstance(asked, dict) or len(asked) != 1:
        raise InvalidInput(_("'branch' must name one of follow, edit, regenerate, continue, and a message's id."))
    ((kind, _value),) = asked.items()
    message_id = _uuid(asked, kind)
    if kind not in ("follow", "edit", "regenerate", "continue") or message_id is None:
        raise InvalidInput(_("'branch' must name one of follow, edit, regenerate, continue, and a message's id."))
    return Branch(kind=kind, message_id=message_id)


def _filters(message: dict[str, Any]) -> Filters:  # Any: JSON
    """`{"documents": ["<id>", …], "tags": ["…"]}`."""
    asked = message.get("filters")
    if not asked:
        return EVERYTHING
    documents, tags = (asked.get("documents", []), asked.get("tags", [])) if isinstance(asked, dict) else (None, None)
    if not isinstance(documents, list) or not isinstance(tags, list) or len(documents) + len(tags) > MOST_PICKED:
        raise InvalidInput(_("'filters' takes lists of 'documents' (ids) and 'tags', 100 at most."))
    if not all(isinstance(value, str) and len(value) <= 100 for value in [*documents, *tags]):
        raise InvalidInput(_("'filters' takes lists of 'documents' (ids) and 'tags', 100 at most."))
    try:
        ids = tuple(UUID(value) for value in documents)
    except ValueError as error:
        raise InvalidInput(_("'filters' names a document that is no id.")) from error
    return Filters(documents=ids, tags=tuple(tags))
