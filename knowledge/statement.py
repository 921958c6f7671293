"""A search as one SQL statement: the nearest vectors, the best words, and both together.

The lexical side is BM25 (Robertson & Zaragoza 2009) over tsvectors. PostgreSQL's own `ts_rank` knows nothing of how
rare a word is, but of one word it gives a fixed function of how often a text has it (the sum of 1/n² over its
occurrences, by π²/6): so the number of occurrences is read off it, many times faster than by unnesting the vector.

Which chunks are looked at is decided by the rarest words asked for (as in Turtle & Flood 1995): common ones add to
the score of what those found. So a search looks at some thousand chunks, whatever the project's size.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet
from pgvector import Vector as VectorText

from accounts.selectors import list_projects
from accounts.types import Actor
from knowledge.lexical import Term, quote
from knowledge.models import Document, EmbeddingSpace
from knowledge.spaces import breadth_sql, distance_sql
from knowledge.types import Filters
from knowledge.words import project_lexeme
from providers.types import Vector

K1, B = 1.2, 0.75  # of BM25: how soon more of a word says nothing more, and how much a long text is held down
DEPTH = 100  # chunks of each side
BUDGET = 2_000  # chunks that the lexical side looks at, about
WIDTH = 0.4  # of cosine: how far the best vector stands out where the dense side knows
LEAST = 0.5  # of what the asked words weigh: the best passage by words is no full match if it has less


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """SQL with its parameters by name."""

    sql: str
    parameters: dict[str, Any]  # Any: what psycopg adapts


def build(
    actor: Actor,
    project_id: UUID,
    space: EmbeddingSpace | None,
    vector: Vector | None,
    terms: Sequence[Term],
    *,
    filters: Filters,
    pool: int,
    depth: int,
    dense_weight: float,
    is_exact: bool = False,
) -> Statement:
    """The best `pool` chunks of what the actor may read, best first. Without a space or a vector, by words alone;
    without terms, by vectors alone. `is_exact` keeps the vectors' index out of it."""
    parameters: dict[str, Any] = {
        "project": project_id,
        "project_lexeme": quote(project_lexeme(project_id)),
        "lexemes": [term.lexeme for term in terms],
        "queries": [quote(term.lexeme) for term in terms],
        "numbers": [term.number for term in terms],
        "languages": [" ".join(term.languages) for term in terms],
        "codes": [term.is_code for term in terms],
        "depth": depth,
        "pool": pool,
        "weight": dense_weight,
    }
    allowed = _named(list_projects(actor).filter(id=project_id).values("id"), "allowed", parameters)
    chosen = list_filtered(project_id, filters)
    where = _of_the_asker(actor, filters, parameters)
    if chosen is not None:
        where += f" AND document.id IN ({_named(chosen.values('id'), 'filter', parameters)})"
    dense, cosine = _NO_DENSE, "NULL"
    if space is not None and vector is not None:
        parameters |= {"space": space.id, "vector": VectorText(vector).to_text()}
        distance = distance_sql(space).replace("%s", "%(vector)s")
        order = f"{distance} + 0" if is_exact else "distance"
        dense = _DENSE.format(distance=distance, order=order, where=where, breadth=breadth_sql())
        cosine = _COSINE.format(distance=distance)
    else:
        parameters["weight"] = 0.0
    lexical = _LEXICAL.format(where=where, k1=K1, b=B, budget=BUDGET, least=LEAST)
    sql = _SEARCH.format(allowed=allowed, lexical=lexical, dense=dense, cosine=cosine, width=WIDTH, many=DEPTH)
    return Statement(sql=sql, parameters=parameters)


def list_filtered(project_id: UUID, filters: Filters) -> QuerySet[Document] | None:
    """The documents that filters let through; None for no filter. Whose they are, if they are attached to a
    conversation, is not looked at."""
    if filters == Filters(attached_to=filters.attached_to):
        return None
    documents = Document.objects.filter(project_id=project_id).order_by()
    if filters.documents:
        documents = documents.filter(id__in=filters.documents)
    if filters.tags:
        documents = documents.filter(tags__contains=list(filters.tags))
    if filters.kinds:
        documents = documents.filter(kind__in=filters.kinds)
    if filters.since is not None:
        documents = documents.filter(created_at__gte=filters.since)
    if filters.until is not None:
        documents = documents.filter(created_at__lte=filters.until)
    for key, value in filters.metadata.items():
        values = value if isinstance(value, tuple) else (value,)
        documents = documents.filter(reduce(or_, [Q(metadata__contains={key: one}) for one in values]))
    return documents


def _of_the_asker(actor: Actor, filters: Filters, parameters: dict[str, Any]) -> str:  # Any: what psycopg adapts
    """The project's documents, and what the actor attached to the conversation that is asked in."""
    if filters.attached_to is None:
        return "AND document.attached_to IS NULL"
    parameters |= {"attached_to": filters.attached_to, "attached_by": actor.user_id}
    return """AND (document.attached_to IS NULL OR document.attached_to = %(attached_to)s
        AND document.uploaded_by_id IS NOT DISTINCT FROM %(attached_by)s::uuid)"""


def _named(query: QuerySet[Any, Any], name: str, parameters: dict[str, Any]) -> str:  # Any: of any model
    """A query's SQL, its values under names of their own."""
    sql, values = query.query.sql_with_params()
    names = iter([f"{name}_{number}" for number in range(len(values))])
    parameters |= {f"{name}_{number}": value for number, value in enumerate(values)}
    return re.sub("%s", lambda _: f"%({next(names)})s", sql)


_DENSE = """
dense AS MATERIALIZED (
    SELECT chunk_id, {distance} AS distance
    FROM knowledge_chunkembedding near
    JOIN knowledge_chunk chunk ON chunk.id = chunk_id
    JOIN knowledge_document document ON document.id = chunk.document_id AND document.live_version = chunk.version
    WHERE near.space_id = %(space)s AND near.project_id = %(project)s AND (SELECT yes FROM allowed)
        AND {breadth} {where}
    ORDER BY {order}
    LIMIT %(depth)s
)"""

_NO_DENSE = "dense AS (SELECT NULL::uuid AS chunk_id, NULL::float AS distance WHERE false)"

_LEXICAL = """
lexicon AS MATERIALIZED (
    SELECT chunks, mean_length, languages FROM knowledge_lexicon WHERE project_id = %(project)s
),
term AS MATERIALIZED (  -- what is asked for, in the languages of the project
    SELECT asked.number, asked.query::tsquery AS query, asked.is_code, coalesce(common.chunks, 0) AS common,
           row_number() OVER (ORDER BY asked.is_code DESC, coalesce(common.chunks, 0), asked.number) AS place
    FROM unnest(%(lexemes)s::text[], %(queries)s::text[], %(numbers)s::int[], %(languages)s::text[], %(codes)s::bool[])
         AS asked (lexeme, query, number, languages, is_code)
    LEFT JOIN knowledge_commonword common ON common.project_id = %(project)s AND common.lexeme = asked.lexeme
    WHERE asked.languages = '' OR string_to_array(asked.languages, ' ') && (SELECT languages FROM lexicon)::text[]
),
essential AS MATERIALIZED (  -- the rarest; if even these are common, chunks that have several of them
    SELECT (%(project_lexeme)s || ' & (' || CASE WHEN min(common) > {budget}
            THEN string_agg(query::text, ' & ') FILTER (WHERE place <= 3)
            ELSE string_agg(query::text, ' | ') FILTER (
                WHERE place = 1 OR upto <= {budget} OR (SELECT chunks FROM lexicon) <= {budget}
            ) END || ')')::tsquery AS query
    FROM (SELECT *, sum(greatest(common, {budget} / 20)) OVER (ORDER BY place) AS upto FROM term) counted
),
occurrence AS MATERIALIZED (
    SELECT words.chunk_id, words.length, term.place,
           round(0.6079271 / greatest(1 - ts_rank('{{1,1,1,1}}', words.words, term.query), 0.002) - 0.5) AS times
    FROM (
        SELECT words.chunk_id, words.length, words.words FROM knowledge_chunkwords words
        JOIN knowledge_document document ON document.id = words.document_id
        WHERE words.project_id = %(project)s AND words.words @@ (SELECT query FROM essential)
          AND (SELECT yes FROM allowed) {where}
        LIMIT {budget}
    ) words
    -- Depends on the chunk, and so comes after it: the planner would rather go through the chunks for each term.
    CROSS JOIN LATERAL (SELECT * FROM term WHERE words.words @@ term.query OFFSET 0) term
),
weight AS MATERIALIZED (  -- Robertson's, never negative
    SELECT place, number, is_code, ln(1 + (greatest(size, found) - found + 0.5) / (found + 0.5)) AS idf
    FROM (
        SELECT term.place, term.number, term.is_code, greatest(term.common, count(times)) AS found,
               coalesce((SELECT chunks FROM lexicon), 0) AS size
        FROM term LEFT JOIN occurrence ON occurrence.place = term.place
        GROUP BY term.place, term.number, term.is_code, term.common
    ) counted
),
scored AS (
    SELECT chunk_id, count(*) FILTER (WHERE weight.is_code) AS codes,
           sum(weight.idf * times * ({k1} + 1) / (times + {k1} * (1 - {b} + {b} * length
               / greatest((SELECT mean_length FROM lexicon), 1)))) AS score
    FROM occurrence JOIN weight ON weight.place = occurrence.place
    GROUP BY chunk_id
),
lexical AS MATERIALIZED (
    SELECT scored.chunk_id, score, codes
    FROM (SELECT * FROM scored ORDER BY codes DESC, score DESC, chunk_id LIMIT 10 * %(depth)s) scored
    JOIN knowledge_chunk chunk ON chunk.id = scored.chunk_id
    JOIN knowledge_document document ON document.id = chunk.document_id AND document.live_version = chunk.version
    ORDER BY codes DESC, score DESC, scored.chunk_id
    LIMIT %(depth)s
),
best AS (  -- what a full score is: the best passage's, or a share of what the asked words weigh (their rarest forms)
    SELECT greatest((SELECT max(score) FROM lexical), {least} * ({k1} + 1)
        * (SELECT sum(idf) FROM (SELECT max(idf) AS idf FROM weight GROUP BY number) words), 1e-9) AS score
)"""

_COSINE = """(
        SELECT 1 - {distance} FROM knowledge_chunkembedding
        WHERE space_id = %(space)s AND project_id = %(project)s AND chunk_id = pooled.chunk_id
    )"""

_SEARCH = """
WITH allowed AS MATERIALIZED (SELECT EXISTS ({allowed}) AS yes),
{dense},
{lexical},
floor AS (  -- the nearness of the last of many; what stands no higher than that says nothing
    SELECT CASE WHEN count(*) < {many} THEN 0 ELSE 1 - max(distance) END AS cosine
    FROM (SELECT distance FROM dense ORDER BY distance LIMIT {many}) nearest
),
pooled AS (
    SELECT chunk_id, distance, dense_rank, score, codes, lexical_rank,
           %(weight)s * coalesce(greatest(1 - distance - (SELECT cosine FROM floor), 0), 0) / {width}
           + (1 - %(weight)s) * coalesce(score, 0) / (SELECT score FROM best) AS fused
    FROM (SELECT *, row_number() OVER (ORDER BY distance, chunk_id) AS dense_rank FROM dense) dense
    FULL JOIN (
        SELECT *, row_number() OVER (ORDER BY codes DESC, score DESC, chunk_id) AS lexical_rank FROM lexical
    ) lexical USING (chunk_id)
    ORDER BY coalesce(codes, 0) DESC, fused DESC, distance, chunk_id
    LIMIT %(pool)s
)
SELECT pooled.chunk_id, chunk.content_hash, chunk.document_id, document.name, chunk.position, chunk.version,
       chunk.text, chunk.metadata, coalesce(1 - pooled.distance, {cosine}, 0) AS similarity,
       pooled.dense_rank, pooled.lexical_rank, pooled.score, coalesce(pooled.codes, 0) AS codes, pooled.fused
FROM pooled
JOIN knowledge_chunk chunk ON chunk.id = pooled.chunk_id
JOIN knowledge_document document ON document.id = chunk.document_id
ORDER BY codes DESC, pooled.fused DESC, pooled.distance, pooled.chunk_id
"""
