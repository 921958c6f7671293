"""`python -m bench.verdict DATA`: fit, calibrate and draw the semantic cache's verdict for the bundled embedder."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from bench.intervals import exact, upper_bound, wilson
from bench.pairs import IDENTITY, SEED, SHARES, Pair, components, folder_of, read_pairs, similarities, split
from caching.forest import Node, plant
from caching.likeness import FEATURES, features
from caching.verdict import FOLDER, slug
from caching.vetoes import find_veto

ROOT = Path(__file__).resolve().parent.parent
PLOT = ROOT / "docs" / "verdict-reliability.svg"
SEEDS = 3
BIN = 75  # groups of pairs in a bin, at least
SETTINGS = {
    "max_iter": 200, "learning_rate": 0.05, "max_leaf_nodes": 8, "max_depth": 6, "min_samples_leaf": 40,
    "l2_regularization": 5.0, "max_features": 0.4,
}  # fmt: skip
Floats = npt.NDArray[np.float64]
Stored = dict[str, Any]  # Any: JSON


def main() -> None:
    folder = folder_of(sys.argv[1:], "python -m bench.verdict DATA")
    sides = split(read_pairs(folder))
    models = fit(sides["fit"])
    base, trees = export(models)
    check(models, base, trees, sides["calibrate"])
    held_out = [pair for pair in sides["calibrate"] if find_veto(pair.a, pair.b) is None]
    scores = score(base, trees, held_out)
    slope, intercept = calibrate(scores, held_out)
    probabilities = 1 / (1 + np.exp(-(slope * scores + intercept)))
    stored: Stored = {
        "identity": IDENTITY,
        "provenance": provenance(sides, held_out),
        "features": list(FEATURES),
        "slope": round(slope, 6),
        "intercept": round(intercept, 6),
        "bins": bins(probabilities, held_out),
        "base": base,
        "trees": trees,
    }
    path = FOLDER / f"{slug(IDENTITY)}.json"
    path.write_text(written(stored), encoding="utf-8")
    shown = [pair for pair in sides["test"] if find_veto(pair.a, pair.b) is None]
    draw(1 / (1 + np.exp(-(slope * score(base, trees, shown) + intercept))), shown, stored["bins"])
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes, {len(trees)} trees")
    for entry in stored["bins"]:
        print(entry)


def table(pairs: list[Pair]) -> Floats:
    """The features of pairs, shape (pairs, features)."""
    rows = zip(pairs, similarities(pairs), strict=True)
    return np.array([features(pair.a, pair.b, float(similarity)) for pair, similarity in rows])


def labels(pairs: list[Pair]) -> npt.NDArray[np.bool_]:
    return np.array([pair.same for pair in pairs])


def fit(pairs: list[Pair]) -> list[HistGradientBoostingClassifier]:
    """Boosted trees that never fall in the similarity; of several seeds, as one alone owes much to its luck."""
    rows, same = table(pairs), labels(pairs)
    rising = [int(name == "similarity") for name in FEATURES]
    return [
        HistGradientBoostingClassifier(
            monotonic_cst=rising, random_state=SEED + n, early_stopping=False, **SETTINGS
        ).fit(rows, same)
        for n in range(SEEDS)
    ]


def export(models: list[HistGradientBoostingClassifier]) -> tuple[float, list[list[Node]]]:
    """The mean of the models, as JSON holds it. scikit-learn has no public door to its trees;
    check() proves the copy."""
    predictors = [predictor for model in models for (predictor,) in model._predictors]
    trees = [[_node(node) for node in predictor.nodes] for predictor in predictors]
    base = float(np.mean([model._baseline_prediction.item() for model in models]))
    return base, trees


def _node(node: Any) -> Node:  # Any: a row of scikit-learn's structured array
    if node["is_leaf"]:
        return float(f"{node['value'] / SEEDS:.4g}")
    # Thresholds in full: a share like 1/3 may lie exactly on one, and would change sides by rounding.
    return [int(node["feature_idx"]), float(node["num_threshold"]), int(node["left"]), int(node["right"])]


def check(
    models: list[HistGradientBoostingClassifier], base: float, trees: list[list[Node]], pairs: list[Pair]
) -> None:
    """Ends the program if the exported trees do not say what scikit-learn's models say."""
    theirs = np.mean([model.decision_function(table(pairs)) for model in models], axis=0)
    if not np.allclose(score(base, trees, pairs), theirs, atol=1e-3):
        sys.exit("the exported trees differ from the fitted ones: has scikit-learn changed its layout?")


def score(base: float, trees: list[list[Node]], pairs: list[Pair]) -> Floats:
    forest = plant(base, trees)
    return np.array([forest.score(row) for row in table(pairs)])


def calibrate(scores: Floats, pairs: list[Pair]) -> tuple[float, float]:
    """Platt's scaling (1999) on pairs that the fit did not see."""
    line = LogisticRegression(C=1e6).fit(scores[:, None], labels(pairs))
    return float(line.coef_[0, 0]), float(line.intercept_[0])


def bins(probabilities: Floats, pairs: list[Pair]) -> list[Stored]:
    """Bins of held-out pairs in rising probability, joined until the share of wrong ones falls from each to the next.

    Pairs that share questions are not independent: each group of them counts as one.
    """
    group = {id(pair): number for number, members in enumerate(components(pairs)) for pair in members}
    order = np.argsort(probabilities, kind="stable")
    cut: list[list[int]] = [[]]
    for place in order:
        if len({group[id(pairs[i])] for i in cut[-1]}) >= BIN:
            cut.append([])
        cut[-1].append(int(place))
    if len(cut) > 1 and len({group[id(pairs[i])] for i in cut[-1]}) < BIN:
        cut[-2].extend(cut.pop())
    counted = [_count(members, pairs, group) for members in cut]
    places = list(zip(cut, counted, strict=True))
    while rising := [n for n, (a, b) in enumerate(pairwise(places)) if a[1][1] / a[1][0] <= b[1][1] / b[1][0]]:
        n = rising[0]
        joined = places[n][0] + places[n + 1][0]
        places[n : n + 2] = [(joined, _count(joined, pairs, group))]
    found: list[Stored] = []
    for members, (groups, wrong) in places:
        low, high = exact(wrong, groups)
        error = upper_bound(wrong, groups)
        found.append(
            {
                "from": round(float(probabilities[members].min()), 6) if found else 0.0,
                "pairs": len(members),
                "wrong": sum(not pairs[i].same for i in members),
                "groups": groups,
                "error": round(min([error, *(entry["error"] for entry in found)]), 5),
                "interval": [round(1 - high, 5), round(1 - low, 5)],
            }
        )
    return found


def _count(members: list[int], pairs: list[Pair], group: dict[int, int]) -> tuple[int, float]:
    """How many groups, and how many of them are wrong: one of which half the pairs are wrong counts a half."""
    of: dict[int, list[bool]] = {}
    for i in members:
        of.setdefault(group[id(pairs[i])], []).append(not pairs[i].same)
    return len(of), sum(sum(wrong) / len(wrong) for wrong in of.values())


def provenance(sides: dict[str, list[Pair]], held_out: list[Pair]) -> Stored:
    return {
        "data": "Quora Question Pairs as in GPTCache's benchmark, pairs_dev (23,435 labelled pairs)",
        "split": "connected components of questions, shuffled, dealt " + str(SHARES),
        "pairs": {side: len(pairs) for side, pairs in sides.items()},
        "calibrated_on": f"{len(held_out)} pairs of calibrate that no veto stops",
        "seed": SEED,
        "date": datetime.now(UTC).date().isoformat(),
        "scikit_learn": sklearn.__version__,
        "model": {"kind": "HistGradientBoostingClassifier, rising in similarity", "seeds": SEEDS, **SETTINGS},
    }


def written(stored: Stored) -> str:
    """JSON with a line for each part, each bin and each tree: what a fit changes is seen in a diff."""
    lines = []
    for key, value in stored.items():
        if key in ("bins", "trees"):
            rows = ",\n  ".join(json.dumps(row, separators=(",", ":")) for row in value)
            lines.append(f'"{key}": [\n  {rows}\n]')
        else:
            lines.append(f'"{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(lines) + "\n}\n"


def draw(probabilities: Floats, pairs: list[Pair], stored: list[Stored]) -> None:
    """The reliability curve: what was promised beside what came true, on pairs that no step before has seen."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "verdict", "font.family": "sans-serif"})
    from matplotlib import pyplot as plt

    same = labels(pairs)
    place = np.searchsorted([entry["from"] for entry in stored], probabilities, side="right") - 1
    filled = [n for n in range(len(stored)) if (place == n).any()]
    at = [float(probabilities[place == n].mean()) for n in filled]
    share = [float(same[place == n].mean()) for n in filled]
    ends = [wilson(int(same[place == n].sum()), int((place == n).sum())) for n in filled]
    low, high = ([abs(y - end[side]) for y, end in zip(share, ends, strict=True)] for side in (0, 1))
    figure, axes = plt.subplots(figsize=(5, 5), facecolor="#fcfcfa")
    axes.set_facecolor("#fcfcfa")
    axes.plot([0, 1], [0, 1], color="#bbbbbb", linewidth=1)
    axes.errorbar(at, share, yerr=[low, high], fmt="o", color="#1f5f8b", ecolor="#9cbcd1", markersize=5, capsize=0)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="estimated P(same question)", ylabel="share labelled the same")
    axes.set_title(f"Verdict on {len(pairs):,} pairs of the test split, 95 % intervals", fontsize=10, loc="left")
    for edge in ("top", "right"):
        axes.spines[edge].set_visible(False)
    figure.tight_layout()
    figure.savefig(PLOT, metadata={"Date": None})


if __name__ == "__main__":
    main()
