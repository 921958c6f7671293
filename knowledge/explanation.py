"""A search laid open: what each side found, what became of it, and why a chunk was not found."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from accounts.types import Actor
from core.errors import NotFound
from knowledge.lexical import count_lexemes, split_words, stem
from knowledge.models import Chunk, ChunkEmbedding, ChunkWords
from knowledge.passages import Ranked, assemble, passage_of
from knowledge.retrieval import POOL, TOP, rank
from knowledge.selectors import list_documents
from knowledge.spaces import find_space
from knowledge.statement import DEPTH, list_filtered
from knowledge.types import Candidate, ChunkReport, Explanation, Filters
from knowledge.words import text_with_headings
from providers.types import Embedder, Vector

FAR = 2_000  # chunks of each side that are ranked to find one of them


def explain(
    actor: Actor,
    project_id: UUID,
    embedder: Embedder,
    text: str,
    vector: Vector | None,
    *,
    limit: int = TOP,
    filters: Filters = Filters(),  # noqa: B008  # frozen
) -> Explanation:
    """`retrieval.search` laid open: every chunk that either side had among its best, and what became of it."""
    stages: dict[str, float] = {}
    with _timed(stages, "space"):
        space = find_space(embedder) if vector is not None else None
    with _timed(stages, "search"):
        ranked = rank(actor, project_id, space, vector, text, filters=filters, pool=2 * DEPTH)
    with _timed(stages, "assemble"):
        assembly = assemble(ranked[: limit + POOL], limit)
    candidates = tuple(
        _candidate(row, assembly.dropped.get(row.chunk_id, "" if n < limit + POOL else _too_far(limit)))
        for n, row in enumerate(ranked)
    )
    terms = tuple(dict.fromkeys(word.text for word in split_words(text)))
    return Explanation(candidates=candidates, passages=tuple(assembly.passages), stages=stages, terms=terms)


def explain_chunk(
    actor: Actor,
    project_id: UUID,
    embedder: Embedder,
    text: str,
    vector: Vector | None,
    chunk_id: UUID,
    *,
    limit: int = TOP,
    filters: Filters = Filters(),  # noqa: B008  # frozen
) -> ChunkReport:
    """Why this chunk is, or is not, among the passages of a question. Raises NotFound, also for a chunk that is not
    the actor's to read."""
    chunk = Chunk.objects.select_related("document").filter(id=chunk_id).first()
    if chunk is None or not list_documents(actor, project_id).filter(id=chunk.document_id).exists():
        raise NotFound("This chunk does not exist, or is not yours to read.")
    space = find_space(embedder)
    chosen = list_filtered(project_id, filters)
    ranked = rank(actor, project_id, space, vector, text, filters=filters, pool=2 * FAR, depth=FAR)
    row = next((row for row in ranked if row.chunk_id == chunk_id), None)
    assembly = assemble(ranked[: limit + POOL], limit)
    held, _ = count_lexemes(text_with_headings(chunk.document.name, chunk), chunk.document.language)
    asked = list(dict.fromkeys(word for word in split_words(text)))
    has = {word.text for word in asked if (stem(word.text, chunk.document.language) if word.is_plain else word.text) in held}
    is_live = chunk.version == chunk.document.live_version
    passes = chosen is None or chosen.filter(id=chunk.document_id).exists()
    has_vector = space is not None and ChunkEmbedding.objects.filter(
        chunk=chunk, space=space, project_id=project_id
    ).exists()
    reasons = []
    if not is_live:
        reasons.append("Its version of the document is not the one that searches find.")
    if not passes:
        reasons.append("The filters leave its document out.")
    if not has_vector:
        reasons.append("It has no vector in the embedding space in use, so that it cannot be found by its meaning.")
    if not ChunkWords.objects.filter(chunk=chunk).exists():
        reasons.append("Its words have not been indexed yet; that is being done in the background.")
    elif not has:
        reasons.append("It has none of the question's words.")
    if is_live and passes:
        if row is None:
            reasons.append(f"It is not among the best {FAR:,} chunks by meaning, nor by words.")
        elif row not in ranked[: limit + POOL]:
            reasons.append(_too_far(limit))
        elif chunk_id in assembly.dropped:
            reasons.append(assembly.dropped[chunk_id])
    return ChunkReport(
        passage=passage_of([row or _unranked(chunk)]),
        is_live=is_live,
        passes_filters=passes,
        has_vector=has_vector,
        dense_rank=row.dense_rank if row else None,
        lexical_rank=row.lexical_rank if row else None,
        position=ranked.index(row) + 1 if row else None,
        found=tuple(word.text for word in asked if word.text in has),
        missing=tuple(word.text for word in asked if word.text not in has),
        reasons=tuple(reasons),
    )


def _candidate(row: Ranked, dropped: str) -> Candidate:
    return Candidate(
        passage=passage_of([row]),
        dense_rank=row.dense_rank,
        lexical_rank=row.lexical_rank,
        lexical=row.lexical,
        fused=row.fused,
        codes=row.codes,
        dropped=dropped,
    )


def _unranked(chunk: Chunk) -> Ranked:
    document = chunk.document
    own = (chunk.id, chunk.content_hash, document.id, document.name, chunk.position, chunk.version, chunk.text)
    return Ranked(*own, chunk.metadata, 0.0, None, None, None, 0, 0.0)


def _too_far(limit: int) -> str:
    return f"Not among the best {limit}."


@contextmanager
def _timed(stages: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    stages[name] = round((time.perf_counter() - began) * 1000, 2)
