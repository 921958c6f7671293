"""What Celery beat runs for the caches."""

from __future__ import annotations

from celery import shared_task

from caching import eviction, ledger, retention, semantic


@shared_task
def flush_ledger() -> None:
    ledger.flush()


@shared_task
def purge_ledger() -> None:
    retention.purge()


@shared_task
def purge_entries() -> None:
    while eviction.purge():
        pass


@shared_task
def repair_indexes() -> None:
    semantic.repair_indexes()
