"""A page of a PDF as a picture, with a passage marked on it."""

from __future__ import annotations

import re
import struct
import zlib
from gettext import gettext as _

import pypdfium2
from pypdfium2 import raw

from core.errors import DamagedFile, InvalidInput
from knowledge.parsers.pdf import opened

WIDTH = 1_000  # dots
HIGHEST = 4_000
YELLOW = (255, 221, 87, 255)
_BESIDE = re.compile(r"[\s\x00-\x1f\ufffe\u00ad-]+")
LEAST = 4  # characters of a line that is looked for by itself


def render(content: bytes, number: int, text: str = "") -> bytes:
    """PNG of a page, counted from 1. Raises InvalidInput, UnreadableFile."""
    with opened(content) as document:
        if not 1 <= number <= len(document):
            raise InvalidInput(
                _("The PDF has no page %(number)s; its pages are 1 to %(count)s.")
                % {"number": number, "count": len(document)}
            )
        try:
            page = document[number - 1]
            try:
                return _picture(page, text)
            finally:
                page.close()
        except pypdfium2.PdfiumError as error:
            raise DamagedFile(
                _("Page %(number)s of the PDF is damaged: it cannot be shown. Open the file and save it again.")
                % {"number": number}
            ) from error


def _picture(page: pypdfium2.PdfPage, text: str) -> bytes:
    for box in _find(page, text):
        _mark(page, box)
    width, height = page.get_size()
    scale = min(WIDTH / max(width, 1), HIGHEST / max(height, 1))
    return _png(page.render(scale=scale, rev_byteorder=True, prefer_bgrx=False))


def _find(page: pypdfium2.PdfPage, text: str) -> list[tuple[float, float, float, float]]:
    """The boxes of a passage's lines in points; the passage whole if it stands so, else the lines that are found."""
    wanted = _letters(text)
    if not wanted:
        return []
    words = page.get_textpage()
    try:
        letters, places = [], []
        for place in range(words.count_chars()):
            letter = chr(raw.FPDFText_GetUnicode(words, place))
            if _letters(letter):
                letters.append(letter)
                places.append(place)
        whole = "".join(letters)
        spans = [(at, len(wanted))] if (at := whole.find(wanted)) >= 0 else _lines(whole, text)
        boxes = []
        for at, length in spans:
            first, last = places[at], places[at + length - 1]
            for i in range(raw.FPDFText_CountRects(words, first, last - first + 1)):
                boxes.append(words.get_rect(i))
        return boxes
    finally:
        words.close()


def _letters(text: str) -> str:
    """What a page and the text made of it have in common: neither blanks nor hyphens, which a line's end may add."""
    return _BESIDE.sub("", text)


def _lines(whole: str, text: str) -> list[tuple[int, int]]:
    spans, after = [], 0
    for line in text.splitlines():
        wanted = _letters(line)
        at = whole.find(wanted, after) if len(wanted) >= LEAST else -1
        if at >= 0:
            spans.append((at, len(wanted)))
            after = at + len(wanted)
    return spans


def _mark(page: pypdfium2.PdfPage, box: tuple[float, float, float, float]) -> None:
    left, bottom, right, top = box
    mark = raw.FPDFPageObj_CreateNewRect(left - 1, bottom - 1, right - left + 2, top - bottom + 2)
    raw.FPDFPageObj_SetFillColor(mark, *YELLOW)
    raw.FPDFPageObj_SetBlendMode(mark, b"Multiply")
    raw.FPDFPath_SetDrawMode(mark, raw.FPDF_FILLMODE_WINDING, 0)
    raw.FPDFPage_InsertObject(page, mark)


def _png(bitmap: pypdfium2.PdfBitmap) -> bytes:
    rows = memoryview(bitmap.buffer).cast("B")
    line = bitmap.width * bitmap.n_channels
    lines = b"".join(b"\0" + rows[y * bitmap.stride : y * bitmap.stride + line] for y in range(bitmap.height))
    color = {1: 0, 3: 2, 4: 6}[bitmap.n_channels]
    head = struct.pack(">IIBBBBB", bitmap.width, bitmap.height, 8, color, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 4)), (b"IEND", b""))
    body = b"".join(struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)
    return b"\x89PNG\r\n\x1a\n" + body
