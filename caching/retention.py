"""How long the ledger's details are kept. Its daily figures stay."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Project
from caching.models import CacheLookup, LedgerBatch

LOOKUPS = timedelta(days=30)
BATCHES = timedelta(days=7)  # after which nothing hands the same record in again
AT_ONCE = 5_000  # rows, each time in a transaction of its own: no lock is held for long


def purge() -> int:
    """Delete what is older; how many rows."""
    now = timezone.now()
    count = _delete(LedgerBatch.objects.filter(applied_at__lt=now - BATCHES))
    for project_id in Project.objects.values_list("id", flat=True):  # one by one: the index begins with the project
        count += _delete(CacheLookup.objects.filter(project_id=project_id, asked_at__lt=now - LOOKUPS))
    return count


def _delete(rows: QuerySet[CacheLookup] | QuerySet[LedgerBatch]) -> int:
    count = 0
    while ids := list(rows.order_by().values_list("id", flat=True)[:AT_ONCE]):
        count += rows.model._default_manager.filter(id__in=ids).delete()[0]
    return count
