"""Word documents (DOCX), by way of HTML."""

from __future__ import annotations

import io
import zipfile

import mammoth

from core.errors import UnreadableFile
from knowledge.parsers.html import to_markdown
from knowledge.types import Part

OLE = b"\xd0\xcf\x11\xe0"  # how an encrypted DOCX and the old DOC both begin
MAX_UNPACKED = 300 * 1024 * 1024  # bytes, pictures and all
MAX_XML = 20 * 1024 * 1024  # bytes of one part; its tree takes 70 times as much. A book of 872 pages has 5 MB.


def parse(content: bytes) -> list[Part]:
    if content.startswith(OLE):
        raise UnreadableFile(
            "The document is encrypted, or in the old DOC format. Save it as DOCX, without a password."
        )
    if not zipfile.is_zipfile(io.BytesIO(content)):
        raise UnreadableFile("The file is not a DOCX document, or a damaged one. Open it in Word and save it again.")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > MAX_UNPACKED:
            raise UnreadableFile("The document unpacks to more than 300 MB. Split it.")
        if any(entry.file_size > MAX_XML for entry in entries if entry.filename.endswith((".xml", ".rels"))):
            raise UnreadableFile("The document has more than 20 MB of text and marks in one part. Split it.")
    html = mammoth.convert_to_html(io.BytesIO(content), convert_image=mammoth.images.img_element(lambda image: {}))
    return [Part(text=to_markdown(html.value), is_markdown=True)]
