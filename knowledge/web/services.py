"""Writes of sources: add, refresh, remove."""

from __future__ import annotations

import logging
from uuid import UUID

from celery import current_app
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from kombu.exceptions import OperationalError

from accounts.models import Project, User
from core.errors import InvalidInput
from knowledge import services
from knowledge.models import WebSource
from knowledge.web.addresses import canonical

log = logging.getLogger(__name__)
MAX_REFRESH_HOURS = 24 * 366


def add_source(
    *,
    project: Project,
    url: str,
    scope: str = WebSource.Scope.PAGE,
    max_pages: int = 100,
    refresh_hours: int = 0,
    user: User | None = None,
) -> WebSource:
    """Take an address into a project and queue its crawl. `refresh_hours`: fetched again after so long, 0 for never.

    Raises InvalidInput, BlockedAddress, TooLong; also for an address that the project has already.
    """
    url = canonical(url)
    if scope not in WebSource.Scope.values:
        raise InvalidInput(_("The scope is one of %(values)s.") % {"values": ", ".join(WebSource.Scope.values)})
    if not 1 <= max_pages <= settings.CRAWL_MAX_PAGES:
        raise InvalidInput(
            _("A source brings 1 to %(crawl_max_pages)s pages.") % {"crawl_max_pages": settings.CRAWL_MAX_PAGES}
        )
    if not 0 <= refresh_hours <= MAX_REFRESH_HOURS:
        raise InvalidInput(_("Pages are fetched again after 1 hour to a year; 0 for never."))
    try:
        with transaction.atomic():
            source = WebSource.objects.create(
                project=project,
                url=url,
                scope=scope,
                max_pages=max_pages,
                refresh_hours=refresh_hours,
                created_by=user,
            )
            transaction.on_commit(lambda: send(source.id))
    except IntegrityError as error:
        raise InvalidInput(_("This address is in the project already. Refresh it there.")) from error
    return source


def refresh(source: WebSource) -> None:
    """Queue a source again. One that is being fetched goes on; one that waits after a failure starts at once."""
    with transaction.atomic():
        found = WebSource.objects.select_for_update().filter(id=source.id).first()
        if found is None or found.state == WebSource.State.CRAWLING:
            return
        found.state, found.error, found.error_code = WebSource.State.QUEUED, "", ""
        found.attempts, found.due_at = 0, None
        found.claim = found.heartbeat_at = None
        found.save()
        transaction.on_commit(lambda: send(source.id))


def remove(source: WebSource) -> None:
    """Remove a source with its documents, all or none. A crawl that is going on stops at its next page."""
    with transaction.atomic():
        found = WebSource.objects.select_for_update().filter(id=source.id).first()
        if found is not None:
            for document in found.documents.all():
                services.delete(document)
            found.delete()


def send(source_id: UUID, *, countdown: float = 0) -> None:
    """Ask a worker to crawl. A queue that is down is no loss: the sweep finds the source."""
    try:
        current_app.send_task("knowledge.web.tasks.crawl", [str(source_id)], countdown=countdown, retry=False)
    except OperationalError as error:
        log.warning("queue: source %s waits for the next sweep (%s)", source_id, type(error).__name__)
