"""Who makes and who rides, in this process and in others."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

from django.conf import settings as django_settings

from caching.flight import Restarted, Ride, ride
from core.redis import sync_redis

ROOT = Path(__file__).parents[2]


class Studio:
    """Makes what the test says, when it says so."""

    def __init__(self) -> None:
        self.orders: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.productions = self.closed = 0

    def make(self, *orders: bytes | Exception | None) -> None:
        """Items, or an error, or None for the end."""
        for order in orders:
            self.orders.put_nowait(order)

    async def produce(self) -> AsyncGenerator[bytes, None]:
        self.productions += 1
        try:
            while (order := await self.orders.get()) is not None:
                if isinstance(order, Exception):
                    raise order
                yield order
        finally:
            self.closed += 1


async def rest(items: Ride) -> list[bytes | Restarted]:
    return [item async for item in items]


async def listen(name: str, studio: Studio) -> tuple[bool, list[bytes | Restarted]]:
    """A whole ride: whether it led, and what came."""
    async with ride(name, studio.produce) as items:
        return items.leads, await rest(items)


class Passenger:
    """Another process (tests/caching/passenger.py)."""

    @classmethod
    async def board(cls, name: str) -> Passenger:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.caching.passenger", name),
            cwd=ROOT,
            env={**os.environ, "REDIS_URL": django_settings.REDIS_URL},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return cls(process)

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.notes: list[str] = []

    def tell(self, *orders: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("".join(f"{order}\n" for order in orders).encode())

    async def says(self, *kinds: str) -> list[object]:
        """What its rider lives through next is of these kinds; their values.

        What its generation does (`produces`, `closed`) runs ahead of that, and is waited for on its own.
        """
        return [await self._says(kind) for kind in kinds]

    async def _says(self, kind: str) -> object:
        assert self.process.stdout is not None
        while kind not in self.notes:
            said, value = json.loads(await asyncio.wait_for(self.process.stdout.readline(), 30))
            if said in ("produces", "closed"):
                self.notes.append(said)
            else:
                assert said == kind, (said, value)
                return value
        self.notes.remove(kind)
        return None

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.communicate()


def key_of(kind: str) -> bytes:
    """The one key of this kind in Redis."""
    (key,) = sync_redis().scan_iter(f"polyai:flight:*:{kind}*")
    assert isinstance(key, bytes)
    return key
