"""What a project's caches did in the last days: how often they answered, how often wrongly, what that saved."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from django.db.models import Count, Q
from django.utils.translation import gettext_lazy

from caching import ledger
from caching.figures import FAULTS, PURPOSES, SAVING, STATUSES, VETOES, percentile
from caching.intervals import Share, share
from caching.models import Judgement, LedgerCount
from core.redis import RedisError

log = logging.getLogger(__name__)
DAYS = 30
MAX_DAYS = 365
WHY_CLICKS_ARE_APART = gettext_lazy(
    "Readers click on what looks wrong to them and seldom on what is right, so their clicks are no sample of the "
    "hits. Audits are: hits are drawn by chance, answered again and compared."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """How often one layer answered. The share is of the questions that asked the caches at all: a bypass did not.
    Latency in milliseconds until the first words, None where nothing was asked."""

    status: str
    count: int
    share: Share | None
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Of one UTC day: how many by status, latency of hits and misses, tokens and US dollars."""

    day: date
    requests: int
    counts: Mapping[str, int]
    hit_p50: float | None
    miss_p50: float | None
    tokens_avoided: int
    dollars_avoided: float
    dollars_spent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What the caches themselves cost."""

    purpose: str
    tokens: int
    dollars: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FalseHits:
    """Wrong hits of one layer: their share among audited hits, and readers' clicks beside it."""

    layer: str
    audited: Share | None
    clicks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    first: date
    last: date
    requests: int
    hits: Share | None  # of all layers
    hit_p50: float | None  # milliseconds, of all layers
    miss_p50: float | None
    layers: tuple[Layer, ...]
    vetoes: Mapping[str, int]  # by kind, only those that happened
    faults: Mapping[str, int]
    tokens_avoided: int
    tokens_spent: int  # on answers that were written
    prompt_tokens_each: float | None  # of an answer, on average; None without answers
    completion_tokens_each: float | None
    tokens_unpriced: int  # of models whose price nobody told: they are not in any sum of money
    dollars_avoided: float
    dollars_spent_on_answers: float
    spending: tuple[Spending, ...]
    dollars_net: float  # avoided, minus the spending
    false_hits: tuple[FalseHits, ...]
    days: tuple[Day, ...]  # all of them, oldest first


def report(project_id: UUID, days: int = DAYS) -> Report:
    """The last days, today (UTC) included. What waits in Redis is posted first, so that it is in the report."""
    _post_what_waits()
    last = datetime.now(UTC).date()
    first = last - timedelta(days=days - 1)
    by_day: dict[date, Counter[str]] = defaultdict(Counter)
    rows = LedgerCount.objects.filter(project_id=project_id, day__range=(first, last))
    for day, name, value in rows.values_list("day", "name", "value"):
        by_day[day][name] = value
    return _report(by_day, first, last, _false_hits(project_id, first))


def _post_what_waits() -> None:
    try:
        ledger.flush()
    except (RedisError, OSError) as error:
        log.warning("redis: the report goes without what waits there (%s)", type(error).__name__)


def _report(by_day: Mapping[date, Counter[str]], first: date, last: date, wrong: tuple[FalseHits, ...]) -> Report:
    total = sum(by_day.values(), Counter[str]())
    asked = sum(total[status] for status in STATUSES if status != "bypass")
    spending = tuple(
        Spending(
            purpose=purpose,
            tokens=total[f"tokens-spent:{purpose}"],
            dollars=_dollars(total[f"money-spent:{purpose}"]),
        )
        for purpose in PURPOSES
    )
    return Report(
        first=first,
        last=last,
        requests=total["requests"],
        hits=share(sum(total[status] for status in SAVING), asked),
        hit_p50=percentile(_latency(total, SAVING), 0.5),
        miss_p50=percentile(_latency(total, ["miss"]), 0.5),
        layers=tuple(_layer(status, total, asked) for status in STATUSES),
        vetoes=_kinds(total, "veto", VETOES),
        faults=_kinds(total, "fault", FAULTS),
        tokens_avoided=total["tokens-avoided:prompt"] + total["tokens-avoided:completion"],
        tokens_spent=total["tokens-spent:prompt"] + total["tokens-spent:completion"],
        prompt_tokens_each=_each(total, "prompt"),
        completion_tokens_each=_each(total, "completion"),
        tokens_unpriced=total["tokens-unpriced"],
        dollars_avoided=_dollars(total["money-avoided"]),
        dollars_spent_on_answers=_dollars(total["money-spent:answers"]),
        spending=spending,
        dollars_net=_dollars(total["money-avoided"]) - sum(item.dollars for item in spending),
        false_hits=wrong,
        days=tuple(
            _day(first + timedelta(days=n), by_day.get(first + timedelta(days=n), Counter()))
            for n in range((last - first).days + 1)
        ),
    )


def _each(figures: Mapping[str, int], kind: str) -> float | None:
    answers = figures["requests"] - figures["stale"]
    return (figures[f"tokens-avoided:{kind}"] + figures[f"tokens-spent:{kind}"]) / answers if answers else None


def _layer(status: str, figures: Mapping[str, int], asked: int) -> Layer:
    latency = _latency(figures, [status])
    return Layer(
        status=status,
        count=figures[status],
        share=share(figures[status], asked) if status != "bypass" else None,
        p50=percentile(latency, 0.5),
        p95=percentile(latency, 0.95),
    )


def _day(day: date, figures: Counter[str]) -> Day:
    return Day(
        day=day,
        requests=figures["requests"],
        counts={status: figures[status] for status in STATUSES},
        hit_p50=percentile(_latency(figures, SAVING), 0.5),
        miss_p50=percentile(_latency(figures, ["miss"]), 0.5),
        tokens_avoided=figures["tokens-avoided:prompt"] + figures["tokens-avoided:completion"],
        dollars_avoided=_dollars(figures["money-avoided"]),
        dollars_spent=_dollars(sum(figures[f"money-spent:{purpose}"] for purpose in PURPOSES)),
    )


def _latency(figures: Mapping[str, int], statuses: Iterable[str]) -> Counter[int]:
    buckets: Counter[int] = Counter()
    wanted = tuple(f"latency:{status}:" for status in statuses)
    for name, value in figures.items():
        if name.startswith(wanted):
            buckets[int(name.rpartition(":")[2])] += value
    return buckets


def _kinds(figures: Mapping[str, int], group: str, kinds: Iterable[str]) -> dict[str, int]:
    counts = {kind: figures[f"{group}:{kind}"] for kind in kinds}
    return {kind: count for kind, count in sorted(counts.items(), key=lambda item: -item[1]) if count}


def _false_hits(project_id: UUID, first: date) -> tuple[FalseHits, ...]:
    audit, click = Q(origin=Judgement.Origin.AUDIT), Q(origin=Judgement.Origin.CLICK)
    since = datetime.combine(first, time.min, UTC)
    rows = (
        Judgement.objects.filter(project_id=project_id, created_at__gte=since)
        .order_by()
        .values("layer")
        .annotate(
            audited=Count("id", filter=audit),
            wrong=Count("id", filter=audit & Q(is_right=False)),
            clicks=Count("id", filter=click & Q(is_right=False)),
        )
    )
    by_layer = {row["layer"]: row for row in rows}
    nothing = {"audited": 0, "wrong": 0, "clicks": 0}
    found = [(layer, by_layer.get(layer, nothing)) for layer in ("exact", "semantic")]
    return tuple(
        FalseHits(layer=layer, audited=share(row["wrong"], row["audited"]), clicks=row["clicks"])
        for layer, row in found
    )


def _dollars(billionths: int) -> float:
    return billionths / 1e9
