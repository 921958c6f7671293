"""Small files of every kind that is read, made here byte by byte."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

_PADDING = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
_FILE_ID = bytes(range(16))
_PERMISSIONS = 0xFFFFFFFC
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def make_pdf(*pages: str, password: str | None = None) -> bytes:
    """A PDF of one text per page. With a password (it may be "") it is encrypted by RC4, 40 bit."""
    key = None if password is None else _encryption_key(password)
    bodies: list[bytes] = []
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    bodies.append(b"<< /Type /Catalog /Pages 2 0 R >>")
    bodies.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode())
    bodies.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>")
    for text in pages:
        content = len(bodies) + 2
        bodies.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {content} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode()
        )
        stream = _drawn(text)
        if key is not None:
            stream = _rc4(hashlib.md5(key + content.to_bytes(3, "little") + b"\0\0").digest()[:10], stream)
        bodies.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
    trailer = b"/Root 1 0 R /ID [<%s> <%s>]" % (_FILE_ID.hex().encode(), _FILE_ID.hex().encode())
    if password is not None and key is not None:
        bodies.append(
            b"<< /Filter /Standard /V 1 /R 2 /P -4 /O <%s> /U <%s> >>"
            % (_owner_entry(password).hex().encode(), _rc4(key, _PADDING).hex().encode())
        )
        trailer += b" /Encrypt %d 0 R" % len(bodies)
    return _assembled(bodies, trailer)


def _drawn(text: str) -> bytes:
    lines = [line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") for line in text.split("\n")]
    shown = " T* ".join(f"({line}) Tj" for line in lines)
    return f"BT /F1 12 Tf 14 TL 72 720 Td {shown} ET".encode("cp1252")


def _assembled(bodies: Sequence[bytes], trailer: bytes) -> bytes:
    written, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(written))
        written += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(written)
    written += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    for offset in offsets:
        written += b"%010d 00000 n \n" % offset
    written += b"trailer\n<< /Size %d %s >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, trailer, start)
    return bytes(written)


def _padded(password: str) -> bytes:
    return (password.encode("latin-1") + _PADDING)[:32]


def _owner_entry(password: str) -> bytes:
    return _rc4(hashlib.md5(_padded(password)).digest()[:5], _padded(password))


def _encryption_key(password: str) -> bytes:
    secret = _padded(password) + _owner_entry(password) + _PERMISSIONS.to_bytes(4, "little") + _FILE_ID
    return hashlib.md5(secret).digest()[:5]


def _rc4(key: bytes, content: bytes) -> bytes:
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    out = bytearray()
    for byte in content:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def make_docx(*paragraphs: str, rows: Sequence[Sequence[str]] = (), body: str = "") -> bytes:
    """A Word document. A paragraph that begins with `# ` is a heading; `body` is put in as it is."""
    inside = "".join(_paragraph(text) for text in paragraphs)
    if rows:
        inside += "<w:tbl>" + "".join(_row(row) for row in rows) + "</w:tbl>"
    return make_docx_of(f'<?xml version="1.0"?><w:document {_W}><w:body>{inside}{body}</w:body></w:document>')


def make_docx_of(document_xml: str) -> bytes:
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    parts = {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        '<Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/word/document.xml" ContentType="{kind}.document.main+xml"/>'
        f'<Override PartName="/word/styles.xml" ContentType="{kind}.styles+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}">'
        f'<Relationship Id="r1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{_RELATIONS}">'
        f'<Relationship Id="r1" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        "word/styles.xml": f'<w:styles {_W}><w:style w:type="paragraph" w:styleId="Heading1">'
        '<w:name w:val="heading 1"/></w:style></w:styles>',
        "word/document.xml": document_xml,
    }
    return make_zip(parts)


def make_zip(parts: dict[str, str]) -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return written.getvalue()


def _paragraph(text: str) -> str:
    style = '<w:pPr><w:pStyle w:val="Heading1"/></w:pPr>' if text.startswith("# ") else ""
    shown = escape(text.removeprefix("# "))
    return f'<w:p>{style}<w:r><w:t xml:space="preserve">{shown}</w:t></w:r></w:p>'


def _row(cells: Sequence[str]) -> str:
    return "<w:tr>" + "".join(f"<w:tc>{_paragraph(cell)}</w:tc>" for cell in cells) + "</w:tr>"


_A = 'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_P = 'xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
_R = f'xmlns:r="{_OFFICE}"'
_S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_C = 'xmlns:c="http://schemas.openxmlformats.org/drawingml/2006/chart"'


def relations(**targets: str) -> str:
    """`kind_1="part.xml"`: the relation of that id to that part."""
    links = "".join(
        f'<Relationship Id="{i}" Type="{_OFFICE}/{i.rsplit("_", 1)[0]}" Target="{t}"/>' for i, t in targets.items()
    )
    return f'<Relationships xmlns="{_RELATIONS}">{links}</Relationships>'


def chart_xml(title: str, series: str, points: dict[str, str]) -> str:
    def cache(values: Sequence[str]) -> str:
        return "".join(f'<c:pt idx="{i}"><c:v>{escape(v)}</c:v></c:pt>' for i, v in enumerate(values))

    return (
        f"<c:chartSpace {_C} {_A}><c:chart><c:title><c:tx><c:rich>"
        f"<a:p><a:r><a:t>{title}</a:t></a:r></a:p></c:rich></c:tx></c:title><c:plotArea><c:barChart><c:ser><c:tx><c:strRef>"
        f"<c:strCache>{cache([series])}</c:strCache></c:strRef></c:tx><c:cat><c:strRef><c:strCache>{cache(list(points))}</c:strCache></c:strRef></c:cat>"
        f"<c:val><c:numRef><c:numCache>{cache(list(points.values()))}</c:numCache></c:numRef></c:val></c:ser>"
        "</c:barChart></c:plotArea></c:chart></c:chartSpace>"
    )


def make_pptx(shapes: str, *, notes: str = "", chart: str = "") -> bytes:
    """A presentation of one slide; `shapes` is the inside of its tree."""
    links = {"notesSlide_1": "../notesSlides/n.xml"} if notes else {}
    links |= {"chart_1": "../charts/c.xml"} if chart else {}
    body = '<p:nvSpPr><p:nvPr><p:ph type="body"/></p:nvPr></p:nvSpPr>'
    return make_zip(
        {
            "ppt/presentation.xml": f"<p:presentation {_P} {_R}><p:sldIdLst>"
            '<p:sldId id="1" r:id="slide_1"/></p:sldIdLst></p:presentation>',
            "ppt/_rels/presentation.xml.rels": relations(slide_1="slides/s.xml"),
            "ppt/slides/s.xml": f"<p:sld {_P} {_A} {_R} {_C}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>",
            "ppt/slides/_rels/s.xml.rels": relations(**links),
            "ppt/notesSlides/n.xml": f"<p:notes {_P} {_A}><p:cSld><p:spTree><p:sp>{body}{shape_text(notes)}</p:sp>"
            "</p:spTree></p:cSld></p:notes>",
            "ppt/charts/c.xml": chart or "<c/>",
        }
    )


def shape_text(text: str) -> str:
    lines = "".join(f"<a:p><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in text.split("\n"))
    return f"<p:txBody>{lines}</p:txBody>"


def make_xlsx(
    rows: str, *, after: str = "", name: str = "Sales", strings: Sequence[str] = (), formats: str = ""
) -> bytes:
    """A workbook of one sheet; `rows` is the inside of its data, `after` what follows it."""
    shared = "".join(f"<si><t>{escape(text)}</t></si>" for text in strings)
    return make_zip(
        {
            "_rels/.rels": relations(officeDocument_1="xl/workbook.xml"),
            "xl/workbook.xml": f"<workbook {_S} {_R}><sheets>"
            f'<sheet name="{name}" sheetId="1" r:id="worksheet_1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": relations(worksheet_1="worksheets/s.xml"),
            "xl/worksheets/s.xml": f"<worksheet {_S}><sheetData>{rows}</sheetData>{after}</worksheet>",
            "xl/sharedStrings.xml": f"<sst {_S}>{shared}</sst>",
            "xl/styles.xml": f"<styleSheet {_S}><cellXfs>{formats}</cellXfs></styleSheet>",
        }
    )


def make_odf(body: str, *, styles: str = "") -> bytes:
    """An OpenDocument file; `body` is the inside of office:body, in the prefixes office, text, table and draw."""
    space = "urn:oasis:names:tc:opendocument:xmlns"
    names = " ".join(
        f'xmlns:{p}="{space}:{n}:1.0"'
        for p, n in {"office": "office", "text": "text", "table": "table", "draw": "drawing", "style": "style"}.items()
    )
    names += f' xmlns:presentation="{space}:presentation:1.0"'
    return make_zip(
        {
            "mimetype": "application/vnd.oasis.opendocument",
            "content.xml": f"<office:document-content {names}><office:body>{body}</office:body>"
            "</office:document-content>",
            "styles.xml": f"<office:document-styles {names}>{styles}</office:document-styles>",
        }
    )


def make_epub(*chapters: str) -> bytes:
    """A book of one page of HTML per chapter."""
    items = "".join(f'<item id="c{i}" href="c%20{i}.xhtml"/>' for i in range(len(chapters)))
    spine = "".join(f'<itemref idref="c{i}"/>' for i in range(len(chapters)))
    return make_zip(
        {
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="OPS/b.opf"/></rootfiles></container>',
            "OPS/b.opf": f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>",
            **{f"OPS/c {i}.xhtml": page for i, page in enumerate(chapters)},
        }
    )
