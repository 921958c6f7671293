"""`python -m bench.faults --uploads 200`: uploads to the running product while its parts are killed at random.

Every upload that was accepted must end ready, or failed with its true reason, with nothing doubled and nothing left
behind. The worker, one of its children, Redis, PostgreSQL and one of its back ends are killed by signal 9.
"""

from __future__ import annotations

import argparse
import logging
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import httpx2
import psutil

from bench.figures import row
from bench.ingestion import text_of
from bench.stage import on_stage
from tests.knowledge.files import make_docx, make_pdf
from tests.product import Product

APART = 25.0  # seconds between two kills of one part: the supervisor gives up on one that ends four times a minute
PATIENCE = 900.0  # seconds
SENDERS = 3
KILLED_EVERY = 5  # uploads: so many kills at least
GOOD = ("note", "book", "letter", "rules")
BAD = {"nul": "NUL", "damaged": "damaged", "locked": "encrypted", "scan": "no text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A file, and the words of the reason for which it must fail; none for a good one."""

    name: str
    content: bytes
    reason: str = ""


@dataclass
class Tally:
    kills: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)


def make(number: int) -> Sent:
    """Every fifth file is a bad one; the good ones have between one chunk and some dozens."""
    chance = random.Random(number)
    if number % 5 == 4:
        kind = list(BAD)[number // 5 % len(BAD)]
        content = {
            "nul": ("md", b"a\x00b %d" % number),
            "damaged": ("pdf", b"%%PDF-1.7 garbage %d" % number),
            "locked": ("pdf", make_pdf(f"Secret {number}", password="secret")),
            "scan": ("pdf", make_pdf("", "")),
        }[kind]
        return Sent(name=f"{number:04}-{kind}.{content[0]}", content=content[1], reason=BAD[kind])
    kind = GOOD[number % len(GOOD)]
    text = text_of(number).decode()
    if kind == "book":
        pages = range(0, 900 * chance.randrange(2, 12), 900)
        return Sent(name=f"{number:04}-book.pdf", content=make_pdf(*(text[at : at + 900] for at in pages)))
    if kind == "letter":
        return Sent(name=f"{number:04}-letter.docx", content=make_docx(*text[:5000].split("\n\n")))
    length = chance.randrange(200, 2_000) if kind == "note" else chance.randrange(10_000, 60_000)
    return Sent(name=f"{number:04}-{kind}.md", content=text[:length].encode())


def send_all(product: Product, files: list[Sent], key: str, tally: Tally) -> None:
    """From some clients at once, each file until it is accepted: what a client does that was told nothing, or 5xx."""
    left: Iterator[Sent] = iter(files)
    lock = threading.Lock()
    address = f"{product.url}/api/projects/faults/documents/"

    def send() -> None:
        while True:
            with lock:
                file = next(left, None)
            if file is None:
                return
            while not _is_accepted(address, key, file):
                tally.repeats += 1
                time.sleep(0.5)

    threads = [threading.Thread(target=send) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _is_accepted(address: str, key: str, file: Sent) -> bool:
    try:
        response = httpx2.post(
            address,
            files={"file": (file.name, file.content)},
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
        )
    except httpx2.HTTPError:
        return False
    assert response.status_code < 400 or response.status_code >= 500, (file.name, response.text)
    return response.status_code < 400


def kill_at_random(product: Product, tally: Tally) -> None:
    chance = random.Random(0)
    last: dict[str, float] = {}
    while not tally.stopped.wait(chance.uniform(1.0, 5.0)):
        what = chance.choice(["worker", "redis", "postgres", "a child of worker", "a child of postgres"])
        part = what.removeprefix("a child of ")
        if what == part and time.monotonic() < last.get(part, 0.0) + APART:
            continue
        with suppress(psutil.NoSuchProcess):
            process = product.part(part)
            if what != part:
                children = process.children()
                if not children:
                    continue
                process = chance.choice(children)
            else:
                last[part] = time.monotonic()
            process.kill()
            tally.kills[what] += 1


def wait_until_finished(product: Product) -> float:
    """Seconds until no document is unfinished."""
    from django.db import InterfaceError, OperationalError, connections

    from knowledge.models import Document
    from knowledge.selectors import UNFINISHED

    began = time.monotonic()
    while time.monotonic() < began + PATIENCE:
        with suppress(OperationalError, InterfaceError):
            if not Document.objects.filter(state__in=UNFINISHED).exists():
                return time.monotonic() - began
        connections.close_all()
        time.sleep(0.5)
    sys.exit(f"not finished after {PATIENCE:.0f} s\n{product.log}")


def check(files: list[Sent]) -> list[tuple[str, int, int]]:
    """What was counted, how many there are, and how many there must be."""
    from django.core.files.storage import default_storage
    from django.db.models import Count, F

    from knowledge.models import Chunk, ChunkEmbedding, Document, DocumentPart
    from knowledge.originals import forget_orphans

    documents = {document.name: document for document in Document.objects.filter(project__slug="faults")}
    good = [file for file in files if not file.reason]
    bad = [file for file in files if file.reason]
    chunks = Chunk.objects.filter(document__project__slug="faults")
    parts = DocumentPart.objects.filter(document__project__slug="faults")
    totals = sum(document.chunks_total for document in documents.values() if document.state == "ready")
    twice = chunks.values("document", "content_hash", "metadata__part", "metadata__start").annotate(n=Count("id"))
    left = forget_orphans(older_than=timedelta(0))
    row("files without a document, swept up at the end", str(left), "", "")
    return [
        ("documents", len(documents), len(files)),
        ("good files ready", sum(documents[file.name].state == "ready" for file in good), len(good)),
        ("bad files failed with the true reason", sum(_is_true(documents[file.name], file) for file in bad), len(bad)),
        ("chunks", chunks.count(), totals),
        ("vectors", ChunkEmbedding.objects.filter(project__slug="faults").count(), totals),
        ("chunks twice", twice.filter(n__gt=1).count(), 0),
        ("chunks of another version", chunks.exclude(version=F("document__live_version")).count(), 0),
        ("parts of another version", parts.exclude(version=F("document__live_version")).count(), 0),
        ("documents still in a hand", sum(document.claim is not None for document in documents.values()), 0),
        (
            "originals that are there",
            sum(default_storage.exists(str(document.original.name)) for document in documents.values()),
            len(files),
        ),
    ]


def _is_true(document: object, file: Sent) -> bool:
    return getattr(document, "state", "") == "failed" and file.reason in getattr(document, "error", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=200)
    files = [make(number) for number in range(parser.parse_args().uploads)]
    with on_stage() as here:
        here.product.environment["DJANGO_SUPERUSER_PASSWORD"] = "correct horse 9"
        here.product.start()
        import django

        django.setup()
        is_whole = run(here.product, files)
    sys.exit(0 if is_whole else 1)


def run(product: Product, files: list[Sent]) -> bool:
    from accounts.models import User
    from accounts.services import create_project

    product.manage("createsuperuser", "--noinput", "--email", "alice@example.org")
    create_project(name="Faults", slug="faults", owner=User.objects.get())
    key = product.manage("create_key", "--project", "faults", "--user", "alice@example.org").stdout.strip()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # it tells of each kill
    tally = Tally()
    killer = threading.Thread(target=kill_at_random, args=[product, tally], daemon=True)
    killer.start()
    began = time.monotonic()
    send_all(product, files, key, tally)
    accepted = time.monotonic() - began
    while tally.kills.total() < len(files) // KILLED_EVERY:
        time.sleep(0.5)
    tally.stopped.set()
    killer.join()
    waited = wait_until_finished(product)
    row("what", "found", "", "wanted")
    row("---", "---", "---", "---")
    row("killed", ", ".join(f"{what} {count}×" for what, count in sorted(tally.kills.items())), "", "")
    row("all accepted after, all finished after", f"{accepted:.0f} s, {time.monotonic() - began:.0f} s", "", "")
    row("sent again by the client, seconds after the last kill", f"{tally.repeats}×, {waited:.0f} s", "", "")
    results = check(files)
    for what, found, wanted in results:
        row(what, str(found), "ok" if found == wanted else "WRONG", str(wanted))
    is_whole = all(found == wanted for _, found, wanted in results)
    if not is_whole:
        print(product.log)
    return is_whole


if __name__ == "__main__":
    main()
