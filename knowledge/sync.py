"""A folder on disk, and the documents of a project that are kept in step with it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.core.files import File
from django.utils.translation import gettext as _

from accounts.models import Project
from core.errors import InvalidInput
from knowledge import services
from knowledge.checks import fit_name
from knowledge.models import Document, SyncedFile
from knowledge.parsers import PARSERS
from knowledge.types import Uploaded

EMPTY = "empty"
OUTSIDE = "links that lead out of the folder"
NAMELESS = "no name"


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalFile:
    """A file as it was seen; `name` is that of its document."""

    path: Path
    name: str
    size: int
    modified_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done. `unreadable` are folders that could not be listed: what lies in them is not known. `skipped`
    are the names of files that are left out, by the reason."""

    new: tuple[LocalFile, ...]
    changed: tuple[LocalFile, ...]
    unchanged: int
    gone: tuple[Document, ...]
    unreadable: tuple[str, ...]
    skipped: Mapping[str, Sequence[str]]

    @property
    def empties(self) -> bool:
        """Whether every document of the folder would be deleted, and none come."""
        return bool(self.gone) and not (self.new or self.changed or self.unchanged)


def make_plan(project: Project, folder: Path) -> Plan:
    """Compare a folder, all below it, with what was synced from it before, by size and time of change. A folder that is
    not there is an empty one."""
    unreadable: list[str] = []
    skipped: defaultdict[str, list[str]] = defaultdict(list)
    files = _list_files(folder, unreadable, skipped)
    known = {row.document.name: row for row in _synced(project, folder)}
    new, changed = [], []
    for file in files:
        row = known.get(file.name)
        if row is None:
            new.append(file)
        elif (row.size, row.modified_ns) != (file.size, file.modified_ns):
            changed.append(file)
    names = {file.name for file in files}.union(skipped[EMPTY])  # a file that is being written may be empty
    return Plan(
        new=tuple(new),
        changed=tuple(changed),
        unchanged=len(files) - len(new) - len(changed),
        gone=tuple(row.document for name, row in known.items() if name not in names),
        unreadable=tuple(unreadable),
        skipped={reason: skipped[reason] for reason in (EMPTY, OUTSIDE, NAMELESS) if skipped[reason]},
    )


def bring(project: Project, folder: Path, file: LocalFile) -> Uploaded:
    """Upload a file of a plan, and remember how it was seen: a sync that is cut off goes on after it.

    Raises InvalidInput and what services.upload raises, OSError.
    """
    row = SyncedFile.objects.filter(document__project=project, document__name=file.name).first()
    if row and not _is_same(row.folder, folder):
        raise InvalidInput(
            _("The document of this name comes from %(folder)s. Sync one of the two into a project of its own.")
            % {"folder": row.folder}
        )
    with file.path.open("rb") as stream:
        uploaded = services.upload(project=project, name=file.name, file=File(stream), is_bulk=True)
    SyncedFile.objects.update_or_create(
        document=uploaded.document,
        defaults={"folder": str(folder), "size": file.size, "modified_ns": file.modified_ns},
    )
    return uploaded


def _synced(project: Project, folder: Path) -> list[SyncedFile]:
    rows = SyncedFile.objects.filter(document__project=project)
    spellings = [known for known in rows.values_list("folder", flat=True).distinct() if _is_same(known, folder)]
    return list(rows.filter(folder__in=spellings).select_related("document").order_by("document__name"))


def _is_same(known: str, folder: Path) -> bool:
    """Whether two spellings are of one folder. A link stays itself also when it is led to another folder."""
    return known == str(folder) or Path(known).resolve() == folder.resolve()


def _list_files(folder: Path, unreadable: list[str], skipped: Mapping[str, list[str]]) -> list[LocalFile]:
    """Files of a kind that can be read, in the order of their names; hidden ones are left out."""
    files: dict[str, LocalFile] = {}
    root = folder.resolve()
    for place, folders, names in os.walk(folder, onerror=lambda error: _note(unreadable, folder, error)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for path in sorted(Path(place, name) for name in names if not name.startswith(".")):
            if path.suffix.lower() not in PARSERS or not path.is_file():
                continue
            shown = path.relative_to(folder).as_posix()
            try:
                name, seen = fit_name(shown), path.stat()
            except InvalidInput:
                skipped[NAMELESS].append(repr(shown))
                continue
            if not path.resolve().is_relative_to(root):
                skipped[OUTSIDE].append(name)
            elif not seen.st_size:
                skipped[EMPTY].append(name)
            else:
                # Two files whose names become one (é in two forms): the first has it, else they would take turns.
                found = LocalFile(path=path, name=name, size=seen.st_size, modified_ns=seen.st_mtime_ns)
                files.setdefault(name, found)
    return list(files.values())


def _note(unreadable: list[str], folder: Path, error: OSError) -> None:
    if not (isinstance(error, FileNotFoundError) and error.filename == str(folder)):
        unreadable.append(str(error.filename))
