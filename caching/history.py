"""The last messages of a conversation, in a Redis list beside PostgreSQL, which has them all."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from uuid import UUID

from caching.types import Turn, typed
from core.redis import RedisError, async_redis, or_default, sync_redis

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


async def push(conversation_id: UUID, turns: Sequence[Turn], *, after: UUID | None) -> None:
    """Add messages behind the message `after`. Only the first of a conversation, which follow none, make
    the list: one that has expired meanwhile is left for `load` to rebuild whole."""
    pipeline = async_redis().pipeline()
    add = pipeline.lpush if after is None else pipeline.lpushx
    add(_name(conversation_id), *_linked(turns, after))
    pipeline.ltrim(_name(conversation_id), 0, KEPT - 1)
    pipeline.expire(_name(conversation_id), LIFE)
    await or_default(pipeline.execute(), None, "history write")


def forget(conversation_id: UUID) -> None:
    """For a conversation that is deleted; when Redis is away, its list expires by itself."""
    try:
        sync_redis().delete(_name(conversation_id))
    except (RedisError, OSError) as error:
        log.warning("redis: history was not deleted (%s); it expires", type(error).__name__)


async def _replace(conversation_id: UUID, turns: Sequence[Turn]) -> None:
    pipeline = async_redis().pipeline()
    pipeline.delete(_name(conversation_id))
    if turns:
        pipeline.lpush(_name(conversation_id), *_linked(turns, None))
        pipeline.expire(_name(conversation_id), LIFE)
    await or_default(pipeline.execute(), None, "history rebuild")


def _linked(turns: Sequence[Turn], after: UUID | None) -> list[bytes]:
    """Each with the id of the one before: a list that missed a push shows it."""
    before = [after, *[turn.id for turn in turns]]
    rows = [[str(turn.id), turn.role, turn.content, str(last)] for turn, last in zip(turns, before, strict=False)]
    return [json.dumps(row, ensure_ascii=False).encode() for row in rows]


def _load(values: Sequence[bytes | str]) -> tuple[Turn, ...]:
    try:
        rows = [json.loads(value) for value in reversed(values)]
        if any(row[3] != before[0] for before, row in pairwise(rows)):
            return ()  # a push was lost
        return tuple(typed(Turn(id=UUID(identity), role=role, content=content)) for identity, role, content, _ in rows)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        log.warning("history: dropped a list that cannot be read (%s)", type(error).__name__)
        return ()
