"""Figures: measured in turn, A B A B …, and told with their spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Milliseconds unless its owner says otherwise."""

    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        return sorted(self.values)[-1 - len(self.values) // 20]

    def __str__(self) -> str:
        ordered = sorted(self.values)
        return f"{self.median:.2f} (p5 {ordered[len(ordered) // 20]:.2f}, p95 {self.p95:.2f})"


async def in_turn(runs: int, *sides: Callable[[int], Awaitable[float]], warm_up: int = 5) -> list[Spread]:
    """Call each side with the number of the run, one after the other, `runs` times; each returns milliseconds."""
    measured: list[list[float]] = [[] for _ in sides]
    for run in range(-warm_up, runs):
        for side, values in zip(sides, measured, strict=True):
            value = await side(run)
            if run >= 0:
                values.append(value)
    return [Spread(values=values) for values in measured]


class Clock:
    """`with Clock() as clock: …; clock.ms`"""

    def __enter__(self) -> Clock:
        self._began = time.perf_counter()
        self.ms = 0.0
        return self

    def lap(self) -> float:
        return (time.perf_counter() - self._began) * 1000

    def __exit__(self, *_: object) -> None:
        self.ms = self.lap()


def row(*cells: str | Spread) -> None:
    """Print one row of the table."""
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)
