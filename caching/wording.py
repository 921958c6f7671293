"""Figures as people read them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import DAY, HOUR
from core.languages import localized

NOTHING = "–"
LENGTHS: tuple[tuple[int, Callable[[int], str]], ...] = (
    (DAY, lambda n: ngettext("%(amount)s day", "%(amount)s days", n)),
    (HOUR, lambda n: ngettext("%(amount)s hour", "%(amount)s hours", n)),
    (60, lambda n: ngettext("%(amount)s minute", "%(amount)s minutes", n)),
    (1, lambda n: ngettext("%(amount)s second", "%(amount)s seconds", n)),
)
_MARKS = re.compile(r"^\s*(?:#{1,6}|[-*+>])\s+|\*+|`+", re.MULTILINE)


def percent(share: float | None) -> str:
    """`0.1234` → `12.3 %`."""
    if share is None:
        return NOTHING
    return f"{localized(f'{100 * share:.{0 if share in (0, 1) else 1}f}')} %"


def dollars(value: float | None) -> str:
    """`12.345` → `$12.35`, and `0.00042` → `$0.00042`."""
    if value is None:
        return NOTHING
    sign, amount = ("−", -value) if value < 0 else ("", value)
    if amount and amount < 0.1:
        return f"{sign}${localized(f'{amount:.{1 - math.floor(math.log10(amount))}f}')}"
    return f"{sign}${localized(f'{amount:.2f}')}"


def milliseconds(value: float | None) -> str:
    """`0.123` → `0.12 ms`, `1234` → `1.23 s`."""
    if value is None:
        return NOTHING
    amount, unit = (value / 1000, "s") if value >= 1000 else (value, "ms")
    return f"{localized(f'{amount:.2g}' if amount < 10 else round(amount))} {unit}"


def many(value: float) -> str:
    """`1234567` → `1.23 M`."""
    if value < 10_000:
        return localized(round(value))
    size, unit = next((size, unit) for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if value >= size)
    return f"{localized(f'{value / size:.3g}')} {unit}"


def duration(seconds: float) -> str:
    """`5400` → `1.5 hours`, `200` → `3 minutes`."""
    for size, named in LENGTHS:
        if seconds >= size:
            places = 1 if size >= HOUR and seconds < 3 * size else 0
            amount = f"{seconds / size:.{places}f}".removesuffix(".0")
            return named(1 if amount == "1" else 2) % {"amount": localized(amount)}
    return _("no time")


def excerpt(markdown: str, length: int = 160) -> str:
    """The beginning of a text without its marks."""
    words = " ".join(_MARKS.sub("", markdown).split())
    return words if len(words) <= length else f"{words[:length].rsplit(' ', 1)[0]}…"
