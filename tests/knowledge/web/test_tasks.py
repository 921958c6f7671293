"""knowledge/web/tasks.py: crawls on a real worker, from a queue of their own; due and lost ones are sent again."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from core.redis import sync_redis
from knowledge.models import Document, WebSource
from knowledge.web import tasks
from knowledge.web.crawling import crawl, stalled_after
from knowledge.web.services import add_source
from tests.conftest import Cast
from tests.knowledge.test_tasks import worker
from tests.knowledge.web.site import Site, wait_for


def waiting() -> int:
    return int(sync_redis().llen("polyai:celery:crawl"))


def test_a_worker_without_further_ado_takes_crawls_and_their_documents(cast: Cast, site: Site) -> None:
    site.add("/", "<h1>Returns</h1><p>Goods may be returned within 30 days.</p>")
    source = add_source(project=cast.project, url=site.url)
    assert waiting() == 1
    with worker():
        wait_for(lambda: Document.objects.filter(state="ready").exists(), 20)
    assert WebSource.objects.get(id=source.id).state == "ready"


def test_a_source_is_fetched_again_when_it_is_due(cast: Cast, site: Site) -> None:
    site.add("/", "<p>a</p>")
    source = add_source(project=cast.project, url=site.url, refresh_hours=2)
    crawl(source.id)
    sync_redis().flushdb()
    tasks.refresh_due_sources()
    assert waiting() == 0
    source.refresh_from_db()
    assert source.due_at is not None
    assert timedelta(hours=1) < source.due_at - timezone.now() <= timedelta(hours=2)
    WebSource.objects.update(due_at=timezone.now())
    tasks.refresh_due_sources()
    assert waiting() == 1
    assert WebSource.objects.get().state == "queued"


@pytest.mark.parametrize("state", ["queued", "crawling"])
def test_a_source_whose_task_was_lost_is_sent_again(cast: Cast, state: str) -> None:
    add_source(project=cast.project, url="http://example.org")
    sync_redis().flushdb()
    WebSource.objects.update(state=state)
    tasks.refresh_due_sources()
    assert waiting() == 0, "it only waits for its turn"
    WebSource.objects.update(updated_at=timezone.now() - timedelta(minutes=2))
    tasks.refresh_due_sources()
    assert waiting() == 1


def test_a_source_whose_worker_was_killed_is_sent_again(cast: Cast) -> None:
    add_source(project=cast.project, url="http://example.org")
    sync_redis().flushdb()
    WebSource.objects.update(state="crawling", heartbeat_at=timezone.now() - timedelta(minutes=1))
    tasks.refresh_due_sources()
    assert waiting() == 0
    WebSource.objects.update(heartbeat_at=timezone.now() - stalled_after() - timedelta(seconds=1))
    tasks.refresh_due_sources()
    assert waiting() == 1


def test_a_source_that_pauses_is_left_alone(cast: Cast) -> None:
    add_source(project=cast.project, url="http://example.org")
    sync_redis().flushdb()
    early = timezone.now() - timedelta(hours=1)
    WebSource.objects.update(updated_at=early, due_at=timezone.now() + timedelta(minutes=5))
    tasks.refresh_due_sources()
    assert waiting() == 0
