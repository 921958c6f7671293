"""The story of an upload: parse, then embed slice by slice, then publish.

    queued → parsing → embedding (n of m) → ready
                  ╲          ╲
                   └──────────┴→ failed or cancelled, with the reason; or queued again after a while

Parsing and embedding are two tasks on queues of their own (queue.py); an embedding task does a slice and is sent
again, so that a long document lets short ones pass. Every step may be done twice and none is lost: parts and chunks
are stored once for a version, vectors once for a chunk, and a worker that was killed is found by its missing
heartbeat (claim.py, selectors.list_abandoned).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from caching.embeddings import embed_texts
from core.errors import PolyAIError, ProviderError, StoreUnavailable, UnreadableFile
from knowledge import claim, patience
from knowledge.chunking import title_of
from knowledge.claim import LostClaim
from knowledge.models import Chunk, ChunkEmbedding, Document, DocumentPart, EmbeddingSpace
from knowledge.policies import get_chunking
from knowledge.reading import read
from knowledge.rechunking import cut, stored_reading
from knowledge.services import move_corpus_version
from knowledge.spaces import check_dimensions, embedder_of, serving_space, text_to_embed
from knowledge.storing import store_chunks, store_parts, store_vectors
from knowledge.types import Reading
from knowledge.versions import list_missing, publish
from knowledge.words import store_words
from providers.types import Embedder

log = logging.getLogger(__name__)
BATCH = 32  # chunks embedded, stored and announced together
SLICE_BATCHES, SLICE_SECONDS = 16, 4.0  # an embedding task does so much, and lets others pass
MAX_ATTEMPTS = 8  # since it last moved on
FIRST_PAUSE, LONGEST_PAUSE = 5, 600  # seconds; each pause is twice the one before


class Unforeseen(PolyAIError):
    retryable = True


def ingest(document_id: UUID) -> float | None:
    """Every step after the other, for who has no queue. Returns the seconds until another try, None for none."""
    pause = parse(document_id)
    if pause:
        return pause
    while (pause := embed(document_id)) == 0:
        pass
    return pause


def parse(document_id: UUID) -> float | None:
    """Store the parts and chunks of a document. Returns the seconds until its next step, None when it has none."""
    return _do(document_id, Document.State.PARSING, _parse)


def embed(document_id: UUID) -> float | None:
    """Embed a slice of a document, and publish it with the last. Returns the same as `parse`."""
    return _do(document_id, Document.State.EMBEDDING, _embed)


def _do(document_id: UUID, state: Document.State, step: Callable[[Document], float | None]) -> float | None:
    document: Document | None = None
    failure: PolyAIError
    try:
        document = claim.take(document_id, state)
        if document is None:
            return None
        if document.attempts > MAX_ATTEMPTS:
            raise PolyAIError(
                _("Given up after %(max_attempts)s tries: the file stops its reader.") % {"max_attempts": MAX_ATTEMPTS}
            )
        with claim.heartbeat(document):
            return step(document)
    except LostClaim:
        log.info("document %s was deleted, replaced, cancelled or taken over meanwhile", document_id)
        return None
    except PolyAIError as error:
        failure = error
    except (OperationalError, InterfaceError) as error:
        log.warning("document %s: the database does not answer (%s)", document_id, type(error).__name__)
        failure = StoreUnavailable(_("The database did not answer."))
    except Exception:  # the last border of a worker: the document must not stay "in hand" for ever
        log.exception("document %s: ingestion failed", document_id)
        failure = Unforeseen(_("Something went wrong on the server; its log says what."))
    return _give_up(document, failure) if document else None


def _parse(document: Document) -> float:
    """Store the parts and chunks of this version, unless an earlier try has."""
    chunks = Chunk.objects.filter(document=document, version=document.version)
    if chunks.exists():
        claim.release(document, state=Document.State.EMBEDDING, chunks_total=chunks.count(), attempts=0)
        return 0
    reading = stored_reading(document)
    if reading is None:
        with document.original.open("rb") as file:
            reading = read(document.name, file)
    chunking, title = get_chunking(document.project), title_of(reading.parts, reading.title)
    parts, pieces = _parts(document, reading), cut(document, reading, chunking, title)
    if not pieces:
        raise UnreadableFile(_("There is no text in the file."))
    known = {"notes": reading.notes, "title": title, "chunking": str(chunking), "parts_hash": document.content_hash}
    with transaction.atomic():
        claim.release(document, state=Document.State.EMBEDDING, chunks_total=len(pieces), attempts=0, **known)
        store_parts(parts)
        store_chunks(pieces)
        store_words(document, pieces)
    return 0


def _parts(document: Document, reading: Reading) -> list[DocumentPart]:
    return [
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


def _embed(document: Document) -> float | None:
    """Store the vectors that are missing, a batch at a time, as many as make a slice."""
    space = serving_space()
    embedder = embedder_of(space)
    missing = list_missing(document, space)
    done = document.chunks_total - missing.count()
    claim.update(document, chunks_embedded=done)
    until = time.monotonic() + SLICE_SECONDS
    chunks = list(missing[: SLICE_BATCHES * BATCH])
    for start in range(0, len(chunks), BATCH):
        batch = chunks[start : start + BATCH]
        _store(document, embedder, space, batch, done := done + len(batch))
        if time.monotonic() > until:
            break
    if done < document.chunks_total:
        claim.release(document, attempts=0)
        return 0
    if not publish(document, space):  # another space has become the active one meanwhile
        claim.release(document, attempts=0)
        return 0
    return None


def _store(document: Document, embedder: Embedder, space: EmbeddingSpace, batch: list[Chunk], done: int) -> None:
    with patience.respected(embedder):
        vectors = embed_texts(embedder, [text_to_embed(document.name, chunk) for chunk in batch])
    check_dimensions(space, vectors)
    rows = [
        ChunkEmbedding(chunk=chunk, space=space, project_id=document.project_id, embedding=vector)
        for chunk, vector in zip(batch, vectors, strict=True)
    ]
    with transaction.atomic():
        claim.update(document, chunks_embedded=done, attempts=1)
        store_vectors(rows)
        if document.live_version == document.version:  # searches find them at once
            move_corpus_version(document.project_id)


def _give_up(document: Document, error: PolyAIError) -> float | None:
    """Queue the document for another try where that can help, else mark it failed."""
    log.warning("document %s: %s", document.id, error.message)
    wish = error.retry_after if isinstance(error, ProviderError) else None
    pause: float | None = None
    fields: dict[str, object] = {"state": Document.State.FAILED, "error": error.message}
    if wish is not None or (error.retryable and document.attempts < MAX_ATTEMPTS):
        pause = min(FIRST_PAUSE * 2.0 ** (document.attempts - 1), LONGEST_PAUSE)
        fields = {
            "state": Document.State.QUEUED,
            "error": _("%(reason)s Trying again by itself.") % {"reason": error.message},
        }
    if wish is not None:  # it says when to come back: that is no failure, and may happen any number of times
        pause = patience.kept_within(wish)
        fields["attempts"] = F("attempts") - 1
    if pause is not None:
        fields["retry_at"] = timezone.now() + timedelta(seconds=pause)
    try:
        claim.release(document, **fields, error_code=error.code)
    except LostClaim:
        return None
    except (OperationalError, InterfaceError):
        log.warning("document %s: left to the sweep, the database does not answer", document.id)
        return None
    return pause
