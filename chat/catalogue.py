"""The list of one's conversations, in pages that continue where the last one ended (keyset pagination).

A page costs the same wherever it begins: the index of a user's newest conversations is entered at the place itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db.models import F, Func, Q, QuerySet
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.types import Actor
from chat.models import Conversation
from chat.selectors import list_conversations
from core.errors import InvalidInput

PAGE = 40
MOST_PINNED = 100
MOST_TAGS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which conversations: of a tag, the archived ones, the recently deleted ones; by default all that are neither
    archived nor deleted. `web` leaves out what programs asked."""

    tag: str = ""
    archived: bool = False
    deleted: bool = False
    web: bool = True

    @classmethod
    def parse(cls, show: str) -> Filter:
        """From `archived`, `deleted`, `tag:…` or nothing."""
        kind, _colon, tag = show.partition(":")
        return cls(tag=tag if kind == "tag" else "", archived=kind == "archived", deleted=kind == "deleted")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A conversation, under its group's name where it is the first of the group."""

    conversation: Conversation
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`after`: where the next page begins; empty at the end."""

    entries: tuple[Entry, ...]
    after: str


def list_page(actor: Actor, wanted: Filter, after: str = "", size: int = PAGE) -> Page:
    """A page of the list: the pinned ones first, then by the time of the last question. Raises InvalidInput for a place
    that is none."""
    matching = _matching(actor, wanted)
    pinned: list[Conversation] = []
    last_group = ""
    rest = matching if wanted.deleted else matching.filter(pinned_at=None)
    if after:
        moment, conversation_id = _parse(after)
        # The first condition is what the index is entered with.
        rest = rest.filter(Q(updated_at__lte=moment), Q(updated_at__lt=moment) | Q(id__lt=conversation_id))
        last_group = _group(moment, timezone.localdate())
    elif not wanted.deleted:
        pinned = list(matching.filter(pinned_at__isnull=False).order_by("-pinned_at")[:MOST_PINNED])
    found = list(rest.order_by("-updated_at", "-id")[: size + 1])
    more, found = len(found) > size, found[:size]
    return Page(
        entries=tuple(_grouped([*pinned, *found], last_group)),
        after=f"{found[-1].updated_at.timestamp():.6f}_{found[-1].id}" if more else "",
    )


def list_tags(actor: Actor) -> list[str]:
    """The tags of the actor's conversations, in alphabetical order."""
    tagged = list_conversations(actor).exclude(tags=[]).order_by()
    names = tagged.annotate(tag=Func(F("tags"), function="unnest")).values_list("tag", flat=True).distinct()
    return sorted(names[:MOST_TAGS], key=str.casefold)


def _matching(actor: Actor, wanted: Filter) -> QuerySet[Conversation]:
    matching = list_conversations(actor, deleted=wanted.deleted)
    if wanted.web:
        matching = matching.filter(origin=Conversation.Origin.WEB)
    if wanted.tag:
        matching = matching.filter(tags__contains=[wanted.tag])
    if not wanted.deleted:
        matching = matching.filter(archived_at__isnull=not wanted.archived)
    return matching


def _parse(after: str) -> tuple[datetime, UUID]:
    moment, _underscore, conversation_id = after.partition("_")
    try:
        return datetime.fromtimestamp(float(moment), tz=timezone.get_current_timezone()), UUID(conversation_id)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidInput(_("There is no such place in the list. Begin at its start.")) from error


def _grouped(conversations: Iterable[Conversation], last: str) -> Iterable[Entry]:
    today = timezone.localdate()
    for conversation in conversations:
        is_pinned = conversation.pinned_at is not None and conversation.deleted_at is None
        group = _("Pinned") if is_pinned else _group(conversation.updated_at, today)
        yield Entry(conversation=conversation, group=group if group != last else "")
        last = group


def _group(moment: datetime, today: date) -> str:
    day = timezone.localtime(moment).date()
    if day >= today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    if day >= today - timedelta(days=7):
        return _("Previous 7 days")
    return date_format(day, "YEAR_MONTH_FORMAT")
