"""The one door to the ingestion queues: documents go in by their id, once their transaction has committed.

Two steps, each in two lanes: what people upload goes before what comes in bulk. The order in which a worker looks
at its queues is that of settings.CELERY_TASK_QUEUES.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime

from celery import current_app
from django.conf import settings
from django.utils import timezone
from kombu.exceptions import OperationalError

from core.redis import sync_redis
from knowledge.models import Document

log = logging.getLogger(__name__)
PARSE, EMBED = "parse", "embed"
BULK = "-bulk"
NAMES = (PARSE, EMBED, PARSE + BULK, EMBED + BULK)


def name_for(document: Document) -> str:
    """The queue of a document's next step: one that has been cut into chunks is to be embedded."""
    return (EMBED if document.chunks_total else PARSE) + (BULK if document.is_bulk else "")


def send(document: Document) -> None:
    """Ask a worker for a document's next step. A queue that is down is no loss: the sweep finds the document."""
    name = name_for(document)
    task = f"knowledge.tasks.{name.removesuffix(BULK)}"
    headers = {"sent_at": timezone.now().isoformat()}
    try:
        current_app.send_task(task, [str(document.id)], queue=name, headers=headers, retry=False)
    except OperationalError as error:
        log.warning("queue: document %s waits for the next sweep (%s)", document.id, type(error).__name__)


def length(*names: str) -> int:
    """Tasks that wait for a worker, in these queues or in all of them."""
    return sum(int(sync_redis().llen(_key(name))) for name in names or NAMES)


def find_oldest(name: str) -> datetime | None:
    """When the task that is next in a queue was sent; None for an empty queue."""
    message = sync_redis().lindex(_key(name), -1)
    return datetime.fromisoformat(json.loads(message)["headers"]["sent_at"]) if message else None


def _key(name: str) -> str:
    return f"{settings.CELERY_BROKER_TRANSPORT_OPTIONS['global_keyprefix']}{name}"
