"""The semantic cache: the same question in other words, answered from PostgreSQL.

The scope is a filter in SQL, the vector only orders what passes it. A small scope is searched exactly, a large
one by HNSW (Malkov & Yashunin 2016, arXiv:1603.09320) with pgvector's iterative scan, which goes on until enough
rows have passed the filter: neither lets a filter hide a match. How near is near enough, and what no nearness
makes up for, is decided here too (caching.vetoes, caching.verdict).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from math import isnan
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import Min
from django.utils import timezone

from caching import exact, verdict
from caching.entries import match_of
from caching.exact import Unreadable
from caching.models import CacheEntry
from caching.types import Found, Match, Policy
from caching.vetoes import find_veto
from providers.types import Vector

log = logging.getLogger(__name__)
CANDIDATES = 3  # the nearest may ask for something else where the second does not
SMALL = 1000  # entries, up to which a scope is searched exactly: 1 ms
GREY = 0.5  # the least probability for which a second opinion is asked
MAX_INDEXED_DIMENSIONS = 2000  # pgvector's limit for an index on `vector`

# In SQL, as every question waits for it: the ORM takes 2 ms to write the same, the database 1.5 ms to answer.
_BEYOND_SMALL = """
    SELECT 1 FROM caching_cacheentry WHERE project_id = %(project_id)s AND scope_key = %(scope_key)s
    OFFSET %(small)s LIMIT 1
"""
# An approved answer serves every model and prompt of its project: a person stands for it. Others must be in scope
# and live, as caching.entries.is_live says it.
_NEAREST = f"""
    SELECT {", ".join(f.attname for f in CacheEntry._meta.concrete_fields if f.name != "embedding")},
        {{distance}} AS distance
    FROM caching_cacheentry
    WHERE project_id = %(project_id)s AND dimensions = %(dimensions)s AND embedding_identity = %(embedding_identity)s
        AND suspended_at IS NULL AND (
            approved_at IS NOT NULL
            OR scope_key = %(scope_key)s AND created_at <= %(now)s + %(skew)s AND expires_at > %(now)s
        )
    ORDER BY {{distance}} {{unlike}} LIMIT %(candidates)s
"""  # noqa: S608  # columns of the model, and what _first fills in


def find(
    project_id: UUID,
    scope_key: str,
    question_key: str,
    question: str,
    vector: Vector,
    *,
    embedding_identity: str,
    policy: Policy,
    threshold: float | None = None,
) -> Found:
    """The stored answer, within a project and scope, whose question is the asked one in other words.

    `vector`, shape (dimensions,) and length 1, is the canonical question's. `threshold` may tighten the policy's.
    Nothing is ever taken from beyond its end, or while it is suspended.
    """
    first: Found | None = None
    doubtful: Match | None = None
    rows = _nearest(project_id, scope_key, vector, embedding_identity)
    # The very question first, and of its answers the approved one: texts that differ in case alone have one vector.
    for row in sorted(rows, key=lambda row: (row.question_key != question_key, row.approved_at is None)):
        found = _judge(row, question_key, question, embedding_identity, policy, threshold)
        first = first or found
        doubtful = doubtful or found.doubtful
        if found.match is not None:
            return found
    if first is None:
        return Found()
    return Found(doubtful=doubtful, similarity=first.similarity, probability=first.probability, veto=first.veto)


def _judge(
    row: CacheEntry,
    question_key: str,
    question: str,
    embedding_identity: str,
    policy: Policy,
    threshold: float | None,
) -> Found:
    # Without the noise of float32, and nothing more: what is below a threshold is not rounded up to it.
    similarity = round(1 - row.distance, 6)  # type: ignore[attr-defined]  # selected by _NEAREST
    if isnan(similarity):  # of a vector without length
        return Found()
    if row.question_key == question_key:
        same = _match(row, "exact") if policy.uses_exact else _match(row, "semantic", similarity)
        return Found(match=same, similarity=similarity, veto="" if same else "value")
    base = verdict.estimate(question, row.question, similarity, identity=embedding_identity)
    estimate = base
    if policy.offset:
        estimate = verdict.estimate(
            question, row.question, similarity, identity=embedding_identity, offset=policy.offset
        )
    probability = base.probability if base else None
    match = _match(row, "semantic", similarity, probability, estimate.error if estimate else None)
    refused = ""
    if similarity < max(threshold or 0.0, policy.threshold if policy.error_bound is None else 0.0):
        refused = "threshold"
    elif policy.error_bound is not None and (estimate is None or estimate.error > policy.error_bound):
        refused = "estimate"
    is_grey = estimate is not None and estimate.probability >= GREY and similarity >= (threshold or 0.0)
    if refused and not (policy.asks_second_opinion and is_grey):
        return Found(similarity=similarity, probability=probability, veto=refused)
    veto = find_veto(question, row.question)
    if veto is not None or match is None:
        return Found(similarity=similarity, probability=probability, veto=veto or "value")
    if refused:
        return Found(doubtful=match, similarity=similarity, probability=probability, veto=refused)
    return Found(match=match, similarity=similarity, probability=probability)


def _match(
    row: CacheEntry,
    layer: str,
    similarity: float | None = None,
    probability: float | None = None,
    error: float | None = None,
) -> Match | None:
    try:
        match = match_of(row, layer)
    except Unreadable as problem:
        log.warning("semantic cache: %s", problem)
        return None
    return replace(match, similarity=similarity, probability=probability, error=error)


def _nearest(project_id: UUID, scope_key: str, vector: Vector, embedding_identity: str) -> list[CacheEntry]:
    asked: Mapping[str, Any] = {  # Any: a statement's parameters
        "project_id": project_id,
        "scope_key": scope_key,
        "embedding_identity": embedding_identity,
        "dimensions": len(vector),
        "vector": "[" + ",".join([f"{number:.9g}" for number in vector.tolist()]) + "]",
        "now": timezone.now(),
        "skew": exact.SKEW,
        "small": SMALL,
        "candidates": CANDIDATES,
    }
    if _is_large(asked):
        rows = _first(asked, "")
        # Fewer have come where the scan gave up among nearer rows beyond the walls (hnsw.max_scan_tuples).
        if len(rows) == CANDIDATES:
            return rows
    return _first(asked, "+ 0.0")  # no index orders this


def _is_large(asked: Mapping[str, Any]) -> bool:
    """Whether the scope has more than SMALL rows; dead ones count, so that the index alone can tell (0.1 ms)."""
    with connection.cursor() as cursor:
        cursor.execute(_BEYOND_SMALL, asked)
        return cursor.fetchone() is not None


def _first(asked: Mapping[str, Any], unlike_the_index: str) -> list[CacheEntry]:
    distance = f"(embedding::vector({asked['dimensions']:d}) <=> %(vector)s::vector)"
    return list(CacheEntry.objects.raw(_NEAREST.format(distance=distance, unlike=unlike_the_index), asked))


def index_name(dimensions: int) -> str:
    return f"cache_entry_hnsw_{dimensions:d}"


def repair_indexes() -> None:
    """Make the indexes that stored vectors need and do not have: beat looks every ten seconds. Until then a new size of
    vectors is searched exactly."""
    for dimensions in _unindexed():
        make_index(dimensions)


def is_indexed() -> bool:
    """Whether all stored vectors of a size that can be indexed have an index."""
    return not _unindexed()


def make_index(dimensions: int) -> None:
    """The HNSW index for vectors of this size, unless there is one. Larger vectors than pgvector can index are
    searched exactly. Not within a transaction."""
    if not 0 < dimensions <= MAX_INDEXED_DIMENSIONS:
        return
    name = index_name(dimensions)
    with connection.cursor() as cursor:
        # One process at a time: an index in the making looks like one whose making was interrupted. Nobody waits
        # for the other, who himself waits for all open statements.
        cursor.execute("SELECT pg_try_advisory_lock(hashtext(%s))", [name])
        if not cursor.fetchone()[0]:
            return
        try:
            if name in _indexes():
                return
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # one whose making was interrupted
            cursor.execute(
                f"CREATE INDEX CONCURRENTLY {name} ON caching_cacheentry "
                f"USING hnsw ((embedding::vector({dimensions:d})) vector_cosine_ops) "
                f"WITH (m = 16, ef_construction = 64) WHERE dimensions = {dimensions:d}"
            )
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [name])


def _unindexed() -> list[int]:
    """The sizes of stored vectors that could have an index and have none that is whole."""
    names = _indexes()
    return [dimensions for dimensions in _sizes() if index_name(dimensions) not in names]


def _sizes() -> Iterator[int]:
    """The sizes of stored vectors that can be indexed, each by one look into the index on them."""
    size = 0
    rows = CacheEntry.objects.filter(dimensions__lte=MAX_INDEXED_DIMENSIONS)
    while (size := rows.filter(dimensions__gt=size).aggregate(next=Min("dimensions"))["next"] or 0) > 0:
        yield size


def _indexes() -> set[str]:
    """The names of our indexes that are whole."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class JOIN pg_index ON indexrelid = pg_class.oid "
            "WHERE starts_with(relname, 'cache_entry_hnsw_') AND indisvalid"
        )
        return {name for (name,) in cursor.fetchall()}
