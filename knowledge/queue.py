"""The one door to the ingestion queue: documents go in by their id, once their transaction has committed."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app
from django.conf import settings
from kombu.exceptions import OperationalError

from core.redis import sync_redis

log = logging.getLogger(__name__)
QUEUE = "celery"


def send(document_id: UUID, *, countdown: float = 0) -> None:
    """Ask a worker to ingest a document. A queue that is down is no loss: the sweep finds the document."""
    try:
        current_app.send_task("knowledge.tasks.ingest", [str(document_id)], countdown=countdown, retry=False)
    except OperationalError as error:
        log.warning("queue: document %s waits for the next sweep (%s)", document_id, type(error).__name__)


def length() -> int:
    """Tasks that wait for a worker."""
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    return int(sync_redis().llen(f"{prefix}{QUEUE}"))
