"""Tells the pages that watch a project's documents that one of them has moved on."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from core.redis import RedisError

TIMEOUT = 2.0  # seconds
log = logging.getLogger(__name__)


def group_name(project_id: UUID) -> str:
    return f"documents.{project_id}"


async def _send(group: str, message: dict[str, str]) -> None:
    await asyncio.wait_for(get_channel_layer().group_send(group, message), TIMEOUT)


def announce(project_id: UUID, document_id: UUID) -> None:
    """Best effort: the page reads the truth from PostgreSQL when it hears of a change, or is opened again."""
    message = {"type": "document.changed", "document_id": str(document_id)}
    try:
        async_to_sync(_send)(group_name(project_id), message)
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("redis: progress was not announced (%s)", type(error).__name__)
