"""A process of its own that rides a flight: what it lives through goes out as lines of JSON, what it makes comes in.

Lines in: `item <text>`, `end`, `fail <text>`, `crash` for its own generation, and `leave` for its rider.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polyai.settings")

from caching import lease
from caching.flight import Restarted, ride
from core.errors import PolyAIError, ProviderTimeout

lease.TAKE_BUDGET = lease.WRITE_BUDGET = lease.READ_BUDGET = 1.5  # a busy machine is not what is tested


def say(what: str, value: object = None) -> None:
    print(json.dumps([what, value]), flush=True)


async def main(name: str) -> None:
    orders: asyncio.Queue[tuple[str, str]] = asyncio.Queue()

    async def produce() -> AsyncGenerator[bytes, None]:
        say("produces")
        try:
            while True:
                order, text = await orders.get()
                if order == "end":
                    return
                if order == "fail":
                    raise ProviderTimeout(text, retry_after=7)
                if order == "crash":
                    raise ZeroDivisionError(text)
                yield text.encode()
        finally:
            say("closed")

    async def follow() -> None:
        async with ride(name, produce) as items:
            say("leads" if items.leads else "joins")
            try:
                async for item in items:
                    say(*(("restarted",) if isinstance(item, Restarted) else ("item", item.decode())))
            except PolyAIError as error:
                say("error", [type(error).__name__, error.message])
            else:
                say("end", items.leads)

    rider = asyncio.create_task(follow())
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        order, _, text = line.partition(" ")
        if order == "leave":
            rider.cancel()
            with suppress(asyncio.CancelledError):
                await rider
            say("left")
        else:
            orders.put_nowait((order, text))
    rider.cancel()


if __name__ == "__main__":
    django.setup()  # errors are told in words of a catalog
    asyncio.run(main(sys.argv[1]))
