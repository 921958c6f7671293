"""caching/tasks.py: what beat sends is there to be run."""

from __future__ import annotations

from django.conf import settings

from caching import ledger, tasks
from caching.models import CacheLookup
from core.redis import sync_redis
from polyai.celery import app
from tests.caching.test_ledger import make_lookup, row_of
from tests.conftest import Cast


def test_every_scheduled_task_exists() -> None:
    app.loader.import_default_modules()
    assert {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()} <= app.tasks.keys()


def test_the_tasks_may_run_twice(cast: Cast) -> None:
    sync_redis().rpush(ledger.OPEN, row_of(make_lookup(cast.project.id)))
    for _ in range(2):
        tasks.flush_ledger()
        tasks.purge_ledger()
    assert CacheLookup.objects.count() == 1
