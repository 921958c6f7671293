"""The passages nearest to a question, in one SQL statement."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Exists, F
from django.db.models.functions import Cast
from pgvector.django import CosineDistance, VectorField

from accounts.selectors import list_projects
from accounts.types import Actor
from knowledge.models import ChunkEmbedding
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
    return [
        Passage(
            chunk_id=row.chunk.id,
            content_hash=row.chunk.content_hash,
            document_id=row.chunk.document_id,
            document=row.chunk.document.name,
            locator=row.chunk.locator,
            text=row.chunk.text,
            similarity=round(1 - row.distance, 4),
        )
        for row in rows
    ]
