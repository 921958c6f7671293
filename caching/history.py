"""The last messages of a conversation, in a Redis list beside PostgreSQL, which has them all."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

from caching.types import Turn
from core.redis import async_redis, or_default

log = logging.getLogger(__name__)
KEPT = 20  # messages
LIFE = 3600  # seconds


def _name(conversation_id: UUID) -> str:
    return f"conversation:{conversation_id}:messages"


async def load(
    conversation_id: UUID, tip: UUID | None, rebuild: Callable[[], Awaitable[Sequence[Turn]]]
) -> tuple[Turn, ...]:
    """The last 20 messages that end with `tip`, oldest first.

    A list that is absent, unreadable or ends elsewhere is rebuilt: `rebuild` reads them from PostgreSQL.
    """
    if tip is None:
        return ()
    values: Sequence[bytes | str] = await or_default(
        async_redis().lrange(_name(conversation_id), 0, KEPT - 1), (), "history read"
    )
    turns = _load(values)
    if turns and turns[-1].id == tip:
        return turns
    turns = tuple(await rebuild())[-KEPT:]
    await _replace(conversation_id, turns)
    return turns


async def push(conversation_id: UUID, turns: Sequence[Turn], *, first: bool) -> None:
    """Add messages at the end. Only the first of a conversation make the list: one that has expired
    meanwhile is left for `load` to rebuild whole."""
    pipeline = async_redis().pipeline()
    add = pipeline.lpush if first else pipeline.lpushx
    add(_name(conversation_id), *[_dump(turn) for turn in turns])
    pipeline.ltrim(_name(conversation_id), 0, KEPT - 1)
    pipeline.expire(_name(conversation_id), LIFE)
    await or_default(pipeline.execute(), None, "history write")


async def _replace(conversation_id: UUID, turns: Sequence[Turn]) -> None:
    pipeline = async_redis().pipeline()
    pipeline.delete(_name(conversation_id))
    if turns:
        pipeline.lpush(_name(conversation_id), *[_dump(turn) for turn in turns])
        pipeline.expire(_name(conversation_id), LIFE)
    await or_default(pipeline.execute(), None, "history rebuild")


def _dump(turn: Turn) -> bytes:
    return json.dumps([str(turn.id), turn.role, turn.content], ensure_ascii=False).encode()


def _load(values: Sequence[bytes | str]) -> tuple[Turn, ...]:
    try:
        rows = [json.loads(value) for value in reversed(values)]
        return tuple(Turn(id=UUID(identity), role=role, content=content) for identity, role, content in rows)
    except (ValueError, TypeError) as error:
        log.warning("history: dropped a list that cannot be read (%s)", type(error).__name__)
        return ()
