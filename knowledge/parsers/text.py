"""Plain text, in whatever encoding it comes: notes, logs, source code."""

from __future__ import annotations

import codecs
import re
from gettext import gettext as _
from gettext import ngettext

import charset_normalizer

from core.errors import WrongKind
from knowledge.parsers.limits import DEFAULT, Limits
from knowledge.types import Part, Reading

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
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "koi8_r"),
    *("cp932", "gb18030", "big5", "euc_kr", "euc_jp"),
]
_WIDE = [("utf-32-le", 4, 0), ("utf-32-be", 4, 3), ("utf-16-le", 2, 0), ("utf-16-be", 2, 1)]  # unit, place of ASCII
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
_JAPANESE = re.compile(r"[\u3041-\u30ff]")  # kana, as no other language has
_FOREIGN = re.compile(r"[^\x00-\x7f]")
_UNLIKELY = re.compile(r"[\ue000-\uf8ff\ufff0-\uffff\uff61-\uff9f\x80-\x9f]|[\U000e0000-\U0010ffff]")
MAX_CONTROLS = 0.1  # of the characters: a log with colours has less
SAMPLE = 50_000  # bytes or characters that a guess looks at


def parse(content: bytes, limits: Limits = DEFAULT) -> Reading:
    text = decode(content)
    return Reading(parts=(Part(text=text),), notes=notes_on(text))


def notes_on(text: str) -> str:
    """What to tell about characters that are none in the file's encoding; "" where there are none."""
    lost = text.count("\ufffd")
    told = ngettext(
        "%(lost)s character could not be read and stands as “\ufffd”: correct that, and save the file as UTF-8.",
        "%(lost)s characters could not be read and stand as “\ufffd”: correct that, and save the file as UTF-8.",
        lost,
    )
    return told % {"lost": f"{lost:,}"} if lost else ""


def decode(content: bytes) -> str:
    """Text from bytes: by its byte-order mark, as UTF-8, or as the likeliest encoding. Raises WrongKind."""
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return _checked(content.decode(encoding, errors="replace"))
    if encoding := find_wide(content):
        return _checked(content.decode(encoding, errors="replace"))
    if b"\x1b$" in content and (text := _strict(content, "iso2022_jp")) is not None:
        return _checked(text)
    if (text := _strict(content, "utf-8")) is not None:
        return _checked(text)
    text = content.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    if broken < len(_FOREIGN.findall(text)) - broken:  # other encodings look like UTF-8 by chance, and seldom
        return _checked(text)
    return _checked(_guessed(content))


def find_wide(content: bytes) -> str:
    """The encoding whose units of 2 or 4 bytes explain where the NUL bytes are; "" for none."""
    if b"\x00" not in content:
        return ""
    sample = content[:SAMPLE]
    for encoding, unit, place in _WIDE:
        low = sample[place::unit]
        others = [sample[i::unit] for i in range(unit) if i != place]
        nuls = sum(other.count(0) for other in others) / max(sum(map(len, others)), 1)
        if len(content) % unit or low.count(0) > 0.01 * len(low) or nuls < 0.02:
            continue
        text = sample.decode(encoding, errors="replace")
        if _UNLIKELY.search(text[:-1]) or _CONTROLS.search(text):
            continue
        if nuls > 0.6 or (unit == 2 and not _has_words(sample) and _is_of_one_script(text)):
            return encoding
    return ""


def _strict(content: bytes, encoding: str) -> str | None:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return None


def _guessed(content: bytes) -> str:
    """As Windows writes it in the West, unless another encoding gives more words of some language."""
    for encoding in ("cp932", "euc_jp"):
        text = _strict(content, encoding)
        if text is not None and _is_japanese(text[:SAMPLE]):
            return text
    for encoding in ("utf-16-le", "utf-16-be"):
        text = _strict(content, encoding) if len(content) % 2 == 0 and not _has_words(content) else None
        if text is not None and _is_of_one_script(text[:SAMPLE]):
            return text
    guess = charset_normalizer.from_bytes(content, cp_isolation=_COMMON).best()
    western = charset_normalizer.from_bytes(content, cp_isolation=["cp1252"]).best()
    if western is not None and (guess is None or western.coherence >= guess.coherence):
        guess = western
    if guess is None:
        raise WrongKind(_("The file is not text in any encoding that is known here. Save it as UTF-8."))
    return str(guess)


def _has_words(content: bytes) -> bool:
    """Whether it is Latin script of one byte each: UTF-16 has small letters in a row by chance only."""
    sample = content[:SAMPLE]
    return sum(map(len, re.findall(rb"[a-z]{3,}", sample))) > 0.2 * len(sample)


def _is_japanese(text: str) -> bool:
    foreign = len(_FOREIGN.findall(text))
    return len(_JAPANESE.findall(text)) >= max(2, 0.2 * foreign) and not _UNLIKELY.search(text)


def _is_of_one_script(text: str) -> bool:
    """Whether UTF-16 is a likely reading: wrong ones scatter over all planes. Blocks of 2,048 characters."""
    blocks: dict[int, int] = {}
    for character in text:
        if not character.isspace() and character not in "，。、：；？！「」（）《》“”":
            block = min(ord(character) >> 11, 9) if 0x4E00 <= ord(character) < 0xA000 else 100 + (ord(character) >> 8)
            blocks[block] = blocks.get(block, 0) + 1
    if not blocks or _UNLIKELY.search(text) or _CONTROLS.search(text):
        return False
    letters = {block: n for block, n in blocks.items() if block != 100}
    return sum(sorted(letters.values())[-2:]) >= 0.9 * sum(letters.values()) and max(letters.values(), default=0) >= 4


def _checked(text: str) -> str:
    if "\x00" in text:
        raise WrongKind(_("The file has NUL bytes: it is not text, or in an unusual encoding. Save it as UTF-8."))
    if len(_CONTROLS.findall(text)) > MAX_CONTROLS * len(text):
        raise WrongKind(_("The file is not text: it is full of control characters. Save it as UTF-8."))
    return text.replace("\r\n", "\n").replace("\r", "\n")
