"""Writes of documents. Whatever changes what a search can find moves the project's corpus_version with it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator
from functools import partial
from pathlib import PurePath
from uuid import UUID

from django.core.files import File
from django.db import transaction
from django.db.models import Count, F, Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import Project, User
from caching import eviction
from caching.gate import break_seal
from core.errors import InvalidInput, QuotaReached
from knowledge import originals, queue
from knowledge.checks import MEGABYTE, check_kind, checked_size, checked_tag, fit_name, sha256
from knowledge.models import Chunk, Document, KnowledgePolicy
from knowledge.progress import announce
from knowledge.selectors import STALLED_AFTER, UNFINISHED, list_abandoned, list_due, list_lost
from knowledge.types import Uploaded

log = logging.getLogger(__name__)
MAX_TAGS = 50
AT_ONCE = 100  # documents in one transaction
RESUMED_AT_ONCE = 1000  # documents in one sweep, of each sort: ten thousand that pause do not come back all at once
SHOWN_NAMES = 5
BY_HAND = 20  # files; more at once are bulk


def move_corpus_version(project_id: UUID) -> None:
    """Call it in the transaction that changes what can be found: cached answers of older versions are not served."""
    Project.objects.filter(id=project_id).update(corpus_version=F("corpus_version") + 1)
    transaction.on_commit(lambda: break_seal(project_id))


def upload(
    *,
    project: Project,
    name: str,
    file: File[bytes],
    user: User | None = None,
    is_bulk: bool = False,
    attached_to: UUID | None = None,
) -> Uploaded:
    """Accept a file and queue it, `is_bulk` behind all that people wait for. With `attached_to` it is not the
    project's but the user's own, in that conversation.

    The same name again is the same document: with the same bytes nothing happens unless it had failed or was
    cancelled, with others they become its next version. The same bytes under another name are said, and no obstacle.
    Raises InvalidInput, TooLong, UnsupportedFile, UnreadableFile, QuotaReached.
    """
    name = fit_name(name)
    check_kind(name)
    size = checked_size(file)
    digest = sha256(file)
    # What others attached is no obstacle to a name: it does not exist for anybody else.
    place = {"attached_to": attached_to, "uploaded_by": user} if attached_to else {"attached_to": None}
    with transaction.atomic():
        document, made = Document.objects.select_for_update().get_or_create(
            project=project,
            name=name,
            **place,
            defaults={
                "kind": PurePath(name).suffix.lower().lstrip("."),
                "size": size,
                "content_hash": digest,
                "uploaded_by": user,
            },
        )
        same_as = _names_of_same(document, digest)
        is_over = document.state in (Document.State.FAILED, Document.State.CANCELLED)
        if not made and document.content_hash == digest and not is_over:
            return Uploaded(document=document, is_new=False, same_as=same_as)
        _check_quota(document, size)
        if not made:
            if document.original.name != document.live_original.name:  # the live one answers until another is ready
                originals.forget(document.original)
            document.version = max(document.version, document.live_version) + 1
            document.size, document.content_hash, document.uploaded_by = size, digest, user
        file.seek(0)
        document.original.save(name, file, save=False)
        document.is_bulk = is_bulk
        _queue(document)
    return Uploaded(document=document, is_new=True, same_as=same_as)


def retry(document: Document) -> None:
    """Queue a document again; what was done already stays done."""
    with transaction.atomic():
        _queue(Document.objects.select_for_update().get(id=document.id))


def retry_many(documents: Iterable[Document]) -> int:
    """Queue those of the documents again that failed or were cancelled, as bulk; how many there were."""
    over = (Document.State.FAILED, Document.State.CANCELLED)
    count = 0
    for found in _locked(documents, state__in=over):
        for document in found:
            document.is_bulk = document.is_bulk or len(found) > 1
            _queue(document)
        count += len(found)
    return count


def cancel(document: Document) -> bool:
    """Take a document out of the queue, or out of its worker's hand: it stops with the batch it is in. Whether it
    was unfinished. What searches found of it before they go on finding; a retry goes on where it stopped."""
    return cancel_many([document]) == 1


def cancel_many(documents: Iterable[Document]) -> int:
    """Cancel those of the documents that are unfinished; how many there were."""
    count = 0
    for found in _locked(documents, state__in=UNFINISHED):
        Document.objects.filter(id__in=[document.id for document in found]).update(
            state=Document.State.CANCELLED,
            error="",
            error_code="",
            claim=None,
            heartbeat_at=None,
            retry_at=None,
            updated_at=timezone.now(),
        )
        _announce_on_commit(found)
        count += len(found)
    return count


def delete(document: Document) -> None:
    """Remove a document, its chunks and its file. From this commit on no search and no cached answer shows it."""
    delete_many([document])


def delete_many(documents: Iterable[Document]) -> int:
    """Remove documents, a hundred in a transaction; how many there still were."""
    count = 0
    # Locked and read again: a worker may be adding chunks, or have published one, since the caller looked.
    for found in _locked(documents):
        ids = [document.id for document in found]
        for project_id in sorted({document.project_id for document in found}):
            here = [document for document in found if document.project_id == project_id]
            if any(document.live_version for document in here):
                move_corpus_version(project_id)
            chunks = Chunk.objects.filter(document__in=here)
            eviction.forget_chunks(project_id, list(chunks.values_list("id", flat=True)))
        Document.objects.filter(id__in=ids).delete()
        _announce_on_commit(found)
        count += len(found)
    return count


def delete_attached(conversation_id: UUID) -> int:
    """Remove all that is attached to a conversation, as when it is deleted for good; how many documents."""
    return delete_many(Document.objects.filter(attached_to=conversation_id))


def set_tags(documents: Iterable[Document], *, add: Collection[str] = (), remove: Collection[str] = ()) -> int:
    """Give tags to documents and take others away; how many documents changed. Raises InvalidInput."""
    added, removed = set(map(checked_tag, add)), set(map(checked_tag, remove))
    count = 0
    for found in _locked(documents):
        changed = []
        for document in found:
            tags = sorted((set(document.tags) | added) - removed)
            if len(tags) > MAX_TAGS:
                raise InvalidInput(
                    _("%(name)s would have %(tags)s tags; %(max_tags)s is the limit.")
                    % {"name": document.name, "tags": len(tags), "max_tags": MAX_TAGS}
                )
            if tags != document.tags:
                document.tags = tags
                changed.append(document)
        Document.objects.bulk_update(changed, ["tags"])
        for project_id in sorted({document.project_id for document in changed if document.live_version}):
            move_corpus_version(project_id)  # a search by tag finds something else now
        _announce_on_commit(changed)
        count += len(changed)
    return count


def resume_stalled() -> int:
    """Send again what nobody has in hand and no queue holds: its worker was killed, its pause is over, or its task
    was lost with Redis. How many there were.

    A queue gives out its tasks in the order they came: what waits for longer than the next of them is not in it.
    """
    count = _send_again(list_abandoned()) + _send_again(list_due())
    for name in queue.NAMES:
        since = queue.find_oldest(name) or timezone.now()
        lost = list_lost(
            is_parsed=name.startswith(queue.EMBED),
            is_bulk=name.endswith(queue.BULK),
            sent_before=since - STALLED_AFTER,
        )
        count += _send_again(lost)
    return count


def _send_again(stalled: QuerySet[Document]) -> int:
    documents = list(stalled.order_by("updated_at").only("id", "chunks_total", "is_bulk")[:RESUMED_AT_ONCE])
    now = timezone.now()
    stalled.filter(id__in=[document.id for document in documents]).update(
        claim=None, heartbeat_at=None, retry_at=None, updated_at=now
    )
    for document in documents:
        queue.send(document)
    return len(documents)


def _locked(documents: Iterable[Document], **conditions: object) -> Iterator[list[Document]]:
    """The documents that are still there, locked, a hundred in a transaction; in the order of their ids, so that two
    who lock many do not wait for each other."""
    ids = sorted(document.id for document in documents)
    for start in range(0, len(ids), AT_ONCE):
        some = Document.objects.filter(id__in=ids[start : start + AT_ONCE], **conditions)
        with transaction.atomic():
            if found := list(some.select_for_update().order_by("id")):
                yield found


def _announce_on_commit(documents: Iterable[Document]) -> None:
    for document in documents:
        transaction.on_commit(partial(announce, document.project_id, document.id))


def _queue(document: Document) -> None:
    document.state, document.error, document.error_code, document.attempts = Document.State.QUEUED, "", "", 0
    document.claim = document.heartbeat_at = document.retry_at = None
    document.chunks_total = document.chunks_embedded = 0
    document.save()
    transaction.on_commit(lambda: queue.send(document))
    _announce_on_commit([document])


def _check_quota(document: Document, size: int) -> None:
    """Raises QuotaReached. The policy's row is locked: two uploads at once do not both take the last place."""
    policy = KnowledgePolicy.objects.select_for_update().filter(project_id=document.project_id).first()
    if policy is None:
        return
    others = Document.objects.filter(project_id=document.project_id).exclude(id=document.id)
    held = others.aggregate(count=Count("id"), size=Sum("size", default=0))
    if policy.max_documents and held["count"] + 1 > policy.max_documents:
        raise QuotaReached(_("The project has %(count)s documents, as many as it may. Delete some first.") % held)
    if policy.max_megabytes and held["size"] + size > policy.max_megabytes * MEGABYTE:
        raise QuotaReached(
            _("The project may hold %(max_megabytes)s MB. Delete some documents first.")
            % {"max_megabytes": policy.max_megabytes}
        )


def _names_of_same(document: Document, digest: str) -> tuple[str, ...]:
    """The project's documents, and those attached beside this one by the same: of others' files nothing is told."""
    seen = Q(attached_to=None)
    if document.attached_to:
        seen |= Q(attached_to=document.attached_to, uploaded_by=document.uploaded_by)
    same = Document.objects.filter(seen, project_id=document.project_id, content_hash=digest).exclude(id=document.id)
    return tuple(same.order_by("name").values_list("name", flat=True)[:SHOWN_NAMES])
