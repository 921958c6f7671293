"""What kind of file the web sent: its declared type, as the ending that a name of ours has."""

from __future__ import annotations

import mimetypes
from pathlib import PurePosixPath

_KINDS = {
    "text/html": ".html",
    "application/xhtml+xml": ".html",
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/x-markdown": ".md",
    "text/csv": ".csv",
    "application/pdf": ".pdf",
    "application/epub+zip": ".epub",
    "application/rtf": ".rtf",
    "text/rtf": ".rtf",
    "application/vnd.oasis.opendocument.text": ".odt",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ".docx",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": ".pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
    "text/xml": ".xml",
    "application/xml": ".xml",
    "application/gzip": ".gz",
    "application/x-gzip": ".gz",
}
_SAYS_NOTHING = ("application/octet-stream", "binary/octet-stream", "application/force-download", "text/plain")


def kind_of(content_type: str, path: str) -> str:
    """The ending for a declared type; where that says nothing, the path's own. Empty for none."""
    ending = PurePosixPath(path).suffix.lower()
    if content_type in _SAYS_NOTHING and ending and (content_type != "text/plain" or ending in (".md", ".csv")):
        return ending
    return _KINDS.get(content_type) or mimetypes.guess_extension(content_type) or ending
