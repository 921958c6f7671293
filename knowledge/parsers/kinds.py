"""What a file really is that has the ending of a text: told by how it begins."""

from __future__ import annotations

import io
import re
import zipfile
from gettext import gettext as _
from pathlib import PurePath

from core.errors import WrongKind

_ZIP = rb"PK\x03\x04"
_PACKAGES = {  # a part that is in a ZIP of this kind only, or how its part "mimetype" begins
    "word/document.xml": ".docx",
    "xl/workbook.xml": ".xlsx",
    "ppt/presentation.xml": ".pptx",
    "application/epub": ".epub",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.oasis.opendocument.spreadsheet": ".ods",
    "application/vnd.oasis.opendocument.presentation": ".odp",
}


def check_text(name: str, content: bytes) -> None:
    """Raises WrongKind for what begins as a file of another kind, and no text does."""
    for begin, kind, advice in _kinds():
        if re.match(begin, content):
            if begin == _ZIP and (ending := _packaged(content)):
                kind, advice = ending[1:].upper(), _("Give it the ending %(ending)s.") % {"ending": ending}
            raise WrongKind(
                _("The file is %(kind)s, though its name ends in %(ending)s. %(advice)s")
                % {"kind": kind, "ending": PurePath(name).suffix.lower(), "advice": advice}
            )


def _kinds() -> list[tuple[bytes, str, str]]:
    """How their files begin, what to call them, what to do."""
    ending = _("Give it the ending %(ending)s.")
    picture = _("Its ending is %(ending)s; pictures cannot be read.")
    office = _("an old or encrypted Office file")
    return [
        (rb"%PDF-\d", _("a PDF"), ending % {"ending": ".pdf"}),
        (rb"\{\\rtf", "RTF", ending % {"ending": ".rtf"}),
        (_ZIP, _("a ZIP archive"), ending % {"ending": ".zip"}),
        (rb"\xd0\xcf\x11\xe0", office, _("Save it as DOCX, XLSX or PPTX, without a password.")),
        (rb"\x89PNG\r\n\x1a\n", _("a PNG picture"), picture % {"ending": ".png"}),
        (rb"\xff\xd8\xff", _("a JPEG picture"), picture % {"ending": ".jpg"}),
    ]


def _packaged(content: bytes) -> str:
    """The ending of an office file or e-book; "" for any other ZIP, and for one that is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            mime = archive.open("mimetype").read(100).decode("ascii", "replace") if "mimetype" in names else ""
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError):
        return ""
    return next((ending for mark, ending in _PACKAGES.items() if mark in names or mime.startswith(mark)), "")
