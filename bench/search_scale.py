"""`python -m bench.search_scale`: the ten nearest of ten thousand … a million chunks, by the product's own tables.

Every size in two layouts: all vectors in one project, which gets a table with an HNSW index of its own; or dealt among
1,000 projects, which share a table and are searched exactly until they have grown. The vectors are made: of 384
numbers, around N / 500 centres (100 at least) in a space of 48 dimensions, spread by 0.7 of a centre's length, turned
into 384 by an orthonormal matrix, with a little noise in all of them, of length 1. Questions are made the same way and
are none of them. Recall is measured against a product of matrices that looks at every vector.

    python -m bench.search_scale
    python -m bench.search_scale --sizes 10000 100000 1000000 --projects 1 1000 --plot docs/search-scale.svg
    python -m bench.search_scale --alternatives           other ways to lay out 100,000 vectors of 1,000 projects
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import numpy as np
import numpy.typing as npt

from bench.curves import curve, panels, save, times
from bench.figures import Clock, Spread, row
from bench.scale import make_projects
from bench.stage import on_stage

if TYPE_CHECKING:  # they need Django's settings, which the stage sets
    from knowledge.models import EmbeddingSpace
    from providers.types import Vectors

SIZES = (10_000, 100_000)
PROJECTS = (1, 1000)
DIMENSIONS, LATENT, SPREAD, NOISE = 384, 48, 0.7, 0.05
BLOCK = 10_000
QUESTIONS, WARM_UP, NEAREST = 200, 20, 10
WANTED = 0.97
COLUMNS = "chunk_id, space_id, project_id, embedding"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One size among so many projects."""

    size: int
    projects: int
    copied: float  # seconds
    indexed: float  # seconds, from the loaded shared table to a table of its own
    table_bytes: int
    index_bytes: int
    recall: float
    spread: Spread


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Vectors and their owners, block by block; the same ones at every run."""

    size: int
    projects: Sequence[UUID]

    def blocks(self) -> Iterator[tuple[list[UUID], npt.NDArray[np.int64], Vectors]]:
        """Chunk ids, the numbers of their projects, and the vectors."""
        for first in range(0, self.size, BLOCK):
            count = min(BLOCK, self.size - first)
            owners = np.arange(first, first + count) % len(self.projects)
            yield [uuid4() for _ in range(count)], owners, self.vectors(count, seed=first + 1)

    def vectors(self, count: int, seed: int) -> Vectors:
        fixed, chance = np.random.default_rng(0), np.random.default_rng(seed)
        turn = np.linalg.qr(fixed.standard_normal((DIMENSIONS, LATENT)))[0].astype(np.float32)
        centres = fixed.standard_normal((max(100, self.size // 500), LATENT)).astype(np.float32)
        near = centres[chance.integers(len(centres), size=count)]
        near = near + SPREAD * chance.standard_normal((count, LATENT)).astype(np.float32)
        made = near @ turn.T + NOISE * chance.standard_normal((count, DIMENSIONS)).astype(np.float32)
        return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), dtype=np.float32)


class Truth:
    """The nearest of each question within its project, by looking at every vector."""

    def __init__(self, crowd: Crowd) -> None:
        self.questions = crowd.vectors(QUESTIONS, seed=0)
        self.owners = np.arange(QUESTIONS) % len(crowd.projects)
        self._is_one = len(crowd.projects) == 1
        self._best: list[list[tuple[float, UUID]]] = [[] for _ in range(QUESTIONS)]

    def see(self, ids: list[UUID], owners: npt.NDArray[np.int64], vectors: Vectors) -> None:
        cosines = self.questions @ vectors.T
        if not self._is_one:
            cosines = np.where(owners[None, :] == self.owners[:, None], cosines, -2)
        for best, line in zip(self._best, cosines, strict=True):
            top = np.argpartition(-line, NEAREST)[:NEAREST]
            best += [(float(line[n]), ids[n]) for n in top if line[n] > -2]
            best.sort(reverse=True)
            del best[NEAREST:]

    def recall(self, found: Sequence[set[UUID]]) -> float:
        shares = [
            len(found_ids & {chunk_id for _, chunk_id in best}) / len(best)
            for found_ids, best in zip(found, self._best, strict=True)
            if best
        ]
        return float(np.mean(shares))


def main() -> None:
    wanted = _arguments()
    with on_stage() as here:
        here.product.start()
        os.environ.update(here.product.environment)
        import django

        django.setup()
        if wanted.alternatives:
            from bench.layouts import compare

            compare()
            return
        everyone = make_projects(max(wanted.projects))
        cells = [measure(size, everyone[:count], wanted.breadths) for size in wanted.sizes for count in wanted.projects]
    print_table(cells)
    if wanted.plot:
        draw(cells, wanted.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.search_scale")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="CHUNKS")
    parser.add_argument("--projects", type=int, nargs="+", default=list(PROJECTS), metavar="PROJECTS")
    parser.add_argument("--breadths", type=int, nargs="+", default=[], metavar="CANDIDATES", help="others to try")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves as SVG")
    parser.add_argument("--alternatives", action="store_true", help="compare ways to partition instead")
    return parser.parse_args()


def measure(size: int, projects: Sequence[UUID], breadths: Sequence[int] = ()) -> Cell:
    """Load, promote what has grown, and ask. Everything that a cell made is gone after it."""
    from knowledge import indexes, partitions
    from knowledge.spaces import serving_space

    space = serving_space()
    crowd = Crowd(size=size, projects=projects)
    truth = Truth(crowd)
    with Clock() as copying:
        copy(space, crowd, truth)
    _vacuum()
    with Clock() as indexing:
        while partitions.list_grown(space) or indexes.list_unindexed(space):
            partitions.arrange(space)  # beat may be at it already
    table_bytes, index_bytes = _sizes(space)
    spread, found = ask(space, crowd, truth)
    for breadth in breadths:
        narrow, found_so = ask(space, crowd, truth, breadth)
        print(
            f"  looking at {breadth} candidates: recall@{NEAREST} {truth.recall(found_so):.4f}, {narrow} ms", flush=True
        )
    if len(projects) == 1:
        partitions.drop_project(projects[0])
    _empty(space)
    cell = Cell(
        size=size,
        projects=len(projects),
        copied=copying.ms / 1000,
        indexed=indexing.ms / 1000,
        table_bytes=table_bytes,
        index_bytes=index_bytes,
        recall=truth.recall(found),
        spread=spread,
    )
    print_cell(cell)
    return cell


def copy(space: EmbeddingSpace, crowd: Crowd, truth: Truth) -> None:
    """COPY in binary, as ingestion does it; in the same pass every vector is compared with every question."""
    from django.db import connection
    from pgvector.psycopg import register_vector

    connection.ensure_connection()
    link = connection.connection
    register_vector(link)
    with link.cursor() as cursor, cursor.copy(f"COPY {TABLE} ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as into:
        into.set_types(["uuid", "uuid", "uuid", "vector"])
        for ids, owners, vectors in crowd.blocks():
            truth.see(ids, owners, vectors)
            for chunk_id, owner, vector in zip(ids, owners, vectors, strict=True):
                into.write_row([chunk_id, space.id, crowd.projects[int(owner)], vector])


TABLE = "knowledge_chunkembedding"


def ask(
    space: EmbeddingSpace, crowd: Crowd, truth: Truth, breadth: int | None = None
) -> tuple[Spread, list[set[UUID]]]:
    """Every question of its project, one after the other."""
    from django.db import connection
    from pgvector import Vector

    from knowledge.spaces import BREADTH, breadth_sql, distance_sql

    statement = (
        f"SELECT chunk_id FROM {TABLE} WHERE space_id = %s AND project_id = %s "
        f"AND {breadth_sql(breadth or BREADTH)} "
        f"ORDER BY {distance_sql(space)} LIMIT {NEAREST}"
    )
    found: list[set[UUID]] = []
    times: list[float] = []
    with connection.cursor() as cursor:
        for run in range(-WARM_UP, QUESTIONS):
            n = run % QUESTIONS
            project_id = crowd.projects[int(truth.owners[n])]
            asked: list[UUID | str] = [space.id, project_id, Vector(truth.questions[n]).to_text()]
            with Clock() as clock:
                cursor.execute(statement, asked)
                ids = {chunk_id for (chunk_id,) in cursor.fetchall()}
            if run >= 0:
                times.append(clock.ms)
                found.append(ids)
    return Spread(values=times), found


def _vacuum() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {TABLE}")


def _empty(space: EmbeddingSpace) -> None:
    from django.db import connection

    from knowledge.tables import shared_table

    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {shared_table(space.id)}")


def _sizes(space: EmbeddingSpace) -> tuple[int, int]:
    """Bytes of the rows, and of the HNSW indexes."""
    from knowledge.tables import ask, space_table

    tree = f"pg_partition_tree('{space_table(space.id)}')"
    (rows,) = ask(f"SELECT sum(pg_table_size(relid)) FROM {tree}")[0]
    (indexes,) = ask(
        f"SELECT coalesce(sum(pg_relation_size(indexrelid)), 0) FROM pg_index JOIN {tree} t ON t.relid = indrelid "
        "JOIN pg_class i ON i.oid = indexrelid JOIN pg_am a ON a.oid = i.relam WHERE a.amname = 'hnsw'"
    )[0]
    return int(rows), int(indexes)


def print_cell(cell: Cell) -> None:
    print(
        f"{cell.size:,} chunks in {cell.projects:,} projects: copied in {cell.copied:.1f} s, own table and index in "
        f"{cell.indexed:.1f} s, rows {cell.table_bytes / 1e6:,.0f} MB, index {cell.index_bytes / 1e6:,.0f} MB, "
        f"recall@{NEAREST} {cell.recall:.4f}, {cell.spread} ms; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )


def print_table(cells: list[Cell]) -> None:
    print()
    row("chunks", "projects", "COPY (s)", "promotion (s)", "index (MB)", f"recall@{NEAREST}", "p50 (ms)", "p95 (ms)")
    row(*["---"] * 8)
    for cell in cells:
        seconds = f"{cell.indexed:.1f}" if cell.index_bytes else "none: exact"
        row(
            f"{cell.size:,}",
            f"{cell.projects:,}",
            f"{cell.copied:.1f}",
            seconds,
            f"{cell.index_bytes / 1e6:,.0f}",
            f"{cell.recall:.3f}",
            f"{cell.spread.median:.2f}",
            f"{cell.spread.p95:.2f}",
        )
    print(f"\nwanted: recall@{NEAREST} against exact >= {WANTED}")


def draw(cells: list[Cell], path: Path) -> None:
    figure, (left, right) = panels("One search for the nearest", "Against a look at every vector")
    counts = sorted({cell.projects for cell in cells})
    for count, colour in zip(counts, ("#1f5f8b", "#b5651d", "#777777"), strict=False):
        mine = [cell for cell in cells if cell.projects == count]
        sizes = [cell.size for cell in mine]
        name = "one project" if count == 1 else f"{count:,} projects"
        times(left, sizes, [cell.spread for cell in mine], colour, name)
        curve(right, sizes, [cell.recall for cell in mine], colour, name)
    right.axhline(WANTED, color="#999999", linewidth=0.8, linestyle="--")
    left.set(ylim=(0, None), xlabel="chunks", ylabel="milliseconds; median, p95 dotted")
    right.set(ylim=(0.9, 1.005), xlabel="chunks", ylabel=f"recall@{NEAREST}; wanted dashed")
    left.legend(fontsize=8, frameon=False)
    save(figure, path)


if __name__ == "__main__":
    main()
