"""`python -m bench.scale`: what a hit costs among a thousand, ten thousand … a million cached answers.

Every size in two layouts: all entries in the asked project, or dealt among 1,000 projects. In turn, each time with
a question in words that nobody has used before: (a) embedding it and one bare HNSW query without any filter, on a
connection of its own, which is the least that a semantic hit could take; (b) a semantic hit by `POST /api/ask/` and
by `pipeline.answer()` in this process; (c) an exact hit by both.

    python -m bench.scale                       up to 100,000 entries, ten minutes
    python -m bench.scale --million             up to 1,000,000 too: an hour, 12 GB of disk, 6 GB of memory
    python -m bench.scale --sizes 1000 10000 --plot scale.svg
    python -m bench.scale --upkeep              purging, and deleting a document that 10,000 answers cite
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import httpx2
import numpy as np
import psycopg

from bench.curves import panels, save, times
from bench.figures import Clock, Spread, in_turn, row
from bench.stage import Stage, on_stage

if TYPE_CHECKING:  # they need Django's settings, which the stage sets
    from accounts.models import Project
    from bench.crowd import Loaded, Questions, Walls
    from providers.types import Vector

SIZES = (1_000, 10_000, 100_000)
MILLION = 1_000_000
PROJECTS = 1_000
LAYOUTS = ("one project", "1,000 projects")
RUNS, WARM_UP = 150, 10
WANTED = 1.5
LEAST, DOOR, PIPELINE = "embed + bare HNSW query", "semantic hit, POST /api/ask/", "semantic hit, pipeline"
EXACT_DOOR, EXACT_PIPELINE = "exact hit, POST /api/ask/", "exact hit, pipeline"
SIDES = (LEAST, DOOR, PIPELINE, EXACT_DOOR, EXACT_PIPELINE)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One size in one layout."""

    size: int
    layout: str
    loaded: Loaded
    recall: tuple[float, float]  # of the nearest entry, for known questions in other words and for strangers
    spreads: dict[str, Spread]
    stages: dict[str, Spread]  # of the semantic hits by POST /api/ask/, as the product tells them
    bare: Spread  # the HNSW query alone


def main() -> None:
    wanted = _arguments()
    with on_stage() as here:
        here.product.start()
        os.environ.update(here.product.environment)
        import django

        django.setup()
        if wanted.upkeep:
            from bench import upkeep

            upkeep.measure()
            return
        bench = Bench(here)
        cells = [bench.measure(size, layout) for size in wanted.sizes for layout in LAYOUTS]
    print_table(cells)
    if wanted.plot:
        draw(cells, wanted.plot)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.scale")
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES), metavar="ENTRIES")
    parser.add_argument("--million", action="store_true", help="1,000,000 entries as well")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves as SVG")
    parser.add_argument("--upkeep", action="store_true", help="purging and deleting instead")
    wanted = parser.parse_args()
    wanted.sizes += [MILLION] * wanted.million
    return wanted


@dataclass
class Bench:
    """The product with a project to ask, and the questions."""

    here: Stage
    _asked: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        from accounts.models import User
        from accounts.services import create_api_key, create_project
        from bench.crowd import make_questions
        from providers.registry import get_embedder

        user = User.objects.create_superuser("bench@example.org", uuid4().hex)
        self.project = create_project(name="Bench", owner=user)
        self.others = make_projects(PROJECTS - 1)
        self.key = create_api_key(user=user, project=self.project)
        self.link = connect()
        self.questions: Questions = make_questions(get_embedder())

    def measure(self, size: int, layout: str) -> Cell:
        from bench.crowd import load

        others = [] if layout == LAYOUTS[0] else self.others
        queries = np.vstack([self.questions.asked_vectors[:200], self.questions.strangers])
        loaded = load(self.link, self.questions, walls_of(self.project), size, others, queries)
        self._asked = cycle(self.questions.asked)
        forget_vectors()
        found = np.array([self._nearest(vector) for vector in queries]) >= loaded.nearest - 1e-5
        half = len(found) // 2
        bare: list[float] = []
        stages: dict[str, list[float]] = {}
        spreads = asyncio.run(self._in_turn(bare, stages))
        cell = Cell(
            size=size,
            layout=layout,
            loaded=loaded,
            recall=(float(found[:half].mean()), float(found[half:].mean())),
            spreads=dict(zip(SIDES, spreads, strict=True)),
            stages={name: Spread(values=values[WARM_UP:]) for name, values in stages.items()},
            bare=Spread(values=bare[WARM_UP:]),
        )
        print_cell(cell)
        return cell

    async def _in_turn(self, bare: list[float], stages: dict[str, list[float]]) -> list[Spread]:
        from providers.registry import get_embedder

        known = self.questions.known[0]
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx2.AsyncClient(base_url=self.here.product.url, headers=headers, timeout=60) as client:

            async def least(run: int) -> float:
                text = next(self._asked)
                with Clock() as clock:
                    vector = (await get_embedder().embed([text]))[0]
                    embedded = clock.lap()
                    self._nearest(vector)
                bare.append(clock.ms - embedded)
                return clock.ms

            async def by_door(text: str, status: str) -> tuple[float, dict[str, float]]:
                asked = {"project": self.project.slug, "question": text, "store": False}
                with Clock() as clock:
                    response = await client.post("/api/ask/", json=asked)
                assert response.headers["X-PolyAI-Cache"] == status, f"{text}: {response.text}"
                return clock.ms, response.json()["stages"]

            async def semantic_by_door(run: int) -> float:
                milliseconds, told = await by_door(next(self._asked), "hit-semantic")
                for name, value in told.items():
                    stages.setdefault(name, []).append(value)
                return milliseconds

            async def semantic_by_pipeline(run: int) -> float:
                return await self._by_pipeline(next(self._asked), "hit-semantic")

            async def exact_by_door(run: int) -> float:
                return (await by_door(known, "hit-exact"))[0]

            async def exact_by_pipeline(run: int) -> float:
                return await self._by_pipeline(known, "hit-exact")

            for status in ("hit-exact", "hit-exact"):  # the first is found by its row, and copied to Redis
                await by_door(known, status)
            sides = (least, semantic_by_door, semantic_by_pipeline, exact_by_door, exact_by_pipeline)
            return await in_turn(RUNS, *sides, warm_up=WARM_UP)

    async def _by_pipeline(self, text: str, status: str) -> float:
        from accounts.types import OPERATOR
        from chat.pipeline import answer
        from chat.types import AnswerCompleted, Question

        slug = self.project.slug
        question = Question(actor=OPERATOR, project=slug, text=text, conversation_id=uuid4(), is_kept=False)
        with Clock() as clock:
            async with aclosing(answer(question)) as events:
                told = [event async for event in events]
        end = told[-1]
        assert isinstance(end, AnswerCompleted), end
        assert end.cache.status == status, end.cache
        return clock.ms

    def _nearest(self, vector: Vector) -> float:
        """The cosine of the nearest entry of all, by the index."""
        size = len(vector)
        found = self.link.execute(
            f"SELECT 1 - (embedding::vector({size}) <=> %b) FROM caching_cacheentry WHERE dimensions = {size} "
            f"ORDER BY embedding::vector({size}) <=> %b LIMIT 1",
            [vector, vector],
        ).fetchone()
        assert found is not None
        return float(found[0])


def connect() -> psycopg.Connection:
    """A connection that takes the index, and nothing else, to order by."""
    from django.conf import settings

    database = settings.DATABASES["default"]
    link = psycopg.connect(host=database["HOST"], user=database["USER"], dbname=database["NAME"], autocommit=True)
    link.execute("SET enable_seqscan = off")
    link.execute("SET enable_sort = off")
    return link


def make_projects(count: int) -> list[UUID]:
    from accounts.models import Project

    made = [Project(name=f"Other {n}", slug=f"other-{n}") for n in range(count)]
    return [project.id for project in Project.objects.bulk_create(made)]


def walls_of(project: Project, alive: int = 10**9) -> Walls:
    from bench.crowd import Walls
    from caching.canonical import scope_key
    from chat.inquiry import scope_of
    from providers.registry import get_chat_model, get_embedder

    scope = scope_of(project.id, get_chat_model(), get_embedder())
    return Walls(scope=scope, scope_key=scope_key(scope), corpus_version=project.corpus_version, alive=alive)


def forget_vectors() -> None:
    """No question that is asked from now on finds its vector in Redis."""
    from core.redis import PREFIX, sync_redis

    names = list(sync_redis().scan_iter(f"{PREFIX}embedding:*", count=1000))
    if names:
        sync_redis().delete(*names)


def ratio(cell: Cell, side: str) -> float:
    """The median of the runs' ratios: the sides of one run had the same machine."""
    pairs = zip(cell.spreads[side].values, cell.spreads[LEAST].values, strict=True)
    return statistics.median(one / least for one, least in pairs)


def print_cell(cell: Cell) -> None:
    loaded = cell.loaded
    print(
        f"\n{cell.size:,} entries, {cell.layout}: copied in {loaded.copied:.1f} s "
        f"({loaded.table_bytes / 1e6:,.0f} MB), "
        f"index built in {loaded.indexed:.1f} s ({loaded.index_bytes / 1e6:,.0f} MB), recall of the nearest "
        f"{cell.recall[0]:.3f} for questions that are known in other words, {cell.recall[1]:.3f} for unknown ones; "
        f"load {os.getloadavg()[0]:.1f}\n"
        f"  the HNSW query alone: {cell.bare} ms",
        flush=True,
    )
    for side, spread in cell.spreads.items():
        print(f"  {side}: {spread} ms, {ratio(cell, side):.2f}x", flush=True)
    print("  of it " + ", ".join(f"{name} {spread.median:.2f}" for name, spread in cell.stages.items()), flush=True)


def print_table(cells: list[Cell]) -> None:
    print()
    row("entries", "layout", "what", "median (ms)", "p95 (ms)", "of (a), median", "of (a), p95", "wanted")
    row(*["---"] * 8)
    for cell in cells:
        for side, spread in cell.spreads.items():
            told = ["", "", ""]
            if side != LEAST:
                told = [f"{ratio(cell, side):.2f}x", f"{spread.p95 / cell.spreads[LEAST].p95:.2f}x", f"<= {WANTED}x"]
            row(f"{cell.size:,}", cell.layout, side, f"{spread.median:.2f}", f"{spread.p95:.2f}", *told)


def draw(cells: list[Cell], path: Path) -> None:
    figure, axes = panels(*LAYOUTS, sharey=True)
    for plot, layout in zip(axes, LAYOUTS, strict=True):
        mine = [cell for cell in cells if cell.layout == layout]
        sizes = [cell.size for cell in mine]
        for side, colour in zip(SIDES, ("#999999", "#1f5f8b", "#6ba3c8", "#b5651d", "#e0a96d"), strict=True):
            times(plot, sizes, [cell.spreads[side] for cell in mine], colour, side)
        plot.set(ylim=(0, None), xlabel="entries")
    axes[0].set_ylabel("milliseconds; median, p95 dotted")
    axes[0].legend(fontsize=7, frameon=False)
    save(figure, path)


if __name__ == "__main__":
    main()
