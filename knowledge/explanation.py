"""A search laid open: what each side found, what became of it, and why a chunk was not found."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.types import Actor
from core.errors import NotFound
from core.languages import localized
from knowledge.lexical import count_lexemes, lexeme_of, split_words
from knowledge.models import Chunk, ChunkEmbedding, ChunkWords
from knowledge.passages import SURPLUS, Ranked, assemble, passage_of
from knowledge.reranking import score, wanted
from knowledge.retrieval import EVERYTHING, POOL, TOP, rank
from knowledge.selectors import list_documents
from knowledge.spaces import find_searched
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
    filters: Filters = EVERYTHING,
) -> Explanation:
    """`retrieval.search` laid open: every chunk that either side had among its best, and what became of it."""
    stages: dict[str, float] = {}
    with _timed(stages, gettext_noop("space")):
        space = find_searched(embedder) if vector is not None else None
    with _timed(stages, gettext_noop("search")):
        ranked = rank(actor, project_id, space, vector, text, filters=filters, pool=2 * DEPTH)
    with _timed(stages, gettext_noop("assemble")):
        shown = wanted(limit)
        assembly = assemble(ranked[: shown + POOL], shown)
    passages = assembly.passages
    scores: dict[UUID, float] = {}
    if shown > limit:
        with _timed(stages, gettext_noop("rerank")):
            passages, scores = score(text, passages)
    dropped = {passage.chunk_id: _too_far(limit) for passage in passages[limit:]} | assembly.dropped
    candidates = tuple(
        _candidate(
            row, dropped.get(row.chunk_id, "" if n < shown + POOL else _too_far(limit)), scores.get(row.chunk_id)
        )
        for n, row in enumerate(ranked)
    )
    terms = tuple(dict.fromkeys(word.text for word in split_words(text)))
    return Explanation(candidates=candidates, passages=tuple(passages[:limit]), stages=stages, terms=terms)


def explain_chunk(
    actor: Actor,
    project_id: UUID,
    embedder: Embedder,
    text: str,
    vector: Vector | None,
    chunk_id: UUID,
    *,
    limit: int = TOP,
    filters: Filters = EVERYTHING,
) -> ChunkReport:
    """Why this chunk is, or is not, among the passages of a question. Raises NotFound, also for a chunk that is not
    the actor's to read."""
    chunk = Chunk.objects.select_related("document").filter(id=chunk_id).first()
    if chunk is None or not list_documents(actor, project_id).filter(id=chunk.document_id).exists():
        raise NotFound(_("This chunk does not exist, or is not yours to read."))
    space = find_searched(embedder)
    ranked = rank(actor, project_id, space, vector, text, filters=filters, pool=2 * FAR, depth=FAR)
    row = next((row for row in ranked if row.chunk_id == chunk_id), None)
    held = count_lexemes(text_with_headings(chunk.document.name, chunk), chunk.document.language)[0]
    asked = {word.text: lexeme_of(word, chunk.document.language) in held for word in split_words(text)}
    chosen = list_filtered(project_id, filters)
    vectors = ChunkEmbedding.objects.filter(chunk=chunk, space=space, project_id=project_id)
    report = ChunkReport(
        passage=passage_of([row or _unranked(chunk)]),
        is_live=chunk.version == chunk.document.live_version,
        passes_filters=chosen is None or chosen.filter(id=chunk.document_id).exists(),
        has_vector=space is not None and vectors.exists(),
        has_words=ChunkWords.objects.filter(chunk=chunk).exists(),
        dense_rank=row.dense_rank if row else None,
        lexical_rank=row.lexical_rank if row else None,
        position=ranked.index(row) + 1 if row else None,
        found=tuple(word for word, is_held in asked.items() if is_held),
        missing=tuple(word for word, is_held in asked.items() if not is_held),
    )
    return replace(report, reasons=tuple(_reasons(report, ranked, limit)))


def _reasons(report: ChunkReport, ranked: Sequence[Ranked], limit: int) -> Iterator[str]:
    if not report.is_live:
        yield _("Its version of the document is not the one that searches find.")
    if not report.passes_filters:
        yield _("The filters leave its document out.")
    if not report.has_vector:
        yield _("It has no vector in the embedding space in use, so that it cannot be found by its meaning.")
    if not report.has_words:
        yield _("Its words have not been indexed yet; that is done in the background.")
    elif not report.found:
        yield _("It has none of the question's words.")
    if not (report.is_live and report.passes_filters):
        return
    if report.position is None:
        yield _("It is not among the best %(count)s chunks by meaning, nor by words.") % {"count": localized(FAR)}
    elif report.position > limit + POOL:
        yield _too_far(limit)
    else:
        dropped = assemble(ranked[: limit + POOL], limit).dropped
        if report.passage.chunk_id in dropped:
            yield dropped[report.passage.chunk_id]


def _candidate(row: Ranked, dropped: str, reranked: float | None) -> Candidate:
    return Candidate(
        passage=passage_of([row]),
        dense_rank=row.dense_rank,
        lexical_rank=row.lexical_rank,
        lexical=row.lexical,
        fused=row.fused,
        codes=row.codes,
        reranked=reranked,
        dropped=dropped,
    )


def _unranked(chunk: Chunk) -> Ranked:
    document = chunk.document
    own = (chunk.id, chunk.content_hash, document.id, document.name, chunk.position, chunk.version, chunk.text)
    return Ranked(*own, chunk.metadata, 0.0, None, None, None, 0, 0.0)


def _too_far(limit: int) -> str:
    return SURPLUS % {"limit": limit}


@contextmanager
def _timed(stages: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    stages[name] = round((time.perf_counter() - began) * 1000, 2)
