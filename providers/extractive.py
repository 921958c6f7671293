"""The built-in model for when none is configured: it quotes the sentences that match best, and cites them.

Sentences are ranked by BM25 (Robertson & Zaragoza 2009, doi:10.1561/1500000019) over the sentences of the
retrieved passages; a passage that was retrieved nearer weighs a little more. It writes nothing of its own.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from providers.types import ChatRequest, Completion, Delta, Usage

NAME = "extractive"
NOTHING_FOUND = "The documents of this project do not seem to answer this."

K1, B = 1.2, 0.75
MAX_SENTENCES = 4
LEAST_SHARE = 0.45  # of the best sentence's score: what scores less is noise beside it
LEAST_COVERAGE = 0.34  # of the question's words, weighed by rarity: below, nothing here answers it
RANK_DISCOUNT = 0.06  # per place in the list of passages

_WORD = re.compile(r"\w+")
_MARKUP = re.compile(r"^(?:#{1,6}\s+|[-*+]\s+|\d+[.)]\s+|>\s+)+")
_FENCED = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_CITED = re.compile(r"[ \t]?\[\d{1,4}(?:\s*[,;]\s*\d{1,4})*\]")  # a document's own numbers are not ours
# The closing marks stay with their sentence: one look-behind for each length.
_SENTENCE_END = re.compile(
    r"(?:(?<=[.!?。！？])|(?<=[.!?。！？][\"')\]”’»])|(?<=[.!?。！？][\"')\]”’»]{2}))\s+(?=[^\sa-z])|(?<=[。！？])"
)
_STOP = frozenset(
    """
    a an and are as at be been but by can could did do does for from had has have how i if in into is it its me my
    no not of on or our should so than that the their them then there these they this those to us was we were what
    when where which who whom why will with would you your tell show please about long many much
    """.split()  # noqa: SIM905  # a text is easier to read and to widen than a list of literals
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    text: str
    passage: int  # from 1
    place: int  # within the whole list
    words: tuple[str, ...]


class ExtractiveModel:
    name = identity = NAME
    is_extractive = True

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta | Completion, None]:
        text = quote(request.question, request.passages)
        for word in re.findall(r"\S+\s*", text):
            yield Delta(text=word)
        yield Completion(model=NAME, finish_reason="stop", usage=Usage())


def quote(question: str, passages: tuple[str, ...]) -> str:
    """The best sentences in the passages' order, one paragraph a passage, each ending in its number."""
    wanted = set(stems(question))
    sentences = _sentences(passages)
    best = _best(wanted, sentences)
    if not best:
        return NOTHING_FOUND
    paragraphs: dict[int, list[str]] = {}
    for sentence in sorted(best, key=lambda s: s.place):
        paragraphs.setdefault(sentence.passage, []).append(f"{sentence.text} [{sentence.passage}]")
    return "\n\n".join(" ".join(lines) for lines in paragraphs.values())


def _best(wanted: set[str], sentences: list[Sentence]) -> list[Sentence]:
    if not wanted or not sentences:
        return []
    frequency = Counter(word for s in sentences for word in set(s.words))
    rarity = {w: math.log(1 + (len(sentences) - frequency[w] + 0.5) / (frequency[w] + 0.5)) for w in wanted}
    average = sum(len(s.words) for s in sentences) / len(sentences)
    scored = []
    for sentence in sentences:
        counts = Counter(sentence.words)
        size = K1 * (1 - B + B * len(sentence.words) / average)
        score = sum(rarity[w] * counts[w] * (K1 + 1) / (counts[w] + size) for w in wanted if counts[w])
        scored.append((score * (1 - RANK_DISCOUNT * (sentence.passage - 1)), sentence))
    scored.sort(key=lambda pair: (-pair[0], pair[1].place))
    top = scored[0][0]
    chosen = [s for score, s in scored[:MAX_SENTENCES] if score > 0 and score >= LEAST_SHARE * top]
    covered = {w for s in chosen for w in s.words} & wanted
    if len(covered) < LEAST_COVERAGE * len(wanted):
        return []
    return chosen


def _sentences(passages: tuple[str, ...]) -> list[Sentence]:
    found: list[Sentence] = []
    seen: set[str] = set()
    for number, passage in enumerate(passages, start=1):
        prose = _CITED.sub("", _FENCED.sub("\n\n", passage))
        for block in re.split(r"\n\s*\n|\n(?=\s*(?:[-*+|#>]|\d+[.)])\s*)", prose):
            if block.lstrip().startswith(("#", "|")):
                continue
            line = _MARKUP.sub("", " ".join(block.split()))
            for part in _SENTENCE_END.split(line):
                words = tuple(stems(part))
                if words and len(_WORD.findall(part)) >= 3 and part not in seen:
                    seen.add(part)
                    found.append(Sentence(text=part.strip(), passage=number, place=len(found), words=words))
    return found


def stems(text: str) -> list[str]:
    """Words in lower case without stop words; a plural, -ing or -ed ending is cut, so that forms meet."""
    return [_stem(word) for word in _WORD.findall(text.lower()) if word not in _STOP]


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word
