"""Cutting documents anew from their stored text, while the chunks they have go on serving."""

from __future__ import annotations

from functools import partial

from django.db import transaction
from django.db.models import Avg, F, IntegerField, QuerySet, Sum
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast, Coalesce, Length

from accounts.models import Project
from knowledge import queue
from knowledge.chunking import split
from knowledge.models import Chunk, Document, DocumentPart
from knowledge.policies import Chunking, get_chunking, list_parts
from knowledge.progress import announce
from knowledge.types import Piece, Reading, RechunkEstimate
from providers.prices import find_embedding_price

SAMPLE = 1_000  # chunks, of which the mean size is taken


def list_cut_otherwise(project: Project) -> QuerySet[Document]:
    """Documents whose chunks were not made as the project wants them now. Those that are still to be read will be, and
    what is attached to a conversation stays as it is: nobody else is to know of it, not even how many there are."""
    cut = (Document.State.READY, Document.State.EMBEDDING)
    documents = Document.objects.filter(project=project, attached_to=None, state__in=cut)
    return documents.exclude(chunking=str(get_chunking(project)))


def rechunk(project: Project) -> int:
    """Queue all documents that are cut otherwise than the project wants; how many they are.

    Each gets a next version of the same content: until that is ready, its chunks of today answer.
    """
    with transaction.atomic():
        ids = list(list_cut_otherwise(project).select_for_update().order_by("id").values_list("id", flat=True))
        Document.objects.filter(id__in=ids).update(
            version=F("version") + 1,
            state=Document.State.QUEUED,
            is_bulk=True,
            error="",
            attempts=0,
            claim=None,
            heartbeat_at=None,
            retry_at=None,
            chunks_total=0,
            chunks_embedded=0,
        )
        for document in Document.objects.filter(id__in=ids):
            transaction.on_commit(partial(queue.send, document))
            transaction.on_commit(partial(announce, project.id, document.id))
    return len(ids)


def estimate(project: Project) -> RechunkEstimate:
    """What `rechunk` would embed, at the mean size of today's chunks and the embedder's price."""
    documents = list_cut_otherwise(project)
    chunks = documents.aggregate(chunks=Sum("chunks_total"))["chunks"] or 0
    size = Coalesce(Cast(KeyTextTransform("tokens", "metadata"), IntegerField()), Length("text") / 4)
    some = Chunk.objects.filter(document__project=project).order_by().annotate(size=size)[:SAMPLE]
    tokens = round(chunks * (some.aggregate(mean=Avg("size"))["mean"] or 0))
    price = find_embedding_price()
    dollars = None if price is None else price.nanodollars(tokens) / 1e9
    return RechunkEstimate(documents=documents.count(), chunks=chunks, tokens=tokens, dollars=dollars)


def stored_reading(document: Document) -> Reading | None:
    """What an earlier version read from the very same file, None where the file is to be read (again)."""
    if document.parts_hash != document.content_hash:
        return None
    last = DocumentPart.objects.filter(document=document).order_by("-version").first()
    if last is None:
        return None
    return Reading(parts=tuple(list_parts(document, last.version)), notes=document.notes, title=document.title)


def cut(document: Document, reading: Reading, chunking: Chunking, title: str) -> list[Chunk]:
    """The chunks of the document's version, not yet stored."""
    pieces = split(reading.parts, chunk_tokens=chunking.tokens, overlap=chunking.overlap, title=title)
    return [_chunk(document, position, piece) for position, piece in enumerate(pieces)]


def _chunk(document: Document, position: int, piece: Piece) -> Chunk:
    about = {
        "heading_path": list(piece.heading_path),
        "title": piece.title,
        "page": piece.page,
        "label": piece.label,
        "part": piece.part,
        "start": piece.start,
        "end": piece.end,
        "tokens": piece.tokens,
    }
    return Chunk(
        document=document,
        version=document.version,
        position=position,
        text=piece.text,
        content_hash=piece.content_hash,
        metadata={**about, "context": piece.context} if piece.context else about,
    )
