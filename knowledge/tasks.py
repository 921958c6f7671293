"""What Celery runs: each calls one service and may run twice."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from knowledge import ingestion, queue, selectors


@shared_task
def ingest(document_id: str) -> None:
    pause = ingestion.ingest(UUID(document_id))
    if pause is not None:
        queue.send(UUID(document_id), countdown=pause)


@shared_task
def resume_stalled_documents() -> None:
    """Send again what nobody has in hand: its worker was killed, or Redis lost the queue."""
    stalled = selectors.list_stalled()
    if queue.length():
        stalled = stalled.exclude(heartbeat_at=None)  # those only wait for their turn
    for document_id in stalled.values_list("id", flat=True):
        queue.send(document_id)
