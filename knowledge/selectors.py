"""Reads of documents. Access check and fetch are one query."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.selectors import list_projects
from accounts.types import Actor
from core.errors import NotFound
from knowledge.models import Chunk, Document

UNFINISHED = (Document.State.QUEUED, Document.State.PARSING, Document.State.EMBEDDING)
STALLED_AFTER = timedelta(seconds=25)  # five missed heartbeats


def list_documents(actor: Actor, project_id: UUID) -> QuerySet[Document]:
    return Document.objects.filter(project__in=list_projects(actor), project_id=project_id)


def get_document(actor: Actor, document_id: UUID) -> Document:
    """Raises NotFound, also for a document in a project that the actor may not read."""
    documents = Document.objects.select_related("project").filter(project__in=list_projects(actor))
    document = documents.filter(id=document_id).first()
    if document is None:
        raise NotFound("This document does not exist, or is not yours to open.")
    return document


def list_live_chunks(document: Document) -> QuerySet[Chunk]:
    """The chunks that searches find now, in reading order."""
    return document.chunks.filter(version=document.live_version)


def list_stalled() -> QuerySet[Document]:
    """Documents that nobody has in hand though they are not finished: their worker died, or their task is lost."""
    now = timezone.now()
    quiet = now - STALLED_AFTER
    return Document.objects.filter(state__in=UNFINISHED).filter(
        Q(heartbeat_at__lt=quiet) | Q(heartbeat_at=None, updated_at__lt=quiet),
        Q(retry_at=None) | Q(retry_at__lt=now),
    )
