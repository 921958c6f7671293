"""PDF, page by page."""

from __future__ import annotations

import pypdfium2

from core.errors import UnreadableFile
from knowledge.types import Part


def parse(content: bytes) -> list[Part]:
    if b"%PDF-" not in content[:1024]:
        raise UnreadableFile("The file is not a PDF, though its name says so.")
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise UnreadableFile("The PDF is encrypted. Save a copy without a password and upload that.") from error
        raise UnreadableFile("The PDF is damaged. Open it and save it again.") from error
    with document:
        return [Part(text=_text(document, index), page=index + 1) for index in range(len(document))]


def _text(document: pypdfium2.PdfDocument, index: int) -> str:
    page = document[index]
    try:
        words = page.get_textpage()
        # U+FFFE is how pdfium writes a hyphen at a line's end, U+0000 a glyph without a character.
        text: str = words.get_text_bounded().replace("\ufffe\r\n", "").replace("\ufffe", "").replace("\x00", "")
        words.close()
    finally:
        page.close()
    return text.replace("\r\n", "\n")
