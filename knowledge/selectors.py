"""Reads of documents. Access check and fetch are one query."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import BigIntegerField, Case, Count, F, Q, QuerySet, Sum, When
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.selectors import list_projects
from accounts.types import Actor
from core.errors import NotFound
from knowledge.models import Chunk, Document, KnowledgePolicy
from knowledge.types import Progress

UNFINISHED = (Document.State.QUEUED, Document.State.PARSING, Document.State.EMBEDDING)
STALLED_AFTER = timedelta(seconds=25)  # five missed heartbeats
# Of a document's bytes, those that are behind us: all once it is finished, as its chunks while it is embedded.
_BYTES_DONE = Case(
    When(state__in=UNFINISHED, chunks_total=0, then=0),
    When(state__in=UNFINISHED, then=F("size") * F("chunks_embedded") / F("chunks_total")),
    default="size",
    output_field=BigIntegerField(),
)


def list_documents(actor: Actor, project_id: UUID | None = None) -> QuerySet[Document]:
    """The project's own, or every project's: nothing that is attached to a conversation, not even the actor's."""
    documents = Document.objects.filter(project__in=list_projects(actor), attached_to=None)
    return documents if project_id is None else documents.filter(project_id=project_id)


def list_openable(actor: Actor) -> QuerySet[Document]:
    """The documents of the actor's projects, and what the actor attached; nothing that another attached."""
    own = Q(attached_to=None) | Q(uploaded_by=actor.user_id)
    return Document.objects.filter(own, project__in=list_projects(actor))


def list_attached(actor: Actor, conversation_id: UUID) -> QuerySet[Document]:
    """What the actor attached to a conversation, in its order; nothing of anybody else's."""
    mine = Document.objects.filter(attached_to=conversation_id, uploaded_by=actor.user_id)
    return mine.filter(project__in=list_projects(actor)).select_related("project").order_by("created_at", "name")


def has_attached(conversation_id: UUID) -> bool:
    """Whether anything is attached to the conversation, in whatever state."""
    return Document.objects.filter(attached_to=conversation_id).exists()


def list_attachment_places(before: datetime) -> set[UUID]:
    """The conversations, existing or not, to which something was attached before a time."""
    old = Document.objects.filter(attached_to__isnull=False, created_at__lt=before)
    return {place for place in old.order_by().values_list("attached_to", flat=True).distinct() if place}


def get_document(actor: Actor, document_id: UUID) -> Document:
    """Raises NotFound, also for a document in a project that the actor may not read, or attached by another."""
    document = list_openable(actor).select_related("project").filter(id=document_id).first()
    if document is None:
        raise NotFound(_("This document does not exist, or is not yours to open."))
    return document


def list_live_chunks(document: Document) -> QuerySet[Chunk]:
    """The chunks that searches find now, in reading order."""
    return document.chunks.filter(version=document.live_version)


def list_abandoned() -> QuerySet[Document]:
    """Documents whose worker shows no life: it was killed, or its host is gone."""
    quiet = timezone.now() - STALLED_AFTER
    return Document.objects.filter(state__in=UNFINISHED, heartbeat_at__lt=quiet)


def list_due() -> QuerySet[Document]:
    """Documents whose pause is over."""
    return Document.objects.filter(state__in=UNFINISHED, heartbeat_at=None, retry_at__lt=timezone.now())


def list_lost(*, is_parsed: bool, is_bulk: bool, sent_before: datetime) -> QuerySet[Document]:
    """Documents that wait for a step in a lane since before `sent_before`, and do not pause."""
    waiting = Document.objects.filter(state__in=UNFINISHED, heartbeat_at=None, retry_at=None, is_bulk=is_bulk)
    step = Q(chunks_total__gt=0) if is_parsed else Q(chunks_total=0)
    return waiting.filter(step, updated_at__lt=sent_before)


def get_policy(project_id: UUID) -> KnowledgePolicy:
    """What the project wants done with its documents; the defaults, unsaved, where it says nothing."""
    return KnowledgePolicy.objects.filter(project_id=project_id).first() or KnowledgePolicy(project_id=project_id)


def get_progress(actor: Actor, project_id: UUID) -> Progress:
    """All documents of a project in a few figures, in one query; zeros for a project that the actor may not read."""
    rows = (
        list_documents(actor, project_id)
        .order_by()
        .values_list("state")
        .annotate(Count("id"), Sum("chunks_embedded"), Sum("chunks_total"), Sum("size"), bytes_done=Sum(_BYTES_DONE))
    )
    columns = list(zip(*rows, strict=True)) or [()] * 6
    states, counts, *sums = columns
    embedded, total, size, size_done = (int(sum(column)) for column in sums)
    return Progress(
        counts=dict(zip(states, counts, strict=True)),
        chunks_embedded=embedded,
        chunks_total=total,
        bytes_done=size_done,
        bytes_total=size,
    )
