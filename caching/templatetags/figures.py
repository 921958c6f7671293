"""Figures in templates, and the names of layers, vetoes and faults."""

from __future__ import annotations

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

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
    "hit-exact": gettext_lazy("Same words"),
    "hit-semantic": gettext_lazy("Other words"),
    "coalesced": gettext_lazy("Asked at the same time"),
    "stale": gettext_lazy("Expired, models down"),
    "miss": gettext_lazy("Written anew"),
    "bypass": gettext_lazy("Asked fresh"),
    "number": gettext_lazy("another number"),
    "unit": gettext_lazy("another unit"),
    "negation": gettext_lazy("a negation"),
    "antonym": gettext_lazy("an opposite"),
    "name": gettext_lazy("another name"),
    "role": gettext_lazy("roles swapped"),
    "question": gettext_lazy("another question word"),
    "language": gettext_lazy("a language that is not understood"),
    "estimate": gettext_lazy("too likely another question"),
    "threshold": gettext_lazy("not similar enough"),
    "value": gettext_lazy("a stored value that cannot be read"),
    "redis": gettext_lazy("Redis"),
    "embedder": gettext_lazy("the embedder"),
    "semantic": gettext_lazy("the semantic index"),
    "opinion": gettext_lazy("the second opinion"),
    "reranker": gettext_lazy("the reranker"),
    "audit": gettext_lazy("an audit"),
    "ledger": gettext_lazy("the ledger"),
    "embedding": gettext_lazy("Embedding questions"),
    "other": gettext_lazy("something else"),
    "requests": gettext_lazy("questions"),
    "veto": gettext_lazy("kept from a hit by"),
    "fault": gettext_lazy("went on without"),
    "latency": gettext_lazy("latency"),
    "tokens-avoided": gettext_lazy("tokens avoided"),
    "tokens-spent": gettext_lazy("tokens spent"),
    "tokens-unpriced": gettext_lazy("tokens without a price"),
    "money-avoided": gettext_lazy("dollars avoided, billionths"),
    "money-spent": gettext_lazy("dollars spent, billionths"),
    "prompt": gettext_lazy("prompt"),
    "completion": gettext_lazy("completion"),
    "answers": gettext_lazy("answers"),
    "title": gettext_lazy("titles"),
}


@register.filter
def named(name: str) -> str:
    """What people call a layer, a veto or a part that failed."""
    return str(NAMES.get(name, name))


@register.filter
def remaining(moment: datetime) -> str:
    """`ends in 12 minutes`, or `expired`."""
    seconds = (moment - timezone.now()).total_seconds()
    return _("ends in %(time)s") % {"time": wording.duration(seconds)} if seconds > 0 else _("expired")


@register.filter
def passed(moment: datetime) -> str:
    """`12 minutes ago`, or `just now`."""
    seconds = (timezone.now() - moment).total_seconds()
    return _("%(time)s ago") % {"time": wording.duration(seconds)} if seconds >= 5 else _("just now")
