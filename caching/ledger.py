"""The ledger: what the caches did, by project and day, counted once whatever fails.

A *record* is one lookup with the figures that it adds, or figures alone. It waits in a Redis list, one RPUSH after an
answer, until `flush` posts it to PostgreSQL. It has an id, and whoever inserts that id there (as the key of a
CacheLookup or of a LedgerBatch) adds its figures in the same transaction; anyone later finds the id and adds nothing.
So a record may be handed in twice, through Redis and directly, in any order: a call to Redis that timed out, and may
have worked, is simply made good elsewhere.

What is guaranteed: no record counts twice. A record is lost only with a Redis that loses its list before the next
flush (five seconds; one with an append-only file, as ours has), or where Redis and PostgreSQL are both away until
the process ends.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import redis
from django.db import InterfaceError, OperationalError

from caching.posting import post
from caching.records import dump, record_of, record_of_figures
from caching.types import Lookup
from core.database import in_db
from core.errors import StoreUnavailable
from core.redis import PREFIX, RedisError, async_redis, or_default, sync_redis

log = logging.getLogger(__name__)

# Without expiry, both: Redis evicts only what would expire (volatile-lru).
OPEN = f"{PREFIX}ledger:open"
BATCH = f"{PREFIX}ledger:batch"  # what a flush has in hand, or had when it was killed
AT_ONCE = 2_000  # records in one transaction
MAX_PENDING = 10_000

# Deletes a batch that was posted, and not the next one that another flush has taken meanwhile. A script that moved
# thousands of rows itself would be shorter still: `unpack` of 5,000 corrupted the memory of Redis 6.2.14.
_FORGET = "return redis.call('LINDEX', KEYS[1], 0) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0"
_pending: deque[bytes] = deque(maxlen=MAX_PENDING)  # that no store has taken: they go with the next record


async def record(lookup: Lookup, extra: Mapping[str, int] | None = None) -> None:
    """Count a lookup, with further figures that belong to it. Call it after the answer was shown.

    A store that is away raises nothing, and a Redis that does not take the record is a fault of the lookup;
    ValueError for an extra figure that has no name in `caching.figures`.
    """
    noted = replace(lookup, faults=tuple(sorted({*lookup.faults, "redis"})))
    await _send(dump(record_of(lookup, extra or {})), lambda: dump(record_of(noted, extra or {})))


async def acount(project_id: UUID, figures: str | Mapping[str, int], amount: int = 1) -> None:
    """Add figures that belong to no lookup, with the same guarantees: `acount(project_id, "fault:audit")`."""
    await _send(dump(record_of_figures(project_id, _named(figures, amount))))


def count(project_id: UUID, figures: str | Mapping[str, int], amount: int = 1) -> None:
    """The same from synchronous code."""
    rows = _with_pending(dump(record_of_figures(project_id, _named(figures, amount))))
    try:
        sync_redis().rpush(OPEN, *rows)
    except (RedisError, OSError) as error:
        log.warning("redis: ledger write failed (%s); going on without it", type(error).__name__)
        try:
            post(rows)
        except (OperationalError, InterfaceError):
            _keep(rows)


async def _send(row: bytes, otherwise: Callable[[], bytes] | None = None) -> None:
    """Hand a record in; `otherwise` makes the one of the same id that goes to PostgreSQL where Redis takes none."""
    rows = _with_pending(row)
    is_kept = False
    try:
        is_kept = await or_default(async_redis().rpush(OPEN, *rows), None, "ledger write") is not None
        if not is_kept:
            rows[-1] = otherwise() if otherwise else row
            await in_db(post)(rows)
            is_kept = True
    except StoreUnavailable as problem:
        log.warning("ledger: no store takes records now (%s)", problem.message)
    finally:  # cancelled as well: whether a store has them or not, they may be handed in again
        if not is_kept:
            _keep(rows)


def _named(figures: str | Mapping[str, int], amount: int) -> Mapping[str, int]:
    return {figures: amount} if isinstance(figures, str) else figures


def _with_pending(row: bytes) -> list[bytes]:
    rows: list[bytes] = []
    while _pending and len(rows) < AT_ONCE - 1:
        rows.append(_pending.popleft())
    return [*rows, row]


def _keep(rows: Sequence[bytes]) -> None:
    lost = len(rows) + len(_pending) - MAX_PENDING
    if lost > 0:
        log.error("ledger: %d records are lost: no store has taken any for a long time", lost)
    _pending.extend(rows)


def flush() -> int:
    """Post what waits in Redis; how many records were new in PostgreSQL.

    A batch that a killed flush has left is finished first. Any number of flushes may run at once.
    Raises RedisError, django.db.OperationalError and InterfaceError: what was not posted still waits.
    """
    left = finish()
    return left + finish() if take() else left


def take() -> bool:
    """Set all that waits aside as a batch; False where nothing waits, or a batch is there already."""
    client = sync_redis()
    try:
        return bool(client.renamenx(OPEN, BATCH))
    except redis.ResponseError:
        if client.exists(OPEN):
            raise
        return False


def finish() -> int:
    """Post the batch and forget it in Redis; how many of its records were new. May be done again at any point."""
    client, count, first = sync_redis(), 0, None
    for start in itertools.count(step=AT_ONCE):
        rows = client.lrange(BATCH, start, start + AT_ONCE - 1)
        if not rows:
            break
        first = first or rows[0]
        count += post(rows)
    if first is not None:
        forget(first)
    return count


def forget(first: bytes | str) -> None:
    """Delete the batch that begins with this record."""
    sync_redis().eval(_FORGET, 1, BATCH, first)
