"""Whose hand a document is in: one worker's at a time, told by its claim, alive by its heartbeat.

Nobody locks a document while it is read or embedded. A worker writes its claim into the row, every later write asks
for that claim, and whoever deletes, replaces, cancels or takes the document over takes the claim away.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from django.db import InterfaceError, OperationalError, connections, transaction
from django.db.models import F, Q
from django.utils import timezone

from knowledge.models import Document
from knowledge.progress import announce
from knowledge.selectors import STALLED_AFTER, UNFINISHED

log = logging.getLogger(__name__)
HEARTBEAT = 5.0  # seconds


class LostClaim(Exception):
    """The document was deleted, replaced, cancelled or taken over meanwhile: whoever has it now does the rest."""


def take(document_id: UUID, state: Document.State) -> Document | None:
    """Take a document for a step, which is the state it gets; None when there is nothing to do for it.

    That is so when it is finished, in another's hand, or waits for the other step: `chunks_total` tells whether it
    was parsed. Every claim counts as an attempt, so that a file which kills its worker is given up like any other.
    """
    free = Q(heartbeat_at=None) | Q(heartbeat_at__lt=timezone.now() - STALLED_AFTER)
    step = Q(chunks_total=0) if state == Document.State.PARSING else Q(chunks_total__gt=0)
    claim, now = uuid.uuid4(), timezone.now()
    taken = Document.objects.filter(free, step, id=document_id, state__in=UNFINISHED).update(
        claim=claim,
        heartbeat_at=now,
        updated_at=now,
        state=state,
        attempts=F("attempts") + 1,
        error="",
        error_code="",
        retry_at=None,
    )
    document = Document.objects.filter(id=document_id, claim=claim).first() if taken else None
    if document is not None:
        announce(document.project_id, document.id, is_news=state == Document.State.PARSING)
    return document


def update(document: Document, **fields: object) -> None:
    """Write fields of a document that is still ours, and tell the pages. Raises LostClaim."""
    now = timezone.now()
    mine = Document.objects.filter(id=document.id, claim=document.claim)
    if not mine.update(**{"heartbeat_at": now, "updated_at": now, **fields}):
        raise LostClaim
    is_news = "state" in fields
    transaction.on_commit(lambda: announce(document.project_id, document.id, is_news=is_news))


def release(document: Document, **fields: object) -> None:
    """Write fields and let go of the document, for the next step or for good. Raises LostClaim."""
    update(document, **fields, claim=None, heartbeat_at=None)


@contextmanager
def heartbeat(document: Document) -> Iterator[None]:
    """Show that this worker lives, from a thread: one page of a PDF may take longer than a heartbeat."""
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT):
            try:
                Document.objects.filter(id=document.id, claim=document.claim).update(heartbeat_at=timezone.now())
            except (OperationalError, InterfaceError):
                log.warning("document %s: no heartbeat, the database does not answer", document.id)
            connections.close_all()

    thread = threading.Thread(target=beat, name=f"heartbeat-{document.id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
