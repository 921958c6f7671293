"""The story of a source: claim, begin, visit page after page, finish.

    queued → crawling (page after page, breadth first) → ready, or failed with the reason
       ↑          │
       └──────────┴ a host that does not answer: again after a while, at the page where it stopped

The queue of pages is in PostgreSQL (WebPage), so a worker that is killed costs at most the page it had in hand. A
crawl takes turns with other work: each run of the task is a slice of it.
"""

from __future__ import annotations

import logging
import time
import uuid
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from core.errors import PolyAIError
from knowledge.models import WebPage, WebSource
from knowledge.web.naming import root_of
from knowledge.web.pages import LostClaim, enqueue, held, visit
from knowledge.web.robots import Rules, read_rules, wait_turn
from knowledge.web.sitemaps import list_addresses

log = logging.getLogger(__name__)
SLICE = 4.0  # seconds of one run; then others have their turn
STALLED_AFTER = timedelta(minutes=3)  # besides what a single fetch may take
MAX_TIME = timedelta(hours=6)  # of a whole crawl
IN_A_ROW = 5  # pages that fail one after another: it is the host
PAUSES = (60, 300, 1800)  # seconds before the tries after the first


def stalled_after() -> timedelta:
    """Without a sign of life for so long, whoever had the source in hand is dead."""
    return STALLED_AFTER + timedelta(seconds=settings.FETCH_TIMEOUT)


class Unforeseen(PolyAIError):
    retryable = True


def crawl(source_id: UUID) -> float | None:
    """Bring a source as far as it goes in one slice. Returns the seconds until the next, None when it is finished."""
    source = _claim(source_id)
    if source is None:
        return None
    try:
        return _slice(source)
    except LostClaim:
        log.info("source %s was removed, refreshed or taken over meanwhile", source_id)
        return None
    except PolyAIError as error:
        return _give_up(source, error)
    except Exception:  # the last border of a worker: the source must not stay "in hand" for ever
        log.exception("source %s: crawling failed", source_id)
        return _give_up(source, Unforeseen(_("Something went wrong on the server; its log says what.")))


def _claim(source_id: UUID) -> WebSource | None:
    now = timezone.now()
    claim = uuid.uuid4()
    taken = WebSource.objects.filter(
        Q(heartbeat_at=None) | Q(heartbeat_at__lt=now - stalled_after()),
        Q(due_at=None) | Q(due_at__lte=now),
        id=source_id,
        state__in=[WebSource.State.QUEUED, WebSource.State.CRAWLING],
    ).update(claim=claim, heartbeat_at=now, state=WebSource.State.CRAWLING)
    source = WebSource.objects.select_related("project", "created_by").filter(id=source_id, claim=claim).first()
    return source if taken else None


def _update(source: WebSource, **fields: object) -> None:
    """Write fields of a source that is still ours. Raises LostClaim."""
    fields = {"updated_at": timezone.now(), **fields}
    if not WebSource.objects.filter(id=source.id, claim=source.claim).update(**fields):
        raise LostClaim
    for name, value in fields.items():
        setattr(source, name, value)


def _beat(source: WebSource) -> None:
    _update(source, heartbeat_at=timezone.now())


def _slice(source: WebSource) -> float | None:
    rules = read_rules(source.url)
    if source.started_at is None:
        _begin(source, rules)
    until = time.monotonic() + SLICE
    failed_in_a_row = 0
    while page := _next_page(source):
        if time.monotonic() > until:
            _update(source, heartbeat_at=None)
            return 0
        _beat(source)
        wait_turn(page.url, rules.pause)
        error = visit(source, page, rules)
        failed_in_a_row = failed_in_a_row + 1 if error else 0
        waiting = source.pages.filter(state=WebPage.State.QUEUED).count()
        if error and waiting and failed_in_a_row >= min(IN_A_ROW, waiting):
            raise error
        if not error and source.attempts:
            _update(source, attempts=0, error="", error_code="")
    _finish(source)
    return None


def _begin(source: WebSource, rules: Rules) -> None:
    """Queue the start, and every page that is known from earlier crawls: what has gone there is to go here."""
    is_map = source.scope == WebSource.Scope.SITEMAP
    start = [source.url]
    if is_map:
        start = list_addresses(source.url, source.max_pages + 1, rules, lambda: _beat(source))
    # A sitemap speaks for its whole host.
    root = root_of(source.url).partition("/")[0] + "/" if is_map else root_of(source.url)
    with held(source):
        _update(source, crawl=source.crawl + 1, started_at=timezone.now(), notes="", root=root)
        known = source.pages.exclude(state__in=[WebPage.State.ALIAS, WebPage.State.GONE])
        known.update(state=WebPage.State.QUEUED, crawl=source.crawl, attempts=0)
        enqueue(source, start, depth=0)


def _next_page(source: WebSource) -> WebPage | None:
    """The next in the queue, breadth first; those that failed once come last. None at the end, or out of time."""
    waiting = source.pages.filter(state=WebPage.State.QUEUED)
    if source.started_at and timezone.now() - source.started_at > MAX_TIME:
        hours = f"{MAX_TIME.total_seconds() / 3600:g}"
        error = _("The crawl ended after %(hours)s hours before it.") % {"hours": hours}
        late = waiting.update(state=WebPage.State.FAILED, error=error)
        notes = ngettext(
            "Stopped after %(hours)s hours; %(count)s page was not reached.",
            "Stopped after %(hours)s hours; %(count)s pages were not reached.",
            late,
        )
        _update(source, notes=notes % {"hours": hours, "count": late})
    return waiting.select_related("document").order_by("attempts", "depth", "id").first()


def _finish(source: WebSource) -> None:
    """Ready when at least one page came; what did not come is told, and stays as it was."""
    pages = source.pages.filter(crawl=source.crawl)
    failed = pages.filter(state=WebPage.State.FAILED)
    first = pages.exclude(error="").first()
    if pages.filter(state=WebPage.State.TAKEN).exists():
        count = failed.count()
        told = ngettext(
            "%(count)s of its pages could not be fetched; what is here of it stays as it was.",
            "%(count)s of its pages could not be fetched; what is here of them stays as it was.",
            count,
        )
        error = told % {"count": count} if count else ""
        _close(source, WebSource.State.READY, error, "pages_failed" if count else "")
    elif first is not None:
        _close(source, WebSource.State.FAILED, first.error, first.error_code)
    else:
        _close(source, WebSource.State.FAILED, _("There is no page to fetch."), "no_pages")


def _give_up(source: WebSource, error: PolyAIError) -> float | None:
    """Try again after a while, unless that is of no use. What the source has brought so far stays."""
    try:
        if not error.retryable or source.attempts >= len(PAUSES):
            _close(source, WebSource.State.FAILED, error.message, error.code)
            return None
        pause = PAUSES[source.attempts]
        _update(
            source,
            state=WebSource.State.QUEUED,
            attempts=F("attempts") + 1,
            error=_("%(reason)s The next try is in %(minutes)s min.")
            % {"reason": error.message, "minutes": pause // 60},
            error_code=error.code,
            claim=None,
            heartbeat_at=None,
            due_at=timezone.now() + timedelta(seconds=pause),
        )
        return pause
    except LostClaim:
        return None


def _close(source: WebSource, state: WebSource.State, error: str, code: str) -> None:
    now = timezone.now()
    refresh = timedelta(hours=source.refresh_hours)
    _update(
        source,
        state=state,
        error=error,
        error_code=code,
        claim=None,
        heartbeat_at=None,
        started_at=None,
        attempts=0,
        due_at=now + refresh if refresh else None,
        **({"last_fetched_at": now} if state == WebSource.State.READY else {}),
    )
