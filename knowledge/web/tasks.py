"""What Celery runs for web sources, on a queue of its own: a crawl spends its time waiting."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from knowledge.web import crawling, selectors, services


@shared_task
def crawl(source_id: str) -> None:
    pause = crawling.crawl(UUID(source_id))
    if pause is not None:
        services.send(UUID(source_id), countdown=pause)


@shared_task
def refresh_due_sources() -> None:
    """Queue what is to be fetched again, and send again what nobody has in hand."""
    for source in selectors.list_due():
        services.refresh(source)
    for source in selectors.list_stalled_sources():
        services.send(source.id)
