"""Small words for the chat's templates."""

from __future__ import annotations

from math import floor
from pathlib import PurePath
from typing import Any
from uuid import UUID

from django import template
from django.template.defaultfilters import linebreaksbr
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from chat.marking import render_marked
from chat.models import Message
from chat.presenting import Row, Shown, divided
from chat.rendering import render, render_passage
from core.languages import localized
from knowledge.places import shown_place
from knowledge.screens import Stretch
from providers.prices import find_price

register = template.Library()
register.filter("located", shown_place)
JUST_NOW = 5  # seconds
STAGES = (  # as answers have them, for the catalogs
    *(gettext_noop("history"), gettext_noop("exact cache"), gettext_noop("embed"), gettext_noop("semantic cache")),
    *(gettext_noop("store"), gettext_noop("retrieve"), gettext_noop("first token"), gettext_noop("generate")),
    gettext_noop("finish"),
)
WITHOUT_MARKDOWN = {".pdf", ".txt", ".text"}


@register.filter
def passage(text: str, document: str) -> SafeString:
    """A passage as it reads best: as Markdown where its document became Markdown, else line by line."""
    if PurePath(document).suffix.lower() in WITHOUT_MARKDOWN:
        return linebreaksbr(text)
    return mark_safe(render_passage(text))  # noqa: S308  # it sanitises


@register.simple_tag
def reading(stretch: Stretch, anchor: str) -> SafeString:
    """A stretch of a document, with the passage in it marked that was asked for."""
    html = render_marked(stretch.text, stretch.mark, is_markdown=stretch.is_markdown, anchor=anchor)
    return mark_safe(html)  # noqa: S308  # it escapes or sanitises


@register.simple_tag
def divided_sources(sources: list[Row], text: str, status: str) -> Shown:
    """The sources that an answer cites, and the others; while it is being written, all are only found."""
    return divided(sources, None if status == Message.Status.STREAMING else text)


@register.simple_tag
def cited(text: str, sources: list[dict[str, object]]) -> SafeString:
    """An answer as it is shown; `[n]` leads to `#source--n`."""
    highest = max((int(str(source["n"])) for source in sources), default=0)
    return mark_safe(render(text, highest))  # noqa: S308  # it sanitises


@register.filter
def age(seconds: int | None) -> str:
    """`75` → `1 min ago`."""
    if seconds is None or seconds < JUST_NOW:
        return _("just now")
    for size, told in ((86400, _("%(count)s d ago")), (3600, _("%(count)s h ago")), (60, _("%(count)s min ago"))):
        if seconds >= size:
            return told % {"count": seconds // size}
    return _("%(count)s s ago") % {"count": seconds}


@register.filter
def similarity(cosine: float) -> str:
    """`0.9958` → `0.995`: never rounded up to what it is not."""
    return localized(f"{floor(cosine * 1000) / 1000:.3f}")


@register.filter
def percent(share: float) -> str:
    """`0.0214` → `2.1 %`."""
    return f"{localized(f'{share * 100:.1f}')} %"


@register.filter
def total(stages: dict[str, float]) -> float:
    """Milliseconds of all stages; the wait for the first token is a part of generating."""
    return sum(value for name, value in stages.items() if name != "first token")


@register.filter
def place(message: Message) -> dict[str, object]:
    """A message among those that stand in its place: its number from 1, and its neighbours."""
    siblings: list[UUID] = message.siblings  # type: ignore[attr-defined]  # as chat.selectors gives it
    index = siblings.index(message.id)
    return {
        "number": index + 1,
        "before": siblings[index - 1] if index else None,
        "after": siblings[index + 1] if index + 1 < len(siblings) else None,
    }


@register.filter
def cost(message: Message | dict[str, Any]) -> str:  # Any: the message's fields
    """What the model took for an answer; empty for one from a cache, or of a model whose price nobody knows."""
    of = (
        message if isinstance(message, dict) else {name: getattr(message, name) for name in ("model", "usage", "cache")}
    )
    price = find_price(of["model"]) if of["cache"].get("status") in ("miss", "bypass") else None
    if price is None:
        return ""
    usage = of["usage"]
    dollars = price.nanodollars(usage.get("prompt_tokens", 0), usage.get("completion_tokens", 0)) / 1e9
    return f"${localized(f'{dollars:.4f}')}" if dollars >= 0.0001 else f"< ${localized('0.0001')}"
