"""A lease on work that several processes want done once, and what its holder tells the others, in Redis.

    polyai:flight:<digest>:lease            the holder's token; 3 s, renewed by each write
    polyai:flight:<digest>:stream:<token>   what the holder wrote: entry `n-0` is its item n, the last one its end
    polyai:flight:<digest>:riders:<token>   there while somebody in another process reads; 1 s, renewed by each read
    polyai:flight:<digest>:heir:<token>     who took over from a holder that was gone; 10 s

The digest is the name's SHA-256: any text is a name, and none can reach another's keys. A write is one
script that first asks whether the lease is still the writer's, so a holder that was paused past its lease
writes nothing more; and it writes into a stream that bears its own token, so that not even a mistake could
mix two holders' items. The numbers in the entries show a reader what an eviction took away.

A Redis that fails, is full or slow gives whoever asks the lease: work is then done twice, never not at all.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import TypeVar
from uuid import uuid4

from core.errors import PolyAIError, ProviderError, from_code
from core.redis import PREFIX, async_redis, or_default

T = TypeVar("T")
D = TypeVar("D")
log = logging.getLogger(__name__)

LIFE = 3_000  # milliseconds until a holder that says nothing has lost its lease
BEAT = 0.5  # seconds, at most, between two writes of a holder
KEPT, KEPT_ENDED = 60, 10  # seconds for which a stream outlives its last write, and its end
PRESENCE = 1_000  # milliseconds for which a reader counts as there
BLOCK = 300  # milliseconds for which a read waits at the server: below PRESENCE and core's REDIS_TIMEOUT
TAKE_BUDGET = 0.05  # seconds: what asking first may cost an answer
WRITE_BUDGET = 0.25  # seconds: a write keeps no item from anybody, but the end waits for the last one
READ_BUDGET = 1.0  # seconds, BLOCK among them, after which a reader relies on itself

TAKE = """
local holder = KEYS[2] and redis.call('GET', KEYS[2]) or redis.call('GET', KEYS[1])
if holder then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if KEYS[2] then redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[3]) end
return ARGV[1]
"""
WRITE = """
local holder = redis.call('GET', KEYS[1])
if not holder and ARGV[2] == '0' then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
elseif holder ~= ARGV[1] then
    return 'lost'
end
for i = 6, #ARGV, 2 do
    redis.call('XADD', KEYS[2], (ARGV[2] + (i - 4) / 2) .. '-0', ARGV[i], ARGV[i + 1])
end
if ARGV[#ARGV - 1] == 'end' then
    redis.call('DEL', KEYS[1])
    redis.call('EXPIRE', KEYS[2], ARGV[5])
else
    redis.call('PEXPIRE', KEYS[1], ARGV[3])
    redis.call('EXPIRE', KEYS[2], ARGV[4])
end
return redis.call('EXISTS', KEYS[3]) == 1 and 'read' or 'unread'
"""
RELEASE = "return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1])"


class Standing(Enum):
    """How a holder stands after a write."""

    LOST = b"lost"  # somebody else may hold the lease by now, or Redis does not answer
    READ = b"read"  # somebody in another process was reading within the last second
    UNREAD = b"unread"


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How the work ended: well, or with an error for everybody who waited."""

    error: PolyAIError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What a reader found: further items, the end if it has come, and whether the holder still holds its lease."""

    items: Sequence[bytes]
    end: End | None
    is_held: bool


class Lease:
    """One process's part in the work of a name: its own token, and what it does under it."""

    def __init__(self, name: str) -> None:
        self._key = f"{PREFIX}flight:{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()}"
        self._lease = f"{self._key}:lease"
        self.token = uuid4().hex

    async def take(self, gone: str) -> str:
        """The token of whoever holds the lease: our own if it was free, or if Redis does not say.

        `gone` is the holder that we read until now, if any: whoever was first to take over from it is the
        one to read next, even if it has reached its end since.
        """
        keys = [self._lease, f"{self._key}:heir:{gone}"] if gone else [self._lease]
        call = async_redis().eval(TAKE, len(keys), *keys, self.token, LIFE, KEPT_ENDED)
        holder = await or_default(call, None, "taking a lease", seconds=TAKE_BUDGET)
        return self.token if holder is None else holder.decode(errors="replace")

    async def write(self, items: Sequence[bytes], end: End | None, *, after: int) -> Standing:
        """Renew the lease, and add items, the first of which has the number `after` + 1. An end gives the lease back.

        All or nothing; nothing once the lease is lost. The first write takes a lease that is free: `take` may
        not have come through in its time, and nobody has seen anything of ours.
        """
        pairs: list[bytes | str] = [part for item in items for part in ("item", item)]
        if end is not None:
            pairs += ("end", _dump(end))
        keys = (self._lease, f"{self._key}:stream:{self.token}", f"{self._key}:riders:{self.token}")
        call = async_redis().eval(WRITE, 3, *keys, self.token, after, LIFE, KEPT, KEPT_ENDED, *pairs)
        return Standing(await or_default(call, Standing.LOST.value, "writing under a lease", seconds=WRITE_BUDGET))

    async def release(self) -> None:
        """Give the lease back without an end, if it is ours."""
        call = async_redis().eval(RELEASE, 1, self._lease, self.token)
        await or_default(call, None, "giving a lease back", seconds=WRITE_BUDGET)

    async def read(self, holder: str, *, after: int) -> Page | None:
        """The holder's items behind number `after`; waits a moment for them, and counts as a reader meanwhile.

        The lease is looked at before the stream: where it is not held, no further item can come. None when
        Redis fails, or holds what no holder wrote.
        """
        stream = f"{self._key}:stream:{holder}"
        pipeline = async_redis().pipeline(transaction=False)
        pipeline.set(f"{self._key}:riders:{holder}", 1, px=PRESENCE)
        pipeline.get(self._lease)
        pipeline.xread({stream: f"{after}-0"}, block=BLOCK)
        replies = await or_default(pipeline.execute(), None, "reading a holder's items", seconds=READ_BUDGET)
        if replies is None:
            return None
        _, held_by, streams = replies
        try:
            items, end = _load(streams[0][1] if streams else (), after)
        except (ValueError, TypeError, LookupError, RecursionError) as error:
            log.warning("a holder's items cannot be read (%s)", type(error).__name__)
            return None
        return Page(items=items, end=end, is_held=held_by == holder.encode())


def _dump(end: End) -> str:
    error = end.error
    retry_after = error.retry_after if isinstance(error, ProviderError) else None
    return json.dumps([error.code, error.message, retry_after] if error else None)


def _load(entries: Sequence[tuple[bytes, dict[bytes, bytes]]], after: int) -> tuple[list[bytes], End | None]:
    """Raises ValueError, TypeError or LookupError for anything that `write` does not write."""
    items: list[bytes] = []
    for number, (identity, fields) in enumerate(entries, start=after + 1):
        ((kind, value),) = fields.items()
        if identity != b"%d-0" % number or kind not in (b"item", b"end"):
            raise ValueError("not what a holder writes")
        if kind == b"end":
            problem = json.loads(value)
            return items, End() if problem is None else End(error=from_code(*problem))
        items.append(value)
    return items, None
