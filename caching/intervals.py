"""Shares with their uncertainty: three wrong of ten is not three hundred of a thousand."""

from __future__ import annotations

import math
from dataclasses import dataclass

Z = 1.959964  # of the normal distribution, for 95 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """`count` of `total`, as a number from 0 to 1 between the ends of its 95 % interval."""

    count: int
    total: int
    value: float
    low: float
    high: float


def share(count: int, total: int) -> Share | None:
    """The share with Wilson's score interval (1927, doi:10.1080/01621459.1927.10502953), which holds for few
    cases and for shares near 0 and 1 as well. None of nothing."""
    if total <= 0:
        return None
    value = count / total
    spread = Z * math.sqrt(value * (1 - value) / total + Z**2 / (4 * total**2))
    middle, width = value + Z**2 / (2 * total), 1 + Z**2 / total
    # At the ends the formula is exact and floating point is not.
    low = 0.0 if count == 0 else max(0.0, (middle - spread) / width)
    high = 1.0 if count == total else min(1.0, (middle + spread) / width)
    return Share(count=count, total=total, value=value, low=low, high=high)
