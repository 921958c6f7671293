"""Rich text (RTF): paragraphs, headings and tables, with headers, footnotes and text boxes."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass, replace
from gettext import gettext as _

from core.errors import TooLargeToRead, WrongKind
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.parsers.tables import to_table
from knowledge.types import Part, Reading

_TOKEN = re.compile(
    r"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)", re.DOTALL
)
_CHARSETS = {
    0: "cp1252",
    77: "mac_roman",
    128: "cp932",
    129: "cp949",
    134: "gb18030",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}
_SIGNS = {
    "emdash": "—",
    "endash": "–",
    "emspace": " ",
    "enspace": " ",
    "qmspace": " ",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
    "tab": " ",
    "line": "\n",
    "~": "\u00a0",
    "_": "-",
    "-": "",
    "{": "{",
    "}": "}",
    "\\": "\\",
}
_SILENT = {
    *("fonttbl", "colortbl", "stylesheet", "info", "pict", "objdata", "fldinst", "themedata", "datastore", "listtable"),
    *("listoverridetable", "generator", "xmlnstbl", "rsidtbl", "nonshppict", "private", "latentstyles", "filetbl"),
    *("revtbl", "ftnsep", "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "annotation", "bkmkstart", "bkmkend"),
}
_AROUND = {"header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf"}
DEEPEST = 1_000  # groups inside each other


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    is_silent: bool = False
    is_font_table: bool = False
    encoding: str = "cp1252"
    fallback: int = 1  # bytes that stand for a \\u character in readers without Unicode
    is_around: bool = False


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    if not content.lstrip().startswith(b"{\\rtf"):
        raise WrongKind(_("The file is not RTF, though its name says so. Open it and save it as RTF."))
    reader = _Reader()
    reader.read(content.decode("latin-1"))
    around = "\n\n".join(dict.fromkeys(reader.around))
    return Reading(
        parts=(
            Part(text="\n\n".join(reader.blocks), is_markdown=True),
            Part(text=around, label="Header and footer", is_markdown=True),
        )
    )


class _Reader:
    def __init__(self) -> None:
        self.blocks: list[str] = []
        self.around: list[str] = []
        self._group = _Group()
        self._outer: list[_Group] = []
        self._page = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0  # the one that the font table is at
        self._words: list[str] = []
        self._bytes = bytearray()  # characters that wait for the rest of them
        self._to_skip = 0
        self._row: list[str] = []
        self._rows: list[list[str]] = []
        self._is_in_table = False
        self._outline = 0

    def read(self, text: str) -> None:
        at = 0
        while match := _TOKEN.search(text, at):
            at = match.end()
            word, number, code, sign, brace, words = match.groups()
            if code is None:
                self._decode()
            if brace:
                self._turn(brace)
            elif word == "bin" and number:
                at += max(int(number), 0)
            elif word:
                self._control(word, int(number) if number else None)
            elif code is not None:
                self._byte(int(code, 16))
            elif sign == "*":
                self._group = replace(self._group, is_silent=True)
            elif sign in ("\n", "\r"):
                self._end_paragraph()
            else:
                self._add(_SIGNS.get(sign, "") if sign else words)
        self._decode()
        self._end_paragraph()
        self._end_table()

    def _turn(self, brace: str) -> None:
        self._to_skip = 0
        if brace == "{":
            if len(self._outer) >= DEEPEST:
                raise TooLargeToRead(_("The file is nested too deeply to be read. Simplify it."))
            self._outer.append(self._group)
        elif self._outer:
            outer = self._outer.pop()
            if self._group.is_around and not outer.is_around:
                self._end_paragraph()
            self._group = outer

    def _control(self, word: str, number: int | None) -> None:
        if word in _SILENT:
            self._group = replace(self._group, is_silent=True, is_font_table=word == "fonttbl")
        elif word == "shptxt":  # a text box, inside of what other readers are to pass over
            self._group = replace(self._group, is_silent=False)
            self._words.append(" ")
        elif word == "f" and number is not None:
            self._font = number
            self._group = replace(self._group, encoding=self._fonts.get(number, self._page))
        elif word == "fcharset" and self._group.is_font_table:
            self._fonts[self._font] = _CHARSETS.get(number or 0, self._page) if number else self._page
        elif word == "ansicpg" and number and _is_known(f"cp{number}"):
            self._page = f"cp{number}"
            self._group = replace(self._group, encoding=self._page)
        elif word == "uc" and number is not None:
            self._group = replace(self._group, fallback=number)
        elif word == "u" and number is not None:
            self._add(chr(number % 0x10000))
            self._to_skip = self._group.fallback
        elif not self._group.is_silent:
            self._shape(word, number)

    def _shape(self, word: str, number: int | None) -> None:
        """What makes paragraphs, tables and notes."""
        if word in _SIGNS:
            self._add(_SIGNS[word])
        elif word in ("par", "sect", "page"):
            self._end_paragraph()
        elif word == "pard":
            self._is_in_table, self._outline = False, 0
        elif word == "intbl":
            self._is_in_table = True
        elif word == "outlinelevel":
            self._outline = min((number or 0) + 1, 6)
        elif word == "cell":
            self._row.append("".join(self._words))
            self._words.clear()
        elif word == "row":
            self._rows.append(self._row)
            self._row = []
        elif word in ("nestcell", "nestrow"):
            self._add(", " if word == "nestcell" else "; ")
        elif word == "footnote":
            self._add(" ")
        elif word in _AROUND:
            self._end_paragraph()
            self._group = replace(self._group, is_around=True)

    def _byte(self, value: int) -> None:
        if self._to_skip:
            self._to_skip -= 1
        elif not self._group.is_silent:
            self._bytes.append(value)

    def _decode(self) -> None:
        if self._bytes:
            self._words.append(self._bytes.decode(self._group.encoding, errors="replace"))
            self._bytes.clear()

    def _add(self, text: str) -> None:
        if self._to_skip:
            text, self._to_skip = text[self._to_skip :], max(self._to_skip - len(text), 0)
        if not self._group.is_silent:
            self._words.append(text)

    def _end_paragraph(self) -> None:
        if self._group.is_silent:
            return
        if self._is_in_table and not self._group.is_around:
            self._words.append(" ")
            return
        text = "".join(self._words).encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()
        self._words.clear()
        if not text:
            return
        if self._group.is_around:
            self.around.append(text)
            return
        self._end_table()
        self.blocks.append(f"{'#' * self._outline} {text}" if self._outline else text)

    def _end_table(self) -> None:
        if self._row:
            self._rows.append(self._row)
        if table := to_table(self._rows):
            self.blocks.append(table)
        self._rows, self._row = [], []


def _is_known(encoding: str) -> bool:
    try:
        codecs.lookup(encoding)
    except LookupError:
        return False
    return True
