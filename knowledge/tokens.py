"""Tokens, by the bundled embedding model's own tokenizer: how many a text has, and where they begin.

For other embedders the count is an estimate; WordPiece cuts finer than most, so it errs on the safe side.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING

from providers.minilm import load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WINDOW = 50_000  # characters tokenized at a time: an encoding takes 150 times the memory of its text
LONGEST = 20  # characters: no token is longer but the "unknown", which stands for a word of any length
PER_TOKEN = 2  # characters of such a word that count as one token, as base64 has in other vocabularies
LONGEST_GAP = 64  # characters of white space that are free; of more, as many count as one token


@cache
def _tokenizer() -> Tokenizer:
    return load_tokenizer()


def count_tokens(text: str) -> int:
    """Without those that the model puts around a text."""
    return len(_tokenizer().encode(text, add_special_tokens=False))


def shorten(text: str, tokens: int) -> str:
    """The beginning of a text, of so many tokens at most."""
    encoding = _tokenizer().encode(text, add_special_tokens=False)
    if len(encoding) <= tokens:
        return text
    return text[: encoding.offsets[tokens][0]].rstrip() if tokens > 0 else ""


class Ruler:
    """A text's tokens by their offsets, so that the length of any stretch of it is two bisections.

    A stretch cut out of the middle of a word may have a few more tokens than it measures here.
    """

    def __init__(self, text: str) -> None:
        self._end = len(text)
        self._starts = array("L", _starts(text))

    def count(self, start: int, end: int) -> int:
        return bisect_left(self._starts, end) - bisect_left(self._starts, start)

    def forward(self, start: int, tokens: int) -> int:
        """The offset where a stretch of so many tokens from `start` has to end."""
        index = bisect_left(self._starts, start) + tokens
        return self._starts[index] if index < len(self._starts) else self._end

    def back(self, end: int, tokens: int) -> int:
        """The offset where a stretch of so many tokens up to `end` has to begin."""
        index = bisect_left(self._starts, end) - tokens
        return self._starts[index] if index > 0 else 0


def _starts(text: str) -> Iterator[int]:
    """Where each token begins; a word too long for the vocabulary and a long run of blanks count as several."""
    before = 0
    for begin, end in _windows(text):
        for start, stop in _tokenizer().encode(text[begin:end], add_special_tokens=False).offsets:
            yield from range(before + LONGEST_GAP, begin + start, LONGEST_GAP)
            yield begin + start
            if stop - start > LONGEST:
                yield from range(begin + start + PER_TOKEN, begin + stop, PER_TOKEN)
            before = begin + stop
    yield from range(before + LONGEST_GAP, len(text), LONGEST_GAP)


def _windows(text: str) -> Iterator[tuple[int, int]]:
    """Stretches that end with a line, else with a word, where there is one."""
    begin = 0
    while begin < len(text):
        end = min(begin + WINDOW, len(text))
        if end < len(text):
            blank = max(text.rfind("\n", begin, end), text.rfind(" ", begin, end))
            end = blank + 1 if blank >= begin else end
        yield begin, end
        begin = end
