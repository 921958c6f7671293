"""E-books (EPUB), chapter by chapter in the order of the book."""

from __future__ import annotations

import posixpath
from gettext import gettext as _

from core.errors import DamagedFile, EncryptedFile
from knowledge.parsers.html import parse_page
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.package import Package, attribute, below, join
from knowledge.types import Part, Reading

_PAGES = (".xhtml", ".html", ".htm", ".xml")


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    package = Package(content, limits, "EPUB", main="META-INF/container.xml")
    book = next((attribute(r, "full-path") for r in below(package.xml("META-INF/container.xml"), "rootfile")), "")
    root = package.xml(book)
    if root is None:
        raise DamagedFile(_("The e-book has no table of contents. Open it and save it again."))
    folder = posixpath.dirname(book)
    files = {attribute(item, "id"): join(folder, attribute(item, "href")) for item in below(root, "item")}
    spine = [files.get(attribute(item, "idref"), "") for item in below(root, "itemref")]
    chapters = [name for name in dict.fromkeys(spine) if name in package]
    limits.check_pages(len(chapters), _("chapters"))
    locked = {r.get("URI", "") for r in below(package.xml("META-INF/encryption.xml"), "CipherReference")}
    if any(uri.lower().endswith(_PAGES) for uri in locked):
        raise EncryptedFile(
            _("The e-book is protected by its publisher (DRM). Only books without protection can be read.")
        )
    return Reading(parts=tuple(_chapter(parse_page(package.read(name))) for name in chapters))


def _chapter(text: str) -> Part:
    heading = next((line.lstrip("# ") for line in text.split("\n") if line.startswith("#")), "")
    return Part(text=text, label=heading, is_markdown=True)
