"""`make eval EVAL_DATA=folder`: what the semantic cache would serve wrongly, on pairs that nothing was fitted on.

Prints Markdown tables; writes nothing but the vectors that it keeps for the next time (bench/pairs.py).
"""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from bench.hard_edits import KINDS as EDITS
from bench.hard_edits import HardEdit, make_hard_edits
from bench.intervals import wilson
from bench.pairs import (
    IDENTITY,
    SEED,
    Intent,
    Pair,
    embed,
    folder_of,
    read_intents,
    read_pairs,
    similarities,
    split,
)
from caching.verdict import estimate
from caching.vetoes import KINDS, find_veto, list_vetoes

COSINES = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97)
PROBABILITIES = (0.5, 0.7, 0.8, 0.85, 0.9, 0.92, 0.94)
BOUNDS = (0.01, 0.02, 0.05, 0.10, 0.12, 0.15, 0.20)
DEFAULT = 0.95
PER_KIND = 300  # hard edits
LEAST = 0.80  # cosine below which no rule of the stream test proposes anything
BLOCK = 1_000  # rows of the similarity matrix at a time
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Pairs with everything that a rule may look at. Rules are masks over them."""

    pairs: list[tuple[str, str]]
    cosine: Floats

    @cached_property
    def passed(self) -> Mask:
        return np.array([find_veto(a, b) is None for a, b in self.pairs], dtype=bool)

    @cached_property
    def estimates(self) -> Floats:
        """Probability and bound of the error, shape (pairs, 2)."""
        rows = []
        for (a, b), cosine in zip(self.pairs, self.cosine, strict=True):
            found = estimate(a, b, float(cosine), identity=IDENTITY)
            if found is None:
                sys.exit(f"no verdict was fitted for {IDENTITY}; run `python -m bench.verdict DATA`")
            rows.append((found.probability, found.error))
        return np.array(rows, dtype=float).reshape(-1, 2)

    @property
    def probability(self) -> Floats:
        """Of what a veto stops, none."""
        return np.where(self.passed, self.estimates[:, 0], 0.0)

    def within(self, bound: float) -> Mask:
        return self.passed & (self.estimates[:, 1] <= bound)


def main() -> None:
    usage = "make eval EVAL_DATA=folder, or python -m bench.evaluation folder"
    folder = folder_of(sys.argv[1:], usage)
    test = split(read_pairs(folder))["test"]
    judged = Judged(pairs=[(pair.a, pair.b) for pair in test], cosine=similarities(test))
    same = np.array([pair.same for pair in test])
    print(f"{len(test):,} labelled pairs of the test split, {same.sum():,} the same; 95 % intervals by Wilson\n")
    print_curves(judged, same)
    print_wanted(judged, same)
    print_vetoes(judged, same)
    print_calibration(judged, same)
    print_hard_edits(test, judged, same)
    print_stream(test)
    print_intents(read_intents(folder))


def head(title: str, *columns: str) -> None:
    print(f"\n## {title}\n")
    row(*columns)
    row(*("---" for _ in columns))


def row(*cells: object) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def share(hits: float, of: float) -> str:
    """A share in per cent with its interval."""
    if not of:
        return "–"
    low, high = wilson(hits, of)
    return f"{hits / of:.1%} ({low:.1%}–{high:.1%})"


def print_curves(judged: Judged, same: Mask) -> None:
    head("Precision and recall", "rule", "hits", "wrong", "precision", "recall", "F1")
    for cut in COSINES:
        _curve(f"cosine ≥ {cut:.2f}", judged.cosine >= cut, same)
    for cut in COSINES:
        _curve(f"cosine ≥ {cut:.2f}, no veto", (judged.cosine >= cut) & judged.passed, same)
    for cut in PROBABILITIES:
        _curve(f"estimate ≥ {cut:.2f}, no veto", judged.probability >= cut, same)
    for bound in BOUNDS:
        _curve(f"error bound ≤ {bound:.0%}, no veto", judged.within(bound), same)


def _curve(name: str, hit: Mask, same: Mask) -> None:
    hits, right = int(hit.sum()), int((hit & same).sum())
    f1 = 2 * right / (hits + int(same.sum()))
    row(name, hits, hits - right, share(right, hits), share(right, int(same.sum())), f"{f1:.3f}")


def print_wanted(judged: Judged, same: Mask) -> None:
    head("The asked figures", "figure", "cosine", "cosine, no veto", "estimate, no veto", "wanted")
    scores = (judged.cosine, np.where(judged.passed, judged.cosine, -1), judged.probability)
    plain = judged.cosine >= DEFAULT
    right = int((plain & same).sum())
    wrong = [wrong_at(score, same, right) for score in scores]
    recall = f"{right / same.sum():.3f}"
    row(f"wrong pairs at recall {recall}", *wrong, f"at most {wrong[0] // 2}")
    reached = [recall_at(score, same, 0.90) for score in scores]
    row("recall at precision 90 %", *(f"{value:.3f}" for value in reached), f"at least {2 * reached[0]:.3f}")
    estimates = (judged.cosine, np.where(judged.passed, judged.cosine, -1), judged.estimates[:, 0])
    aucs = [f"{roc_auc_score(same, score):.4f}" for score in estimates]
    row("AUC (the estimate's without vetoes)", *aucs, "")


def wrong_at(score: Floats, same: Mask, right: int) -> int:
    """The wrong pairs among the best, when `right` right ones are among them."""
    ranked = same[np.argsort(-score, kind="stable")]
    return int(np.searchsorted(np.cumsum(ranked), right)) + 1 - right


def recall_at(score: Floats, same: Mask, precision: float) -> float:
    """The largest recall of a threshold whose precision is at least `precision`. Ties are taken whole."""
    order = np.argsort(-score, kind="stable")
    right = np.cumsum(same[order])
    whole = np.append(np.diff(score[order]) != 0, True)
    reached = whole & (right / np.arange(1, len(right) + 1) >= precision)
    return float(right[reached].max() / same.sum()) if reached.any() else 0.0


def print_vetoes(judged: Judged, same: Mask) -> None:
    columns = ("kind", "of other questions", "of the same", f"of other ones, cosine ≥ {DEFAULT}", "of the same there")
    head("What the vetoes stop", *columns)
    kinds = [list_vetoes(a, b) for a, b in judged.pairs]
    near = judged.cosine >= DEFAULT
    for kind in (*KINDS, "any"):
        stopped = np.array([bool(found) if kind == "any" else kind in found for found in kinds])
        cells = [share((stopped & mask).sum(), mask.sum()) for mask in (~same, same, ~same & near, same & near)]
        row(kind, *cells)


def print_calibration(judged: Judged, same: Mask) -> None:
    passed = judged.passed
    probability, right = judged.estimates[passed, 0], same[passed]
    head("Calibration, pairs without a veto", "estimated", "pairs", "mean estimate", "the same")
    place = np.minimum((probability * 10).astype(int), 9)
    error = 0.0
    for n in range(10):
        inside = place == n
        if inside.any():
            error += float(abs(probability[inside].mean() - right[inside].mean()) * inside.mean())
            mean = f"{probability[inside].mean():.3f}"
            row(f"{n / 10:.1f}–{(n + 1) / 10:.1f}", int(inside.sum()), mean, share(right[inside].sum(), inside.sum()))
    print(f"\nexpected calibration error {error:.4f}")


def print_hard_edits(test: list[Pair], labelled: Judged, same: Mask) -> None:
    edits = make_hard_edits((text for pair in test for text in (pair.a, pair.b)), per_kind=PER_KIND, seed=SEED)
    judged = judge([(edit.original, edit.edited) for edit in edits])
    columns = (
        "cosine ≥ 0.95",
        "and no veto (default)",
        *(f"error ≤ {b:.0%}" for b in (0.02, 0.05, 0.10)),
        "vetoes alone",
    )
    head("Hard edits refused", "kind", "edits", *columns)
    refused = _refused(judged)
    for kind in (*EDITS, "all"):
        mine = np.array([kind in ("all", edit.kind) for edit in edits])
        row(kind, int(mine.sum()), *(share((mask & mine).sum(), mine.sum()) for mask in refused))
    row("true paraphrases refused", int(same.sum()), *(share((m & same).sum(), same.sum()) for m in _refused(labelled)))
    print_passed(edits, judged)


def _refused(judged: Judged) -> list[Mask]:
    """By plain cosine, the default rule, three bounds of the error, and the vetoes whatever the cosine."""
    plain = judged.cosine >= DEFAULT
    return [~plain, ~(plain & judged.passed), *(~judged.within(b) for b in (0.02, 0.05, 0.10)), ~judged.passed]


def print_passed(edits: list[HardEdit], judged: Judged) -> None:
    print("\nHard edits that no veto sees, the nearest first:\n")
    for n in np.argsort(-judged.cosine):
        if judged.passed[n] and judged.cosine[n] >= DEFAULT:
            print(f"- {judged.cosine[n]:.3f} {edits[n].kind}: {edits[n].original} → {edits[n].edited}")


def judge(pairs: list[tuple[str, str]]) -> Judged:
    vectors = embed(text for pair in pairs for text in pair)
    return Judged(pairs=pairs, cosine=np.array([float(vectors[a] @ vectors[b]) for a, b in pairs]))


def rules(judged: Judged) -> dict[str, Mask]:
    found: dict[str, Mask] = {}
    for cut in (0.95, 0.90):
        found[f"cosine ≥ {cut:.2f}"] = judged.cosine >= cut
        found[f"cosine ≥ {cut:.2f}, no veto"] = (judged.cosine >= cut) & judged.passed
    for cut in (0.9, 0.85, 0.8):
        found[f"estimate ≥ {cut:.2f}, no veto"] = judged.probability >= cut
    for bound in (0.02, 0.05, 0.10, 0.12, 0.15):
        found[f"error bound ≤ {bound:.0%}, no veto"] = judged.within(bound)
    return found


def nearest(asked: list[str], known: list[str]) -> list[tuple[str, str, float]]:
    """For each asked text the nearest known one that is not itself, and their cosine; none below LEAST."""
    vectors = embed([*asked, *known])
    cache = np.vstack([vectors[text] for text in known])
    place = {text: n for n, text in enumerate(known)}
    found = []
    for start in range(0, len(asked), BLOCK):
        block = asked[start : start + BLOCK]
        cosines = np.vstack([vectors[text] for text in block]) @ cache.T
        for n, text in enumerate(block):
            if text in place:
                cosines[n, place[text]] = -1
            best = int(cosines[n].argmax())
            if cosines[n, best] >= LEAST:
                found.append((text, known[best], float(cosines[n, best])))
    return found


def print_stream(test: list[Pair]) -> None:
    """The a's are in the cache, the b's are asked, each against all of it."""
    known, asked = list(dict.fromkeys(p.a for p in test)), list(dict.fromkeys(p.b for p in test))
    proposals = nearest(asked, known)
    judged = Judged(pairs=[(a, b) for a, b, _ in proposals], cosine=np.array([cosine for *_, cosine in proposals]))
    labels = {frozenset((pair.a, pair.b)): pair.same for pair in test}
    outcome = [labels.get(frozenset(pair)) for pair in judged.pairs]
    columns = ("rule", "hit rate", "labelled hits", "of them wrong", "unlabelled hits")
    head(f"Stream: {len(asked):,} questions asked of a cache of {len(known):,}", *columns)
    for name, hit in rules(judged).items():
        counted = Counter(label for label, is_hit in zip(outcome, hit, strict=True) if is_hit)
        labelled = counted[True] + counted[False]
        row(name, share(hit.sum(), len(asked)), labelled, share(counted[False], labelled), counted[None])


def print_intents(sets: dict[str, list[Intent]]) -> None:
    """Every text asked of a cache that holds all others: a hit of another intent is false."""
    for name, intents in sets.items():
        label = {intent.text: intent.label for intent in intents}
        texts = list(label)
        proposals = nearest(texts, texts)
        judged = Judged(pairs=[(a, b) for a, b, _ in proposals], cosine=np.array([cosine for *_, cosine in proposals]))
        false = np.array([label[a] != label[b] for a, b in judged.pairs])
        head(f"Intents: {name}, {len(texts):,} texts", "rule", "hit rate", "hits of another intent")
        for rule, hit in rules(judged).items():
            row(rule, share(hit.sum(), len(texts)), f"{(hit & false).sum()}: {share((hit & false).sum(), hit.sum())}")


if __name__ == "__main__":
    main()
