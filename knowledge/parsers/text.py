"""Plain text, in whatever encoding it comes."""

from __future__ import annotations

import codecs
import unicodedata

import charset_normalizer

from core.errors import UnreadableFile
from knowledge.types import Part

_BOMS = [
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
]


BOMS = tuple(mark for mark, _ in _BOMS)
# What machines really write. Of all that Python knows, a guess took "Café" for Arabic and "Zürich" for Chinese.
_COMMON = [
    *("utf_16_le", "utf_16_be", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("cp932", "gb18030", "big5", "euc_kr", "euc_jp"),
]
MAX_CONTROLS = 0.1  # of the characters: a log with colours has less


def decode(content: bytes) -> str:
    """Text from bytes: by its byte-order mark, as UTF-8, or as the likeliest encoding. Raises UnreadableFile."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return _checked(content.decode(encoding, errors="replace"))
    try:
        return _checked(content.decode("utf-8"))
    except UnicodeDecodeError:
        return _checked(_guessed(content))


def _guessed(content: bytes) -> str:
    """As Windows writes it in the West, unless another encoding gives more words of some language."""
    guess = charset_normalizer.from_bytes(content, cp_isolation=_COMMON).best()
    western = charset_normalizer.from_bytes(content, cp_isolation=["cp1252"]).best()
    if western is not None and (guess is None or western.coherence >= guess.coherence):
        guess = western
    if guess is None:
        raise UnreadableFile("The file is not text in any encoding that is known here. Save it as UTF-8.")
    return str(guess)


def _checked(text: str) -> str:
    if "\x00" in text:
        raise UnreadableFile("The file has NUL bytes: it is not text, or in an unusual encoding. Save it as UTF-8.")
    controls = sum(unicodedata.category(c) == "Cc" and c not in "\t\n\r\f\v" for c in text)
    if controls > MAX_CONTROLS * len(text):
        raise UnreadableFile("The file is not text: it is full of control characters. Save it as UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse(content: bytes) -> list[Part]:
    return [Part(text=decode(content))]
