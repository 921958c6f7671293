"""knowledge/queue.py: documents go in by their id; a queue that is down is no loss."""

from __future__ import annotations

import time

import pytest
from celery import current_app
from django.utils import timezone

from knowledge import queue
from knowledge.models import Document
from tests.conftest import Cast
from tests.knowledge.conftest import upload


@pytest.fixture
def dead_broker(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Celery's queue is where nobody listens."""
    monkeypatch.setitem(current_app.conf, "broker_write_url", f"redis+socket://{tmp_path}/nobody.sock")
    monkeypatch.setattr(current_app, "_pool", None)
    monkeypatch.setattr(current_app.amqp, "_producer_pool", None)


@pytest.mark.parametrize(
    ("chunks_total", "is_bulk", "name"),
    [(0, False, "parse"), (0, True, "parse-bulk"), (9, False, "embed"), (9, True, "embed-bulk")],
)
def test_each_step_has_a_queue_in_each_lane(chunks_total: int, is_bulk: bool, name: str) -> None:
    queue.send(Document(chunks_total=chunks_total, is_bulk=is_bulk))
    assert {name: queue.length(name) for name in queue.NAMES if queue.length(name)} == {name: 1}


def test_a_queue_tells_how_long_its_next_task_waits() -> None:
    assert queue.find_oldest("parse") is None
    before = timezone.now()
    queue.send(Document())
    after = timezone.now()
    queue.send(Document())
    oldest = queue.find_oldest("parse")
    assert oldest is not None
    assert before <= oldest <= after


def test_a_queue_that_is_down_refuses_no_upload_and_holds_none_up(cast: Cast, dead_broker: None) -> None:
    began = time.monotonic()
    document, is_new = upload(cast.project)
    assert is_new
    assert Document.objects.get(id=document.id).state == "queued"
    assert queue.length() == 0
    assert time.monotonic() - began < 2
