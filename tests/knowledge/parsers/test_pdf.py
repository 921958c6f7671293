"""knowledge/parsers/pdf.py: PDF, page by page."""

from __future__ import annotations

import pytest

from core.errors import DamagedFile, EncryptedFile, NoText, WrongKind
from knowledge.parsers import parse
from tests.knowledge.files import make_pdf


def test_each_page_is_a_part_with_its_number() -> None:
    parts = parse("a.pdf", make_pdf("First (page)\nsecond line é", "Page two")).parts
    assert [(part.page, part.text) for part in parts] == [(1, "First (page)\nsecond line é"), (2, "Page two")]
    assert not any(part.is_markdown for part in parts)


def test_a_page_without_text_is_left_out_and_the_others_keep_their_numbers() -> None:
    assert [part.page for part in parse("a.pdf", make_pdf("One", "", "Three")).parts] == [1, 3]


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("An exam-\nple of hyphens", "An example of hyphens"),
        ("The worst-\ncase of all: a case worst for us", "The worst-case of all: a case worst for us"),
        ("An over-\nview is no view over it: an overview", "An overview is no view over it: an overview"),
        ("from Nord-\nRhein in COVID-\n19 times", "from Nord-Rhein in COVID-19 times"),
        ("sensible re-\nuse", "sensible reuse"),
    ],
)
def test_a_hyphen_at_the_end_of_a_line_stays_only_where_it_belongs_to_the_word(page: str, text: str) -> None:
    assert parse("a.pdf", make_pdf(page)).parts[0].text == text


def test_the_words_of_other_pages_tell_what_a_hyphen_is() -> None:
    pages = make_pdf("the worst-\ncase and the over-\nview", "worst case; view over an overview")
    assert parse("a.pdf", pages).parts[0].text == "the worst-case and the overview"


def test_a_glyph_without_a_character_leaves_no_control_character() -> None:
    (part,) = parse("a.pdf", make_pdf("bul\x01let \x02 and\x03blank \x1b[31m")).parts
    assert part.text.split() == ["bullet", "and", "blank", "[31m"]


@pytest.mark.parametrize("kids", [b"/Kids [2 0 R]", b"/Kids [9 0 R]", b"/Kids [3 0 R]"], ids=["loop", "none", "font"])
def test_a_file_whose_pages_cannot_be_opened_is_damaged_and_no_scan(kids: bytes) -> None:
    with pytest.raises(DamagedFile, match="its pages cannot be opened"):
        parse("a.pdf", make_pdf("text").replace(b"/Kids [4 0 R]", kids))


def test_a_page_that_cannot_be_opened_is_named_and_the_others_are_read() -> None:
    reading = parse("a.pdf", make_pdf("One", "Two").replace(b"[4 0 R 6 0 R]", b"[4 0 R 9 0 R]"))
    assert [(part.page, part.text) for part in reading.parts] == [(1, "One")]
    assert reading.notes == "Page 2 has no text, being damaged: open the file and save it again."


def test_a_scan_says_that_it_needs_ocr() -> None:
    with pytest.raises(NoText, match="OCR"):
        parse("scan.pdf", make_pdf("", ""))


def test_an_encrypted_file_says_so() -> None:
    with pytest.raises(EncryptedFile, match="encrypted"):
        parse("secret.pdf", make_pdf("Top secret", password="open sesame"))


def test_an_encrypted_file_that_anybody_may_open_is_read() -> None:
    assert parse("open.pdf", make_pdf("For everybody", password="")).parts[0].text == "For everybody"


@pytest.mark.parametrize(
    "content",
    [
        make_pdf("A page that is cut off in the middle")[:300],
        b"%PDF-1.7\n",
        b"%PDF-1.7\n" + b"garbage " * 200,
        make_pdf(),
    ],
    ids=["cut off", "only its first line", "garbage", "no pages"],
)
def test_a_damaged_file_says_so(content: bytes) -> None:
    with pytest.raises(DamagedFile, match="damaged"):
        parse("a.pdf", content)


def test_another_kind_of_file_under_this_name_says_so() -> None:
    with pytest.raises(WrongKind, match="not a PDF"):
        parse("a.pdf", b"Hello, I am a text.")


def test_a_few_bytes_before_the_file_do_no_harm() -> None:
    assert parse("a.pdf", b"mail header\r\n\r\n" + make_pdf("Hello")).parts[0].text == "Hello"
