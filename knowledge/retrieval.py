"""The passages nearest to a question, in one SQL statement; by their words where there is no vector."""

from __future__ import annotations

import re
from functools import reduce
from operator import or_
from uuid import UUID

from django.contrib.postgres.search import SearchQuery, SearchRank, SearchVector
from django.db.models import Exists, F, Value
from django.db.models.functions import Cast
from pgvector.django import CosineDistance, VectorField

from accounts.selectors import list_projects
from accounts.types import Actor
from knowledge.models import Chunk, ChunkEmbedding
from knowledge.spaces import check_dimensions, find_space
from knowledge.types import Passage
from providers.types import Embedder, Vector

TOP = 5


def retrieve(actor: Actor, project_id: UUID, embedder: Embedder, vector: Vector, limit: int = TOP) -> list[Passage]:
    """The `limit` chunks of a project with the largest cosine to `vector`, best first.

    Only what the actor may read, and of each document only the version that is live. `vector` has shape
    (dimensions,) and length 1; another size raises ProviderRefused. The distance is written as the space's
    HNSW index has it, and the space's id reaches the planner as a constant, so that its partial index serves
    the query.
    """
    space = find_space(embedder)
    if space is None:
        return []
    check_dimensions(space, vector)
    rows = (
        ChunkEmbedding.objects.filter(
            Exists(list_projects(actor).filter(id=project_id)),
            space_id=space.id,
            project_id=project_id,
            chunk__version=F("chunk__document__live_version"),
        )
        .annotate(distance=CosineDistance(Cast("embedding", VectorField(dimensions=space.dimensions)), vector))
        .order_by("distance")
        .select_related("chunk__document")
        .defer("embedding")[:limit]
    )
    return [_passage(row.chunk, round(1 - row.distance, 4)) for row in rows]


def retrieve_by_words(actor: Actor, project_id: UUID, text: str, limit: int = TOP) -> list[Passage]:
    """The `limit` chunks of a project with the best full-text rank for any word of `text`, best first.

    For when the embedder is down: no vector is needed, and none of these has a similarity.
    """
    words = [SearchQuery(word, config="english") for word in set(re.findall(r"\w+", text))]
    if not words:
        return []
    query = reduce(or_, words)
    chunks = (
        Chunk.objects.filter(
            Exists(list_projects(actor).filter(id=project_id)),
            document__project_id=project_id,
            version=F("document__live_version"),
        )
        .annotate(vector=SearchVector("text", config="english"))
        .filter(vector=query)
        .annotate(rank=SearchRank(F("vector"), query, normalization=Value(1)))
        .order_by("-rank", "id")
        .select_related("document")[:limit]
    )
    return [_passage(chunk, 0.0) for chunk in chunks]


def _passage(chunk: Chunk, similarity: float) -> Passage:
    return Passage(
        chunk_id=chunk.id,
        content_hash=chunk.content_hash,
        document_id=chunk.document_id,
        document=chunk.document.name,
        locator=chunk.locator,
        text=chunk.text,
        similarity=similarity,
    )
