"""knowledge/tasks.py: what workers run, on a real Celery worker."""

from __future__ import annotations

import ast
import json
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from celery.contrib.testing.worker import start_worker
from django.core.files.base import ContentFile
from django.utils import timezone

from accounts.models import Project
from core.redis import sync_redis
from knowledge import ingestion, queue, services, tasks
from knowledge.models import Document
from knowledge.selectors import STALLED_AFTER
from polyai.celery import app
from tests.caching.embedder import EmbedderServer
from tests.conftest import Cast, add_document
from tests.knowledge.conftest import found, upload


def waiting(name: str = "parse") -> list[str]:
    """The ids of the documents in a queue, newest first."""
    sent = [json.loads(message) for message in sync_redis().lrange(f"polyai:celery:{name}", 0, -1)]
    return [ast.literal_eval(message["headers"]["argsrepr"])[0] for message in sent]


@contextmanager
def worker(*queues: str) -> Generator[None, None, None]:
    every = list(app.conf.task_queues)
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=20, queues=list(queues) or every):
        yield
    app.amqp.queues.select(every)  # a worker is chosen its queues for the whole of its process


def wait_until_finished(seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while Document.objects.exclude(state__in=["ready", "failed"]).exists():
        assert time.monotonic() < deadline, "no worker finished it"
        time.sleep(0.02)


def make_stalled(**fields: object) -> None:
    Document.objects.update(updated_at=timezone.now() - STALLED_AFTER - timedelta(seconds=1), **fields)


def silent() -> dict[str, object]:
    """As a worker leaves a document that was killed."""
    return {"claim": uuid4(), "heartbeat_at": timezone.now() - STALLED_AFTER - timedelta(seconds=1)}


def test_a_worker_takes_what_was_uploaded(cast: Cast) -> None:
    upload(cast.project)
    upload(cast.project, b"broken\x00", "broken.md")
    with worker():
        wait_until_finished()
    assert dict(Document.objects.values_list("name", "state")) == {"handbook.md": "ready", "broken.md": "failed"}
    assert "30 days" in found(cast.project)
    assert queue.length() == 0


def test_a_worker_takes_uploads_before_bulk_and_finishes_what_it_began(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sent in the worst order. Each name is that of the queue that the document waits in."""
    order: list[str] = []
    for step in ("parse", "embed"):
        real = getattr(ingestion, step)

        def note(document_id: UUID, step: str = step, real: Callable[[UUID], float | None] = real) -> float | None:
            order.append(f"{step} {Document.objects.get(id=document_id).name}")
            return real(document_id)

        monkeypatch.setattr(ingestion, step, note)
    for number in (1, 2):
        for lane in ("bulk", "hand"):
            upload_as(cast.project, f"{lane}{number}.md", is_bulk=lane == "bulk")
    with worker():
        wait_until_finished()
    assert order == [
        "parse hand1.md",
        "parse hand2.md",
        "embed hand1.md",
        "embed hand2.md",
        "parse bulk1.md",
        "embed bulk1.md",
        "parse bulk2.md",
        "embed bulk2.md",
    ]


def test_a_worker_of_one_queue_leaves_the_others_alone(cast: Cast) -> None:
    upload(cast.project)
    upload_as(cast.project, "bulk.md", is_bulk=True)
    with worker("parse"):
        wait_for(lambda: queue.length("embed") == 1)
    assert (queue.length("parse"), queue.length("parse-bulk"), queue.length("embed")) == (0, 1, 1)
    assert dict(Document.objects.values_list("name", "state")) == {"handbook.md": "embedding", "bulk.md": "queued"}


def upload_as(project: Project, name: str, *, is_bulk: bool) -> Document:
    file = ContentFile(name.encode(), name=name)
    return services.upload(project=project, name=name, file=file, is_bulk=is_bulk).document


def wait_for(check: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def test_a_task_may_run_twice(cast: Cast, embedder: EmbedderServer) -> None:
    document = add_document(cast.project)
    asked = len(embedder.history)
    for _ in range(2):
        tasks.parse(str(document.id))
        tasks.embed(str(document.id))
    assert Document.objects.get().attempts == 1
    assert len(embedder.history) == asked


def test_a_task_of_a_document_that_is_gone_is_no_error(cast: Cast) -> None:
    tasks.parse(str(uuid4()))
    tasks.embed(str(uuid4()))
    assert queue.length() == 0


def test_a_long_document_goes_to_the_end_of_the_queue_after_each_slice(
    cast: Cast, embedder: EmbedderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingestion, "BATCH", 2)
    monkeypatch.setattr(ingestion, "SLICE_BATCHES", 1)
    text = "".join(f"# Rule {i}\n\n{f'Rule number {i} says that {i} is a number. ' * 20}\n\n" for i in range(3))
    long, _ = upload(cast.project, text, "long.md")
    short, _ = upload(cast.project, "Short.", "short.md")
    sync_redis().flushdb()
    tasks.parse(str(long.id))
    tasks.parse(str(short.id))
    assert waiting("embed") == [str(short.id), str(long.id)]
    sync_redis().rpop("polyai:celery:embed")
    tasks.embed(str(long.id))
    assert waiting("embed") == [str(long.id), str(short.id)]
    long.refresh_from_db()
    assert (long.state, long.chunks_embedded, long.claim, long.heartbeat_at) == ("embedding", 2, None, None)
    while Document.objects.get(id=long.id).state == "embedding":
        tasks.embed(str(long.id))
    long.refresh_from_db()
    assert (long.state, long.attempts) == ("ready", 1)
    assert max(map(len, embedder.history)) == 2


def test_an_embedder_that_is_down_sends_the_document_again_after_a_pause(cast: Cast, embedder: EmbedderServer) -> None:
    document, _ = upload(cast.project)
    tasks.parse(str(document.id))
    sync_redis().flushdb()
    embedder.fail(503)
    tasks.embed(str(document.id))
    tasks.resume_stalled_documents()
    assert waiting("embed") == []
    document.refresh_from_db()
    assert document.retry_at is not None
    assert 3 < (document.retry_at - timezone.now()).total_seconds() <= 5
    Document.objects.update(retry_at=timezone.now())
    tasks.resume_stalled_documents()
    assert waiting("embed") == [str(document.id)]
    tasks.resume_stalled_documents()
    assert waiting("embed") == [str(document.id)]


@pytest.mark.parametrize("state", ["queued", "parsing", "embedding"])
def test_the_sweep_sends_a_document_again_whose_task_was_lost(cast: Cast, state: str) -> None:
    document, _ = upload(cast.project)
    sync_redis().flushdb()
    make_stalled(state=state)
    tasks.resume_stalled_documents()
    assert waiting() == [str(document.id)]


def test_the_sweep_sends_a_document_again_whose_worker_was_killed_though_others_wait(cast: Cast) -> None:
    document, _ = upload(cast.project)
    make_stalled(state="parsing", **silent())
    tasks.resume_stalled_documents()
    assert waiting() == [str(document.id)] * 2
    tasks.resume_stalled_documents()
    assert waiting() == [str(document.id)] * 2


def test_the_sweep_leaves_alone_what_only_waits_for_its_turn(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    then = timezone.now() - timedelta(hours=1)
    with monkeypatch.context() as earlier:
        earlier.setattr(timezone, "now", lambda: then)
        upload(cast.project)
    upload(cast.project, "Another.", "another.md")
    tasks.resume_stalled_documents()
    assert queue.length() == 2


def test_the_sweep_finds_what_was_lost_from_a_queue_that_is_never_empty(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis forgot the end of its log: one task is gone, those after it are there."""
    then = timezone.now() - timedelta(hours=1)
    with monkeypatch.context() as earlier:
        earlier.setattr(timezone, "now", lambda: then)
        lost, _ = upload(cast.project)
    sync_redis().flushdb()
    other, _ = upload(cast.project, "Another.", "another.md")
    tasks.resume_stalled_documents()
    assert waiting() == [str(lost.id), str(other.id)]


def test_the_sweep_looks_at_each_queue_by_itself(cast: Cast) -> None:
    bulk = upload_as(cast.project, "bulk.md", is_bulk=True)
    sync_redis().flushdb()
    make_stalled()
    upload(cast.project)
    tasks.resume_stalled_documents()
    assert waiting("parse-bulk") == [str(bulk.id)]
    assert queue.length("parse") == 1


def test_the_sweep_leaves_alone_what_pauses(cast: Cast) -> None:
    upload(cast.project)
    sync_redis().flushdb()
    make_stalled(retry_at=timezone.now() + timedelta(minutes=5))
    tasks.resume_stalled_documents()
    assert queue.length() == 0


def test_a_killed_worker_loses_no_document(cast: Cast) -> None:
    """Redis was emptied and the worker is gone: what PostgreSQL knows is enough."""
    upload(cast.project)
    sync_redis().flushdb()
    make_stalled(state="parsing", **silent())
    tasks.resume_stalled_documents()
    with worker():
        wait_until_finished()
    assert Document.objects.get().state == "ready"


def test_files_that_no_document_names_are_swept_up_after_a_while(cast: Cast, tmp_path: Path) -> None:
    document = add_document(cast.project)
    left = [tmp_path / "documents" / name for name in (f"{cast.project.id}/{uuid4()}/a", f"{uuid4()}/{uuid4()}/b")]
    for path in left:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"left behind")
    fresh = left[0].with_name("fresh")
    fresh.write_bytes(b"being stored")
    for path in (*left, Path(document.original.path)):
        os.utime(path, (0, 0))
    tasks.forget_orphaned_files()
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted(
        [fresh, Path(document.original.path)]
    )
