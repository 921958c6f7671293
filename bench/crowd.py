"""A crowd of cached answers, as many as are wanted, with vectors that lie as those of real questions do.

The first 2,000 are questions made from templates, embedded by the product's embedder. The others have vectors of
their own: a random mixture of two of those questions with noise in all directions, at a cosine of 0.5 to 0.9 to the
nearest of the 2,000, so that they crowd around them without answering them. Every row weighs what a real one does:
an answer of 300 characters with four passages of 600.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from uuid import NAMESPACE_OID, UUID, uuid5

import numpy as np
import numpy.typing as npt
import psycopg
from django.db import connection
from pgvector.psycopg import register_vector
from psycopg.types.json import Jsonb

from bench.figures import Clock
from caching import semantic
from caching.canonical import question_key, request_key
from caching.entries import entry_id
from caching.types import Scope, Source
from caching.vetoes import find_veto
from providers.types import Embedder, Vector, Vectors

KNOWN, ASKED, STRANGERS = 2_000, 200, 200
CHUNKS = [uuid5(NAMESPACE_OID, str(n)) for n in range(2_000)]  # row n cites the n-th and the three after it
LEAST = 0.955  # cosine of a paraphrase to its question, so that rounding makes no miss
BLOCK = 5_000  # rows
MEMORY = "4GB"  # for building the index: below its size, pgvector takes many times as long
VERBS = (
    "reset", "renew", "export", "cancel", "archive", "approve", "print", "schedule", "transfer", "verify",
    "translate", "publish", "restore", "share",
)  # fmt: skip
THINGS = (
    "invoice", "password", "contract", "backup", "report", "calendar", "licence", "warranty", "shipment",
    "subscription", "certificate", "budget", "timesheet", "passport", "mortgage", "telescope", "recipe", "vaccine",
)  # fmt: skip
PLACES = (
    "in the mobile application", "for a new customer", "after the annual audit", "at the warehouse", "on a weekend",
    "for a colleague on leave", "from the terminal", "in the staging environment", "under the old tariff",
    "for a hospital", "at the border", "during maintenance", "in the accounting system", "for the board",
)  # fmt: skip
OPENINGS = (
    "How can I {}?", "How can we {}?", "How do you {}?", "How to {}?", "How could I {}?", "How should I {}?",
    "Please tell me how to {}.", "Could you tell me how to {}?", "How do I {} please?", "So how do I {}?",
    "What is the way to {}?", "Please, how do I {}?", "Hello, how do I {}?", "Can you explain how to {}?",
)  # fmt: skip
PASSAGE = "The team keeps a record of each step, and whoever is responsible confirms it before the day is over. " * 6
COLUMNS = (
    "id", "project_id", "scope_key", "request_key", "question_key", "question", "embedding", "dimensions",
    "embedding_identity", "text", "sources", "chunk_ids", "model", "prompt_tokens", "completion_tokens",
    "corpus_version", "created_at", "expires_at", "suspended_because",
)  # fmt: skip
TYPES = (
    "uuid", "uuid", "varchar", "varchar", "varchar", "text", "vector", "int4", "varchar", "text", "jsonb", "uuid[]",
    "varchar", "int4", "int4", "int8", "timestamptz", "timestamptz", "varchar",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Questions:
    """`vectors`, shape (KNOWN, dimensions), are those of `known`. `asked` are other words for the first ASKED of them,
    in which the semantic cache knows them again. Nobody has asked the strangers' questions before."""

    known: Sequence[str]
    vectors: Vectors
    asked: Sequence[str]
    asked_vectors: Vectors
    strangers: Vectors


@dataclass(frozen=True, kw_only=True)
class Walls:
    """Around whose answers the rows lie."""

    scope: Scope
    scope_key: str
    corpus_version: int
    alive: int = 10**9  # rows; the later ones are long expired


@dataclass(frozen=True, kw_only=True)
class Loaded:
    copied: float  # seconds
    indexed: float  # seconds
    index_bytes: int
    table_bytes: int
    nearest: npt.NDArray[np.float32]  # the cosine of the nearest row to each query, by an exact scan


def make_questions(embedder: Embedder) -> Questions:
    """The same ones at every run."""
    chance = random.Random(7)
    made = [f"{verb} the {thing} {place}" for verb, thing, place in product(VERBS, THINGS, PLACES)]
    chance.shuffle(made)
    tasks, strange = made[:KNOWN], made[KNOWN : KNOWN + STRANGERS]
    known = [f"How do I {task}?" for task in tasks]
    vectors = _embed(embedder, known)
    places = [n for n in range(ASKED) for _ in OPENINGS]
    texts = [opening.format(task) for task in tasks[:ASKED] for opening in OPENINGS]
    rows = _embed(embedder, texts)
    near = np.einsum("ij,ij->i", rows, vectors[places]) >= LEAST
    same = [n for n, text in enumerate(texts) if near[n] and find_veto(text, known[places[n]]) is None]
    chance.shuffle(same)
    return Questions(
        known=known,
        vectors=vectors,
        asked=[texts[n] for n in same],
        asked_vectors=rows[same],
        strangers=_embed(embedder, [f"How do I {task}?" for task in strange]),
    )


def _embed(embedder: Embedder, texts: Sequence[str]) -> Vectors:
    return np.vstack([embedder.embed_sync(texts[at : at + 500]) for at in range(0, len(texts), 500)])


def load(
    link: psycopg.Connection, questions: Questions, walls: Walls, size: int, others: Sequence[UUID], queries: Vectors
) -> Loaded:
    """Fill the empty table with `size` entries: all of them the asked project's, or where there are `others`, dealt
    among all, a thousandth (ASKED at least) for the asked one. The index is built afterwards, by the product."""
    register_vector(link)
    name = semantic.index_name(questions.vectors.shape[1])
    link.execute(f"DROP INDEX IF EXISTS {name}")
    link.execute("TRUNCATE caching_cacheentry CASCADE")
    nearest = np.full(len(queries), -1, dtype=np.float32)
    with Clock() as copying, link.cursor() as cursor:
        names = ", ".join(COLUMNS)
        with cursor.copy(f"COPY caching_cacheentry ({names}) FROM STDIN (FORMAT BINARY)") as copy:
            copy.set_types(TYPES)
            for first in range(0, size, BLOCK):
                vectors = _vectors(questions.vectors, first, min(BLOCK, size - first))
                nearest = np.maximum(nearest, (queries @ vectors.T).max(axis=1))
                for n, vector in enumerate(vectors, start=first):
                    copy.write_row(_row(n, vector, questions, walls, _owner(n, size, walls, others)))
    with Clock() as indexing, connection.cursor() as own:
        own.execute(f"SET maintenance_work_mem = '{MEMORY}'")
        semantic.repair_indexes()
    link.execute("VACUUM ANALYZE caching_cacheentry")
    sizes = link.execute("SELECT pg_relation_size(%s), pg_table_size('caching_cacheentry')", [name]).fetchone()
    assert sizes is not None
    return Loaded(
        copied=copying.ms / 1000,
        indexed=indexing.ms / 1000,
        index_bytes=sizes[0],
        table_bytes=sizes[1],
        nearest=nearest,
    )


def _owner(n: int, size: int, walls: Walls, others: Sequence[UUID]) -> UUID:
    is_asked = not others or n < max(ASKED, size // (len(others) + 1))
    return walls.scope.project_id if is_asked else others[n % len(others)]


def _vectors(known: Vectors, first: int, count: int) -> Vectors:
    """Rows first … first + count - 1, shape (count, dimensions): the same at every run."""
    chance = np.random.default_rng(first)
    noise = chance.standard_normal((count, known.shape[1])).astype(np.float32)
    one, other = chance.integers(len(known), size=(2, count))
    share = chance.uniform(0.3, 1.2, size=(2, count, 1)).astype(np.float32)
    mixed: Vectors = (
        known[one] + share[0] * known[other] + share[1] * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    )
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    real = known[first : first + count]
    mixed[: len(real)] = real
    return mixed


def _row(n: int, vector: Vector, questions: Questions, walls: Walls, project_id: UUID) -> list[object]:
    now = datetime.now(UTC)
    end = now + timedelta(days=2) if n < walls.alive else now - timedelta(days=90)
    question = questions.known[n] if n < KNOWN else f"{questions.known[n % KNOWN][:-1]} in case {n}?"
    request = request_key(walls.scope, question, ()) if n < KNOWN else f"{n:064x}"
    return [
        entry_id(project_id, request),
        project_id,
        walls.scope_key if project_id == walls.scope.project_id else f"{project_id.int:064x}",
        request,
        question_key(question),
        question,
        vector,
        len(vector),
        walls.scope.embedding,
        PASSAGE[:300] + " [1]",
        Jsonb(_sources(n % len(CHUNKS)), dumps=str),
        _cited(n),
        "bench",
        700,
        60,
        walls.corpus_version,
        end - timedelta(days=2),
        end,
        "",
    ]


def _cited(n: int) -> list[UUID]:
    return [CHUNKS[(n + k) % len(CHUNKS)] for k in range(4)]


@cache
def _sources(n: int) -> str:
    sources = [
        Source(
            n=k,
            chunk_id=chunk_id,
            content_hash=f"{chunk_id.int:064x}",
            document_id=CHUNKS[0],
            document="handbook.md",
            locator="Chapter 1",
            text=f"{k}. {PASSAGE}",
            similarity=0.6,
        )
        for k, chunk_id in enumerate(_cited(n), start=1)
    ]
    return json.dumps([asdict(source) for source in sources], default=str)
