"""The verdict: how probably two questions ask the same, calibrated on labelled pairs, with a bound of the error.

Fitted off-line by `python -m bench.verdict`, once per embedding model, into verdicts/<slug of its identity>.json.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from caching.forest import Forest, plant
from caching.likeness import FEATURES, features

FOLDER = Path(__file__).parent / "verdicts"
PRIOR = 1.0  # standard deviation of a project's offset, in log-odds
_CERTAIN = 1e-6  # no probability is nearer to 0 or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Of a pair that find_veto lets pass. `probability` is P(same question); `error` the upper end of a one-sided
    95 % confidence bound of 1 - P; `interval` a two-sided 95 % confidence interval of P. Both come from the counts of
    held-out pairs that were estimated alike. A project's offset shifts all of them; how sure the offset is, is not in
    them."""

    probability: float
    error: float
    interval: tuple[float, float]

    @property
    def wrong(self) -> tuple[float, float]:
        """The two-sided interval of 1 - P."""
        return 1 - self.interval[1], 1 - self.interval[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was fitted for one embedding model. `edges` are the lower ends of the bins, in rising probability."""

    forest: Forest
    slope: float
    intercept: float
    edges: tuple[float, ...]
    errors: tuple[float, ...]
    intervals: tuple[tuple[float, float], ...]


def estimate(asked: str, known: str, similarity: float, *, identity: str, offset: float = 0.0) -> Estimate | None:
    """How probably two questions are the same one, None where nothing was fitted for the embedder `identity`.

    `similarity` is the cosine of their vectors; `offset` a project's shift of the log-odds (fit_offset). Symmetric in
    the texts; never falling in the similarity. Raises ValueError for a similarity or offset that is no finite number.
    """
    if not (math.isfinite(similarity) and math.isfinite(offset)):
        raise ValueError("similarity and offset are finite numbers")
    verdict = load_verdict(identity)
    if verdict is None:
        return None
    score = verdict.forest.score(features(asked, known, similarity))
    probability = _expit(verdict.slope * score + verdict.intercept)
    bin_ = max(0, bisect_right(verdict.edges, probability) - 1)
    low, high = verdict.intervals[bin_]
    return Estimate(
        probability=_shifted(probability, offset),
        error=_shifted(verdict.errors[bin_], -offset),
        interval=(_shifted(low, offset), _shifted(high, offset)),
    )


def list_levels(identity: str, offset: float = 0.0) -> list[Estimate]:
    """The bounds that can be reached, the tightest first: what `estimate` says from each bin's lower end on."""
    verdict = load_verdict(identity)
    if verdict is None:
        return []
    levels: dict[float, Estimate] = {}
    for edge, error, (low, high) in zip(verdict.edges, verdict.errors, verdict.intervals, strict=True):
        level = Estimate(
            probability=_shifted(edge, offset),
            error=_shifted(error, -offset),
            interval=(_shifted(low, offset), _shifted(high, offset)),
        )
        levels.setdefault(level.error, level)
    return sorted(levels.values(), key=lambda level: level.error)


def fit_offset(judged: Sequence[tuple[float, bool]]) -> float:
    """The shift of the log-odds that a project's judged hits speak for: (probability without a shift, really the same).

    The most probable intercept of a logistic regression under a Gaussian prior around 0, so that a few judgements move
    it little and many move it as far as they have to; Newton's method (Murphy, Machine Learning, 2012, 8.3.2-8.3.6).
    The penalised likelihood is concave: the steps converge from anywhere, halved where one would overshoot.
    """
    logits = [(_logit(probability), same) for probability, same in judged]
    offset = 0.0
    for _ in range(50):
        shifted = [_expit(logit + offset) for logit, _ in logits]
        slope = sum(same - p for p, (_, same) in zip(shifted, logits, strict=True)) - offset / PRIOR**2
        bend = sum(p * (1 - p) for p in shifted) + 1 / PRIOR**2
        # A step longer than 1 would leave the region where the parabola is like the curve.
        step = max(-1.0, min(1.0, slope / bend))
        offset += step
        if abs(step) < 1e-9:
            break
    return offset


@cache
def load_verdict(identity: str) -> Verdict | None:
    """What was fitted for an embedder; None where nothing was. Raises ValueError for a file of other features."""
    path = FOLDER / f"{slug(identity)}.json"
    if not path.is_file():
        return None
    stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["identity"] != identity:
        return None
    if stored["features"] != list(FEATURES):
        raise ValueError(f"{path.name} was fitted on other features; run `python -m bench.verdict DATA`")
    bins = stored["bins"]
    return Verdict(
        forest=plant(stored["base"], stored["trees"]),
        slope=stored["slope"],
        intercept=stored["intercept"],
        edges=tuple(entry["from"] for entry in bins),
        errors=tuple(entry["error"] for entry in bins),
        intervals=tuple((entry["interval"][0], entry["interval"][1]) for entry in bins),
    )


def slug(identity: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", identity.lower()).strip("-")


def _logit(probability: float) -> float:
    kept = min(max(probability, _CERTAIN), 1 - _CERTAIN)
    return math.log(kept / (1 - kept))


def _expit(logit: float) -> float:
    # Two forms, so that no exponential overflows.
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else math.exp(logit) / (1 + math.exp(logit))


def _shifted(probability: float, offset: float) -> float:
    return _expit(_logit(probability) + offset) if offset else probability
