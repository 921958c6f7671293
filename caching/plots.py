"""Plots of a report as coordinates: a template draws them as SVG.

A plot is as many units wide as it has days and 100 high, 0 at its top; the template stretches it to the page. Its
words stand beside it in HTML, so that they are as large on a phone as anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from caching.report import Day
from caching.wording import dollars, many, milliseconds
from core.languages import localized

GAP = 0.18  # of a day's width, between two bars
STACKED = ("hit-exact", "hit-semantic", "coalesced", "stale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """A line; `path` is SVG's. Days without a value interrupt it."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    label: str
    y: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One day, to point at: what is written when one does."""

    x: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    width: int
    bars: tuple[Bar, ...]
    traces: tuple[Trace, ...]
    ticks: tuple[Tick, ...]
    columns: tuple[Column, ...]
    days: tuple[date, ...]  # that are written below: the first, the middle, the last

    @property
    def is_empty(self) -> bool:
        return not self.bars and not self.traces


def hit_rates(days: Sequence[Day]) -> Plot:
    """The share of each day's questions that each layer answered, stacked."""
    asked = [sum(count for status, count in day.counts.items() if status != "bypass") for day in days]
    hits = [sum(day.counts[status] for status in STACKED) for day in days]
    highest = max((hit / ask for hit, ask in zip(hits, asked, strict=True) if ask), default=0.0)
    full = next((share for share in (0.2, 0.5) if highest <= share), 1.0)
    bars: list[Bar] = []
    for n, day in enumerate(days):
        top = 100.0
        for status in STACKED:
            if day.counts[status]:
                height = 100 * day.counts[status] / asked[n] / full
                top -= height
                bars.append(_bar(status, n, top, height))
    ticks = [Tick(label=f"{localized(f'{100 * full * part:g}')} %", y=100 - 100 * part) for part in (0, 0.5, 1)]
    titles = [
        _("%(hits)s of %(asked)s questions answered from the caches")
        % {"hits": localized(hit), "asked": localized(ask)}
        for hit, ask in zip(hits, asked, strict=True)
    ]
    return _plot(days, bars=bars, ticks=ticks, titles=titles)


def latencies(days: Sequence[Day]) -> Plot:
    """The median wait of hits and of written answers, on a logarithmic scale."""
    series = {"hit": [day.hit_p50 for day in days], "miss": [day.miss_p50 for day in days]}
    values = [value for row in series.values() for value in row if value]
    if not values:
        return _plot(days)
    low = math.floor(math.log10(min(values)))
    high = max(low + 1, math.ceil(math.log10(max(values))))

    def height(value: float) -> float:
        return 100 * (high - math.log10(value)) / (high - low)

    traces = [Trace(kind=kind, path=_path(row, height)) for kind, row in series.items() if any(row)]
    ticks = [Tick(label=milliseconds(10**power), y=height(10**power)) for power in range(low, high + 1)]
    titles = [
        _("hits %(hits)s, written answers %(written)s")
        % {"hits": milliseconds(day.hit_p50), "written": milliseconds(day.miss_p50)}
        for day in days
    ]
    return _plot(days, traces=traces, ticks=ticks, titles=titles)


def savings(days: Sequence[Day], *, in_dollars: bool) -> Plot:
    """What each day's hits avoided, in US dollars or in tokens."""
    values = [day.dollars_avoided if in_dollars else float(day.tokens_avoided) for day in days]
    said = _("%(amount)s avoided") if in_dollars else _("%(amount)s tokens avoided")
    titles = [said % {"amount": dollars(value) if in_dollars else many(value)} for value in values]
    return _amounts(days, "saved", values, titles, in_dollars=in_dollars)


def spending(days: Sequence[Day]) -> Plot:
    """What each day cost, in US dollars."""
    values = [day.dollars_spent for day in days]
    titles = [_("%(amount)s spent") % {"amount": dollars(value)} for value in values]
    return _amounts(days, "spent", values, titles, in_dollars=True)


def volumes(days: Sequence[Day]) -> Plot:
    """How many answers each day had, stacked by what gave them: the layers of the cache, and a model."""
    highest = max((day.requests for day in days), default=0)
    if not highest:
        return _plot(days)
    step = max(1.0, _step(highest))
    top = step * math.ceil(highest / step)
    bars: list[Bar] = []
    for n, day in enumerate(days):
        y = 100.0
        hits = {status: day.counts[status] for status in STACKED}
        for kind, count in (*hits.items(), ("written", day.requests - sum(hits.values()))):
            if count:
                y -= 100 * count / top
                bars.append(_bar(kind, n, y, 100 * count / top))
    ticks = [Tick(label=many(step * n), y=100 - 100 * step * n / top) for n in range(round(top / step) + 1)]
    titles = [
        ngettext("%(count)s answer", "%(count)s answers", day.requests) % {"count": localized(day.requests)}
        for day in days
    ]
    return _plot(days, bars=bars, ticks=ticks, titles=titles)


def _amounts(
    days: Sequence[Day], kind: str, values: Sequence[float], titles: Sequence[str], *, in_dollars: bool
) -> Plot:
    if not any(values):
        return _plot(days)
    step = _step(max(values))
    top = step * math.ceil(max(values) / step)
    bars = [_bar(kind, n, 100 - 100 * value / top, 100 * value / top) for n, value in enumerate(values) if value]
    lines = [step * n for n in range(round(top / step) + 1)]
    places = max(2, -math.floor(math.log10(step)))
    labels = [f"${localized(f'{value:.{places}f}')}" if in_dollars else many(value) for value in lines]
    ticks = [Tick(label=label, y=100 - 100 * value / top) for label, value in zip(labels, lines, strict=True)]
    return _plot(days, bars=bars, ticks=ticks, titles=titles)


def _plot(
    days: Sequence[Day],
    *,
    bars: Iterable[Bar] = (),
    traces: Iterable[Trace] = (),
    ticks: Iterable[Tick] = (),
    titles: Iterable[str] = (),
) -> Plot:
    shown = [days[0], days[len(days) // 2], days[-1]] if len(days) > 2 else days
    return Plot(
        width=len(days),
        bars=tuple(bars),
        traces=tuple(traces),
        ticks=tuple(ticks),
        columns=tuple(
            Column(x=n, title=f"{date_format(day.day, 'MONTH_DAY_FORMAT')}: {title}")
            for n, (day, title) in enumerate(zip(days, titles, strict=False))
        ),
        days=tuple(day.day for day in shown),
    )


def _bar(kind: str, day: int, y: float, height: float) -> Bar:
    return Bar(kind=kind, x=day + GAP / 2, y=round(y, 3), width=1 - GAP, height=round(height, 3))


def _path(values: Sequence[float | None], height: Callable[[float], float]) -> str:
    """A day that stands alone becomes a stroke half as wide as the day: a dot would not be seen."""
    parts, is_drawing = [], False
    for n, value in enumerate(values):
        if not value:
            is_drawing = False
            continue
        x, y = n + 0.5, round(height(value), 2)
        is_alone = not is_drawing and not any(values[n + 1 : n + 2])
        parts.append(f"M{x - 0.25} {y}h0.5" if is_alone else f"L{x} {y}" if is_drawing else f"M{x} {y}")
        is_drawing = True
    return "".join(parts)


def _step(highest: float) -> float:
    """A round step by which two to five lines reach the highest value: 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step for step in (0.2 * power, 0.5 * power, power, 2 * power, 5 * power) if highest / step <= 4)
