"""What a change of the embedding model would take, in words."""

from __future__ import annotations

from django.utils.translation import gettext as _

from core.languages import localized
from knowledge.reembedding import Estimate


def told(estimate: Estimate) -> str:
    money = _("price unknown (POLYAI_PRICES)")
    if estimate.dollars is not None:
        money = _("about %(dollars)s US dollars") % {"dollars": localized(f"{estimate.dollars:.2f}")}
    shown = _(
        "%(chunks)s chunks, about %(tokens)s tokens, %(money)s, about %(time)s at the speed of a sample; "
        "%(dimensions)s dimensions"
    )
    return shown % {
        "chunks": localized(estimate.chunks),
        "tokens": localized(estimate.tokens),
        "money": money,
        "time": _duration(estimate.seconds),
        "dimensions": localized(estimate.dimensions),
    }


def _duration(seconds: float) -> str:
    if seconds < 90:
        return _("%(count)s s") % {"count": max(1, round(seconds))}
    if seconds < 5400:
        return _("%(count)s minutes") % {"count": round(seconds / 60)}
    return _("%(count)s hours") % {"count": localized(f"{seconds / 3600:.1f}")}
