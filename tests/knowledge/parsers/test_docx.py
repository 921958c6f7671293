"""knowledge/parsers/docx.py: Word documents."""

from __future__ import annotations

import struct

import pytest

from core.errors import DamagedFile, EncryptedFile, NoText, TooLargeToRead, WrongKind
from knowledge.parsers import parse
from tests.knowledge.files import make_docx, make_docx_of, make_zip

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)


def test_headings_paragraphs_and_tables_survive() -> None:
    (part,) = parse("a.docx", make_docx("# Refunds", "Goods & more: ünï 🙂.", rows=[["Days", "30"]])).parts
    assert part.is_markdown
    assert part.text.startswith("# Refunds\n\nGoods & more: ünï 🙂.")
    assert "| Days | 30 |" in part.text


def test_names_stay_as_they_are_written() -> None:
    assert parse("a.docx", make_docx("Set POLYAI_HOME and 2 * 3.")).parts[0].text == "Set POLYAI_HOME and 2 * 3."


def test_a_document_in_the_old_format_says_so() -> None:
    with pytest.raises(WrongKind, match="old Office format"):
        parse("a.docx", OLE)


def test_an_encrypted_document_says_so() -> None:
    with pytest.raises(EncryptedFile, match="without a password"):
        parse("a.docx", OLE + "EncryptedPackage".encode("utf-16-le"))


def test_a_document_without_text_says_so() -> None:
    with pytest.raises(NoText, match="no text"):
        parse("a.docx", make_docx())


@pytest.mark.parametrize(
    "content",
    [
        make_docx("Cut off")[:-200],
        make_zip({"readme.txt": "another kind of archive"}),
        make_docx_of("<w:document"),
        make_docx("Text")[:400] + bytes(40) + make_docx("Text")[440:],
    ],
    ids=["cut off", "no document inside", "broken XML", "bytes lost in the middle"],
)
def test_a_damaged_document_says_so(content: bytes) -> None:
    with pytest.raises(DamagedFile, match="damaged"):
        parse("a.docx", content)


def test_a_document_that_unpacks_to_more_than_memory_is_refused_before_it_is_unpacked() -> None:
    content = bytearray(make_docx("Bomb"))
    entry = content.rindex(b"PK\x01\x02")  # the directory's entry of word/document.xml
    struct.pack_into("<I", content, entry + 24, 400 * 1024 * 1024)
    with pytest.raises(TooLargeToRead, match="300 MB"):
        parse("a.docx", bytes(content))


def test_a_document_whose_text_alone_would_fill_memory_is_refused() -> None:
    """140 KB that unpack to 46 MB, of which a tree of 3 GB would be made."""
    with pytest.raises(TooLargeToRead, match="32 MB"):
        parse("a.docx", make_docx("Bomb", body="<w:p><w:r><w:t>a</w:t></w:r></w:p>" * 1_400_000))


def test_a_document_whose_entities_multiply_is_refused() -> None:
    entities = '<!ENTITY a "lol">' + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    xml = f"<!DOCTYPE l [{entities}]>" + _document("&j;")
    with pytest.raises(DamagedFile, match="entities"):
        parse("a.docx", make_docx_of(xml))


def test_an_external_entity_is_not_fetched() -> None:
    xml = '<!DOCTYPE l [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + _document("one &e; two")
    with pytest.raises(DamagedFile, match="entities"):
        parse("a.docx", make_docx_of(xml))


def test_nesting_without_end_is_refused() -> None:
    deep = "<w:sdt><w:sdtContent>" * 3000 + "</w:sdtContent></w:sdt>" * 3000
    with pytest.raises(TooLargeToRead, match="too deeply"):
        parse("a.docx", make_docx("Text", body=deep))


def _document(text: str) -> str:
    space = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    return f'<w:document xmlns:w="{space}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>'
