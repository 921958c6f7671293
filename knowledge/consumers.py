"""The documents page, live: the rows that are on the page and have moved on, and the counts above them, as HTML."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.template.loader import render_to_string

from accounts.selectors import get_project, get_role
from accounts.sessions import LOGGED_OUT, has_ended
from accounts.types import Actor
from core.database import in_db
from core.errors import NotFound, PolyAIError
from knowledge.listing import get_page, listing_of
from knowledge.progress import group_name
from knowledge.selectors import get_progress

SHOWN = ("name", "state", "error", "notes", "tags", "size", "chunks_total", "chunks_embedded")  # what a row tells
PAUSE = 0.5  # seconds between two looks: a thousand documents that move on at once are one message

Look = tuple[object, ...]


class DocumentsConsumer(AsyncJsonWebsocketConsumer):
    """`/ws/projects/<slug>/documents/?<the page's own query>`.

    Sends `{"ids", "rows", "summary"}`: the documents of that page in their order, by id the rows that are new or
    have changed since the last message, and the counts. Whatever happens to documents of other pages is counts only.
    """

    async def connect(self) -> None:
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.accept()  # only an accepted socket can tell the page why it closes
            await self.close(code=LOGGED_OUT)
            return
        self.actor = Actor(user_id=user.pk)
        try:
            self.project = await in_db(get_project)(self.actor, self.scope["url_route"]["kwargs"]["slug"])
        except PolyAIError:
            await self.accept()
            await self.close(code=4404)
            return
        self.listing = listing_of(dict(parse_qsl(self.scope["query_string"].decode("latin-1"))))
        self.seen: Mapping[str, Look] = {}
        self.summary = ""
        self.group = group_name(self.project.id)
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        self.changed = asyncio.Event()
        self.changed.set()  # what changed between the page's rendering and this moment was announced to nobody
        self.task = asyncio.create_task(self._follow())

    async def disconnect(self, code: int) -> None:
        if hasattr(self, "task"):
            self.task.cancel()
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def document_changed(self, message: dict[str, Any]) -> None:  # Any: a channel layer's message
        self.changed.set()

    async def _follow(self) -> None:
        """In a task: handlers are awaited one after another, and announcements come faster than pages are read."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            if await has_ended(self.scope):
                await self.close(code=LOGGED_OUT)
                return
            try:
                message = await in_db(self._look)()
            except NotFound:  # no member any more
                await self.close(code=4404)
                return
            except PolyAIError:
                await self.close(code=1011)  # the page connects again
                return
            if message is not None:
                await self.send_json(message)
            await asyncio.sleep(PAUSE)

    def _look(self) -> dict[str, object] | None:
        """What is to be told of the page as the actor may see it now; None when it is as it was."""
        project = get_project(self.actor, self.project.slug)
        role = get_role(self.actor, project)
        context = {"project": project, "role": role, "listing": self.listing}
        page = {str(document.id): document for document in get_page(self.actor, project.id, self.listing)}
        looks = {id_: (role, *(getattr(document, field) for field in SHOWN)) for id_, document in page.items()}
        rows = {
            id_: render_to_string("knowledge/_document.html", {**context, "document": document})
            for id_, document in page.items()
            if self.seen.get(id_) != looks[id_]
        }
        progress = get_progress(self.actor, project.id)
        summary = render_to_string("knowledge/_summary.html", {**context, "progress": progress})
        is_same = not rows and summary == self.summary and list(looks) == list(self.seen)
        self.seen, self.summary = looks, summary
        return None if is_same else {"ids": list(looks), "rows": rows, "summary": summary}
