"""Clients that belong to an event loop: one for each, closed with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class PerLoop(Generic[T]):
    """Call it for the running loop's client: made at the first call, closed when the loop shuts down.

    A connection of one loop cannot be awaited in another. The web process has one loop for good, but a
    command, a synchronous view and a test each bring their own.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], Awaitable[object]]) -> None:
        self._make, self._close = make, close
        self._kept: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[T, AsyncGenerator[None, None]]]
        self._kept = WeakKeyDictionary()

    def __call__(self) -> T:
        loop = asyncio.get_running_loop()
        if loop not in self._kept:
            client = self._make()
            keeper = self._keep(loop, client)
            # Started, and so known to the loop, which closes its asynchronous generators when it shuts down.
            try:
                keeper.__anext__().send(None)  # stepped by hand: nothing is awaited before its yield
            except StopIteration:
                self._kept[loop] = client, keeper
        return self._kept[loop][0]

    async def _keep(self, loop: asyncio.AbstractEventLoop, client: T) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            self._kept.pop(loop, None)  # the generator itself refers to its loop: weak keys alone would never let go
            await self._close(client)
