"""Small words for the documents' templates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from django import template
from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from knowledge.listing import UNFINISHED_STATE, Listing
from knowledge.types import Progress

register = template.Library()


@dataclass(frozen=True, slots=True, kw_only=True)
class StateLink:
    name: str
    title: str
    count: int
    query: str
    is_current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A stretch of the bar of progress, of 100 units."""

    name: str
    start: float
    width: float


@register.simple_tag
def states(progress: Progress, listing: Listing) -> list[StateLink]:
    """The states as filters, with how many documents are in each; those that none is in are left out."""
    known = [
        ("", _("All"), progress.documents),
        ("ready", _("Ready"), progress.counts.get("ready", 0)),
        (UNFINISHED_STATE, _("In progress"), progress.unfinished),
        ("failed", _("Failed"), progress.counts.get("failed", 0)),
        ("cancelled", _("Cancelled"), progress.counts.get("cancelled", 0)),
    ]
    others = listing.query_without("state")
    return [
        StateLink(
            name=name,
            title=title,
            count=count,
            query="&".join(filter(None, [f"state={name}" if name else "", others])),
            is_current=name == listing.state,
        )
        for name, title, count in known
        if count or name in ("", "ready", listing.state)
    ]


@register.filter
def bars(progress: Progress) -> list[Bar]:
    """Ready, in progress and failed, side by side. One that is not nothing can be seen."""
    shares = {name: progress.counts.get(name, 0) for name in ("ready", "failed")}
    shares = {"ready": shares["ready"], "unfinished": progress.unfinished, "failed": shares["failed"]}
    widths = {name: max(0.75, 100 * count / max(1, progress.documents)) for name, count in shares.items() if count}
    scale = 100 / (sum(widths.values()) or 1)
    return list(_side_by_side((name, width * scale) for name, width in widths.items()))


def _side_by_side(widths: Iterable[tuple[str, float]]) -> Iterable[Bar]:
    start = 0.0
    for name, width in widths:
        yield Bar(name=name, start=round(start, 3), width=round(width, 3))
        start += width


@register.filter
def with_terms(text: str, terms: Iterable[str]) -> SafeString:
    """A text with the words in it marked that were looked for; where a search cut words to their stem, no longer ones
    are missed. Words of three letters, which are "the" and the like, are left."""
    words = sorted({term for term in terms if len(term) > 3 or not term.isalpha() or not term.isascii()}, key=len)[::-1]
    if not words:
        return SafeString(escape(text))
    # Within a text of no word spaces they stand anywhere; others begin a word.
    sought = "|".join(rf"\b{re.escape(word)}\w{{0,3}}" if word.isascii() else re.escape(word) for word in words)
    pieces = re.split(f"({sought})", text, flags=re.IGNORECASE)
    marked = (format_html("<mark>{}</mark>", piece) if n % 2 else piece for n, piece in enumerate(pieces))
    return format_html_join("", "{}", ((piece,) for piece in marked))


@register.filter
def is_web(address: str) -> bool:
    """Whether it may be a link: an address from outside may be `javascript:`."""
    return address.lower().startswith(("http://", "https://"))


@register.simple_tag
def order(listing: Listing, title: str, first: str, second: str) -> SafeString:
    """A column's title that sorts by it; pressed again, the other way round."""
    is_current = listing.sort in (first, second)
    chosen = second if listing.sort == first and second else first
    others = listing.query_without("sort")
    sort = "" if chosen == "newest" else f"sort={chosen}"
    arrow = ("↓" if listing.sort == first else "↑") if is_current else ""
    return format_html(
        '<a href="?{}"{}>{}{}</a>',
        "&".join(filter(None, [sort, others])),
        SafeString(' aria-current="true"') if is_current else "",
        title,
        format_html(' <span aria-hidden="true">{}</span>', arrow) if arrow else "",
    )
