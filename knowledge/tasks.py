"""What Celery runs: each calls one service and may run twice."""

from __future__ import annotations

from uuid import UUID

from celery import shared_task

from knowledge import ingestion, originals, partitions, queue, reembedding, removal, services, words
from knowledge.models import Document

BUILD_LIMIT = 24 * 3600  # seconds: the index of some millions of chunks takes hours
FILLING = 4.0  # seconds at a time, so that uploads need not wait long behind it


@shared_task
def parse(document_id: str) -> None:
    _go_on(document_id, ingestion.parse(UUID(document_id)))


@shared_task
def embed(document_id: str) -> None:
    _go_on(document_id, ingestion.embed(UUID(document_id)))


def _go_on(document_id: str, pause: float | None) -> None:
    """Send the next step of a document. One that pauses is sent by the sweep: a worker that held it until then
    would hold thousands while an embedder is away."""
    if pause == 0:
        document = Document.objects.filter(id=document_id).only("id", "chunks_total", "is_bulk").first()
        if document is not None:
            queue.send(document)


@shared_task
def resume_stalled_documents() -> None:
    services.resume_stalled()


@shared_task
def forget_orphaned_files() -> None:
    originals.forget_orphans()


@shared_task(time_limit=BUILD_LIMIT)
def build_spaces() -> None:
    """Embed what the spaces lack that are being built, and switch to the one that the environment names."""
    reembedding.settle()
    for space in reembedding.list_unfinished():
        reembedding.build(space)


@shared_task(time_limit=BUILD_LIMIT)
def repair_vectors() -> None:
    partitions.repair()


@shared_task(time_limit=BUILD_LIMIT)
def remove_orphans() -> None:
    partitions.remove_orphans()


@shared_task
def empty_deleted_projects() -> None:
    removal.empty_deleted_projects()


@shared_task
def fill_words() -> None:
    """Index the words of documents that were there before words were, or whose words are made otherwise now."""
    words.fill_words(FILLING)


@shared_task
def recount_words() -> None:
    words.recount_changed()
