"""PDF, page by page; forms and notes on a page are part of its text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from contextlib import contextmanager
from gettext import gettext as _
from gettext import ngettext

import pypdfium2
from pypdfium2 import raw

from core.errors import DamagedFile, EncryptedFile, NoText, WrongKind
from knowledge.parsers import recognition
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.types import Part, Reading

# pdfium writes U+0002 for a hyphen at a line's end, U+FFFE in older versions, with or without the line's end after it.
_LINE_END = re.compile(r"[\x02\ufffe](?:\r?\n)?")
_CUT_WORD = re.compile(r"(?<=[^\W_])" + _LINE_END.pattern + r"(?=[^\W_])")
_SIDES = re.compile(rf"\w*{_CUT_WORD.pattern}\w*")
_WORD = re.compile(r"[^\W\d_]+")
LONGEST = 50  # letters of a word


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    with opened(content) as document:
        limits.check_pages(len(document))
        texts: list[str] = []
        scanned: list[int] = []
        broken: list[int] = []
        for index in range(len(document)):
            try:
                text, is_scanned = _read(document, index)
            except pypdfium2.PdfiumError:
                text, is_scanned = "", False
                broken.append(index)
            texts.append(text)
            if is_scanned:
                scanned.append(index)
        texts = _joined(texts)
        found, notes = recognition.recognise(document, scanned, limits) if scanned else ({}, "")
        texts = [found.get(index, text) for index, text in enumerate(texts)]
        _check_text(texts, scanned, broken, notes)
        if missing := [index + 1 for index in scanned if not texts[index].strip()]:
            told = ngettext(
                "Page %(pages)s has no text: pictures of text have to be recognised (OCR) first.",
                "Pages %(pages)s have no text: pictures of text have to be recognised (OCR) first.",
                len(missing),
            )
            notes = f"{told % {'pages': spans(missing)}} {notes}"
        if broken:
            told = ngettext(
                "Page %(pages)s has no text, being damaged: open the file and save it again.",
                "Pages %(pages)s have no text, being damaged: open the file and save it again.",
                len(broken),
            )
            notes = f"{told % {'pages': spans([index + 1 for index in broken])}} {notes}"
        parts = tuple(Part(text=text, page=index + 1) for index, text in enumerate(texts))
        return Reading(parts=parts, notes=notes.strip())


def _check_text(texts: Sequence[str], scanned: Sequence[int], broken: Sequence[int], notes: str) -> None:
    """Raises NoText, DamagedFile."""
    if any(text.strip() for text in texts):
        return
    if scanned:
        raise NoText(_("There is no text in the PDF: its pages are pictures. %(notes)s") % {"notes": notes})
    if broken:
        raise DamagedFile(_("The PDF is damaged: its pages cannot be opened. Open it and save it again."))


@contextmanager
def opened(content: bytes) -> Iterator[pypdfium2.PdfDocument]:
    """The document, closed afterwards. Raises WrongKind, EncryptedFile, DamagedFile."""
    if b"%PDF-" not in content[:1024]:
        raise WrongKind(_("The file is not a PDF, though its name says so."))
    try:
        document = pypdfium2.PdfDocument(content)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise EncryptedFile(_("The PDF is encrypted. Save a copy without a password and upload that.")) from error
        if "security" in str(error).lower():
            raise EncryptedFile(
                _("The PDF is protected in a way that is not known here. Print it to a new PDF.")
            ) from error
        raise DamagedFile(_("The PDF is damaged. Open it and save it again.")) from error
    try:
        yield document
    finally:
        document.close()


def _read(document: pypdfium2.PdfDocument, index: int) -> tuple[str, bool]:
    """A page's text, and whether there is something on it that may be text all the same. Raises PdfiumError."""
    page = document[index]
    try:
        if raw.FPDFPage_GetAnnotCount(page):  # fields and notes lie above the page: press them into it
            raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY)
            page.close()
            page = document[index]
        text = _text(page)
        return text, not text.strip() and raw.FPDFPage_CountObjects(page) > 0
    finally:
        page.close()


def _text(page: pypdfium2.PdfPage) -> str:
    words = page.get_textpage()
    try:
        text: str = words.get_text_bounded()
    finally:
        words.close()
    # What else has no character comes as its number in the font, and 3 is the blank of nearly every TrueType font.
    return text.replace("\r\n", "\n").replace("\x03", " ")


def _joined(texts: list[str]) -> list[str]:
    """The pages with the words made whole that the ends of lines had cut."""
    if not any(_LINE_END.search(text) for text in texts):
        return texts
    vocabulary = {word for text in texts for word in _WORD.findall(_SIDES.sub(" ", text).lower())}

    def join(cut: re.Match[str]) -> str:
        return "-" if _is_compound(cut, vocabulary) else ""

    return [_LINE_END.sub(" ", _CUT_WORD.sub(join, text)) for text in texts]


def _is_compound(cut: re.Match[str], vocabulary: Set[str]) -> bool:
    """Whether a hyphen belongs to its word ("worst-case") and was not put there by the line's end ("impor-tant").

    The document's own words tell: a compound's two sides stand in it elsewhere, and not as one word.
    """
    before, after = cut.string[cut.start() - 1], cut.string[cut.end()]
    if not (before.isalpha() and after.isalpha()) or (before.islower() and after.isupper()):
        return True
    left = _WORD.findall(cut.string, max(cut.start() - LONGEST, 0), cut.start())[-1].lower()
    right = _WORD.findall(cut.string, cut.end(), cut.end() + LONGEST)[0].lower()
    return left + right not in vocabulary and left in vocabulary and right in vocabulary


def spans(pages: Sequence[int]) -> str:
    """[1, 2, 3, 7] → "1–3, 7"."""
    found: list[list[int]] = []
    for page in pages:
        if found and found[-1][-1] == page - 1:
            found[-1][1:] = [page]
        else:
            found.append([page])
    return ", ".join("–".join(map(str, span)) for span in found)
