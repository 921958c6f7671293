"""From a file to its text: the one door to the parsers."""

from __future__ import annotations

from typing import IO

from knowledge.parsers import parse
from knowledge.types import Reading


def read(name: str, file: IO[bytes]) -> Reading:
    """The parts of a file that have text. Raises UnsupportedFile, UnreadableFile."""
    return Reading(parts=tuple(parse(name, file.read())))


def render_page(file: IO[bytes], page: int, text: str = "") -> bytes:
    import io

    import pypdfium2

    document = pypdfium2.PdfDocument(file.read())
    out = io.BytesIO()
    document[page - 1].render(scale=2).to_pil().save(out, "PNG")
    return out.getvalue()
