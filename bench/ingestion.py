"""Chunks a second through the whole of ingestion, beside the embedder alone on the same texts.

`python -m bench.ingestion --many 10000 --pages 600`: also many small files and one long PDF, with the worker's memory.
"""

from __future__ import annotations

import argparse
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil

from bench.figures import Clock, Spread, row
from bench.stage import on_stage
from tests.knowledge.files import make_pdf
from tests.product import Product

DOCUMENTS, PARAGRAPHS, ROUNDS = 6, 120, 3
WORDS = ("machine", "valve", "pressure", "customer", "refund", "parcel", "delivery", "invoice", "contract", "engine")


def measure() -> tuple[Spread, Spread, int]:
    """Chunks a second alone and ingested, alternating, and the chunks of one round."""
    from accounts.services import create_project
    from knowledge.ingestion import BATCH
    from knowledge.models import Chunk, Document
    from knowledge.spaces import text_to_embed
    from providers.registry import get_embedder

    alone: list[float] = []
    ingested: list[float] = []
    for number in range(ROUNDS):
        project = create_project(name=f"Bench {number}")
        with Clock() as clock:
            documents = [_upload(project, number * DOCUMENTS + n) for n in range(DOCUMENTS)]
            while Document.objects.filter(id__in=documents, state="ready").count() < DOCUMENTS:
                time.sleep(0.05)
        chunks = list(Chunk.objects.filter(document__project=project).select_related("document"))
        ingested.append(len(chunks) / clock.ms * 1000)
        texts = [text_to_embed(chunk.document.name, chunk) for chunk in chunks]
        embedder = get_embedder()
        with Clock() as clock:
            for start in range(0, len(texts), BATCH):
                embedder.embed_sync(texts[start : start + BATCH])
        alone.append(len(texts) / clock.ms * 1000)
    return Spread(values=alone), Spread(values=ingested), len(chunks)


def _upload(project: Any, seed: int) -> Any:  # Any: the product's project and document id
    return _store(project, f"{seed}.md", text_of(seed), is_bulk=False)


def text_of(seed: int, paragraphs: int = PARAGRAPHS) -> bytes:
    """Markdown that no earlier round has embedded: the embedding cache knows none of it."""
    chance = random.Random(seed)
    sentences = (_sentence(chance) for _ in range(10**6))
    text = "\n\n".join(
        (f"## Section {n}\n\n" if n % 5 == 0 else "") + " ".join(next(sentences) for _ in range(8))
        for n in range(paragraphs)
    )
    return text.encode()


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=12)).capitalize() + f" in case {chance.randrange(10**6)}."


@dataclass
class Peak:
    """The largest resident size, in MB, of the worker's processes together and of the largest of them."""

    together: float = 0.0
    largest: float = 0.0


@contextmanager
def watched(product: Product) -> Iterator[Peak]:
    peak, done = Peak(), threading.Event()

    def look() -> None:
        while not done.wait(0.2):
            worker = product.part("worker")
            sizes = [_resident(process) for process in (worker, *worker.children(recursive=True))]
            peak.together, peak.largest = max(peak.together, sum(sizes)), max(peak.largest, *sizes)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        done.set()
        thread.join()


def _resident(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 1024**2
    except psutil.NoSuchProcess:
        return 0.0


def many(product: Product, count: int) -> None:
    """Small files, through the bulk queue; one that is uploaded by hand in the middle of them."""
    from accounts.services import create_project

    project = create_project(name="Many")
    with watched(product) as peak, Clock() as whole:
        with Clock() as accepted:
            for seed in range(count):
                _store(project, f"{seed}.md", _small(seed), is_bulk=True)
        by_hand = _store(project, "by-hand.md", _small(count), is_bulk=False)
        with Clock() as waited:
            _wait(id=by_hand)
        _wait(project=project)
    row(f"{count} small files accepted", f"{count / accepted.ms * 1000:.0f} files/s", "", "")
    row("one by hand among them, ready after", f"{waited.ms / 1000:.1f} s", "", "")
    row(f"{count} small files ready", f"{count / whole.ms * 1000:.1f} files/s, {_chunk_rate(project, whole)}", "", "")
    row("peak memory of the worker, largest process", f"{peak.together:.0f} MB, {peak.largest:.0f} MB", "", "")


def long(product: Product, pages: int) -> None:
    """One long PDF, and a small upload that comes while it is being embedded."""
    from accounts.services import create_project
    from knowledge.models import Document

    project = create_project(name="Long")
    chance = random.Random(pages)
    content = make_pdf(*("\n".join(_sentence(chance) for _ in range(25)) for _ in range(pages)))
    with watched(product) as peak, Clock() as whole:
        book = _store(project, "book.pdf", content, is_bulk=False)
        while not Document.objects.filter(id=book, chunks_embedded__gt=0).exists():
            time.sleep(0.05)
        note = _store(project, "note.md", _small(-1), is_bulk=False)
        with Clock() as waited:
            _wait(id=note)
        _wait(project=project)
    row(f"a PDF of {pages} pages ({len(content) / 1024**2:.1f} MB) ready", f"{whole.ms / 1000:.1f} s", "", "")
    row("— chunks", _chunk_rate(project, whole), "", "")
    row("a small file that came meanwhile, ready after", f"{waited.ms / 1000:.1f} s", "", "")
    row("peak memory of the worker, largest process", f"{peak.together:.0f} MB, {peak.largest:.0f} MB", "", "")


def _store(project: Any, name: str, content: bytes, *, is_bulk: bool) -> Any:  # Any: as above
    from django.core.files.base import ContentFile

    from knowledge.services import upload

    return upload(project=project, name=name, file=ContentFile(content, name=name), is_bulk=is_bulk).document.id


def _small(seed: int) -> bytes:
    chance = random.Random(f"small {seed}")
    return f"# Note {seed}\n\n{' '.join(_sentence(chance) for _ in range(12))}\n".encode()


def _wait(**which: object) -> None:
    from knowledge.models import Document
    from knowledge.selectors import UNFINISHED

    while Document.objects.filter(**which, state__in=UNFINISHED).exists():
        time.sleep(0.1)
    assert not Document.objects.filter(**which).exclude(state="ready").exists()


def _chunk_rate(project: Any, clock: Clock) -> str:  # Any: as above
    from knowledge.models import Chunk

    count = Chunk.objects.filter(document__project=project).count()
    return f"{count} chunks, {count / clock.ms * 1000:.1f} chunks/s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--many", type=int, default=0, metavar="FILES")
    parser.add_argument("--pages", type=int, default=0, metavar="PAGES")
    options = parser.parse_args()
    with on_stage() as here:
        here.product.start()
        import django

        django.setup()
        row("what", "figure", "ratio", "wanted")
        row("---", "---", "---", "---")
        report()
        if options.many:
            many(here.product, options.many)
        if options.pages:
            long(here.product, options.pages)


def report() -> None:
    alone, ingested, chunks = measure()
    row(f"embedder alone ({chunks} chunks)", f"{alone} chunks/s", "", "")
    ratio = f"{ingested.median / alone.median:.2f}"
    row("ingestion (read, split, embed, store)", f"{ingested} chunks/s", ratio, ">= 0.9")


if __name__ == "__main__":
    main()
