"""A change of the embedding model: estimated, built in the background beside the one that serves, then switched to.

    estimate → start → building (n of m, by beat, a slice at a time) → complete → active
                                                                            ╲
                                      the space before it: retired, and kept until it is dropped

Nothing of it is lost with a worker: what a space lacks is read from the tables each time. A document that comes by any
door meanwhile is ready as soon as it is in the active space, and is one of those that the new space lacks.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from caching.embeddings import embed_texts
from core.errors import InvalidInput, PolyAIError
from knowledge import partitions
from knowledge.models import Chunk, ChunkEmbedding, Document, EmbeddingSpace
from knowledge.services import move_corpus_version
from knowledge.spaces import (
    MISSING,
    check_dimensions,
    count_missing,
    embedder_of,
    find_active,
    find_space,
    get_or_create_space,
    is_of,
    switch,
    text_to_embed,
)
from knowledge.tables import only_one
from providers.prices import find_price
from providers.registry import get_embedder
from providers.types import LOCAL, Embedder, Vectors

log = logging.getLogger(__name__)
BATCH = 32  # chunks embedded and stored together
PAGE = 1_000  # chunks looked for at once: late in a build that is a look through all of them
SAMPLE = 16  # chunks that an estimate embeds, to see how long they take
SLICE = 15.0  # seconds of building in one task: others in the queue have their turn
FIRST_PAUSE, LONGEST_PAUSE = 5, 600  # seconds after an error; doubles with each
AGAIN = 60  # seconds until a complete space that is not switched to is looked at again
BYTES_PER_TOKEN = 4  # of UTF-8: English has 4 to 5, Chinese 3 to 4
NO_ID = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What building a space would take. `dollars` is None where nobody told the model's price."""

    chunks: int
    tokens: int
    dollars: float | None
    seconds: float
    dimensions: int


# --- Before -------------------------------------------------------------------------------------


def estimate(embedder: Embedder) -> Estimate:
    """What it would take to embed all that the embedder's space lacks, from a sample of it. Raises ProviderError.

    The sample is embedded in earnest: so it is also known that the embedder answers, and in which size.
    """
    space = find_space(embedder)
    lacking = {"space": space.id if space else NO_ID}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*), coalesce(sum(octet_length(c.text) + octet_length(d.name) + "
            f"coalesce(octet_length(c.metadata ->> 'heading_path'), 0)), 0) {MISSING}",
            lacking,
        )
        chunks, size = cursor.fetchone()
    sample = _load(_lacking(lacking["space"], NO_ID, SAMPLE))
    texts = [text_to_embed(chunk.document.name, chunk) for chunk in sample] or ["How many dimensions?"]
    began = time.perf_counter()
    vectors = embedder.embed_sync(texts)
    seconds = (time.perf_counter() - began) / len(texts) * chunks
    tokens = round(size / BYTES_PER_TOKEN)
    return Estimate(
        chunks=chunks,
        tokens=tokens,
        dollars=_dollars(embedder, tokens),
        seconds=seconds,
        dimensions=int(vectors.shape[1]),
    )


def _dollars(embedder: Embedder, tokens: int) -> float | None:
    if embedder.provider == LOCAL:
        return 0.0
    price = find_price(embedder.model)
    return price.nanodollars(tokens) / 1e9 if price else None


def start(embedder: Embedder, precision: str = EmbeddingSpace.Precision.FULL) -> EmbeddingSpace:
    """Have the embedder's space built, or brought up to date, in the background. Raises ProviderError, InvalidInput."""
    space = get_or_create_space(embedder, precision)
    with transaction.atomic():
        space = EmbeddingSpace.objects.select_for_update().get(id=space.id)
        if space.status == EmbeddingSpace.Status.ACTIVE and not count_missing(space, most=1):
            raise InvalidInput(
                _("%(space)s is the active embedding space, and every chunk is in it.") % {"space": space}
            )
        if space.status == EmbeddingSpace.Status.RETIRED:
            space.status = EmbeddingSpace.Status.BUILDING
        space.completed_at = space.retry_at = None
        space.attempts, space.error = 0, ""
        space.save()
        _count(space)
    return space


# --- Building -----------------------------------------------------------------------------------


def list_unfinished() -> list[EmbeddingSpace]:
    """Spaces that may lack chunks: those being built, and an active one that was switched to before it was complete."""
    spaces = EmbeddingSpace.objects.exclude(status=EmbeddingSpace.Status.RETIRED).order_by("created_at")
    now = timezone.now()
    return [
        space
        for space in spaces
        if (space.completed_at is None or space.status == EmbeddingSpace.Status.BUILDING)
        and (space.retry_at is None or space.retry_at <= now)
    ]


def build(space: EmbeddingSpace, seconds: float = SLICE) -> None:
    """Go on building a space for so long, unless somebody else does; errors are kept with it, and tried again."""
    with only_one(f"build {space.id}") as is_free:
        if not is_free:
            return
        try:
            if _fill(space, time.monotonic() + seconds):
                _complete(space)
        except PolyAIError as error:
            _pause(space, error)
        _count(space)


def _fill(space: EmbeddingSpace, deadline: float) -> bool:
    """Embed what the space lacks; whether a look through all chunks has found nothing more."""
    embedder, after, is_whole_look = embedder_of(space), NO_ID, True
    while True:
        ids = _lacking(space.id, after, PAGE)
        if not ids and is_whole_look:
            return True
        if not ids:
            after, is_whole_look = NO_ID, True
            continue
        for first in range(0, len(ids), BATCH):
            if time.monotonic() > deadline:
                return False
            batch = _load(ids[first : first + BATCH])
            if batch and not _store(space, batch, _embed(space, embedder, batch)):
                return False
        after, is_whole_look = ids[-1], False


def _lacking(space_id: UUID, after: UUID, count: int) -> list[UUID]:
    """The first chunks, by their ids, that a space lacks."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT c.id {MISSING} AND c.id > %(after)s ORDER BY c.id LIMIT %(count)s",
            {"space": space_id, "after": after, "count": count},
        )
        return [chunk_id for (chunk_id,) in cursor.fetchall()]


def _load(ids: Sequence[UUID]) -> list[Chunk]:
    return list(Chunk.objects.filter(id__in=ids).select_related("document").order_by("id"))


def _embed(space: EmbeddingSpace, embedder: Embedder, batch: Sequence[Chunk]) -> Vectors:
    vectors = embed_texts(embedder, [text_to_embed(chunk.document.name, chunk) for chunk in batch])
    check_dimensions(space, vectors)
    return vectors


def _store(space: EmbeddingSpace, batch: Sequence[Chunk], vectors: Vectors) -> bool:
    """Store the vectors of those chunks that are still there; False when the space was dropped or retired meanwhile."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT status FROM knowledge_embeddingspace WHERE id = %s FOR SHARE", [space.id])
            row = cursor.fetchone()
        if row is None or row[0] == EmbeddingSpace.Status.RETIRED:
            return False
        documents = Document.objects.filter(id__in={chunk.document_id for chunk in batch}).order_by("id")
        # Whoever deletes a document takes it first, too: its chunks stay, or are gone already.
        projects = dict(documents.select_for_update().values_list("id", "project_id"))
        there = set(Chunk.objects.filter(id__in=[chunk.id for chunk in batch]).values_list("id", flat=True))
        rows = [
            ChunkEmbedding(chunk=chunk, space=space, project_id=projects[chunk.document_id], embedding=vector)
            for chunk, vector in zip(batch, vectors, strict=True)
            if chunk.id in there and chunk.document_id in projects
        ]
        ChunkEmbedding.objects.bulk_create(rows, ignore_conflicts=True)
        EmbeddingSpace.objects.filter(id=space.id).update(
            chunks_embedded=F("chunks_embedded") + len(rows), attempts=0, error="", retry_at=None
        )
        if row[0] == EmbeddingSpace.Status.ACTIVE:  # what can be found has changed
            for project_id in sorted({row.project_id for row in rows}):
                move_corpus_version(project_id)
    return True


def _complete(space: EmbeddingSpace) -> None:
    """Index what was loaded; then the environment wins, if this is the space that it names."""
    if not partitions.arrange(space):
        return
    now = timezone.now()
    EmbeddingSpace.objects.filter(id=space.id, completed_at=None).update(completed_at=now)
    EmbeddingSpace.objects.filter(id=space.id).update(retry_at=now + timedelta(seconds=AGAIN), attempts=0, error="")
    settle()


def _count(space: EmbeddingSpace) -> None:
    total = Chunk.objects.filter(version=F("document__live_version")).count()
    lacking = count_missing(space)
    EmbeddingSpace.objects.filter(id=space.id).update(chunks_total=total, chunks_embedded=total - lacking)


def _pause(space: EmbeddingSpace, error: PolyAIError) -> None:
    row = EmbeddingSpace.objects.filter(id=space.id).first()
    attempts = row.attempts + 1 if row else 1
    pause = min(FIRST_PAUSE * 2 ** (attempts - 1), LONGEST_PAUSE)
    EmbeddingSpace.objects.filter(id=space.id).update(
        attempts=min(attempts, 20), error=error.message, retry_at=timezone.now() + timedelta(seconds=pause)
    )
    log.warning("embedding space %s: %s Trying again in %s s.", space, error.message, pause)


# --- Afterwards ---------------------------------------------------------------------------------


def settle() -> None:
    """Switch to the environment's space when that is complete, unless an operator has passed it over."""
    active, wanted = find_active(), get_embedder()
    if active is None or is_of(active, wanted) or active.chosen_over == wanted.identity:
        return
    space = find_space(wanted)
    if space is not None and space.completed_at is not None and not count_missing(space, most=1):
        switch(space)


def drop(space: EmbeddingSpace) -> None:
    """Remove a space with its vectors; what it was built for has to be embedded again. Raises InvalidInput."""
    with transaction.atomic():
        row = EmbeddingSpace.objects.select_for_update().filter(id=space.id).first()
        if row is None:
            return
        if row.status == EmbeddingSpace.Status.ACTIVE:
            raise InvalidInput(
                _("%(space)s is the active embedding space: switch to another one first.") % {"space": row}
            )
        row.delete()
    partitions.drop_space(space.id)


def find_by_name(name: str) -> EmbeddingSpace:
    """By id, model, or `model@address`. Raises InvalidInput when there is none, or more than one."""
    found = [s for s in EmbeddingSpace.objects.all() if name in (str(s.id), s.model, f"{s.model}@{s.provider}")]
    if len(found) == 1:
        return found[0]
    known = EmbeddingSpace.objects.order_by("created_at")
    names = ", ".join(f"{s.model}@{s.provider} ({s.id})" for s in (found or known)) or _("none yet")
    told = _("No space is called '%(name)s'. There are: %(names)s.")
    if found:
        told = _("Several spaces are called '%(name)s'. There are: %(names)s.")
    raise InvalidInput(told % {"name": name, "names": names})
