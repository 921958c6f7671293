"""Confidence intervals of a share, from counts."""

from __future__ import annotations

import math

from scipy.stats import beta

Z = 1.959964  # of a two-sided 95 % interval


def wilson(hits: float, of: float) -> tuple[float, float]:
    """Wilson's 95 % score interval (1927); (0, 1) of nothing."""
    if not of:
        return 0.0, 1.0
    share, square = hits / of, Z * Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z * math.sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def upper_bound(hits: float, of: float, confidence: float = 0.95) -> float:
    """Clopper and Pearson's one-sided bound (1934): never too small, whatever the true share."""
    return 1.0 if hits >= of else float(beta.ppf(confidence, hits + 1, of - hits))


def exact(hits: float, of: float) -> tuple[float, float]:
    """Clopper and Pearson's two-sided 95 % interval."""
    low = 0.0 if hits <= 0 else float(beta.ppf(0.025, hits, of - hits + 1))
    return low, upper_bound(hits, of, 0.975)
