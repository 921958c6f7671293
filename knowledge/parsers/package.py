"""The ZIP of XML parts that office files and e-books are. Nothing is unpacked to disc, nothing fetched."""

from __future__ import annotations

import io
import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from gettext import gettext as _
from typing import Any
from urllib.parse import unquote

from lxml import etree

from core.errors import DamagedFile, EncryptedFile, TooLargeToRead, WrongKind
from knowledge.parsers.limits import MEGABYTE, Limits

Element = Any  # lxml has no types
OLE = b"\xd0\xcf\x11\xe0"  # how an encrypted office file and the old formats both begin
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_OPTIONS: dict[str, Any] = {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False}
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """From one part to another. `kind` is the last word of its type: header, chart, notesSlide."""

    kind: str
    target: str


class Package:
    """The parts of an opened file. `main` is a part that it has to have.

    Raises EncryptedFile, WrongKind, DamagedFile, TooLargeToRead.
    """

    def __init__(self, content: bytes, limits: Limits, kind: str, main: str = "") -> None:
        if content.startswith(OLE):
            if _ENCRYPTED in content:
                raise EncryptedFile(
                    _("The %(kind)s file is encrypted. Save a copy without a password and upload that.")
                    % {"kind": kind}
                )
            raise WrongKind(
                _("The file is in an old Office format, though its name says %(kind)s. Save it as %(kind)s.")
                % {"kind": kind}
            )
        if not content.startswith(b"PK"):
            raise WrongKind(
                _("The file is not %(kind)s, though its name says so. Open it and save it as %(kind)s.")
                % {"kind": kind}
            )
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError) as error:
            raise DamagedFile(
                _("The %(kind)s file is damaged or cut off. Open it and save it again.") % {"kind": kind}
            ) from error
        self._limits = limits
        entries = self._archive.infolist()
        if any(entry.flag_bits & 1 for entry in entries):
            raise EncryptedFile(
                _("The %(kind)s file is encrypted. Save a copy without a password and upload that.") % {"kind": kind}
            )
        if sum(entry.file_size for entry in entries) > limits.unpacked:
            raise TooLargeToRead(
                _("The file unpacks to more than %(unpacked)s MB. Split it.")
                % {"unpacked": limits.unpacked // MEGABYTE}
            )
        self._entries = {entry.filename.replace("\\", "/").lower(): entry for entry in entries}
        if main and main not in self:
            raise DamagedFile(
                _("The file is a damaged %(kind)s file, or another archive. Open it and save it as %(kind)s.")
                % {"kind": kind}
            )

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._entries

    def read(self, name: str) -> bytes:
        """The bytes of a part, b"" for one that is not there."""
        entry = self._entries.get(name.lower())
        return self._archive.read(entry) if entry else b""

    def xml(self, name: str) -> Element | None:
        """The tree of a part, None for one that is not there."""
        entry = self._entries.get(name.lower())
        if entry is None or not entry.file_size:
            return None
        if entry.file_size > self._limits.xml:
            raise TooLargeToRead(
                _("The file has more than %(xml)s MB of text and marks in one part. Split it.")
                % {"xml": self._limits.xml // MEGABYTE}
            )
        return parse_xml(self._archive.read(entry))

    def each(self, name: str, *tags: str) -> Iterator[Element]:
        """The elements of these tags in a part too large for a tree, one after another; each is gone with the next."""
        entry = self._entries.get(name.lower())
        if entry is None or not entry.file_size:
            return
        with self._archive.open(entry) as file:
            for _, element in _events(file, tags):
                yield element
                element.clear()
                while element.getprevious() is not None:
                    del element.getparent()[0]

    def relations(self, name: str) -> dict[str, Relation]:
        """Where a part leads to within the file, by id. What leads outside is left out: it is never fetched."""
        folder, base = posixpath.split(name)
        root = self.xml(posixpath.join(folder, "_rels", f"{base}.rels"))
        found = {}
        for link in () if root is None else root:
            if isinstance(link.tag, str) and link.get("TargetMode") != "External" and link.get("Target"):
                target = join(folder, link.get("Target"))
                found[link.get("Id", "")] = Relation(kind=link.get("Type", "").rsplit("/", 1)[-1], target=target)
        return found

    def related(self, name: str, *kinds: str) -> list[str]:
        """The parts of these kinds that a part leads to, each once."""
        found = (relation.target for relation in self.relations(name).values() if relation.kind in kinds)
        return list(dict.fromkeys(found))


def join(folder: str, target: str) -> str:
    """The name of a part, as another part in this folder calls it."""
    path = unquote(target.split("#", 1)[0])
    return posixpath.normpath(path if path.startswith("/") else posixpath.join("/", folder, path)).lstrip("/")


def parse_xml(content: bytes) -> Element:
    """A tree in which no entity is expanded. Raises DamagedFile, TooLargeToRead."""
    try:
        root = etree.fromstring(content, etree.XMLParser(remove_comments=True, remove_pis=True, **_OPTIONS))
    except etree.XMLSyntaxError as error:
        raise _named(error) from error
    _refuse_entities(root)
    return root


def _events(file: Any, tags: tuple[str, ...]) -> Iterator[tuple[str, Element]]:  # Any: an open part, as lxml takes it
    try:
        for event in etree.iterparse(file, events=("end",), tag=tags, **_OPTIONS):
            _refuse_entities(event[1])
            yield event
    except etree.XMLSyntaxError as error:
        raise _named(error) from error


def _refuse_entities(element: Element) -> None:
    declared = element.getroottree().docinfo.internalDTD
    if declared is not None and next(declared.iterentities(), None) is not None:
        raise _entities()


def _named(error: Exception) -> DamagedFile | TooLargeToRead:
    text = str(error).lower()
    if "memory" in text or "allocation" in text:
        return TooLargeToRead(_("The file takes too much memory to be read. Split it."))
    if "depth" in text:
        return TooLargeToRead(_("The file is nested too deeply to be read. Simplify it."))
    if "amplification" in text or "entity reference loop" in text:
        return _entities()
    if "huge" in text:
        return TooLargeToRead(_("One text in the file is longer than 10 MB. Split it."))
    return DamagedFile(_("The file is damaged: its XML is broken. Open it and save it again."))


def name_of(element: Element) -> str:
    """An element's name without its namespace; empty for comments and entities."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def attribute(element: Element, name: str, default: str = "") -> str:
    """An attribute's value, whatever namespace it is in."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return str(value)
    return default


def children(element: Element, *names: str) -> list[Element]:
    return [child for child in element if name_of(child) in names]


def child(element: Element | None, *path: str) -> Element | None:
    """The first element below, by the names of the way to it."""
    for name in path:
        element = next((c for c in element if name_of(c) == name), None) if element is not None else None
    return element


def below(element: Element | None, name: str) -> Iterator[Element]:
    """All elements of a name below, in reading order."""
    if element is not None:
        yield from element.iter(f"{{*}}{name}")


def _entities() -> DamagedFile:
    return DamagedFile(
        _(
            "The file declares XML entities of its own, which no program writes and which can multiply without end. "
            "Open it and save it again."
        )
    )
