"""Tells the pages that watch a project's documents that one of them has moved on."""

from __future__ import annotations

import asyncio
import logging
import time
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from core.redis import RedisError

TIMEOUT = 2.0  # seconds
QUIET = 0.5  # seconds between two announcements of one document's chunks
log = logging.getLogger(__name__)
_told: dict[UUID, float] = {}  # documents by when they were last announced, in monotonic seconds; the newest last


def group_name(project_id: UUID) -> str:
    return f"documents.{project_id}"


async def _send(group: str, message: dict[str, str]) -> None:
    await asyncio.wait_for(get_channel_layer().group_send(group, message), TIMEOUT)


def announce(project_id: UUID, document_id: UUID, *, is_news: bool = True) -> None:
    """Best effort: the page reads the truth from PostgreSQL when it hears of a change, or is opened again.

    What is no news, a few chunks more of a document, is left out where the document was announced just now.
    """
    now = time.monotonic()
    if not is_news and now < _told.get(document_id, 0.0) + QUIET:
        return
    _remember(document_id, now)
    message = {"type": "document.changed", "document_id": str(document_id)}
    try:
        async_to_sync(_send)(group_name(project_id), message)
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("redis: progress was not announced (%s)", type(error).__name__)


def _remember(document_id: UUID, now: float) -> None:
    _told.pop(document_id, None)
    _told[document_id] = now
    while len(_told) > 100:
        del _told[next(iter(_told))]
