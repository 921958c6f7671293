"""The words of a text as a search counts them: one way for passages and for questions.

A word is in Unicode's compatibility form (NFKC), without case and accents, and stemmed (Snowball) in the language of
its text. Where a script has no spaces between words, pairs of neighbouring characters stand for them. An identifier
counts whole and in its parts: "ERR-4012" is `err4012`, `err` and `4012`, and so are "err_4012" and "ERR4012".
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import Stemmer

from knowledge.languages import detect, is_small

SCHEME = 1  # moves with what a text's words are: rows of another scheme are made again
LONGEST = 100  # characters of a word that is kept
MOST = 250  # times that a word of one text counts; PostgreSQL keeps 256 positions of a lexeme
_PLACES = [",".join(map(str, range(1, most + 1))) for most in range(MOST + 1)]  # made once: it took 2 ms a chunk
STEMMERS = {
    "ar": "arabic",
    "ca": "catalan",
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "fa": "persian",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
}
# Han, kana, Hangul, Thai, Lao, Myanmar, Khmer: no spaces between words, or (Korean) endings grown onto them.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003134f"
)
_RUN = re.compile(rf"[{_UNSPACED}]+|[^\W{_UNSPACED}]+(?:[-._/:@+#\\]{{1,3}}[^\W{_UNSPACED}]+)*")
_STEP = re.compile(r"[/:@#+\\]+")  # between the segments of a path, an address, a URL
_JOINT = re.compile(r"[-._]+")  # within one
_HUMP = re.compile(r"[^\W\d_]+|\d+")
_CAMEL = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])")
_CODE = re.compile(r"[^\W\d_]+[-_.:/#]*\d|.*[@_\\]|.*[a-z][A-Z]|.*::|.*/.*/")  # what people mean to the letter
_local = threading.local()  # a stemmer of Snowball's serves one thread at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """`is_extra`: an identifier as a whole, beside the parts that count as words; `is_code`: one meant to the
    letter."""

    text: str
    is_plain: bool  # a word of a language, to be stemmed
    is_extra: bool = False
    is_code: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A lexeme that a question asks for, in the languages (codes, empty for all) whose texts have it so. Lexemes of
    one word have one `number`."""

    lexeme: str
    number: int
    languages: tuple[str, ...]
    is_code: bool


def split_words(text: str) -> Iterator[Word]:
    """The words of a text, in their order."""
    for match in _RUN.finditer(unicodedata.normalize("NFKC", text)):
        run = match.group()
        if _is_unspaced(run[0]):
            yield from (Word(text=pair, is_plain=False) for pair in _pairs(run))
        else:
            yield from _split_run(run)


def count_lexemes(text: str, language: str) -> tuple[Counter[str], int]:
    """How often a text has each of its lexemes, and its length in words."""
    counts: Counter[str] = Counter()
    length = 0
    for word in split_words(text):
        if lexeme := lexeme_of(word, language):
            counts[lexeme] += 1
            length += not word.is_extra
    return counts, length


def lexeme_of(word: Word, language: str) -> str:
    """What a word counts as in a text of a language."""
    return stem(word.text, language if word.is_plain else "")


def tsvector_literal(counts: Counter[str]) -> str:
    """Counted lexemes as PostgreSQL reads a tsvector, each with as many positions as its text has of it. The
    positions say nothing of the order, which no search asks for."""
    return " ".join(f"{quote(lexeme)}:{_PLACES[min(count, MOST)]}" for lexeme, count in counts.items())


def quote(lexeme: str) -> str:
    """A lexeme as tsvector and tsquery have it."""
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def ask(text: str) -> list[Term]:
    """What a question asks for, each lexeme once, whatever language the passages are in; without the small words of
    its own language, where there are others: half of a question's words, and half of the time it takes."""
    words = {word.text: word for word in split_words(text)}
    language = detect(text)
    words = {key: word for key, word in words.items() if not is_small(key, language)} or words
    asked: dict[str, Term] = {}
    for number, word in enumerate(words.values()):
        languages: dict[str, list[str]] = {}
        if word.is_plain:
            for language in STEMMERS:
                languages.setdefault(stem(word.text, language), []).append(language)
        languages.setdefault(stem(word.text, ""), [])  # as it is where no stemmer is known
        for lexeme, codes in languages.items():
            everywhere = lexeme == stem(word.text, "")
            term = Term(
                lexeme=lexeme, number=number, languages=() if everywhere else tuple(codes), is_code=word.is_code
            )
            if lexeme and (lexeme not in asked or word.is_code):
                asked[lexeme] = term
    return list(asked.values())


@lru_cache(maxsize=100_000)
def stem(word: str, language: str) -> str:
    """A word's stem in a language; the word itself where nobody has written a stemmer for it. Without accents."""
    name = STEMMERS.get(language)
    stemmed = _stemmer(name).stemWord(word) if name else word
    return _fold(stemmed)


def _stemmer(name: str) -> Stemmer.Stemmer:
    stemmers: dict[str, Stemmer.Stemmer] = _local.__dict__
    if name not in stemmers:
        stemmers[name] = Stemmer.Stemmer(name)
    return stemmers[name]


def _fold(word: str) -> str:
    """Without accents, in the Latin script."""
    if word.isascii():
        return word
    return "".join(
        unicodedata.normalize("NFD", letter)[0] if "À" <= letter <= "ɏ" or "Ḁ" <= letter <= "ỿ" else letter
        for letter in word
    )


def _is_unspaced(character: str) -> bool:
    return character > "\u0dff" and re.match(f"[{_UNSPACED}]", character) is not None


def _pairs(run: str) -> Iterator[str]:
    """Pairs of neighbours; a mark above or below belongs to its letter."""
    units: list[str] = []
    for character in run:
        if units and unicodedata.category(character) == "Mn":
            units[-1] += character
        else:
            units.append(character)
    if len(units) == 1:
        yield units[0]
    yield from (first + second for first, second in pairwise(units))


def _split_run(run: str) -> Iterator[Word]:
    segments = [segment for segment in _STEP.split(run) if segment]
    if len(segments) > 1:
        yield from _whole(run.casefold(), is_code=_CODE.match(run) is not None)
    for segment in segments:
        parts = [part for joint in _JOINT.split(segment) for part in _parts(joint)]
        if len(parts) > 1:
            yield from _whole(segment.casefold().replace("-", "").replace("_", ""), _CODE.match(segment) is not None)
        for part in parts:
            word = part.casefold()[:LONGEST]
            if word:
                yield Word(text=word, is_plain=not word[0].isdigit())


def _whole(text: str, is_code: bool) -> Iterator[Word]:
    if len(text) <= LONGEST:
        yield Word(text=text, is_plain=False, is_extra=True, is_code=is_code)


def _parts(joint: str) -> list[str]:
    """Letters apart from digits, and the humps of camelCase apart from each other."""
    return [part for letters in _HUMP.findall(joint) for part in _CAMEL.split(letters) if part]
