"""Figures in templates, and the names of layers, vetoes and faults."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone

from caching import wording

register = template.Library()
register.filter("many", wording.many)
register.filter("duration", wording.duration)
register.filter("excerpt", wording.excerpt)


@register.filter
def percent(share: object) -> str:
    return wording.percent(_number(share))


@register.filter
def dollars(value: object) -> str:
    return wording.dollars(_number(value))


@register.filter
def milliseconds(value: object) -> str:
    return wording.milliseconds(_number(value))


def _number(value: object) -> float | None:
    """A template gives "" for what is within something that is not there."""
    return value if isinstance(value, int | float) else None


NAMES = {
    "hit-exact": "Same words",
    "hit-semantic": "Other words",
    "coalesced": "Asked at the same time",
    "stale": "Expired, models down",
    "miss": "Written anew",
    "bypass": "Asked fresh",
    "number": "another number",
    "unit": "another unit",
    "negation": "a negation",
    "antonym": "an opposite",
    "name": "another name",
    "role": "roles swapped",
    "question": "another question word",
    "language": "a language that is not understood",
    "estimate": "too likely another question",
    "threshold": "not similar enough",
    "value": "a stored value that cannot be read",
    "redis": "Redis",
    "embedder": "the embedder",
    "semantic": "the semantic index",
    "opinion": "the second opinion",
    "reranker": "the reranker",
    "audit": "an audit",
    "ledger": "the ledger",
    "embedding": "Embedding questions",
    "other": "something else",
}


@register.filter
def named(name: str) -> str:
    """What people call a layer, a veto or a part that failed."""
    return NAMES.get(name, name)


@register.filter
def remaining(moment: datetime) -> str:
    """`ends in 12 minutes`, or `expired`."""
    seconds = (moment - timezone.now()).total_seconds()
    return f"ends in {wording.duration(seconds)}" if seconds > 0 else "expired"


@register.filter
def passed(moment: datetime) -> str:
    """`12 minutes ago`, or `just now`."""
    seconds = (timezone.now() - moment).total_seconds()
    return f"{wording.duration(seconds)} ago" if seconds >= 5 else "just now"
