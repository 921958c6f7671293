"""The passages that answer a question: by meaning and by words, in one SQL statement (knowledge.statement)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Sum

from accounts.types import Actor
from core.database import in_db, release
from knowledge.coverage import dense_weight
from knowledge.lexical import ask
from knowledge.models import EmbeddingSpace
from knowledge.passages import Ranked, assemble
from knowledge.reranking import rerank, rerank_sync, wanted
from knowledge.spaces import check_dimensions, find_searched
from knowledge.statement import DEPTH, build, list_filtered
from knowledge.types import Filters, Passage
from providers.types import Embedder, Vector

TOP = 5
EVERYTHING = Filters()
POOL = 30  # chunks that are looked at for twins and neighbours, beyond those asked for
EXACT = 20_000  # chunks of the documents that filters let through, up to which each of their vectors is compared


def search(
    actor: Actor,
    project_id: UUID,
    embedder: Embedder,
    text: str,
    vector: Vector | None,
    *,
    limit: int = TOP,
    filters: Filters = EVERYTHING,
) -> list[Passage]:
    """The `limit` best passages of a project for a question, best first; without a vector, by its words alone.

    Only what the actor may read, and of each document only the version that is live. `vector` has shape
    (dimensions,) and length 1; another size raises ProviderRefused. Passages with an identifier that the question
    names come before all others. `similarity` is the cosine, 0 where there is no vector.
    """
    passages = _search(actor, project_id, embedder, text, vector, wanted(limit), filters)
    if wanted(limit) > limit:
        release()
    return rerank_sync(text, passages, limit)


async def find(
    actor: Actor,
    project_id: UUID,
    embedder: Embedder,
    text: str,
    vector: Vector | None,
    faults: set[str],
    *,
    filters: Filters = EVERYTHING,
) -> list[Passage]:
    """The same from asynchronous code. A reranker that fails is noted in `faults`."""
    passages = await in_db(_search)(actor, project_id, embedder, text, vector, wanted(TOP), filters)
    return await rerank(text, passages, TOP, faults)


def _search(
    actor: Actor,
    project_id: UUID,
    embedder: Embedder,
    text: str,
    vector: Vector | None,
    limit: int,
    filters: Filters,
) -> list[Passage]:
    space = find_searched(embedder) if vector is not None else None
    ranked = rank(actor, project_id, space, vector, text, filters=filters, pool=limit + POOL, depth=max(DEPTH, limit))
    return assemble(ranked, limit).passages


def rank(
    actor: Actor,
    project_id: UUID,
    space: EmbeddingSpace | None,
    vector: Vector | None,
    text: str,
    *,
    filters: Filters,
    pool: int,
    depth: int = DEPTH,
) -> list[Ranked]:
    """The `pool` best chunks, best first, of the `depth` best by meaning and as many by words. One statement, and one
    more before it where there are filters."""
    if space is not None and vector is not None:
        check_dimensions(space, vector)
    statement = build(
        actor,
        project_id,
        space,
        vector,
        ask(text),
        filters=filters,
        pool=pool,
        depth=depth,
        dense_weight=dense_weight(space.model, text) if space is not None else 0.0,
        is_exact=_are_few(project_id, filters),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.parameters)
        return [_ranked(*row) for row in cursor.fetchall()]


def _ranked(*values: Any) -> Ranked:  # Any: a row of the statement
    row = Ranked(*values)
    return replace(row, metadata=json.loads(values[7]))


def _are_few(project_id: UUID, filters: Filters) -> bool:
    """Whether filters let so little through that an index would mostly find what is not wanted."""
    documents = list_filtered(project_id, filters)
    if documents is None:
        return False
    return (documents.aggregate(chunks=Sum("chunks_total"))["chunks"] or 0) <= EXACT
