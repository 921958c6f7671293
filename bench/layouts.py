"""Four ways to lay out the vectors of 1,000 projects, asked the same questions (docs/adr/0001).

The projects have sizes as by Zipf's law: the largest some thousand times the smallest. Each layout has a btree on its
key beside HNSW, and PostgreSQL decides which to take; all have iterative_scan and the ef_search of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import psycopg
from pgvector import Vector
from pgvector.psycopg import register_vector

from bench.figures import Clock, Spread, row
from bench.scale import connect
from bench.search_scale import BLOCK, DIMENSIONS, NEAREST, Crowd
from providers.types import Vectors

SIZE, PROJECTS, QUESTIONS = 100_000, 1_000, 60
GROWN = 5_000
HNSW = f"USING hnsw ((embedding::vector({DIMENSIONS})) vector_cosine_ops)"
KEY = "PRIMARY KEY (project_id, chunk_id, made_at)"
COLUMNS = "chunk_id uuid, project_id uuid, made_at int, embedding vector"


@dataclass(frozen=True, kw_only=True)
class Layout:
    """`make` gives the empty table its partitions, `finish` its indexes once it is loaded."""

    name: str
    key: str
    make: Callable[[Sequence[UUID], Sequence[int]], Iterator[str]]
    finish: Callable[[Sequence[UUID], Sequence[int]], Iterator[str]]


def _one(projects: Sequence[UUID], sizes: Sequence[int]) -> Iterator[str]:
    yield "CREATE TABLE layout_all PARTITION OF layout DEFAULT"


def _by_hash(projects: Sequence[UUID], sizes: Sequence[int]) -> Iterator[str]:
    for n in range(16):
        yield f"CREATE TABLE layout_{n} PARTITION OF layout FOR VALUES WITH (MODULUS 16, REMAINDER {n})"


def _by_time(projects: Sequence[UUID], sizes: Sequence[int]) -> Iterator[str]:
    for n in range(12):
        first, after = SIZE // 12 * n, SIZE // 12 * (n + 1) if n < 11 else SIZE
        yield f"CREATE TABLE layout_{n} PARTITION OF layout FOR VALUES FROM ({first}) TO ({after})"


def _grown(projects: Sequence[UUID], sizes: Sequence[int]) -> Iterator[str]:
    yield "CREATE TABLE layout_shared PARTITION OF layout DEFAULT"
    for n, project_id in enumerate(projects):
        if sizes[n] > GROWN:
            yield f"CREATE TABLE layout_{n} PARTITION OF layout FOR VALUES IN ('{project_id}')"


def _index_all(projects: Sequence[UUID], sizes: Sequence[int]) -> Iterator[str]:
    yield f"CREATE INDEX ON layout {HNSW}"


def _index_grown(projects: Sequence[UUID], sizes: Sequence[int]) -> Iterator[str]:
    for n, size in enumerate(sizes):
        if size > GROWN:
            yield f"CREATE INDEX ON layout_{n} {HNSW}"


LAYOUTS = (
    Layout(name="list by space, then grown projects", key="LIST (project_id)", make=_grown, finish=_index_grown),
    Layout(name="list by space alone", key="LIST (project_id)", make=_one, finish=_index_all),
    Layout(name="hash of the project, 16", key="HASH (project_id)", make=_by_hash, finish=_index_all),
    Layout(name="range of time, 12", key="RANGE (made_at)", make=_by_time, finish=_index_all),
)


def compare() -> None:
    sizes = np.maximum(1, (SIZE / np.arange(1, PROJECTS + 1) / 7.485).astype(int))
    sizes[0] += SIZE - sizes.sum()
    owners = np.random.default_rng(1).permutation(np.repeat(np.arange(PROJECTS), sizes))
    projects = [UUID(int=n + 1) for n in range(PROJECTS)]
    crowd = Crowd(size=SIZE, projects=projects)
    vectors = np.vstack([made for _, _, made in crowd.blocks()])
    row("layout", "indexes (s)", "index (MB)", "chunks of the project", f"recall@{NEAREST}", "p50 (ms)", "p95 (ms)")
    row(*["---"] * 7)
    with connect() as link:
        register_vector(link)
        link.execute("RESET enable_seqscan")
        link.execute("RESET enable_sort")
        link.execute("SET hnsw.ef_search = 200")
        link.execute("SET hnsw.iterative_scan = strict_order")
        link.execute("SET maintenance_work_mem = '1GB'")
        for layout in LAYOUTS:
            _measure(link, layout, crowd, vectors, owners, sizes.tolist())
        link.execute("DROP TABLE layout")


def _measure(
    link: psycopg.Connection, layout: Layout, crowd: Crowd, vectors: Vectors, owners: np.ndarray, sizes: list[int]
) -> None:
    link.execute("DROP TABLE IF EXISTS layout")
    link.execute(f"CREATE TABLE layout ({COLUMNS}) PARTITION BY {layout.key}")
    for statement in layout.make(crowd.projects, sizes):
        link.execute(statement)
    with link.cursor() as cursor, cursor.copy("COPY layout FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["uuid", "uuid", "int4", "vector"])
        for n, vector in enumerate(vectors):
            copy.write_row([UUID(int=n), crowd.projects[int(owners[n])], n, vector])
    with Clock() as indexing:
        link.execute(f"ALTER TABLE layout ADD {KEY}")
        for statement in layout.finish(crowd.projects, sizes):
            link.execute(statement)
    link.execute("VACUUM ANALYZE layout")
    size = link.execute(
        "SELECT sum(pg_relation_size(c.oid)) FROM pg_class c JOIN pg_am a ON a.oid = c.relam "
        "WHERE a.amname = 'hnsw' AND starts_with(c.relname, 'layout')"
    ).fetchone()
    assert size is not None
    for wanted in (100, 1_000, 13_000):
        number = int(np.argmin(np.abs(np.array(sizes) - wanted)))
        spread, recall = _ask(link, crowd, vectors, owners, number)
        told = (layout.name, f"{indexing.ms / 1000:.1f}", f"{int(size[0] or 0) / 1e6:,.0f}")
        row(*told, f"{sizes[number]:,}", f"{recall:.3f}", f"{spread.median:.2f}", f"{spread.p95:.2f}")


def _ask(
    link: psycopg.Connection, crowd: Crowd, vectors: Vectors, owners: np.ndarray, number: int
) -> tuple[Spread, float]:
    own = np.flatnonzero(owners == number)
    questions = crowd.vectors(QUESTIONS, seed=BLOCK + 7)
    times, shares = [], []
    for run, question in enumerate([*questions[:10], *questions]):
        text = Vector(question).to_text()
        with Clock() as clock:
            found = link.execute(
                f"SELECT chunk_id FROM layout WHERE project_id = '{crowd.projects[number]}' "
                f"ORDER BY embedding::vector({DIMENSIONS}) <=> '{text}'::vector({DIMENSIONS}) LIMIT {NEAREST}"
            ).fetchall()
        if run >= 10:
            best = {UUID(int=int(own[n])) for n in np.argsort(-(vectors[own] @ question))[:NEAREST]}
            times.append(clock.ms)
            shares.append(len(best & {chunk_id for (chunk_id,) in found}) / len(best))
    return Spread(values=times), float(np.mean(shares))
