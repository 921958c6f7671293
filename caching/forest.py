"""Boosted regression trees, read from JSON and summed with numpy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# A branch is [feature, threshold, left, right]: left where the feature is at or below the threshold, the last two
# being places in the tree. A leaf is its value. The first node is the root.
Node = list[float] | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Forest:
    """The nodes of all trees one after the other; a leaf leads to itself."""

    base: float
    roots: npt.NDArray[np.intp]
    features: npt.NDArray[np.intp]
    thresholds: npt.NDArray[np.float64]
    below: npt.NDArray[np.intp]
    above: npt.NDArray[np.intp]
    values: npt.NDArray[np.float64]
    depth: int

    def score(self, row: npt.NDArray[np.float64]) -> float:
        """The sum of the trees for one row of features."""
        at = self.roots
        for _ in range(self.depth):
            at = np.where(row[self.features[at]] <= self.thresholds[at], self.below[at], self.above[at])
        return self.base + float(self.values[at].sum())


def plant(base: float, trees: Sequence[Sequence[Node]]) -> Forest:
    """A forest from its trees, as JSON holds them."""
    nodes: list[tuple[int, float, int, int, float]] = []
    roots: list[int] = []
    for tree in trees:
        start = len(nodes)
        roots.append(start)
        for node in tree:
            here = len(nodes)
            if isinstance(node, list):
                feature, threshold, below, above = node
                nodes.append((int(feature), threshold, start + int(below), start + int(above), 0.0))
            else:
                nodes.append((0, 0.0, here, here, float(node)))
    features, thresholds, below_, above_, values = zip(*nodes, strict=True)
    return Forest(
        base=base,
        roots=np.array(roots, dtype=np.intp),
        features=np.array(features, dtype=np.intp),
        thresholds=np.array(thresholds, dtype=np.float64),
        below=np.array(below_, dtype=np.intp),
        above=np.array(above_, dtype=np.intp),
        values=np.array(values, dtype=np.float64),
        depth=max(_depth(tree, 0) for tree in trees),
    )


def _depth(tree: Sequence[Node], at: int) -> int:
    node = tree[at]
    return 1 + max(_depth(tree, int(child)) for child in node[2:]) if isinstance(node, list) else 0
