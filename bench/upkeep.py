"""`python -m bench.scale --upkeep`: taking cached answers away, many at once: time and memory."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import psutil

from bench.figures import Clock, row

SIZE, ALIVE, CITED = 100_000, 50_000, 200  # rows; those that are not expired; chunks that a tenth of the rows cite


@dataclass(frozen=True, kw_only=True)
class Cost:
    seconds: float
    megabytes: float  # above what the process had before


def measure() -> None:
    """Print the rows: half of 100,000 entries have expired, and a tenth cite the document that is deleted."""
    from accounts.services import create_project
    from bench.crowd import CHUNKS, load, make_questions
    from bench.scale import connect, walls_of
    from caching import eviction
    from caching.models import CacheEntry
    from knowledge import services
    from knowledge.models import Chunk, Document
    from providers.registry import get_embedder

    project = create_project(name="Bench")
    document = Document.objects.create(project=project, name="cited.md", size=1, content_hash="", live_version=1)
    Chunk.objects.bulk_create(
        Chunk(id=chunk_id, document=document, version=1, position=n, text=str(n), content_hash=str(n))
        for n, chunk_id in enumerate(CHUNKS[:CITED])
    )
    questions = make_questions(get_embedder())
    load(connect(), questions, walls_of(project, ALIVE), SIZE, [], questions.strangers)

    row("what", "rows", "seconds", "memory above")
    row("---", "---", "---", "---")
    # The first pass of 1,000 imports and plans for the rest.
    for name, take in (
        ("delete a document that answers cite", partial(services.delete, document)),
        ("purge, one pass", eviction.purge),
        ("purge, the rest", partial(_all, eviction.purge)),
    ):
        before = CacheEntry.objects.count()
        cost = _cost(take)
        taken = before - CacheEntry.objects.count()
        row(name, f"{taken:,} of {before:,}", f"{cost.seconds:.2f}", f"{cost.megabytes:.0f} MB")


def _all(take: Callable[[], int]) -> None:
    while take():
        pass


def _cost(call: Callable[[], object]) -> Cost:
    gc.collect()
    with _peak() as peak, Clock() as clock:
        call()
    return Cost(seconds=clock.ms / 1000, megabytes=peak[0] / 1e6)


@contextmanager
def _peak() -> Iterator[list[float]]:
    """One number: the most bytes that the process took above those at the beginning, looked at every 5 ms."""
    process, ended = psutil.Process(), threading.Event()
    before = process.memory_info().rss
    most = [0.0]

    def watch() -> None:
        while not ended.is_set():
            most[0] = max(most[0], process.memory_info().rss - before)
            time.sleep(0.005)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        ended.set()
        watcher.join()
