"""knowledge/queue.py: documents go in by their id; a queue that is down is no loss."""

from __future__ import annotations

import time
from uuid import uuid4

import pytest
from celery import current_app

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


def test_what_is_sent_waits_for_a_worker() -> None:
    assert queue.length() == 0
    queue.send(uuid4())
    queue.send(uuid4())
    assert queue.length() == 2


def test_a_queue_that_is_down_refuses_no_upload_and_holds_none_up(cast: Cast, dead_broker: None) -> None:
    began = time.monotonic()
    document, is_new = upload(cast.project)
    assert is_new
    assert Document.objects.get(id=document.id).state == "queued"
    assert queue.length() == 0
    assert time.monotonic() - began < 2
