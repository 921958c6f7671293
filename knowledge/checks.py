"""What is sent with a document, made fit to be stored and shown."""

from __future__ import annotations

import hashlib
from math import ceil
from pathlib import PurePath

from django.conf import settings
from django.core.files import File
from django.utils.translation import gettext as _

from core.errors import InvalidInput, TooLong, UnreadableFile
from core.text import nfc
from knowledge import parsers

NAME_LENGTH, TAG_LENGTH = 255, 50
BLANK = " \u115f\u1160\u2800\u3164\uffa0"  # printable to Unicode, and yet nothing is seen
MEGABYTE = 1024 * 1024


def check_kind(name: str) -> None:
    """Raises UnsupportedFile, in the reader's language, for a file that nothing here reads."""
    parsers.check_kind(name, _)


def checked_tag(tag: str) -> str:
    """A tag fit to show. Raises InvalidInput."""
    shown = " ".join("".join(c for c in nfc(tag) if c.isprintable()).split())
    if not shown:
        raise InvalidInput(_("A tag has no letters."))
    if len(shown) > TAG_LENGTH:
        raise InvalidInput(
            _("The tag '%(shown)s…' is too long; %(tag_length)s characters is the limit.")
            % {"shown": shown[:TAG_LENGTH], "tag_length": TAG_LENGTH}
        )
    return shown


def checked_size(file: File[bytes]) -> int:
    """Bytes. Raises UnreadableFile, TooLong."""
    size = file.size or 0
    if size == 0:
        raise UnreadableFile(_("The file is empty."))
    if size > settings.MAX_UPLOAD_MB * MEGABYTE:
        megabytes = ceil(size / MEGABYTE * 10) / 10
        raise TooLong(
            _("The file has %(size)s MB; %(limit)s MB is the limit here.")
            % {"size": megabytes, "limit": settings.MAX_UPLOAD_MB}
        )
    return size


def fit_name(name: str) -> str:
    """A name fit to show: no folders above, no control characters, no direction overrides. Raises InvalidInput."""
    name = nfc(name)
    shown = "".join(
        c for c in name.replace("\\", "/") if c.isprintable() and c not in "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"
    )
    shown = "/".join(part for part in shown.split("/") if part.strip() not in ("", ".", ".."))
    if not PurePath(shown).stem.strip(BLANK):
        raise InvalidInput(_("The file has no name that can be seen. Give it one with letters."))
    if len(shown) > NAME_LENGTH:
        # With a digest of the whole, so that two long names which begin alike stay two.
        ending = f"~{hashlib.sha256(shown.encode()).hexdigest()[:8]}{PurePath(shown).suffix[:20]}"
        shown = shown[: NAME_LENGTH - len(ending)] + ending
    return shown


def sha256(file: File[bytes]) -> str:
    """Of the content, in hexadecimal."""
    digest = hashlib.sha256()
    file.seek(0)
    for block in file.chunks():
        digest.update(block)
    return digest.hexdigest()
