"""Plain text, in whatever encoding it comes."""

from __future__ import annotations

import codecs

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


def decode(content: bytes) -> str:
    """Text from bytes: by its byte-order mark, as UTF-8, or as the likeliest encoding. Raises UnreadableFile."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return _checked(content.decode(encoding, errors="replace"))
    try:
        return _checked(content.decode("utf-8"))
    except UnicodeDecodeError:
        guess = charset_normalizer.from_bytes(content).best()
    if guess is None:
        raise UnreadableFile("The file is not text in any encoding that is known here. Save it as UTF-8.")
    return _checked(str(guess))


def _checked(text: str) -> str:
    if "\x00" in text:
        raise UnreadableFile("The file has NUL bytes: it is not text, or in an unusual encoding. Save it as UTF-8.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def parse(content: bytes) -> list[Part]:
    return [Part(text=decode(content))]
