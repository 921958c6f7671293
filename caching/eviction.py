"""How cached answers leave: evidence that has changed, documents that are deleted, time that is over, a person's word.

Every answer in Redis is a copy of a row, under a name that the row tells: who takes a row away takes the copy away
too, and where Redis does not answer, moves the project's epoch, so that no copy is found any more.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Mapping
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, ExpressionWrapper, F, Value
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy, override

from accounts.models import Project
from caching import exact
from caching.entries import hold, match_of, rows_of, servable
from caching.exact import Unreadable, sources_of
from caching.gate import break_seal
from caching.models import CacheEntry
from core.redis import RedisError

log = logging.getLogger(__name__)

CHANGED = gettext_lazy("The passages that it stands on have changed.")
DELETED = gettext_lazy("A document that it stands on was deleted.")
PURGED_AT_ONCE = 1000  # rows


def refute(entry: UUID, *, corpus_version: int) -> None:
    """An answer's evidence has changed: it goes; an approved one waits for a curator instead."""
    with transaction.atomic():
        # Locked: neither an answer that is admitted in its place now nor an approval of now goes with it.
        rows = CacheEntry.objects.select_for_update().filter(id=entry, corpus_version__lt=corpus_version)
        row = rows.defer("embedding").first()
        if row is None:
            return
        if row.approved_at is None:
            row.delete()
        elif row.suspended_at is None:
            row.suspended_at = timezone.now()
            row.suspended_because = _for_everybody(CHANGED)
            row.save(update_fields=["suspended_at", "suspended_because"])
        transaction.on_commit(lambda: forget_copies(row.project_id, [row.request_key]))


def forget_chunks(project_id: UUID, chunk_ids: Collection[UUID]) -> None:
    """Chunks are deleted for good: so are the answers that show them. Approved ones are suspended, without their
    passages. Call it in the transaction that deletes the chunks."""
    rows = CacheEntry.objects.select_for_update().filter(project_id=project_id, chunk_ids__overlap=list(chunk_ids))
    keys = []
    gone = set(chunk_ids)
    for row in rows.only("request_key", "approved_at"):  # the rest is read of the few that are approved
        keys.append(row.request_key)
        if row.approved_at is not None:
            row.sources = _without(gone, row.sources)
            row.chunk_ids = [chunk_id for chunk_id in row.chunk_ids if chunk_id not in gone]
            row.suspended_at = timezone.now()
            row.suspended_because = _for_everybody(DELETED)
            row.save(update_fields=["sources", "chunk_ids", "suspended_at", "suspended_because"])
    rows.filter(approved_at=None).only("id").delete()
    if keys:
        transaction.on_commit(lambda: forget_copies(project_id, keys))


def replace_chunks(project_id: UUID, gone: Mapping[UUID, str], live_hashes: Collection[str]) -> None:
    """A document has another content: approved answers that cite what is gone from it are suspended at once.
    `gone` has the content hash of each chunk that was live, `live_hashes` those of its new content. Other answers
    are looked at when they are asked for."""
    hold(project_id)
    approved = servable(project_id).filter(approved_at__isnull=False)
    for entry in approved.filter(chunk_ids__overlap=list(gone)):
        cited = {int(number) for number in re.findall(r"\[(\d{1,4})\]", entry.text)}
        try:
            before = [
                gone.get(chunk_id)
                for source in match_of(entry, "exact").answer.sources
                if source.n in cited
                for chunk_id in source.chunks
            ]
        except Unreadable:
            suspend(entry, CHANGED)
            continue
        if any(content_hash is not None and content_hash not in live_hashes for content_hash in before):
            suspend(entry, CHANGED)


def evict(entry: CacheEntry) -> None:
    """Take an answer out of every cache, at once."""
    with transaction.atomic():
        hold(entry.project_id)
        entry.delete()
        transaction.on_commit(lambda: forget_copies(entry.project_id, [entry.request_key]))


def flush(project: Project) -> int:
    """Take all answers out of a project's caches, approved ones excepted; how many there were."""
    with transaction.atomic():
        move_epoch(project.id)  # first: who admits takes the project's row before its own
        rows = CacheEntry.objects.select_for_update().filter(project=project, approved_at=None)
        return rows.only("id").delete()[1].get("caching.CacheEntry", 0)


def suspend(entry: CacheEntry, because: str | Promise) -> None:
    """Take an approved answer out of service until a curator has looked at it."""
    with transaction.atomic():
        hold(entry.project_id)
        CacheEntry.objects.filter(id=entry.id).update(
            suspended_at=timezone.now(), suspended_because=_for_everybody(because)
        )
        transaction.on_commit(lambda: forget_copies(entry.project_id, [entry.request_key]))


def _for_everybody(because: str | Promise) -> str:
    """A reason as it is stored: whoever caused it, its readers are others."""
    with override(settings.LANGUAGE_CODE):
        return str(because)[:300]


def move_epoch(project_id: UUID) -> None:
    """Make every copy in Redis unfindable; what is still wanted is copied again from its row."""
    Project.objects.filter(id=project_id).update(cache_epoch=F("cache_epoch") + 1)
    transaction.on_commit(lambda: break_seal(project_id))


def purge() -> int:
    """Delete rows whose time is over, also for serving stale; at most 1,000 at once. How many there were."""
    over = ExpressionWrapper(
        F("expires_at") + F("project__stale_ttl") * Value(timedelta(seconds=1)), output_field=DateTimeField()
    )
    rows = CacheEntry.objects.filter(approved_at=None, expires_at__lt=timezone.now()).annotate(over=over)
    with transaction.atomic():
        # Locked: an answer admitted or approved in the place of one of these now does not go with it.
        locked = rows.select_for_update(skip_locked=True, of=("self",)).filter(over__lt=timezone.now())
        ids = list(locked.order_by("expires_at").values_list("id", flat=True)[:PURGED_AT_ONCE])
        CacheEntry.objects.filter(id__in=ids).only("id").delete()
    return len(ids)


def _without(gone: set[UUID], rows: object) -> list[dict[str, object]]:
    """Sources, as a row has them, without those chunks; none of them where they cannot be read."""
    try:
        kept = [source for source in sources_of(rows) if gone.isdisjoint(source.chunks)]
    except (ValueError, TypeError, KeyError, AttributeError):
        return []
    return rows_of(kept)


def forget_copies(project_id: UUID, request_keys: Iterable[str]) -> None:
    epoch = Project.objects.filter(id=project_id).values_list("cache_epoch", flat=True).first()
    if epoch is None:
        return
    try:
        exact.forget(project_id, epoch, request_keys)
    except (RedisError, OSError) as error:
        log.warning("redis: cached answers could not be dropped (%s); moving the project's epoch", type(error).__name__)
        move_epoch(project_id)
