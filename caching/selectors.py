"""Reads of cached answers and of what was asked of them. Whoever calls has checked that the reader may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, F, IntegerField, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from caching.entries import list_entries
from caching.figures import SAVING
from caching.models import CacheEntry, CacheLookup, Judgement

SERVED = (*sorted(SAVING), "stale")
ORDERS = {
    "newest": ("-created_at",),
    "hits": ("-hits", "-created_at"),
    "ending": ("expires_at",),
    "oldest": ("created_at",),
}
STATES = ("all", "approved", "suspended", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedQuestion:
    """A wording that an entry answered in the last 30 days."""

    question: str
    count: int
    last: datetime
    similarity: float | None  # None for the same words


def search_entries(project_id: UUID, text: str = "", state: str = "all", order: str = "newest") -> QuerySet[CacheEntry]:
    """Entries whose question or answer has a text in it, with `hits`: how many questions each answered in the last
    30 days, in how many `wordings`. An unknown state or order is the first of its list."""
    served = CacheLookup.objects.filter(entry_id=OuterRef("pk"), status__in=SERVED).order_by()
    each = served.values("entry_id")
    hits = Subquery(each.annotate(n=Count("id")).values("n"), output_field=IntegerField())
    wordings = Subquery(each.annotate(n=Count("question", distinct=True)).values("n"), output_field=IntegerField())
    found = list_entries(project_id).filter(_state(state)).defer("embedding")
    if text:
        found = found.filter(Q(question__icontains=text) | Q(text__icontains=text))
    found = found.annotate(hits=Coalesce(hits, 0), wordings=Coalesce(wordings, 0))
    return found.order_by(*ORDERS.get(order, ORDERS["newest"]), "id")


def _state(state: str) -> Q:
    match state:
        case "approved":
            return Q(approved_at__isnull=False, suspended_at=None)
        case "suspended":
            return Q(suspended_at__isnull=False)
        case "expired":
            return Q(approved_at=None, expires_at__lte=timezone.now())
    return Q()


def list_matched_questions(entry: CacheEntry) -> Sequence[MatchedQuestion]:
    """The wordings that an entry answered, the most frequent first; at most 100."""
    rows = (
        CacheLookup.objects.filter(entry_id=entry.id, project_id=entry.project_id, status__in=SERVED)
        .order_by()
        .values("question")
        .annotate(count=Count("id"), last=Max("asked_at"), nearest=Max("similarity"))
        .order_by("-count", F("last").desc())[:100]
    )
    return [
        MatchedQuestion(question=row["question"], count=row["count"], last=row["last"], similarity=row["nearest"])
        for row in rows
    ]


def list_suspended(project_id: UUID) -> QuerySet[CacheEntry]:
    """Approved answers that wait for a curator, because their evidence has changed."""
    rows = list_entries(project_id).filter(suspended_at__isnull=False).defer("embedding")
    return rows.select_related("approved_by").order_by("-suspended_at")


def list_wrong_hits(project_id: UUID) -> QuerySet[Judgement]:
    """Hits that a reader or an audit found wrong, newest first."""
    return Judgement.objects.filter(project_id=project_id, is_right=False).order_by("-created_at")
