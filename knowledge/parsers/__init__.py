"""From a file's bytes to text: one module for each format, chosen by the name's ending.

A parser is imported when its first file comes: together they take 40 MB, which only workers need.
"""

from __future__ import annotations

import gc
import logging
from importlib import import_module
from pathlib import PurePath

from core.errors import PolyAIError, UnreadableFile, UnsupportedFile
from knowledge.types import Part

log = logging.getLogger(__name__)

# The module below knowledge.parsers that has `parse(content: bytes) -> Sequence[Part]` for files of an ending.
PARSERS = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
    ".html": "html",
    ".htm": "html",
    ".pdf": "pdf",
    ".docx": "docx",
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
    parser = import_module(f"knowledge.parsers.{PARSERS[PurePath(name).suffix.lower()]}")
    parts: list[Part] = []
    problem = ""
    try:
        parts = [part for part in parser.parse(content) if part.text.strip()]
    except PolyAIError:
        raise
    except RecursionError:
        problem = "The file is nested too deeply to be read. Simplify it."
    except MemoryError:
        problem = "The file takes too much memory to be read. Split it."
    except Exception as error:  # a parser meets a file that nobody foresaw: the border where that gets a name
        log.warning("parser failed on %r", name, exc_info=error)
        problem = "The file is damaged: it could not be read. Open it and save it again."
    if problem:
        gc.collect()  # raised here and not above, where the error would still hold on to all that was parsed
        raise UnreadableFile(problem)
    if not parts:
        raise UnreadableFile("There is no text in the file. A scan needs text recognition (OCR) first.")
    return parts
