"""knowledge/parsers: which parser reads a file, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings

from core.errors import DamagedFile, EmptyFile, UnreadableFile, UnsupportedFile, WrongKind
from knowledge.parsers import check_kind, parse
from tests.knowledge.files import make_docx, make_pdf, make_zip


@pytest.mark.parametrize("name", ["a.md", "A.MD", "folder.zip/a.Markdown", "a.b.txt", "x.HTM", "x.docx", "Ünï.PDF"])
def test_the_ending_decides_in_any_case(name: str) -> None:
    check_kind(name)


@pytest.mark.parametrize("name", ["a.exe", "a", ".md", "a.md.zip", "a.doc", "a.md ", "pdf", "a."])
def test_an_unknown_kind_is_refused_with_the_kinds_that_are_known_in_few_words(name: str) -> None:
    with pytest.raises(UnsupportedFile) as refused:
        check_kind(name)
    assert "PDF, Office, OpenDocument" in refused.value.message
    assert len(refused.value.message) < 160


def test_an_unknown_kind_is_not_parsed_either() -> None:
    with pytest.raises(UnsupportedFile):
        parse("a.exe", b"MZ")


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html", "a.pdf", "a.docx"])
@pytest.mark.parametrize("content", [b"", b" \n\t\r\n ", bytes(100)], ids=["no bytes", "blanks", "NUL bytes"])
def test_an_empty_file_of_any_kind_says_that_it_is_empty(name: str, content: bytes) -> None:
    with pytest.raises(EmptyFile, match="empty"):
        parse(name, content)


@pytest.mark.parametrize("name", ["a.html", "a.pdf", "a.docx"])
def test_noise_of_any_kind_is_refused_and_never_an_unknown_error(name: str) -> None:
    with pytest.raises(UnreadableFile):
        parse(name, bytes(range(256)) * 20 if name != "a.html" else b"<script>only()</script>")


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.html", "a.eml", "a.py"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (make_pdf("words"), r"is a PDF, .* Give it the ending \.pdf\."),
        (rb"{\rtf1\ansi words}", r"is RTF, .* Give it the ending \.rtf\."),
        (make_zip({"a.txt": "words"}), r"is a ZIP archive, .* Give it the ending \.zip\."),
        (make_zip({"a.txt": "words"})[:60], r"is a ZIP archive, .* Give it the ending \.zip\."),
        (make_docx("words"), r"is DOCX, .* Give it the ending \.docx\."),
        (make_zip({"mimetype": "application/epub+zip"}), r"is EPUB, .* Give it the ending \.epub\."),
        (bytes.fromhex("d0cf11e0a1b11ae1") + b"words", "is an old or encrypted Office file, .* Save it as DOCX"),
        (b"\x89PNG\r\n\x1a\n words", r"is a PNG picture, .* \.png; pictures cannot be read"),
        (b"\xff\xd8\xff\xe0 words", r"is a JPEG picture, .* \.jpg; pictures cannot be read"),
    ],
    ids=["PDF", "RTF", "ZIP", "cut ZIP", "DOCX", "EPUB", "OLE2", "PNG", "JPEG"],
)
def test_another_kind_under_the_name_of_a_text_is_refused_as_what_it_is(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(WrongKind, match=reason) as refused:
        parse(name, content)
    assert f"its name ends in {name[1:]}." in refused.value.message


@pytest.mark.parametrize("words", ["PK is a short name", "%PDF- is how a PDF begins", "JPEG", "a {\\rtf1} group"])
def test_a_text_about_another_kind_is_read(words: str) -> None:
    assert parse("a.txt", words.encode()).parts[0].text == words


def test_a_reason_never_shows_a_strangers_exception() -> None:
    with pytest.raises(DamagedFile) as refused:
        parse("a.docx", make_zip({"word/document.xml": "<a><b></a>"}))
    assert refused.value.message == "The file is damaged: its XML is broken. Open it and save it again."


def test_the_web_process_does_not_carry_the_libraries_that_read_files() -> None:
    """Together they take 40 MB, which only workers need."""
    program = (
        "import django, sys; django.setup(); import polyai.urls; from knowledge import parsers\n"
        "print([name for name in ('pypdfium2', 'lxml', 'bs4') if name in sys.modules])\n"
        "parsers.parse('a.html', b'<p>Hello</p>')\n"
        "print('lxml' in sys.modules)"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "polyai.settings", **os.environ}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, cwd=settings.BASE_DIR, env=environment)
    assert run.stdout.split("\n")[:2] == ["[]", "True"], run.stderr


@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.csv", "a.html", "a.eml", "a.rtf"])
def test_no_control_character_comes_out_of_any_file(name: str) -> None:
    words = "one \x01\x02two\x07 \x1bthree\x0cfour\x0bfive six seven eight nine ten eleven twelve"
    content = f"{{\\rtf1 {words}}}" if name == "a.rtf" else f"Subject: x\r\n\r\n{words}\r\n{words}"
    (part,) = parse(name, content.encode()).parts
    assert not {c for c in part.text if c < " "} - {"\t", "\n"}
    assert {"two", "three", "four", "five"} <= set(part.text.split())
