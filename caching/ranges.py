"""Which numbers the settings of a project's caches take, and how to say so."""

from __future__ import annotations

from django.utils.translation import gettext as _

from accounts.models import LOWEST_THRESHOLD, MONTH, WEEK
from core.languages import localized

RANGES: dict[str, tuple[float, float]] = {
    "cache_ttl": (0, WEEK),
    "cache_threshold": (LOWEST_THRESHOLD, 1),
    "cache_error_bound": (0.001, 0.5),
    "stale_ttl": (0, MONTH),
}


def sentence(field: str) -> str:
    """`Give a number from 0.5 to 1.`"""
    low, high = RANGES[field]
    least, most = localized(f"{low:g}"), localized(f"{high:g}" if high < WEEK else int(high))
    return _("Give a number from %(least)s to %(most)s.") % {"least": least, "most": most}
