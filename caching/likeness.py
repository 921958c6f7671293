"""How alike two questions are, beyond their vectors: the features that the verdict weighs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence, Set
from functools import lru_cache
from itertools import pairwise, takewhile

import numpy as np
import numpy.typing as npt

from caching.vetoes.antonyms import differ_by_antonym
from caching.vetoes.names import names, unmatched_names
from caching.vetoes.negation import differ_in_negation
from caching.vetoes.numbers import differ_in_unit, quantities
from caching.vetoes.questions import asked_for, differ_in_question
from caching.vetoes.roles import differ_in_roles
from caching.vetoes.tables import listed
from caching.vetoes.words import Text, content, read, stem

Features = npt.NDArray[np.float64]  # shape (len(FEATURES),)

READ = 2_000  # characters of a text: what follows the first page of a question does not change what it is

# Words of meaning that questions gain and lose without asking for something else.
_GENERIC = frozenset(
    stem(word)
    for word in listed(
        """
        best good great better top way ways method methods most many much more lot thing things kind type sort example
        examples make find use want need know think tell say give take go come become possible possibly easy easiest
        easily quick quickly fast simple effective effectively efficient properly correctly exactly actually mean
        meaning explain define definition describe different various main important interesting common list people
        person someone everyone anybody one's own new currently today now nowadays ever always often usually generally
        basically tips tip advice suggest suggestion suggestions recommend recommendation recommended options option
        steps step process procedure opinion view thoughts reason reasons cause causes work works happen happens place
        places help available
        """
    )
)
_MODAL = frozenset(listed("can could should would will may might must shall did was were had going"))
_PREPOSITIONS = frozenset(listed("in on at by for from to with without about into onto of over under than as"))
_PERSONS = frozenset(listed("i my me you your we our he his she her they their it its"))

FEATURES = (
    "similarity", "all_overlap", "content_overlap", "content_cover", "unmatched_min", "unmatched_max", "shared",
    "specific_min", "specific_max", "grammar_overlap", "grammar_unmatched", "modal_unmatched", "person_unmatched",
    "preposition_unmatched",
    "words_min", "words_max", "words_ratio", "trigram_overlap", "content_trigram_overlap", "bigram_overlap",
    "content_bigram_overlap", "same_first", "same_second", "same_last", "unlike_unmatched", "longest_unmatched",
    "unmatched_letters", "common_start", "common_end", "reordered", "one_for_one", "names_min", "names_max",
    "names_shared", "numbers_min", "numbers_max", "numbers_shared", "units", "negation", "antonym", "role",
    "same_question", "other_question", "question_marks",
)  # fmt: skip


def features(asked: str, known: str, similarity: float) -> Features:
    """What tells whether two questions ask the same, in the order of FEATURES. Symmetric in the two texts."""
    a, b = read(asked[:READ]), read(known[:READ])
    row = [similarity, *_words(a, b), *_letters(a, b), *_order(a, b), *_differences(a, b)]
    row.append(abs(asked.count("?") - known.count("?")))
    return np.array(row, dtype=np.float64)


def _words(a: Text, b: Text) -> tuple[float, ...]:
    ours, theirs = set(content(a)), set(content(b))
    only_a, only_b = ours - theirs, theirs - ours
    grammar_a, grammar_b = a.stems - ours, b.stems - theirs
    specific = sorted((len(only_a - _GENERIC), len(only_b - _GENERIC)))
    lengths = sorted((len(a.forms), len(b.forms)))
    return (
        _jaccard(a.stems, b.stems),
        _jaccard(ours, theirs),
        len(ours & theirs) / max(1, min(len(ours), len(theirs))),
        *sorted((len(only_a), len(only_b))),
        len(ours & theirs),
        *specific,
        _jaccard(grammar_a, grammar_b),
        len(grammar_a ^ grammar_b),
        len((a.known ^ b.known) & _MODAL),
        len((a.known ^ b.known) & _PERSONS),
        len((a.known ^ b.known) & _PREPOSITIONS),
        *lengths,
        lengths[0] / max(1, lengths[1]),
    )


def _letters(a: Text, b: Text) -> tuple[float, ...]:
    mine, theirs = content(a), content(b)
    only_a, only_b = set(mine) - set(theirs), set(theirs) - set(mine)
    unlike = sum(1 - _nearest(word, only_b) for word in only_a) + sum(1 - _nearest(word, only_a) for word in only_b)
    lengths = [len(word) for word in only_a | only_b]
    return (
        _dice(_grams(" ".join(a.forms)), _grams(" ".join(b.forms))),
        _dice(_grams(" ".join(mine)), _grams(" ".join(theirs))),
        _dice(set(pairwise(a.forms)), set(pairwise(b.forms))),
        _dice(set(pairwise(mine)), set(pairwise(theirs))),
        a.forms[:1] == b.forms[:1],
        a.forms[1:2] == b.forms[1:2],
        mine[-1:] == theirs[-1:],
        unlike,
        max(lengths, default=0),
        sum(lengths),
    )


def _order(a: Text, b: Text) -> tuple[float, ...]:
    mine, theirs = content(a), content(b)
    longest = max(1, len(a.forms), len(b.forms))
    places = {word: place for place, word in enumerate(theirs)}
    met = [places[word] for word in dict.fromkeys(mine) if word in places]
    back = {word: place for place, word in enumerate(mine)}
    met_back = [back[word] for word in dict.fromkeys(theirs) if word in back]
    turns = max(sum(x > y for x, y in pairwise(met)), sum(x > y for x, y in pairwise(met_back)))
    differing = sum(x != y for x, y in zip(mine, theirs, strict=False)) if len(mine) == len(theirs) else 0
    return (
        _common(a.forms, b.forms) / longest,
        _common(a.forms[::-1], b.forms[::-1]) / longest,
        turns,
        differing == 1,
    )


def _differences(a: Text, b: Text) -> tuple[float, ...]:
    unknown_a, unknown_b = unmatched_names(a, b), unmatched_names(b, a)
    numbers_a, numbers_b = set(quantities(a).numbers), set(quantities(b).numbers)
    asked_a, asked_b = asked_for(a), asked_for(b)
    return (
        *sorted((len(unknown_a), len(unknown_b))),
        len(names(a) & names(b)),
        *sorted((len(numbers_a - numbers_b), len(numbers_b - numbers_a))),
        len(numbers_a & numbers_b),
        differ_in_unit(a, b),
        differ_in_negation(a, b),
        differ_by_antonym(a, b),
        differ_in_roles(a, b),
        asked_a == asked_b,
        None not in (asked_a, asked_b) and asked_a != asked_b and (1 + differ_in_question(a, b)),
    )


def _jaccard(a: Set[Hashable], b: Set[Hashable]) -> float:
    return len(a & b) / max(1, len(a | b))


def _dice(a: Set[Hashable], b: Set[Hashable]) -> float:
    return 2 * len(a & b) / max(1, len(a) + len(b))


@lru_cache(maxsize=2048)
def _grams(text: str, n: int = 3) -> frozenset[str]:
    padded = f" {text} "
    return frozenset(padded[at : at + n] for at in range(len(padded) - n + 1))


def _nearest(word: str, others: Set[str]) -> float:
    """How much a word is spelled like the one most like it, 0 to 1."""
    grams = _grams(word, 2)
    # Two texts of a thousand different words each would take a million comparisons, and tell nothing more.
    return max((_dice(grams, _grams(other, 2)) for other in sorted(others)[:12]), default=0.0)


def _common(a: Sequence[str], b: Sequence[str]) -> int:
    """How many words two sequences have in common from their start."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
