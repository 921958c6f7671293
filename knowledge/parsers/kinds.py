"""What a file really is that has the ending of a text: told by how it begins."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import PurePath

from core.errors import WrongKind

_ZIP = "a ZIP archive"
_KINDS = [  # how its files begin, what to call it, what to do
    (rb"%PDF-\d", "a PDF", "Give it the ending .pdf."),
    (rb"\{\\rtf", "RTF", "Give it the ending .rtf."),
    (rb"PK\x03\x04", _ZIP, "Give it the ending .zip."),
    (rb"\xd0\xcf\x11\xe0", "an old or encrypted Office file", "Save it as DOCX, XLSX or PPTX, without a password."),
    (rb"\x89PNG\r\n\x1a\n", "a PNG picture", "Its ending is .png; pictures cannot be read."),
    (rb"\xff\xd8\xff", "a JPEG picture", "Its ending is .jpg; pictures cannot be read."),
]
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
    for begin, kind, advice in _KINDS:
        if re.match(begin, content):
            if kind == _ZIP and (ending := _packaged(content)):
                kind, advice = ending[1:].upper(), f"Give it the ending {ending}."
            raise WrongKind(f"The file is {kind}, though its name ends in {PurePath(name).suffix.lower()}. {advice}")


def _packaged(content: bytes) -> str:
    """The ending of an office file or e-book; "" for any other ZIP, and for one that is damaged."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = set(archive.namelist())
            mime = archive.open("mimetype").read(100).decode("ascii", "replace") if "mimetype" in names else ""
    except (zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError):
        return ""
    return next((ending for mark, ending in _PACKAGES.items() if mark in names or mime.startswith(mark)), "")
