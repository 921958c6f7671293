"""The story of an upload: claim, parse, embed, publish.

    queued → parsing → embedding (n of m) → ready
                  ╲          ╲
                   └──────────┴→ failed, with the reason, or queued again after a while

Every step may be done twice and none is lost: chunks are stored once for a version, vectors once for a
chunk, and a worker that was killed is found by its missing heartbeat (selectors.list_stalled).
"""

from __future__ import annotations

import hashlib
import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.models import F, Q
from django.utils import timezone

from caching import eviction
from caching.embeddings import embed_texts
from core.errors import PolyAIError
from knowledge.chunking import split
from knowledge.models import Chunk, ChunkEmbedding, Document, DocumentPart
from knowledge.progress import announce
from knowledge.reading import read
from knowledge.selectors import STALLED_AFTER, UNFINISHED
from knowledge.services import move_corpus_version
from knowledge.spaces import check_dimensions, get_or_create_space, text_to_embed
from providers.registry import get_embedder

log = logging.getLogger(__name__)
BATCH = 32  # chunks embedded, stored and announced together
HEARTBEAT = 5.0  # seconds
MAX_ATTEMPTS = 8
FIRST_PAUSE = 5  # seconds; doubles with each attempt, 10 minutes at most


class Unforeseen(PolyAIError):
    retryable = True


class LostClaim(Exception):
    """The document was deleted, replaced or taken over meanwhile: whoever has it now does the rest."""


def ingest(document_id: UUID) -> int | None:
    """Bring a document as far as it goes. Returns the seconds to wait before the next try, None for none."""
    document = _claim(document_id)
    if document is None:
        return None
    failure: PolyAIError | None = None
    try:
        with _heartbeat(document):
            _parse(document)
            is_changed = _embed(document)
            _publish(document, is_changed)
    except LostClaim:
        log.info("document %s was deleted, replaced or taken over meanwhile", document_id)
    except PolyAIError as error:
        failure = error
    except Exception:  # the last border of a worker: the document must not stay "in hand" for ever
        log.exception("document %s: ingestion failed", document_id)
        failure = Unforeseen("Something went wrong on the server; its log says what.")
    return _give_up(document, failure) if failure else None


def _claim(document_id: UUID) -> Document | None:
    """Take a document that nobody has in hand; None when there is nothing to do for it.

    Every claim counts as an attempt, so that a file which kills its worker is given up like any other.
    """
    free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=timezone.now() - STALLED_AFTER)
    claim = uuid.uuid4()
    taken = Document.objects.filter(free, id=document_id, state__in=UNFINISHED).update(
        claim=claim,
        heartbeat_at=timezone.now(),
        state=Document.State.PARSING,
        attempts=F("attempts") + 1,
        error="",
        retry_at=None,
    )
    if not taken:
        return None
    document = Document.objects.filter(id=document_id, claim=claim).first()
    if document is None:
        return None
    if document.attempts > MAX_ATTEMPTS:
        _give_up(document, PolyAIError(f"Given up after {MAX_ATTEMPTS} tries: the file stops its reader."))
        return None
    announce(document.project_id, document.id)
    return document


def _update(document: Document, **fields: object) -> None:
    """Write fields of a document that is still ours. Raises LostClaim."""
    now = timezone.now()
    mine = Document.objects.filter(id=document.id, claim=document.claim)
    if not mine.update(**{"heartbeat_at": now, "updated_at": now, **fields}):
        raise LostClaim
    transaction.on_commit(lambda: announce(document.project_id, document.id))


@contextmanager
def _heartbeat(document: Document) -> Iterator[None]:
    """Show that this worker lives, from a thread: one page of a PDF may take longer than a heartbeat."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT):
            try:
                Document.objects.filter(id=document.id, claim=document.claim).update(heartbeat_at=timezone.now())
            except (OperationalError, InterfaceError):
                log.warning("document %s: no heartbeat, the database does not answer", document.id)
            connections.close_all()

    thread = threading.Thread(target=beat, name=f"heartbeat-{document.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _parse(document: Document) -> None:
    """Store the chunks of this version, unless an earlier try has."""
    if Chunk.objects.filter(document=document, version=document.version).exists():
        return
    with document.original.open("rb") as file:
        reading = read(document.name, file)
    parts = [
        DocumentPart(
            document=document,
            version=document.version,
            position=position,
            text=part.text,
            page=part.page,
            label=part.label,
            is_markdown=part.is_markdown,
        )
        for position, part in enumerate(reading.parts)
    ]
    chunks = [
        Chunk(
            document=document,
            version=document.version,
            position=position,
            text=piece.text,
            content_hash=hashlib.sha256(piece.text.encode()).hexdigest(),
            metadata={
                "heading_path": list(piece.heading_path),
                "page": piece.page,
                "label": piece.label,
                "part": piece.part,
                "start": piece.start,
                "end": piece.end,
            },
        )
        for position, piece in enumerate(split(reading.parts))
    ]
    with transaction.atomic():
        _update(document, notes=reading.notes)
        DocumentPart.objects.bulk_create(parts, batch_size=500)
        Chunk.objects.bulk_create(chunks, batch_size=500)


def _embed(document: Document) -> bool:
    """Store the vectors that are missing, a batch at a time; whether there were any."""
    embedder = get_embedder()
    space = get_or_create_space(embedder)
    chunks = Chunk.objects.filter(document=document, version=document.version)
    total = chunks.count()
    missing = list(chunks.exclude(embeddings__space=space).order_by("position"))
    state = Document.State.EMBEDDING
    _update(document, state=state, chunks_total=total, chunks_embedded=total - len(missing))
    for start in range(0, len(missing), BATCH):
        batch = missing[start : start + BATCH]
        vectors = embed_texts(embedder, [text_to_embed(document.name, chunk) for chunk in batch])
        check_dimensions(space, vectors)
        rows = [
            ChunkEmbedding(chunk=chunk, space=space, project_id=document.project_id, embedding=vector)
            for chunk, vector in zip(batch, vectors, strict=True)
        ]
        with transaction.atomic():
            _update(document, chunks_embedded=total - len(missing) + start + len(batch))
            ChunkEmbedding.objects.bulk_create(rows, ignore_conflicts=True)
    return bool(missing)


def _publish(document: Document, is_changed: bool) -> None:
    """Make this version the one that searches find, and drop the one before, at once."""
    with transaction.atomic():
        _update(document, state=Document.State.READY, live_version=document.version, heartbeat_at=None, claim=None)
        old = Chunk.objects.filter(document=document).exclude(version=document.version)
        live = Chunk.objects.filter(document=document, version=document.version)
        gone = dict(old.values_list("id", "content_hash"))
        eviction.replace_chunks(document.project_id, gone, set(live.values_list("content_hash", flat=True)))
        old.delete()
        DocumentPart.objects.filter(document=document).exclude(version=document.version).delete()
        if is_changed or document.live_version != document.version:
            move_corpus_version(document.project_id)


def _give_up(document: Document, error: PolyAIError) -> int | None:
    """Queue the document for another try where that can help, else mark it failed."""
    mine = Document.objects.filter(id=document.id, claim=document.claim)
    pause = None
    if error.retryable and document.attempts < MAX_ATTEMPTS:
        pause = min(FIRST_PAUSE * 2 ** (document.attempts - 1), 600)
        mine.update(
            state=Document.State.QUEUED,
            error=f"{error.message} Trying again by itself.",
            retry_at=timezone.now() + timedelta(seconds=pause),
            claim=None,
            heartbeat_at=None,
        )
    else:
        mine.update(state=Document.State.FAILED, error=error.message, claim=None, heartbeat_at=None)
    log.warning("document %s: %s", document.id, error.message)
    announce(document.project_id, document.id)
    return pause
