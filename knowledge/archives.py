"""ZIP archives: each file in one becomes a document of its own, named after its archive and its way inside.

`handbook.zip` with `en/intro.md` makes `handbook.zip/en/intro.md`: two archives that both hold a `README.md` do not
replace each other's, and the same archive again updates its own files. Nothing is ever written under a name that the
archive chose. Limits are checked before anything is unpacked: zipfile reads no more of a file than the archive's list
says it has, packed and unpacked, so one that lies there is damaged and no larger.
"""

from __future__ import annotations

import logging
import stat
import struct
import tempfile
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import IO
from uuid import UUID

from django.conf import settings
from django.core.files import File
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Project, User
from core.errors import InvalidInput, PolyAIError, TooLong, UnreadableFile, UnsupportedFile
from core.languages import localized
from core.text import nfc
from knowledge import services
from knowledge.checks import check_kind
from knowledge.models import Document

log = logging.getLogger(__name__)
ENDING = ".zip"
MAX_ENTRIES = 10_000  # 50 s of small ones, and 24 MB
AT_ONCE = 50  # files in one transaction
MAX_RATIO = 200  # of a file unpacked to the same packed; text seldom reaches 20
RATIO_FROM = 10 * 1024 * 1024  # bytes: what is smaller hurts nobody, however it is packed
MAX_DIRECTORY = 8 * 1024 * 1024  # bytes of the archive's own list, which is read at once
BLOCK = 256 * 1024
MEGABYTE = 1024 * 1024
_ARCHIVES = (".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".jar")
_LITTER = ("__MACOSX", ".DS_Store", "Thumbs.db", "desktop.ini")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others unpack without a limit to their memory
_DAMAGED = (zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, struct.error)
_SCRIPTS = {  # how the names of an encoding's characters begin, in Unicode
    "utf-8": ("",),
    "cp437": ("LATIN",),
    "cp932": ("CJK", "HIRAGANA", "KATAKANA", "FULLWIDTH", "IDEOGRAPHIC", "LEFT", "RIGHT"),
    "euc_kr": ("HANGUL",),
    "gb18030": ("CJK", "FULLWIDTH", "IDEOGRAPHIC", "LEFT", "RIGHT"),
}
_IS_UTF8, _IS_ENCRYPTED = 0x800, 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of an archive; `file` lives until the next entry is asked for."""

    name: str
    size: int
    file: IO[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A file of an archive that is not taken, and why."""

    name: str
    error: PolyAIError


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """What became of an archive: its documents, those of them that brought something new, and what was refused."""

    documents: tuple[Document, ...] = ()
    new: frozenset[UUID] = frozenset()
    refused: tuple[Refused, ...] = ()


def is_archive(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() == ENDING


def upload_archive(*, project: Project, name: str, file: File[bytes], user: User | None = None) -> Unpacked:
    """Accept every file of an archive that can be read. One that is refused does not hold up the others.

    Raises TooLong and UnreadableFile for the whole archive, and UnreadableFile when it has no file to take.
    """
    if (file.size or 0) > settings.MAX_ARCHIVE_MB * MEGABYTE:
        raise TooLong(
            _("The archive has more than %(max_archive_mb)s MB, the limit here.")
            % {"max_archive_mb": settings.MAX_ARCHIVE_MB}
        )
    entries = expand(file)
    taken: list[tuple[Document, bool]] = []
    refused: list[Refused] = []
    while found := _take(islice(entries, AT_ONCE), project, name, user):
        taken += [outcome for outcome in found if not isinstance(outcome, Refused)]
        refused += [outcome for outcome in found if isinstance(outcome, Refused)]
    if not taken:
        reason = f" {refused[0].name}: {refused[0].error.message}" if refused else ""
        raise UnreadableFile(_("The archive has no file that can be read.%(reason)s") % {"reason": reason})
    return Unpacked(
        documents=tuple(document for document, _ in taken),
        new=frozenset(document.id for document, is_new in taken if is_new),
        refused=tuple(refused),
    )


@transaction.atomic  # one commit for many files: each by itself took 2.6 times as long
def _take(
    entries: Iterable[Entry | Refused], project: Project, archive: str, user: User | None
) -> list[tuple[Document, bool] | Refused]:
    outcomes: list[tuple[Document, bool] | Refused] = []
    for found in entries:
        try:
            outcomes.append(
                found if isinstance(found, Refused) else _upload(project, f"{archive}/{found.name}", found, user)
            )
        except InvalidInput as error:  # of this file; a storage that is away is the matter of the whole
            outcomes.append(Refused(name=found.name, error=error))
    return outcomes


def _upload(project: Project, name: str, entry: Entry, user: User | None) -> tuple[Document, bool]:
    """The one call of services.upload from here."""
    file = File(entry.file)
    file.size = entry.size  # Django cannot tell that of a file which is partly in memory
    uploaded = services.upload(project=project, name=name, file=file, user=user, is_bulk=True)
    return uploaded.document, uploaded.is_new


def expand(file: IO[bytes]) -> Iterator[Entry | Refused]:
    """The files of an archive one after the other, each unpacked to a temporary file, without file managers' litter.

    Raises UnreadableFile for what is no archive, TooLong for one with too many files or bytes in all.
    """
    try:
        archive = zipfile.ZipFile(_Bounded(file))
    except _DAMAGED as error:
        log.info("archive: %s", error)
        raise UnreadableFile(_("The archive is damaged: it could not be opened. Pack it again.")) from error
    with archive:
        entries = [entry for entry in archive.infolist() if not entry.orig_filename.endswith(("/", "\\"))]
        if len(entries) > MAX_ENTRIES:
            raise TooLong(
                _("The archive has %(entries)s files; %(max_entries)s is the limit. Split it.")
                % {"entries": localized(len(entries)), "max_entries": localized(MAX_ENTRIES)}
            )
        if sum(entry.file_size for entry in entries) > settings.MAX_ARCHIVE_MB * MEGABYTE:
            raise TooLong(
                _("The archive unpacks to more than %(max_archive_mb)s MB, the limit here. Split it.")
                % {"max_archive_mb": settings.MAX_ARCHIVE_MB}
            )
        yield from _each(archive, entries)


def _each(archive: zipfile.ZipFile, entries: list[zipfile.ZipInfo]) -> Iterator[Entry | Refused]:
    seen: set[str] = set()
    for entry, told in zip(entries, _decoded([_raw(entry) for entry in entries]), strict=True):
        parts = _parts(told)
        if any(part in _LITTER for part in parts) or (parts and parts[-1].startswith("._")):
            continue
        name = "/".join(parts)
        try:
            _check(entry, told, parts)
            if name in seen:
                raise InvalidInput(_("Another file of the archive has this name."))
            seen.add(name)
            with tempfile.SpooledTemporaryFile(max_size=MEGABYTE) as unpacked:
                _unpack(archive, entry, unpacked)
                yield Entry(name=name, size=entry.file_size, file=unpacked)
        except InvalidInput as error:
            yield Refused(name=name or "?", error=error)


def _check(entry: zipfile.ZipInfo, told: str, parts: list[str]) -> None:
    """Raises InvalidInput, UnsupportedFile, UnreadableFile, TooLong for an entry that is not even opened."""
    if not parts or told.startswith(("/", "\\")) or ".." in parts or (len(parts[0]) == 2 and parts[0][1] == ":"):
        raise InvalidInput(_("Its name leads out of the archive."))
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG):
        raise InvalidInput(_("It is a link or a device, not a file."))
    if entry.flag_bits & _IS_ENCRYPTED:
        raise UnreadableFile(_("It is encrypted. Pack it without a password."))
    if PurePosixPath(parts[-1]).suffix.lower() in _ARCHIVES:
        raise UnsupportedFile(_("Archives inside an archive are not opened. Unpack it first."))
    check_kind(parts[-1])
    if entry.compress_type not in _METHODS:
        raise UnsupportedFile(_("It is packed in an unusual way. Pack it with ordinary compression (deflate)."))
    if entry.file_size > settings.MAX_UPLOAD_MB * MEGABYTE:
        raise TooLong(
            _("It has more than %(max_upload_mb)s MB, the limit here.") % {"max_upload_mb": settings.MAX_UPLOAD_MB}
        )
    if entry.file_size > RATIO_FROM and entry.file_size > MAX_RATIO * max(entry.compress_size, 1):
        raise UnreadableFile(
            _("It unpacks to more than %(max_ratio)s times its size, as no real file does.") % {"max_ratio": MAX_RATIO}
        )


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, into: IO[bytes]) -> None:
    try:
        with archive.open(entry) as packed:
            while block := packed.read(BLOCK):
                into.write(block)
    except (*_DAMAGED, RuntimeError, zlib.error) as error:
        raise UnreadableFile(_("It is damaged in the archive. Pack it again.")) from error
    if into.tell() != entry.file_size:
        raise UnreadableFile(_("It is damaged in the archive: its end is missing. Pack it again."))
    into.seek(0)


class _Bounded:
    """A file that gives no more than MAX_DIRECTORY bytes at once: zipfile reads an archive's whole list."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > MAX_DIRECTORY:
            raise zipfile.BadZipFile("its directory is too long")
        return self._file.read(size if size >= 0 else MAX_DIRECTORY)

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset < 0 and whence == 0:
            raise zipfile.BadZipFile("it points before its own start")
        self._file.seek(offset, whence)
        return self._file.tell()

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


# --- Names --------------------------------------------------------------------------------------


def _parts(name: str) -> list[str]:
    """Its folders and itself, written as services.upload writes names, so that two which become one are seen."""
    shown = "".join(c for c in nfc(name).replace("\\", "/") if c.isprintable())
    return [part for part in shown.split("/") if part.strip() not in ("", ".")]


def _raw(entry: zipfile.ZipInfo) -> str | bytes:
    """A name that is text already, or its bytes where the archive does not say what they mean."""
    name = entry.orig_filename
    if entry.flag_bits & _IS_UTF8 or name.isascii():
        return name
    return name.encode("cp437")  # as zipfile had read them


def _decoded(names: list[str | bytes]) -> list[str]:
    """All names of an archive in one encoding: whoever packed it had one."""
    encoding = _guessed(b"/".join(name for name in names if isinstance(name, bytes)))
    return [name if isinstance(name, str) else name.decode(encoding, "replace") for name in names]


def _guessed(names: bytes) -> str:
    """The first encoding in which they look like the names it is used for; the ZIP format's own cp437 for none.

    The order is from what shows itself plainly to what hardly does: few bytes of Japanese are also Western letters
    only, few Korean ones full-width Japanese, but nearly all are Chinese.
    """
    return next((encoding for encoding in _SCRIPTS if _is_plausible(names, encoding)), "cp437")


def _is_plausible(names: bytes, encoding: str) -> bool:
    try:
        text = names.decode(encoding)
    except UnicodeDecodeError:
        return False
    scripts = _SCRIPTS[encoding]
    return all(c.isascii() or unicodedata.name(c, "").startswith(scripts) for c in text)
