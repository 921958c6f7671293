"""One page of a crawl: fetched, and its document made, replaced, kept or deleted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import IO

from django.core.files import File
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.models import Project, User
from core.errors import PageGone, PolyAIError, UnsupportedFile
from knowledge import services
from knowledge.models import Document, WebPage, WebSource
from knowledge.parsers import PARSERS
from knowledge.web.fetching import Fetched, fetch
from knowledge.web.links import MAX_BYTES, Outline, may_be_readable, read_outline
from knowledge.web.naming import free_name, is_below, root_of
from knowledge.web.robots import Rules

log = logging.getLogger(__name__)
MAX_ATTEMPTS = 3  # in one crawl
MAX_DEPTH = 20  # links from the start
# Why a page is left out; pages are counted by it.
ROBOTS = gettext_noop("The site's robots.txt asks not to fetch it.")
NOINDEX = gettext_noop("The page asks not to be indexed.")
ELSEWHERE = gettext_noop("It leads to another site.")
_TEXT = (".html", ".htm", ".txt", ".md", ".csv")


class LostClaim(Exception):
    """The source was removed, refreshed or taken over meanwhile."""


class LeftOut(PolyAIError):
    """The page is not to be a document; the message says why."""

    code = "left_out"
    status = 422


def readable_kinds() -> frozenset[str]:
    """What may become a document: all that has a parser."""
    return frozenset(PARSERS)


@contextmanager
def held(source: WebSource) -> Iterator[None]:
    """A transaction in which the source stays ours. Raises LostClaim."""
    with transaction.atomic():
        if not WebSource.objects.select_for_update().filter(id=source.id, claim=source.claim).exists():
            raise LostClaim
        yield


def visit(source: WebSource, page: WebPage, rules: Rules) -> PolyAIError | None:
    """Fetch a page and do what follows from it. Returns the error of a page that may come at another time.

    Such a page stays in the queue up to MAX_ATTEMPTS, and keeps its document in any case. Raises LostClaim.
    """
    try:
        if not rules.allow(page.url):
            raise LeftOut(ROBOTS)
        known = {"etag": page.etag, "last_modified": page.last_modified} if page.document_id else {}
        with fetch(page.url, kinds=readable_kinds(), **known) as fetched:
            _take(source, page, fetched)
    except PolyAIError as error:
        page.refresh_from_db()  # what was begun with it was rolled back
        with held(source):
            _settle(source, page, error)
        return error if error.retryable else None
    return None


def _settle(source: WebSource, page: WebPage, error: PolyAIError) -> None:
    """What becomes of a page that could not be taken."""
    state = WebPage.State.FAILED
    if isinstance(error, PageGone | LeftOut):
        _forget_document(source, page)
        state = WebPage.State.GONE if isinstance(error, PageGone) else WebPage.State.SKIPPED
    elif isinstance(error, UnsupportedFile) and page.depth:
        state = WebPage.State.SKIPPED  # a link to a picture is no failure
    elif error.retryable:
        page.attempts += 1
        state = WebPage.State.QUEUED if page.attempts < MAX_ATTEMPTS else WebPage.State.FAILED
    _close(page, state, error)


def enqueue(source: WebSource, urls: Iterable[str], depth: int) -> None:
    """Put addresses into the crawl's queue, each once, as far as the source's limit goes."""
    wanted = list(dict.fromkeys(urls))
    known = {page.url: page for page in source.pages.filter(url__in=wanted)}
    counted = source.pages.exclude(state__in=[WebPage.State.ALIAS, WebPage.State.GONE]).count()
    for url in wanted:
        found = known.get(url)
        if found is not None and found.crawl == source.crawl:
            continue
        if counted >= source.max_pages and (found is None or found.state == WebPage.State.GONE):
            source.notes = _("Stopped at the limit of %(count)s pages.") % {"count": source.max_pages}
            WebSource.objects.filter(id=source.id).update(notes=source.notes)
            return
        counted += found is None or found.state == WebPage.State.GONE
        fresh = {"crawl": source.crawl, "depth": depth, "state": WebPage.State.QUEUED, "attempts": 0}
        WebPage.objects.update_or_create(source=source, url=url, defaults=fresh)


def _take(source: WebSource, page: WebPage, fetched: Fetched) -> None:
    outline = _outline(fetched)
    with held(source):
        page = _own_page(source, page, fetched, outline)
        if page.state != WebPage.State.QUEUED:
            return
        if outline is not None and not outline.is_indexable:
            raise LeftOut(NOINDEX)
        if not fetched.is_unchanged:
            _store(source, page, fetched)
            page.etag, page.last_modified = fetched.etag, fetched.last_modified
            page.content_hash = fetched.content_hash
        _close(page, WebPage.State.TAKEN)
        if outline is not None and source.scope == WebSource.Scope.SITE and page.depth < MAX_DEPTH:
            kinds = readable_kinds()
            inside = (url for url in outline.links if is_below(url, source.root) and may_be_readable(url, kinds))
            enqueue(source, inside, page.depth + 1)


def _outline(fetched: Fetched) -> Outline | None:
    if fetched.is_unchanged or fetched.kind not in (".html", ".htm"):
        return None
    outline = read_outline(fetched.file.read(MAX_BYTES), fetched.url)
    fetched.file.seek(0)
    return outline


def _own_page(source: WebSource, page: WebPage, fetched: Fetched, outline: Outline | None) -> WebPage:
    """The page under its own address, which a redirect or its canonical link may name; the other becomes an alias.

    Of a single page whoever added it has named the address: it stays. Raises LeftOut for one that leads elsewhere.
    """
    if source.scope == WebSource.Scope.PAGE:
        return page
    if fetched.url != page.url and not page.depth and source.scope == WebSource.Scope.SITE:
        source.root = root_of(fetched.url)  # the site is where its start page leads
        WebSource.objects.filter(id=source.id).update(root=source.root)
    if not is_below(fetched.url, source.root):
        raise LeftOut(ELSEWHERE)
    if fetched.url != page.url:
        page = _alias(source, page, fetched.url)
    own = outline.canonical if outline else ""
    if own and own != page.url and page.state == WebPage.State.QUEUED and is_below(own, source.root):
        other = source.pages.filter(url=own).first()
        # Two pages that name each other: the one that came first is the alias, this one is kept.
        if other is None or other.state != WebPage.State.ALIAS:
            enqueue(source, [own], page.depth)
            if source.pages.filter(url=own, crawl=source.crawl).exists():
                _forget_document(source, page)
                _close(page, WebPage.State.ALIAS)
    return page


def _alias(source: WebSource, page: WebPage, url: str) -> WebPage:
    """The page that a redirect led to, in the queue unless this crawl has had it; the first is its alias."""
    found, _ = WebPage.objects.get_or_create(
        source=source, url=url, defaults={"crawl": source.crawl, "depth": page.depth}
    )
    if found.crawl != source.crawl:
        found.crawl, found.state, found.attempts = source.crawl, WebPage.State.QUEUED, 0
    _forget_document(source, page)
    _close(page, WebPage.State.ALIAS)
    return found


def _store(source: WebSource, page: WebPage, fetched: Fetched) -> None:
    """Make the page a document, or its next version; the same bytes again are nothing to do."""
    document = page.document
    if document is not None and page.content_hash == fetched.content_hash:
        return
    if document is not None and PurePosixPath(document.name).suffix != fetched.kind:
        services.delete(document)  # the address holds another kind of file now
        document = None
    name = document.name if document else free_name(source.project_id, page.url, fetched.kind)
    page.document = put(source.project, name, _as_file(fetched), source.created_by)
    if page.document.source_id is None:
        page.document.source, page.document.source_url = source, page.url
        page.document.save(update_fields=["source", "source_url"])


def put(project: Project, name: str, file: File[bytes], user: User | None) -> Document:
    """The one call of services.upload from here."""
    return services.upload(project=project, name=name, file=file, user=user).document


def _as_file(fetched: Fetched) -> File[bytes]:
    """What was fetched; text in an encoding that only the server's header told becomes UTF-8 with its mark."""
    if fetched.kind in _TEXT and fetched.charset not in ("", "utf-8", "utf8", "us-ascii"):
        content = fetched.file.read()
        if not _is_utf8(content):
            try:
                return ContentFile(content.decode(fetched.charset).encode("utf-8-sig"))
            except (LookupError, UnicodeError):
                log.info("%s is not in the encoding %r that its server told", fetched.url, fetched.charset)
        fetched.file.seek(0)
    return sized(fetched.file, fetched.size)


def sized(file: IO[bytes], size: int) -> File[bytes]:
    """A temporary file for services.upload; Django cannot tell the size of one that is partly in memory."""
    wrapped = File(file)
    wrapped.size = size
    return wrapped


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True


def _forget_document(source: WebSource, page: WebPage) -> None:
    """Delete the page's document, unless it came from another source of the project."""
    document = page.document
    page.document, page.etag, page.last_modified, page.content_hash = None, "", "", ""
    if document is not None and document.source_id == source.id:
        services.delete(document)


def _close(page: WebPage, state: WebPage.State, error: PolyAIError | None = None) -> None:
    page.state = state
    page.error, page.error_code = (error.message, error.code) if error else ("", "")
    page.fetched_at = timezone.now()
    page.save()
