"""From a file's bytes to text: one module for each format, chosen by the name's ending."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import PurePath

from core.errors import PolyAIError, UnreadableFile, UnsupportedFile
from knowledge.parsers import docx, html, pdf, text
from knowledge.types import Part

log = logging.getLogger(__name__)

PARSERS: dict[str, Callable[[bytes], Sequence[Part]]] = {
    ".md": text.parse_markdown,
    ".markdown": text.parse_markdown,
    ".txt": text.parse_text,
    ".text": text.parse_text,
    ".html": html.parse,
    ".htm": html.parse,
    ".pdf": pdf.parse,
    ".docx": docx.parse,
}


def check_kind(name: str) -> None:
    """Raises UnsupportedFile for a file that nothing here reads."""
    ending = PurePath(name).suffix.lower()
    if ending not in PARSERS:
        raise UnsupportedFile(f"'{ending or name}' files cannot be read yet. These can: {', '.join(sorted(PARSERS))}.")


def parse(name: str, content: bytes) -> list[Part]:
    """The parts of a file that have text. Raises UnsupportedFile, UnreadableFile."""
    check_kind(name)
    if not content.strip():
        raise UnreadableFile("The file is empty.")
    try:
        parts = [part for part in PARSERS[PurePath(name).suffix.lower()](content) if part.text.strip()]
    except PolyAIError:
        raise
    except Exception as error:  # a parser meets a file that nobody foresaw: the border where that gets a name
        log.warning("parser failed on %r", name, exc_info=error)
        raise UnreadableFile("The file is damaged: it could not be read. Open it and save it again.") from error
    if not parts:
        raise UnreadableFile("There is no text in the file. A scan needs text recognition (OCR) first.")
    return parts
