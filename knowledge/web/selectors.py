"""Reads of sources. Access check and fetch are one query."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.db.models import Count, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.selectors import list_projects
from accounts.types import Actor
from core.errors import NotFound, UnsupportedFile
from knowledge.models import WebPage, WebSource
from knowledge.web.crawling import stalled_after
from knowledge.web.pages import ELSEWHERE, NOINDEX, ROBOTS

LOST_AFTER = timedelta(minutes=1)  # nobody took it from the queue, or the queue was lost


def list_sources(actor: Actor, project_id: UUID) -> QuerySet[WebSource]:
    """With the numbers of their pages: `pages_found` is `pages_taken`, `pages_failed`, `pages_waiting` and
    `pages_skipped` together. Skipped are `pages_forbidden` (by robots.txt or noindex), `pages_elsewhere` (on another
    site) and `pages_unreadable` (of no kind that is read). `pages_duplicate`, other addresses of pages, and
    `pages_gone` are beside it."""
    states = WebPage.State
    skipped = Q(pages__state=states.SKIPPED)
    return WebSource.objects.filter(project__in=list_projects(actor), project_id=project_id).annotate(
        pages_found=Count("pages", filter=~Q(pages__state__in=[states.ALIAS, states.GONE])),
        pages_taken=Count("pages", filter=Q(pages__state=states.TAKEN)),
        pages_failed=Count("pages", filter=Q(pages__state=states.FAILED)),
        pages_waiting=Count("pages", filter=Q(pages__state=states.QUEUED)),
        pages_skipped=Count("pages", filter=skipped),
        pages_forbidden=Count("pages", filter=skipped & Q(pages__error__in=[ROBOTS, NOINDEX])),
        pages_elsewhere=Count("pages", filter=skipped & Q(pages__error=ELSEWHERE)),
        pages_unreadable=Count("pages", filter=skipped & Q(pages__error_code=UnsupportedFile.code)),
        pages_duplicate=Count("pages", filter=Q(pages__state=states.ALIAS)),
        pages_gone=Count("pages", filter=Q(pages__state=states.GONE)),
    )


def get_source(actor: Actor, project_id: UUID, source_id: UUID) -> WebSource:
    """Raises NotFound, also for a source of another project or one that the actor may not read."""
    source = list_sources(actor, project_id).filter(id=source_id).first()
    if source is None:
        raise NotFound(_("There is no such source in this project."))
    return source


def list_pages(source: WebSource) -> QuerySet[WebPage]:
    """The pages of a source with what became of each, without mere aliases."""
    return source.pages.exclude(state=WebPage.State.ALIAS).select_related("document")


def list_due() -> QuerySet[WebSource]:
    """Finished sources whose time to be fetched again has come."""
    finished = [WebSource.State.READY, WebSource.State.FAILED]
    return WebSource.objects.filter(state__in=finished, due_at__lte=timezone.now())


def list_stalled_sources() -> QuerySet[WebSource]:
    """Sources that nobody has in hand though they are not finished: their worker died, or their task is lost."""
    now = timezone.now()
    return WebSource.objects.filter(
        Q(heartbeat_at__lt=now - stalled_after()) | Q(heartbeat_at=None, updated_at__lt=now - LOST_AFTER),
        Q(due_at=None) | Q(due_at__lt=now - LOST_AFTER),
        state__in=[WebSource.State.QUEUED, WebSource.State.CRAWLING],
    )
