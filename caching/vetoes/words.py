"""A question as words that compare: folded, without contractions, with what their writing tells."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from caching.vetoes.tables import listed

KEPT = 64  # texts of which what was derived is kept: one question meets a few known ones, many checks each
# Letters and digits part ("5kg", "ERR-4012", "iPhone6"), so that numbers are compared as numbers wherever they stand.
_TOKEN = re.compile(
    r"(?:[^\W\d_]\.){2,}[^\W\d_]?"  # U.S.A.
    r"|(?<![\d-])(?:\d{4}-\d\d?-\d\d?|\d\d?-\d\d?-\d{4})(?![\d-])"  # 2025-03-04
    r"|(?:(?<![^\s(])-)?\d+(?:[.,:/]\d+)*"  # 1,000.50  10:30  21/11/2016  1.2.3  -5
    r"|[^\W\d_]+(?:'[^\W\d_]+)*(?:(?:\+\+|\#)(?!\w))?"  # don't  C++  C#
    r"|[$€£¥₹%°]"
)
_SENTENCE_END = re.compile(r"[.?!:;\"“”«»(\[]|\n[ \t]*\n")
_FOLDED = str.maketrans({**dict.fromkeys("’‘ʼ‛`´＇", "'"), **dict.fromkeys("‐‑‒–—−﹣－", "-")})

_WHOLE = {
    "can't": ("can", "not"), "cant": ("can", "not"), "cannot": ("can", "not"), "won't": ("will", "not"),
    "wont": ("will", "not"), "shan't": ("shall", "not"), "ain't": ("is", "not"), "aint": ("is", "not"),
    "let's": ("let", "us"), "gonna": ("going", "to"), "wanna": ("want", "to"), "whats": ("what", "is"),
    "im": ("i", "am"), "ive": ("i", "have"), "hows": ("how", "is"), "whos": ("who", "is"), "u": ("you",),
    "ur": ("your",), "r": ("are",), "pls": ("please",), "plz": ("please",), "til": ("until",), "till": ("until",),
    "wwi": ("world", "war", "1"), "wwii": ("world", "war", "2"), "ww": ("world", "war"),
    "w/o": ("without",), "wo": ("without",),
    **{f"{verb}nt": (verb, "not") for verb in (
        "do", "does", "did", "is", "are", "was", "were", "has", "have", "had", "would", "should", "could", "must")},
}  # fmt: skip
_ENDINGS = {"s": (), "m": ("am",), "re": ("are",), "ve": ("have",), "ll": ("will",), "d": ("would",)}

FUNCTION_WORDS = frozenset(
    listed(
        """
        a an the this that these those i me my mine myself we us our ours you your yours yourself he him his she her
        hers it its they them their theirs one ones who whom whose what which when where why how is am are was were be
        been being do does did doing done has have had having will would shall should can could may might must to of
        in on at by for from with about into onto as and or but if so than then there here also too very just any some
        such s t please ever get got really actually someone somebody something anyone anybody anything everyone
        everybody everything d ll m re ve let while because
        """
    )
)
FILLER = FUNCTION_WORDS | frozenset(listed("hi hello hey thanks thank dear ok okay"))
NEGATORS = frozenset(
    listed("not never no none nobody nothing nowhere neither nor without except excluding unable lack lacking")
)


@dataclass(frozen=True, slots=True)
class Word:
    """`form` is folded and compares; `written` is what stood there; `opens` tells that it begins a sentence."""

    form: str
    written: str
    opens: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Text:
    """What `read` made of a string. Compared by identity, so that what is derived from it can be kept."""

    words: tuple[Word, ...]
    forms: tuple[str, ...]  # of the words, in order
    known: frozenset[str]  # the forms
    stems: frozenset[str]  # of the forms

    @property
    def is_titled(self) -> bool:
        """Capitals say nothing here: most words have one, or the whole text shouts."""
        letters = [word.written for word in self.words if word.written[0].isalpha() and not word.opens]
        capital = sum(written[0].isupper() for written in letters)
        return len(letters) >= 3 and capital > 0.6 * len(letters)


@lru_cache(maxsize=KEPT)
def read(text: str) -> Text:
    """A text's words. Any string will do; linear in its length."""
    plain = _plain(text)
    words: list[Word] = []
    end = 0
    for match in _TOKEN.finditer(plain):
        opens = not words or (match.start() > end and bool(_SENTENCE_END.search(plain, end, match.start())))
        end = match.end()
        words.extend(_spelled(match.group(), opens))
    forms = tuple(word.form for word in words)
    known = frozenset(forms)
    return Text(words=tuple(words), forms=forms, known=known, stems=frozenset(map(stem, known)))


def _plain(text: str) -> str:
    """Compatibility forms composed, accents and invisible characters gone, digits ASCII, one apostrophe, one hyphen."""
    text = text.translate(_FOLDED)
    if text.isascii():
        return text
    kept = []
    for character in unicodedata.normalize("NFKD", text):
        kind = unicodedata.category(character)
        if kind == "Nd":
            kept.append(str(unicodedata.decimal(character)))
        elif kind not in ("Mn", "Me", "Cf", "Cs", "Co", "Cn"):
            kept.append(character)
    return "".join(kept).translate(_FOLDED)


def _spelled(token: str, opens: bool) -> list[Word]:
    form = token.casefold()
    if form in _WHOLE:
        parts = _WHOLE[form]
    elif "'" in form:
        first, _, ending = form.partition("'")
        if ending == "t" and first.endswith("n") and len(first) > 2:
            parts = (first[:-1], "not")
        else:
            parts = (first, *_ENDINGS.get(ending, (ending.replace("'", ""),)))
    elif "." in form and form[0].isalpha():
        parts = (form.replace(".", ""),)
    else:
        return [Word(form, token, opens)]
    written = token.partition("'")[0]
    return [Word(part, written if n == 0 else part, opens and n == 0) for n, part in enumerate(parts) if part]


@lru_cache(maxsize=8192)
def stem(form: str) -> str:
    """A light stem: plural, -ed, -ing, -ly and -'s forms of a word meet. Only for comparing, not for reading."""
    if len(form) <= 3 or not form.isalpha():
        return form
    if form.endswith("ies") and len(form) > 4:
        return form[:-3] + "y"
    for ending in ("ing", "ed"):
        if form.endswith(ending) and len(form) - len(ending) >= 3:
            base = form[: -len(ending)]
            if base[-1] == base[-2] and base[-1] not in "ls":
                base = base[:-1]
            return base.removesuffix("e")
    if form.endswith("es") and form[-3] in "sxzho":
        return form[:-2]
    if form.endswith("s") and form[-2] not in "su":
        form = form[:-1]
    if form.endswith("ly") and len(form) > 5:
        form = form[:-2]
    return form.removesuffix("e") if len(form) > 3 else form


@lru_cache(maxsize=KEPT)
def content(text: Text) -> tuple[str, ...]:
    """The stems, in order, of the words that carry meaning."""
    return tuple(stem(form) for form in text.forms if form not in FUNCTION_WORDS)


def are_alike(a: Text, b: Text) -> bool:
    """Of the shorter text's words of meaning the longer one has three in five; or each has but one of its own.

    Some differences are hard only between questions that otherwise say the same: on labelled pairs, negation told
    nothing below this (and such pairs have no similarity that would propose them).
    """
    ours, theirs = set(content(a)), set(content(b))
    if max(len(ours - theirs), len(theirs - ours)) <= 1:
        return True
    return len(ours & theirs) >= 0.6 * min(len(ours), len(theirs))
