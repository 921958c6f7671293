"""A question put to the search, laid open: for whoever wants to know why something was found, or was not."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from asgiref.sync import async_to_sync
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.types import Actor
from caching.canonical import canonical_text
from caching.embeddings import embed_question
from core.errors import NotFound, ProviderError
from knowledge.explanation import explain, explain_chunk
from knowledge.models import Chunk
from knowledge.selectors import list_documents
from knowledge.spaces import get_serving_embedder
from knowledge.types import Candidate, ChunkReport, Explanation, Filters
from providers.types import Vector

WITHOUT_VECTOR = gettext_lazy("The embedder does not answer, so this search went by words alone.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A candidate as it is drawn. `passage` is the number of the passage it went into, None for none; the widths are
    of 100, a lexical score's and a fused one's against the best of this search."""

    candidate: Candidate
    number: int
    passage: int | None
    dense: float
    lexical: float
    fused: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a question found. `report` is of the chunk that was asked about, `notice` of what did not work."""

    explanation: Explanation
    lines: tuple[Line, ...]
    stages: Mapping[str, float]
    report: ChunkReport | None = None
    notice: str = ""

    @classmethod
    def of_nothing(cls, notice: str) -> Trial:
        """A search that was not made, and why."""
        return cls(explanation=Explanation(candidates=(), passages=(), stages={}), lines=(), stages={}, notice=notice)

    @property
    def total(self) -> float:
        return sum(self.stages.values())


def put_to_search(
    actor: Actor, project_id: UUID, question: str, *, limit: int, filters: Filters, wanted: str = ""
) -> Trial:
    """Search as the chat does, and keep all that was seen. `wanted`: a chunk's id, words of it, or a document's name;
    its report says why it is found or is not. Raises InvalidInput for a question without text."""
    embedder = get_serving_embedder()
    text, began, notice = canonical_text(question), time.perf_counter(), ""
    vector: Vector | None = None
    try:
        vector = async_to_sync(embed_question)(embedder, text)
    except ProviderError:
        notice = str(WITHOUT_VECTOR)
    embedding = {"embed": round((time.perf_counter() - began) * 1000, 2)}
    found = explain(actor, project_id, embedder, text, vector, limit=limit, filters=filters)
    report = None
    if wanted:
        chunk = find_chunk(actor, project_id, wanted)
        if chunk is None:
            notice = _("No chunk here has this id or these words, and no document this name: %(wanted)s") % {
                "wanted": wanted[:80]
            }
        else:
            try:
                report = explain_chunk(
                    actor, project_id, embedder, text, vector, chunk.id, limit=limit, filters=filters
                )
            except NotFound as error:
                notice = error.message
    return Trial(
        explanation=found, lines=_lines(found), stages={**embedding, **found.stages}, report=report, notice=notice
    )


def find_chunk(actor: Actor, project_id: UUID, wanted: str) -> Chunk | None:
    """The chunk with an id, also one of an earlier version; else the first with these words in it, or of the document
    with this name."""
    documents = list_documents(actor, project_id)
    chunks = Chunk.objects.filter(document__in=documents).select_related("document")
    try:
        return chunks.filter(id=UUID(wanted.strip())).first()
    except ValueError:
        live = chunks.filter(version=F("document__live_version")).order_by("document_id", "position")
        return live.filter(document__name__iexact=wanted).first() or live.filter(text__icontains=wanted).first()


def _lines(found: Explanation) -> tuple[Line, ...]:
    numbers = {chunk_id: n for n, passage in enumerate(found.passages, 1) for chunk_id in passage.chunk_ids}
    best_lexical = max((candidate.lexical or 0 for candidate in found.candidates), default=0) or 1
    best_fused = max((candidate.fused for candidate in found.candidates), default=0) or 1
    return tuple(
        Line(
            candidate=candidate,
            number=number,
            passage=numbers.get(candidate.passage.chunk_id),
            dense=round(100 * max(0.0, candidate.passage.similarity), 1),
            lexical=round(100 * (candidate.lexical or 0) / best_lexical, 1),
            fused=round(100 * candidate.fused / best_fused, 1),
        )
        for number, candidate in enumerate(found.candidates, 1)
    )
