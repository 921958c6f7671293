"""Originals in the storage, and those that were left behind there."""

from __future__ import annotations

import logging
from datetime import timedelta

from django.core.files.storage import Storage
from django.db import transaction
from django.db.models import Q
from django.db.models.fields.files import FieldFile
from django.utils import timezone

from knowledge.models import Document

log = logging.getLogger(__name__)
FOLDER = "documents"
AGE = timedelta(hours=1)  # an upload that is being stored has its file before its row is committed


def forget(file: FieldFile) -> None:
    """Delete a file, if there is one, when the transaction has been committed."""
    storage, path = file.storage, file.name
    if path:
        transaction.on_commit(lambda: storage.delete(path), robust=True)  # no row names it any more in any case


def forget_orphans(older_than: timedelta = AGE) -> int:
    """Delete files that no document names: of an upload whose server died before its commit, or of a delete whose
    server died after it. How many there were."""
    storage: Storage = Document._meta.get_field("original").storage
    count = 0
    for project in _listed(storage, FOLDER)[0]:
        for document in _listed(storage, f"{FOLDER}/{project}")[0]:
            folder = f"{FOLDER}/{project}/{document}"
            paths = {f"{folder}/{name}" for name in _listed(storage, folder)[1]}
            # Listed first, asked for then: a file that came in between is not in the list.
            for path in paths - _named(paths):
                if storage.get_modified_time(path) < timezone.now() - older_than:
                    storage.delete(path)
                    count += 1
    if count:
        log.info("%d files that no document names were deleted", count)
    return count


def _named(paths: set[str]) -> set[str]:
    """Those of the files that a document needs."""
    rows = Document.objects.filter(Q(original__in=paths) | Q(live_original__in=paths))
    return {path for row in rows.values_list("original", "live_original") for path in row}


def _listed(storage: Storage, folder: str) -> tuple[list[str], list[str]]:
    """Folders and files in a folder; none in one that is not there."""
    try:
        return storage.listdir(folder)
    except FileNotFoundError:
        return [], []
