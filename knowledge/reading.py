"""From a file to its text, or to a picture of a page: the one door to the parsers, which run in a process apart."""

from __future__ import annotations

import json
import shutil
from typing import IO

from django.conf import settings

from knowledge import sandbox
from knowledge.checks import check_kind
from knowledge.types import Part, Reading


def read(name: str, file: IO[bytes]) -> Reading:
    """The parts of a file that have text. Raises UnsupportedFile, UnreadableFile, ParserLost."""
    check_kind(name)
    head, body = sandbox.ask({"name": name, "limits": _limits(), "page": None, "text": ""}, file)
    parts = tuple(Part(text=t, page=p, label=label, is_markdown=m) for t, p, label, m in json.loads(body))
    return Reading(parts=parts, notes=head["notes"])


def render_page(file: IO[bytes], page: int, text: str = "") -> bytes:
    """PNG, 1,000 dots wide, of a PDF's page (from 1), on which a passage's lines are marked where they are found.

    Raises InvalidInput for a page that is not there, UnreadableFile, ParserLost.
    """
    return sandbox.ask({"name": "page.pdf", "limits": _limits(), "page": page, "text": text}, file)[1]


def _limits() -> dict[str, object]:
    return {
        "seconds": settings.PARSER_SECONDS,
        "pages": settings.MAX_PAGES,
        "ocr": shutil.which("tesseract") or "",
        "ocr_languages": settings.OCR_LANGUAGES,
    }
