"""knowledge/tasks.py: what workers run, on a real Celery worker."""

from __future__ import annotations

import ast
import json
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from celery.contrib.testing.worker import start_worker
from django.utils import timezone

from core.redis import sync_redis
from knowledge import queue, tasks
from knowledge.models import Document
from knowledge.selectors import STALLED_AFTER
from polyai.celery import app
from tests.caching.embedder import EmbedderServer
from tests.conftest import Cast, add_document
from tests.knowledge.conftest import found, upload


def waiting() -> list[tuple[list[str], str | None]]:
    """What is in the queue: arguments and the time before which a worker keeps it, newest first."""
    sent = [json.loads(message) for message in sync_redis().lrange("polyai:celery:celery", 0, -1)]
    return [(ast.literal_eval(message["headers"]["argsrepr"]), message["headers"]["eta"]) for message in sent]


@contextmanager
def worker() -> Generator[None, None, None]:
    with start_worker(app, pool="solo", perform_ping_check=False, shutdown_timeout=20):
        yield


def wait_until_finished(seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while Document.objects.exclude(state__in=["ready", "failed"]).exists():
        assert time.monotonic() < deadline, "no worker finished it"
        time.sleep(0.02)


def make_stalled(**fields: object) -> None:
    Document.objects.update(updated_at=timezone.now() - STALLED_AFTER - timedelta(seconds=1), **fields)


def test_a_worker_takes_what_was_uploaded(cast: Cast) -> None:
    upload(cast.project)
    upload(cast.project, b"broken\x00", "broken.md")
    with worker():
        wait_until_finished()
    assert dict(Document.objects.values_list("name", "state")) == {"handbook.md": "ready", "broken.md": "failed"}
    assert "30 days" in found(cast.project)
    assert queue.length() == 0


def test_a_task_may_run_twice(cast: Cast, embedder: EmbedderServer) -> None:
    document = add_document(cast.project)
    asked = len(embedder.history)
    tasks.ingest(str(document.id))
    tasks.ingest(str(document.id))
    assert Document.objects.get().attempts == 1
    assert len(embedder.history) == asked


def test_a_task_of_a_document_that_is_gone_is_no_error(cast: Cast) -> None:
    tasks.ingest(str(uuid4()))
    assert waiting() == []


def test_an_embedder_that_is_down_sends_the_document_again_after_a_pause(cast: Cast, embedder: EmbedderServer) -> None:
    document, _ = upload(cast.project)
    sync_redis().flushdb()
    embedder.fail(503)
    tasks.ingest(str(document.id))
    ((arguments, eta),) = waiting()
    assert arguments == [str(document.id)]
    assert eta is not None
    assert 3 < (datetime.fromisoformat(eta) - timezone.now()).total_seconds() <= 5


@pytest.mark.parametrize("state", ["queued", "parsing", "embedding"])
def test_the_sweep_sends_a_document_again_whose_task_was_lost(cast: Cast, state: str) -> None:
    document, _ = upload(cast.project)
    sync_redis().flushdb()
    make_stalled(state=state)
    tasks.resume_stalled_documents()
    assert waiting() == [([str(document.id)], None)]


def test_the_sweep_sends_a_document_again_whose_worker_was_killed_though_others_wait(cast: Cast) -> None:
    document, _ = upload(cast.project)
    make_stalled(state="embedding", claim=uuid4(), heartbeat_at=timezone.now() - STALLED_AFTER - timedelta(seconds=1))
    tasks.resume_stalled_documents()
    assert waiting() == [([str(document.id)], None)] * 2


def test_the_sweep_leaves_alone_what_only_waits_for_its_turn(cast: Cast) -> None:
    upload(cast.project)
    make_stalled()
    tasks.resume_stalled_documents()
    assert queue.length() == 1


def test_the_sweep_leaves_alone_what_pauses(cast: Cast) -> None:
    upload(cast.project)
    sync_redis().flushdb()
    make_stalled(retry_at=timezone.now() + timedelta(minutes=5))
    tasks.resume_stalled_documents()
    assert waiting() == []


def test_a_killed_worker_loses_no_document(cast: Cast) -> None:
    """Redis was emptied and the worker is gone: what PostgreSQL knows is enough."""
    upload(cast.project)
    sync_redis().flushdb()
    make_stalled(state="parsing", claim=uuid4(), heartbeat_at=timezone.now() - STALLED_AFTER - timedelta(seconds=1))
    tasks.resume_stalled_documents()
    with worker():
        wait_until_finished()
    assert Document.objects.get().state == "ready"
