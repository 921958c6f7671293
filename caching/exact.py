"""The exact cache: the same request in the same scope, answered from Redis.

An entry lives under `polyai:exact:<project>:<epoch>:<request key>` for its project's time and not longer: a hit
never extends a life. It is a copy of a row in PostgreSQL (caching.entries), and may be lost.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from caching.types import CachedAnswer, Source, typed
from core.redis import PREFIX, async_redis, or_default, sync_redis, within_budget

log = logging.getLogger(__name__)
FORMAT = b"3"  # moves with the shape of CachedAnswer: an entry of another format is a miss
PLAIN, PACKED = b"j", b"z"  # JSON, and JSON through zlib
LARGE = 2048  # bytes, from which on packing saves more than it costs: 4 KB become 1.5 in 0.1 ms
LARGEST = 64 * 1024 * 1024  # bytes, beyond which a damaged value is not unpacked
SKEW = timedelta(minutes=1)  # by which the clocks of two servers may differ


class Unreadable(ValueError):
    """A stored value that is none of ours, damaged, or of an older format."""


def name(project_id: UUID, epoch: int, key: str) -> str:
    return f"{PREFIX}exact:{project_id}:{epoch}:{key}"


async def find(project_id: UUID, epoch: int, key: str) -> CachedAnswer | None:
    """The answer stored under a request's key; whether its evidence still holds is for the caller to see.

    Raises RedisAway, and Unreadable for a value that was dropped because it cannot be read.
    """
    value = await within_budget(async_redis().get(name(project_id, epoch, key)), "exact cache read")
    if value is None:
        return None
    try:
        answer = load(value)
        if answer.project_id != project_id:
            raise Unreadable("of another project")
    except Unreadable as error:
        log.warning("exact cache: dropped a value that cannot be read (%s)", error)
        await drop(project_id, epoch, key)
        raise
    return answer if is_alive(answer) else None


async def store(epoch: int, key: str, answer: CachedAnswer, *, only_if_there: bool = False) -> None:
    """Keep an answer until its `expires_at`; `only_if_there`: in place of one that nobody has dropped meanwhile.
    A failing Redis keeps nothing."""
    milliseconds = int((answer.expires_at - datetime.now(UTC)).total_seconds() * 1000)
    if milliseconds > 0:
        write = async_redis().set(name(answer.project_id, epoch, key), dump(answer), px=milliseconds, xx=only_if_there)
        await or_default(write, None, "exact cache write")


async def drop(project_id: UUID, epoch: int, key: str) -> None:
    """Drop one entry, from asynchronous code, if Redis is there."""
    await or_default(async_redis().unlink(name(project_id, epoch, key)), None, "exact cache drop")


def forget(project_id: UUID, epoch: int, keys: Iterable[str]) -> None:
    """Drop entries, from synchronous code. Raises RedisError, OSError: who must be sure moves the epoch then."""
    names = [name(project_id, epoch, key) for key in keys]
    if names:
        sync_redis().unlink(*names)


def is_alive(answer: CachedAnswer) -> bool:
    """Neither expired nor, after the clock was set back, from a future in which its time would not count."""
    now = datetime.now(UTC)
    return answer.created_at <= now + SKEW and now < answer.expires_at


def dump(answer: CachedAnswer) -> bytes:
    """`<format> <corpus_version> <expiry, ms since 1970> <j|z>\\n<body>`: the head can be read without the body."""
    body = json.dumps(asdict(answer), default=_plain, ensure_ascii=False).encode()
    kind = PLAIN
    if len(body) >= LARGE:
        body, kind = zlib.compress(body, 1), PACKED
    expiry = int(answer.expires_at.timestamp() * 1000)
    return b"%s %d %d %s\n%s" % (FORMAT, answer.corpus_version, expiry, kind, body)


def load(value: bytes | str) -> CachedAnswer:
    """The answer in a stored value. Raises Unreadable."""
    try:
        head, body = (value if isinstance(value, bytes) else value.encode()).split(b"\n", 1)
        found_format, _, _, kind = head.split(b" ")
        if found_format != FORMAT or kind not in (PLAIN, PACKED):
            raise Unreadable(f"format {found_format[:20]!r} {kind[:20]!r}")
        return answer_of(json.loads(_unpacked(body) if kind == PACKED else body))
    except Unreadable:
        raise
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, zlib.error) as error:
        raise Unreadable(type(error).__name__) from error


def _unpacked(body: bytes) -> bytes:
    unpacking = zlib.decompressobj()
    unpacked = unpacking.decompress(body, LARGEST)
    if not unpacking.eof:
        raise Unreadable("cut off, or too large")
    return unpacked


def answer_of(fields: dict[str, Any]) -> CachedAnswer:  # Any: JSON
    """An answer from its JSON fields. Raises ValueError, TypeError, KeyError, AttributeError."""
    return typed(
        CachedAnswer(
            project_id=UUID(fields.pop("project_id")),
            sources=sources_of(fields.pop("sources")),
            created_at=_moment(fields.pop("created_at")),
            expires_at=_moment(fields.pop("expires_at")),
            **fields,
        )
    )


def sources_of(rows: object) -> tuple[Source, ...]:
    """Sources from their JSON fields. Raises as answer_of does."""
    if not isinstance(rows, list):
        raise TypeError("not a list")
    return tuple(_source_of(row) for row in rows)


def _source_of(row: dict[str, Any]) -> Source:  # Any: JSON
    ids = {key: UUID(row[key]) for key in ("chunk_id", "document_id")}
    # Sources of before passages were joined of several chunks do not tell of what.
    return typed(Source(**{**row, **ids, "chunk_ids": tuple(UUID(value) for value in row.get("chunk_ids", ()))}))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no place in a cached answer")


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment
