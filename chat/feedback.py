"""What readers say of answers, and what a curator does with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project, User
from caching import eviction
from caching.models import CacheEntry
from chat import services
from chat.models import Feedback, Message
from core.errors import InvalidInput, NotFound
from core.languages import localized
from core.text import is_storable

MAX_COMMENT = 2000  # characters
PAGE = 20
MANY = 99  # open ones that are counted
STATES = ("open", "reviewed", "all")
RATINGS = ("good", "bad")
_CACHED = Q(message__cache__status__in=["hit-exact", "hit-semantic", "stale"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which feedback is wanted; an empty word asks for any."""

    state: str = "open"
    rating: str = ""
    reason: str = ""
    is_cached: bool = False


@transaction.atomic
def give(message: Message, is_good: bool, reason: str = "", comment: str = "") -> Feedback:
    """What the asker says of an answer; saying something else later opens its review again.

    The reason “wrong cached answer” takes the answer out of every cache in the same transaction. Who calls this has
    seen to it that the conversation is the asker's own. Raises InvalidInput.
    """
    comment = comment.strip()
    if len(comment) > MAX_COMMENT or not is_storable(comment):
        raise InvalidInput(_("A comment may have %(most)s characters.") % {"most": localized(MAX_COMMENT)})
    if reason and (is_good or reason not in Feedback.Reason.values):
        raise InvalidInput(_("There is no such reason."))
    held = Message.objects.select_for_update().filter(id=message.id).first()
    if held is None or held.role != Message.Role.ASSISTANT or held.status == Message.Status.STREAMING:
        raise InvalidInput(_("Only an answer that has ended can be judged."))
    if reason == Feedback.Reason.CACHED:
        services.report_wrong(message)
    said = {"is_good": is_good, "reason": reason, "comment": comment}
    known = Feedback.objects.filter(message=message).first()
    if known is not None and all(getattr(known, name) == value for name, value in said.items()):
        return known
    fresh = {**said, "created_at": timezone.now(), "reviewed_at": None, "reviewed_by": None}
    return Feedback.objects.update_or_create(message=message, defaults=fresh)[0]


def withdraw(message: Message) -> None:
    """The asker says nothing of the answer any more."""
    Feedback.objects.filter(message=message).delete()


def count_open(project: Project) -> int:
    """How many wait for a review; at most 99."""
    return list_feedback(project, Filter())[:MANY].count()


def list_feedback(project: Project, wanted: Filter) -> QuerySet[Feedback]:
    """Newest first; without that of conversations which their owners have deleted."""
    found = Feedback.objects.filter(
        message__conversation__project=project, message__conversation__deleted_at=None
    ).order_by("-created_at", "-message_id")
    if wanted.state in ("open", "reviewed"):
        found = found.filter(reviewed_at__isnull=wanted.state == "open")
    if wanted.rating in RATINGS:
        found = found.filter(is_good=wanted.rating == "good")
    if wanted.reason in Feedback.Reason.values:
        found = found.filter(reason=wanted.reason)
    return found.filter(_CACHED) if wanted.is_cached else found


def page_of(found: QuerySet[Feedback], after: str) -> tuple[list[Feedback], str]:
    """A page of it, with what it is about, and the mark of the next one: empty where there is none. `after` is the
    mark of this one, empty for the first. Raises InvalidInput."""
    if after:
        moment, message_id = _position(after)
        found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, message_id__lt=message_id))
    rows = list(found.select_related("message__parent", "message__conversation__user", "reviewed_by")[: PAGE + 1])
    shown = rows[:PAGE]
    more = len(rows) > PAGE
    return shown, f"{shown[-1].created_at.isoformat()}_{shown[-1].message_id}" if more else ""


def _position(mark: str) -> tuple[datetime, UUID]:
    moment, _sep, message_id = mark.rpartition("_")
    try:
        at = datetime.fromisoformat(moment)
        if at.tzinfo is None:
            raise ValueError(moment)
        return at, UUID(message_id)
    except ValueError as error:
        raise InvalidInput(_("This page does not exist. Begin at the first one.")) from error


def get_feedback(project: Project, message_id: UUID) -> Feedback:
    """Raises NotFound."""
    found = list_feedback(project, Filter(state="all")).filter(message_id=message_id)
    feedback = found.select_related("message__parent", "message__conversation__project").first()
    if feedback is None:
        raise NotFound(_("This feedback is not there (any more)."))
    return feedback


def find_entries(project: Project, messages: Sequence[Message]) -> dict[UUID, UUID]:
    """The cached answers, by message, that are given to others now: those that messages came from, and those that
    were cached when messages were written."""
    texts = [message.content for message in messages if message.content]
    rows = CacheEntry.objects.filter(project=project, text__in=texts, suspended_at=None).values_list("text", "id")
    entries = dict(rows)
    return {message.id: entries[message.content] for message in messages if message.content in entries}


def review(feedback: Feedback, reviewer: User, *, is_done: bool = True) -> None:
    """A curator has looked at it; or wants it open again."""
    feedback.reviewed_at = timezone.now() if is_done else None
    feedback.reviewed_by = reviewer if is_done else None
    feedback.save(update_fields=["reviewed_at", "reviewed_by"])


@transaction.atomic
def evict(feedback: Feedback) -> None:
    """Take the judged answer out of every cache, also where it is the very one that was written then. An approved
    one waits for its curator instead."""
    message = feedback.message
    project = message.conversation.project
    if message.cache.get("entry_id"):
        services.report_wrong(message)
    for entry in CacheEntry.objects.filter(project=project, text=message.content).defer("embedding"):
        if entry.approved_at is None:
            eviction.evict(entry)
        elif entry.suspended_at is None:
            eviction.suspend(entry, _("A reader’s judgement of this answer was found right."))
