"""The exact cache: the same question in the same scope, answered from Redis.

An entry lives under `polyai:exact:<project>:<key>` for its project's time and not longer: a hit never
extends a life. It is served only while the project's documents are those that it was written from.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from caching.types import CachedAnswer, Source, typed
from core.redis import PREFIX, async_redis, or_default, sync_redis

log = logging.getLogger(__name__)
FORMAT = 1  # moves with the shape of CachedAnswer: an entry of another format is a miss


def _name(project_id: UUID | str, key: str) -> str:
    return f"{PREFIX}exact:{project_id}:{key}"


async def find(project_id: UUID, key: str, *, corpus_version: int) -> CachedAnswer | None:
    """The answer stored under a key, if the documents have not changed since. A failing Redis is a miss."""
    value = await or_default(async_redis().get(_name(project_id, key)), None, "exact cache read")
    entry = _load(value) if value is not None else None
    if entry is None or entry.corpus_version != corpus_version or entry.expires_at <= datetime.now(UTC):
        return None
    return entry


async def store(key: str, answer: CachedAnswer) -> None:
    """Keep an answer until its `expires_at`. A failing Redis keeps nothing."""
    milliseconds = int((answer.expires_at - datetime.now(UTC)).total_seconds() * 1000)
    if milliseconds > 0:
        write = async_redis().set(_name(answer.project_id, key), _dump(answer), px=milliseconds)
        await or_default(write, None, "exact cache write")


def list_entries(search: str = "") -> Iterator[tuple[str, CachedAnswer]]:
    """All entries, as (`<project>:<key>`, answer), that have `search` in their question or answer."""
    client, wanted = sync_redis(), search.casefold()
    names = list(client.scan_iter(match=f"{PREFIX}exact:*", count=1000))
    for start in range(0, len(names), 500):
        batch = names[start : start + 500]
        for name, value in zip(batch, client.mget(batch), strict=True):
            entry = _load(value) if value is not None else None
            if entry and (wanted in entry.question.casefold() or wanted in entry.text.casefold()):
                yield name.decode().removeprefix(f"{PREFIX}exact:"), entry


def get_entry(entry_id: str) -> CachedAnswer | None:
    value = sync_redis().get(f"{PREFIX}exact:{entry_id}")
    return _load(value) if value is not None else None


def delete_entries(entry_ids: Iterable[str]) -> int:
    """Forget entries by the ids that list_entries gave; how many there were."""
    names = [f"{PREFIX}exact:{entry_id}" for entry_id in entry_ids]
    return int(sync_redis().delete(*names)) if names else 0


def _dump(answer: CachedAnswer) -> bytes:
    return json.dumps({"format": FORMAT, **asdict(answer)}, default=_plain, ensure_ascii=False).encode()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} has no place in a cached answer")


def _list(value: object) -> list[Any]:  # Any: JSON
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value


def _moment(value: str) -> datetime:
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return moment


def _load(value: bytes | str) -> CachedAnswer | None:
    """The answer in a stored value; None, with a line in the log, for one that cannot be read."""
    try:
        fields = json.loads(value)
        if fields.pop("format") != FORMAT:
            return None
        sources = tuple(
            typed(Source(**{**s, "chunk_id": UUID(s["chunk_id"]), "document_id": UUID(s["document_id"])}))
            for s in _list(fields.pop("sources"))
        )
        return typed(
            CachedAnswer(
                project_id=UUID(fields.pop("project_id")),
                sources=sources,
                created_at=_moment(fields.pop("created_at")),
                expires_at=_moment(fields.pop("expires_at")),
                **fields,
            )
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        log.warning("exact cache: dropped a value that cannot be read (%s)", type(error).__name__)
        return None
