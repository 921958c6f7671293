"""The documents page, live: the row of a document that has moved on, as HTML."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.template.loader import render_to_string

from accounts.selectors import get_project, get_role
from accounts.types import Actor
from core.database import in_db
from core.errors import NotFound, PolyAIError
from knowledge.progress import group_name
from knowledge.selectors import get_document, list_documents


class DocumentsConsumer(AsyncJsonWebsocketConsumer):
    """`/ws/projects/<slug>/documents/`: sends `{"id", "html"}`, with `html` null for a deleted document."""

    async def connect(self) -> None:
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.accept()  # only an accepted socket can tell the page why it closes
            await self.close(code=4401)
            return
        self.actor = Actor(user_id=user.pk)
        try:
            self.project = await in_db(get_project)(self.actor, self.scope["url_route"]["kwargs"]["slug"])
        except PolyAIError:
            await self.accept()
            await self.close(code=4404)
            return
        self.group = group_name(self.project.id)
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        # What changed between the page's rendering and this moment was announced to nobody.
        for document_id in await in_db(self._all_ids)():
            await self._send_row(document_id)

    async def disconnect(self, code: int) -> None:
        if hasattr(self, "group"):
            await self.channel_layer.group_discard(self.group, self.channel_name)

    async def document_changed(self, message: dict[str, Any]) -> None:  # Any: a channel layer's message
        await self._send_row(UUID(message["document_id"]))

    async def _send_row(self, document_id: UUID) -> None:
        await self.send_json({"id": str(document_id), "html": await in_db(self._row)(document_id)})

    def _all_ids(self) -> list[UUID]:
        return list(list_documents(self.actor, self.project.id).values_list("id", flat=True)[:200])

    def _row(self, document_id: UUID) -> str | None:
        try:
            document = get_document(self.actor, document_id)
        except NotFound:
            return None
        context = {"document": document, "project": self.project, "role": get_role(self.actor, self.project)}
        return render_to_string("knowledge/_document.html", context)
