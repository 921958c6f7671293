"""From a file's bytes to text: one module for each format, chosen by the name's ending.

These modules run in a process of their own (knowledge/reading.py is the door to it): they and what they import
know nothing of Django, and each is imported when its first file comes.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from dataclasses import replace
from gettext import gettext
from gettext import gettext as _
from importlib import import_module
from pathlib import PurePath

from core.errors import DamagedFile, EmptyFile, NoText, PolyAIError, TooLargeToRead, UnsupportedFile
from knowledge.parsers.kinds import check_text
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.types import Part, Reading

log = logging.getLogger(__name__)

_TEXT = (
    ".txt .text .log .rst .adoc .org .tex .srt .vtt .json .jsonl .ndjson .yaml .yml .toml .ini .cfg .conf .env .xml "
    ".sql .py .js .jsx .ts .tsx .css .java .kt .scala .c .h .cpp .hpp .cs .go .rs .rb .php .pl .lua .r .swift .sh .bat"
)
# The module below knowledge.parsers that has `parse(content: bytes, limits: Limits) -> Reading` for an ending.
PARSERS = {
    ".pdf": "pdf",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".odt": "odf",
    ".ods": "odf",
    ".odp": "odf",
    ".rtf": "rtf",
    ".epub": "epub",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".eml": "mail",
    ".csv": "delimited",
    ".tsv": "delimited",
    ".md": "markdown",
    ".markdown": "markdown",
    **dict.fromkeys(_TEXT.split(), "text"),
}
_TEXTUAL = ("text", "markdown", "delimited", "html", "mail")  # which find words in anything
LABEL = 200  # characters
_CONTROLS = {code: "\n" if chr(code) in "\r\v\f" else None for code in range(0x20) if chr(code) not in "\t\n"}


def check_kind(name: str, _: Callable[[str], str] = gettext) -> None:
    """Raises UnsupportedFile, in the words of a translator, for a file that nothing here reads."""
    ending = PurePath(name).suffix.lower()
    if ending not in PARSERS:
        told = _(
            "'%(kind)s' files cannot be read yet. PDF, Office, OpenDocument, e-books, e-mail, web pages, tables, and "
            "text and source code can."
        )
        raise UnsupportedFile(told % {"kind": ending or name})


def parse(name: str, content: bytes, limits: Limits = DEFAULT) -> Reading:
    """The parts of a file that have text. Raises UnsupportedFile, UnreadableFile."""
    check_kind(name)
    if not content.strip(b" \t\r\n\x0b\x0c\x00"):
        raise EmptyFile(_("The file is empty. Upload it again, or another one."))
    problem: PolyAIError
    try:
        module = PARSERS[PurePath(name).suffix.lower()]
        if module in _TEXTUAL:
            check_text(name, content)
        parser = import_module(f"knowledge.parsers.{module}")
        return _checked(parser.parse(content, limits), limits)
    except PolyAIError:
        raise
    except RecursionError:
        problem = TooLargeToRead(_("The file is nested too deeply to be read. Simplify it."))
    except MemoryError:
        problem = TooLargeToRead(_("The file takes too much memory to be read. Split it."))
    except Exception as error:  # a parser meets a file that nobody foresaw: the border where that gets a name
        log.warning("parser failed on %r", name, exc_info=error)
        problem = DamagedFile(_("The file is damaged: it could not be read. Open it and save it again."))
    gc.collect()  # raised here and not above, where the error would still hold on to all that was parsed
    raise problem


def _checked(reading: Reading, limits: Limits) -> Reading:
    parts = tuple(part for part in map(_cleaned, reading.parts) if part.text.strip())
    if not parts:
        raise NoText(_("There is no text in the file. A scan needs text recognition (OCR) first."))
    if sum(len(part.text) for part in parts) > limits.characters:
        raise TooLargeToRead(
            _("The file has more than %(characters)s million characters. Split it.")
            % {"characters": limits.characters // 1000000}
        )
    return replace(reading, parts=parts, notes=_storable(reading.notes))


def _cleaned(part: Part) -> Part:
    return replace(part, text=_storable(part.text), label=" ".join(_storable(part.label).split())[:LABEL])


def _storable(text: str) -> str:
    """Without control characters, of which PostgreSQL cannot store NUL and readers see none, and halves of characters.

    What ends a line or a page ends a line; tabs stay.
    """
    return text.replace("\r\n", "\n").translate(_CONTROLS).encode("utf-8", errors="replace").decode()
