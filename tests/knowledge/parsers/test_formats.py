"""knowledge/parsers: slides, sheets, books, mails and rich text, with what naive readers lose."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import EncryptedFile, NoText, TooLargeToRead, WrongKind
from knowledge.parsers import parse
from knowledge.parsers.limits import Limits
from tests.knowledge.files import (
    chart_xml,
    make_docx,
    make_epub,
    make_odf,
    make_pdf,
    make_pptx,
    make_xlsx,
    make_zip,
    shape_text,
)

TITLE = '<p:sp><p:nvSpPr><p:nvPr><p:ph type="title"/></p:nvPr></p:nvSpPr>'


def text_of(name: str, content: bytes) -> str:
    return "\n\n".join(part.text for part in parse(name, content).parts)


def test_a_slide_has_its_title_its_tables_its_charts_and_the_speakers_notes() -> None:
    def cell(text: str) -> str:
        return f"<a:tc>{shape_text(text).replace('p:txBody', 'a:txBody')}</a:tc>"

    shapes = (
        f"{TITLE}{shape_text('Outlook')}</p:sp><p:grpSp><p:grpSp><p:sp>"
        f"{shape_text('Deep in groups')}</p:sp></p:grpSp></p:grpSp>"
        f"<p:graphicFrame><a:tbl><a:tr>{cell('Year')}{cell('Sum')}</a:tr><a:tr>{cell('2026')}{cell('7')}</a:tr></a:tbl>"
        '</p:graphicFrame><p:graphicFrame><c:chart r:id="chart_1"/></p:graphicFrame>'
    )
    content = make_pptx(shapes, notes="Say it slowly", chart=chart_xml("Growth", "Sales", {"Q1": "10", "Q2": "12"}))
    (slide,) = parse("a.pptx", content).parts
    assert slide.label == "Slide 1: Outlook"
    assert slide.text.split("\n\n") == [
        "# Outlook",
        "Deep in groups",
        "| Year | Sum |\n| --- | --- |\n| 2026 | 7 |",
        "Growth",
        "|  | Sales |\n| --- | --- |\n| Q1 | 10 |\n| Q2 | 12 |",
        "Speaker notes: Say it slowly",
    ]


def test_a_sheet_is_a_table_with_days_and_shares_as_they_are_shown() -> None:
    rows = (
        '<row r="2"><c r="B2" t="s"><v>0</v></c><c r="C2" t="s"><v>1</v></c></row>'
        '<row r="3"><c r="B3" s="1"><v>46000</v></c><c r="C3" s="2"><v>0.125</v></c></row>'
        '<row r="4"><c r="B4"><v>0.30000000000000004</v></c><c r="C4" t="b"><v>1</v></c></row>'
        '<row r="9"><c r="A9" t="inlineStr"><is><t>Alone</t></is></c></row>'
    )
    formats = '<xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="10"/>'
    (sheet,) = parse("a.xlsx", make_xlsx(rows, strings=["Day", "Share"], formats=formats)).parts
    assert sheet.label == "Sheet Sales"
    assert sheet.text.split("\n\n") == [
        "# Sales",
        "| Day | Share |\n| --- | --- |\n| 2025-12-09 | 12.5% |\n| 0.3 | TRUE |",
        "Alone",
    ]


def test_a_merged_cell_stands_in_each_of_its_places_and_a_merge_without_end_does_no_harm() -> None:
    def row(number: int, *cells: str) -> str:
        inside = "".join(f'<c r="{c}{number}" t="inlineStr"><is><t>{c}{number}</t></is></c>' for c in cells)
        return f'<row r="{number}">{inside}</row>'

    after = '<mergeCells><mergeCell ref="A1:A2"/><mergeCell ref="B1:XFD1048576"/></mergeCells>'
    text = text_of("a.xlsx", make_xlsx(row(1, "A", "B") + row(2, "B"), after=after))
    assert "| A1 | B2 |" in text


def test_a_million_empty_rows_are_passed_over() -> None:
    empty = "".join(f'<row r="{i}" s="1"/>' for i in range(1, 200_000))
    text = text_of("a.xlsx", make_xlsx(empty + '<row r="1048576"><c r="A1048576"><v>5</v></c></row>'))
    assert text == "# Sales\n\n5"


def test_more_filled_cells_than_the_limit_are_refused() -> None:
    with pytest.raises(TooLargeToRead, match="filled cells"):
        parse("a.xlsx", make_xlsx("<row><c><v>1</v></c></row>" * 11), Limits(cells=10))


@pytest.mark.parametrize(("name", "unit"), [("a.pdf", "pages"), ("a.epub", "chapters")])
def test_more_pages_than_the_limit_are_refused(name: str, unit: str) -> None:
    content = make_pdf("1", "2", "3") if name == "a.pdf" else make_epub("<p>1", "<p>2", "<p>3")
    with pytest.raises(TooLargeToRead, match=f"3 {unit}; at most 2"):
        parse(name, content, Limits(pages=2))


def test_text_boxes_nested_tables_and_merged_cells_of_a_document_come_out() -> None:
    cell = "<w:p><w:r><w:t>{}</w:t></w:r></w:p>"
    box = f"<w:p><w:r><w:pict><w:txbxContent>{cell.format('In the box')}</w:txbxContent></w:pict></w:r></w:p>"
    inner = f"<w:tbl><w:tr><w:tc>{cell.format('in')}</w:tc><w:tc>{cell.format('side')}</w:tc></w:tr></w:tbl>"
    wide = '<w:tcPr><w:gridSpan w:val="2"/></w:tcPr>'
    table = (
        f"<w:tbl><w:tr><w:tc>{wide}{cell.format('Wide')}</w:tc></w:tr>"
        f"<w:tr><w:tc>{cell.format('a')}{inner}</w:tc><w:tc>{cell.format('b')}</w:tc></w:tr></w:tbl>"
    )
    deleted = "<w:p><w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>"
    assert text_of("a.docx", make_docx(body=box + table + deleted)).split("\n\n") == [
        "In the box",
        "| Wide | Wide |\n| --- | --- |\n| a in, side | b |",
        "new",
    ]


def test_an_opendocument_text_has_headings_lists_tables_notes_and_its_header() -> None:
    note = "<text:note-citation>1</text:note-citation><text:note-body><text:p>Below</text:p></text:note-body>"
    body = (
        f'<office:text><text:h text:outline-level="2">Terms</text:h><text:p>Pay<text:s text:c="999999999"/>soon'
        f"<text:note>{note}</text:note></text:p>"
        "<text:list><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>two</text:p></text:list-item>"
        "</text:list></text:list-item></text:list><table:table><table:table-row><table:table-cell><text:p>a</text:p>"
        '</table:table-cell><table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        "<table:table-row><table:table-cell><text:p>b</text:p></table:table-cell><table:table-cell><text:p>c</text:p></table:table-cell>"
        '</table:table-row><table:table-row table:number-rows-repeated="1048576"><table:table-cell/></table:table-row>'
        "</table:table></office:text>"
    )
    styles = "<style:master-page><style:header><text:p>Every page</text:p></style:header></style:master-page>"
    main, around = parse("a.odt", make_odf(body, styles=styles)).parts
    assert main.text.split("\n\n") == [
        *("## Terms", "Pay soon[^1]", "[^1]: Below", "- one\n  - two", "| a |  |\n| --- | --- |\n| b | c |"),
    ]
    assert (around.label, around.text) == ("Header and footer", "Every page")


def test_sheets_and_slides_of_opendocument_are_named() -> None:
    row = "<table:table-row><table:table-cell><text:p>1</text:p></table:table-cell></table:table-row>"
    table = f"<table:table table:name='Costs'>{row}</table:table>"
    frame = "<draw:frame presentation:class='title'><draw:text-box><text:p>Plan</text:p></draw:text-box></draw:frame>"
    page = f"<draw:page>{frame}</draw:page>"
    (sheet,) = parse("a.ods", make_odf(f"<office:spreadsheet>{table}</office:spreadsheet>")).parts
    (slide,) = parse("a.odp", make_odf(f"<office:presentation>{page}</office:presentation>")).parts
    assert (sheet.label, sheet.text) == ("Sheet Costs", "# Costs\n\n1")
    assert (slide.label, slide.text) == ("Slide 1: Plan", "# Plan")


def test_a_book_is_read_chapter_by_chapter() -> None:
    parts = parse("a.epub", make_epub("<h1>One</h1><p>First.", "<h1>Two</h1><p>Second.")).parts
    assert [(part.label, part.text) for part in parts] == [("One", "# One\n\nFirst."), ("Two", "# Two\n\nSecond.")]


def test_paths_that_lead_out_of_an_archive_lead_nowhere() -> None:
    content = make_zip(
        {
            "META-INF/container.xml": '<container><rootfile full-path="b.opf"/></container>',
            "b.opf": '<package><item id="a" href="../../../../etc/passwd"/><item id="b" href="ok.html"/>'
            '<itemref idref="a"/><itemref idref="b"/></package>',
            "ok.html": "<p>only this</p>",
            "../../../tmp/evil.html": "<p>evil</p>",
        }
    )
    assert text_of("a.epub", content) == "only this"


def test_rich_text_has_its_tables_its_letters_and_its_header() -> None:
    content = (
        rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial;}}{\*\generator X}"
        rb"{\header Every page\par}\pard\outlinelevel0 Title\par\pard caf\'e9 "
        rb"\u8364? \u-10179?\u-8704? {\f1\'cf\'f0}\par"
        rb"\trowd\intbl a\cell b\cell\row\trowd\intbl c\cell d\cell\row\pard end{\*\shpinst{\shptxt boxed\par}}\par}"
    )
    main, around = parse("a.rtf", content).parts
    assert main.text.startswith("# Title\n\ncafé € 😀 Пр\n\n| a | b |\n| --- | --- |\n| c | d |\n\nend")
    assert "boxed" in main.text
    assert around.text == "Every page"


def test_a_mail_has_its_head_its_words_and_its_attachments() -> None:
    mail = (
        b"From: Ann <ann@example.org>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"
        b"--x\r\nContent-Type: text/html\r\n\r\n<p>Hello <b>you</b></p>\r\n"
        b"--x\r\nContent-Disposition: attachment; filename=list.csv\r\n\r\na,b\r\n1,2\r\n"
        b"--x\r\nContent-Disposition: attachment; filename=a.exe\r\n\r\nMZ\r\n--x--\r\n"
    )
    reading = parse("a.eml", mail)
    assert [part.label for part in reading.parts] == ["", "Attachment list.csv"]
    assert reading.parts[0].text == "From: Ann <ann@example.org>\nSubject: Grüße\n\nHello **you**"
    assert "| 1 | 2 |" in reading.parts[1].text
    assert "a.exe" in reading.notes


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_as_text_is_read_whatever_its_delimiter(delimiter: str) -> None:
    second = delimiter.join(["x | y" if delimiter != "|" else "xy", "2", "3"])
    content = delimiter.join(["Name", '"a, b; c"']) + "\n" + second
    lines = text_of("a.csv", content.encode()).split("\n")
    assert lines[0] == "| Name | a, b; c |  |"
    assert len(lines) == 3


@pytest.mark.parametrize("name", ["a.pptx", "a.xlsx", "a.odt", "a.epub", "a.rtf", "a.docx"])
def test_another_kind_of_file_under_the_name_says_so(name: str) -> None:
    with pytest.raises(WrongKind, match="though its name says so"):
        parse(name, b"\x89PNG\r\n\x1a\n1234")


def test_an_encrypted_entry_or_book_says_so() -> None:
    locked = '<encryption><EncryptedData><CipherReference URI="OPS/c%200.xhtml"/></EncryptedData></encryption>'
    book = make_zip(
        {
            "META-INF/container.xml": '<container><rootfile full-path="b.opf"/></container>',
            "b.opf": "<package/>",
            "META-INF/encryption.xml": locked,
        }
    )
    with pytest.raises(EncryptedFile, match="DRM"):
        parse("a.epub", book)


def test_scanned_pages_are_recognised_where_tesseract_is(tmp_path: Path) -> None:
    program = tmp_path / "tesseract"
    program.write_text('#!/bin/sh\nread kind width height depth\necho "$kind words of a scan"\ncat >/dev/null\n')
    program.chmod(0o755)
    pdf = make_pdf("typed", "").replace(
        b"BT /F1 12 Tf 14 TL 72 720 Td () Tj ET", b"0 0 99 99 re f                        "
    )
    plain = parse("a.pdf", pdf)
    assert [part.page for part in plain.parts] == [1]
    assert plain.notes.startswith("Page 2 has no text")
    read = parse("a.pdf", pdf, Limits(ocr=str(program)))
    assert [(part.page, part.text.strip()) for part in read.parts] == [(1, "typed"), (2, "P5 words of a scan")]
    assert read.notes == "The text of 1 of 1 scanned pages was recognised by OCR and may have errors."


def test_a_scan_without_tesseract_says_what_to_install() -> None:
    pdf = make_pdf("").replace(b"BT /F1 12 Tf 14 TL 72 720 Td () Tj ET", b"0 0 99 99 re f                        ")
    with pytest.raises(NoText, match="Install tesseract"):
        parse("a.pdf", pdf)
