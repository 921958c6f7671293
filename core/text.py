"""What counts as text, and how one text is written: everything that comes from outside and is to be stored."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

MANY = 32  # combining marks in a row: no script writes so many, and so few are soon sorted

_TURNS = dict.fromkeys(map(ord, "\u202a\u202b\u202d\u202e\u2066\u2067\u2068"))


def is_storable(text: str) -> bool:
    """PostgreSQL keeps neither NUL nor half a surrogate pair."""
    try:
        return b"\x00" not in text.encode()
    except UnicodeEncodeError:
        return False


def storable(text: str) -> str:
    """The text without NUL, its surrogate pairs joined, and U+FFFD for a half that has no other."""
    if is_storable(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").replace("\x00", "")


def undirected(text: str) -> str:
    """A name without the characters that turn the direction of all that follows."""
    return text.translate(_TURNS)


def nfc(text: str) -> str:
    """Unicode's normal form C, in time linear in the length of any text.

    The library sorts a run of combining marks by insertion: 320,000 hostile characters took it 49 s, all other
    threads waiting. Marks that come in order already are sorted at once, so long runs are put in order first.
    """
    # A run of twice as many has a mark at one of every MANY-th place: most texts are spared the whole search.
    if len(text) > MANY and not text.isascii() and _runs().search(text[::MANY]):
        text = _runs(MANY).sub(_in_order, text)
    return unicodedata.normalize("NFC", text)


@cache
def _runs(at_least: int = 1) -> re.Pattern[str]:
    characters = map(chr, range(0x110000))
    marks = "".join(c for c in characters if unicodedata.combining(unicodedata.normalize("NFD", c)[0]))
    return re.compile(f"[{marks}]{{{at_least},}}")


def _in_order(run: re.Match[str]) -> str:
    """Marks in canonical order: by combining class, those of one class as they were (Unicode, D109)."""
    decomposed = "".join(unicodedata.normalize("NFD", mark) for mark in run[0])
    return "".join(sorted(decomposed, key=unicodedata.combining))
