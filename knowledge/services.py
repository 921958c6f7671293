"""Writes of documents. Whatever changes what a search can find moves the project's corpus_version with it."""

from __future__ import annotations

import hashlib
import logging
from math import ceil
from pathlib import PurePath
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.db.models import F

from accounts.models import Project, User
from caching import eviction
from caching.gate import break_seal
from core.errors import InvalidInput, TooLong, UnreadableFile
from core.text import nfc
from knowledge import queue
from knowledge.models import Document
from knowledge.parsers import check_kind
from knowledge.progress import announce

log = logging.getLogger(__name__)
NAME_LENGTH = 255


def move_corpus_version(project_id: UUID) -> None:
    """Call it in the transaction that changes what can be found: cached answers of older versions are not served."""
    Project.objects.filter(id=project_id).update(corpus_version=F("corpus_version") + 1)
    transaction.on_commit(lambda: break_seal(project_id))


def upload(*, project: Project, name: str, file: File[bytes], user: User | None = None) -> tuple[Document, bool]:
    """Accept a file and queue it; whether there is anything new to do for it.

    The same name again is the same document: with the same bytes nothing happens unless it had failed, with
    others they become its next version. Raises InvalidInput, TooLong, UnsupportedFile, UnreadableFile.
    """
    name = _checked_name(name)
    check_kind(name)
    size = file.size or 0
    if size == 0:
        raise UnreadableFile("The file is empty.")
    if size > settings.MAX_UPLOAD_MB * 1024 * 1024:
        megabytes = ceil(size / 1024 / 1024 * 10) / 10
        raise TooLong(f"The file has {megabytes} MB; {settings.MAX_UPLOAD_MB} MB is the limit here.")
    digest = _sha256(file)
    with transaction.atomic():
        document, made = Document.objects.select_for_update().get_or_create(
            project=project,
            name=name,
            defaults={
                "kind": PurePath(name).suffix.lower().lstrip("."),
                "size": size,
                "content_hash": digest,
                "uploaded_by": user,
            },
        )
        if not made and document.content_hash == digest and document.state != Document.State.FAILED:
            return document, False
        if not made:
            _forget_file(document)
            document.version = max(document.version, document.live_version) + 1
            document.size, document.content_hash, document.uploaded_by = size, digest, user
        file.seek(0)
        document.original.save(name, file, save=False)
        _queue(document)
    return document, True


def retry(document: Document) -> None:
    """Queue a document again; what was done already stays done."""
    with transaction.atomic():
        _queue(Document.objects.select_for_update().get(id=document.id))


def delete(document: Document) -> None:
    """Remove a document, its chunks and its file. From this commit on no search and no cached answer shows it."""
    with transaction.atomic():
        # Locked and read again: a worker may be adding chunks, or have published it, since the caller looked.
        found = Document.objects.select_for_update().filter(id=document.id).first()
        if found is None:
            return
        if found.live_version:
            move_corpus_version(found.project_id)
        eviction.forget_chunks(found.project_id, list(found.chunks.values_list("id", flat=True)))
        project_id, document_id = found.project_id, found.id
        found.delete()
        transaction.on_commit(lambda: announce(project_id, document_id))


def _queue(document: Document) -> None:
    document.state, document.error, document.attempts = Document.State.QUEUED, "", 0
    document.claim = document.heartbeat_at = document.retry_at = None
    document.chunks_total = document.chunks_embedded = 0
    document.save()
    transaction.on_commit(lambda: queue.send(document.id))
    transaction.on_commit(lambda: announce(document.project_id, document.id))


def _forget_file(document: Document) -> None:
    storage, path = document.original.storage, document.original.name
    if path:
        transaction.on_commit(lambda: storage.delete(path))


def _checked_name(name: str) -> str:
    """A name fit to show: no folders above, no control characters, no direction overrides."""
    name = nfc(name)
    shown = "".join(
        c for c in name.replace("\\", "/") if c.isprintable() and c not in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"
    )
    shown = "/".join(part for part in shown.split("/") if part.strip() not in ("", ".", ".."))
    if not shown:
        raise InvalidInput("The file has no name.")
    if len(shown) > NAME_LENGTH:
        # With a digest of the whole, so that two long names which begin alike stay two.
        ending = f"~{hashlib.sha256(shown.encode()).hexdigest()[:8]}{PurePath(shown).suffix[:20]}"
        shown = shown[: NAME_LENGTH - len(ending)] + ending
    return shown


def _sha256(file: File[bytes]) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    for block in file.chunks():
        digest.update(block)
    return digest.hexdigest()
