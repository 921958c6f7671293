"""Curves as SVG, those of every benchmark in one look; the same figures give the same file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bench.figures import Spread

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def panels(*titles: str, sharey: bool = False) -> tuple[Figure, Sequence[Axes]]:
    """A panel for each title, side by side, over sizes on a logarithmic scale."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.family": "sans-serif"})
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(titles), figsize=(9, 4), facecolor="#fcfcfa", sharey=sharey)
    for plot, title in zip(axes, titles, strict=True):
        plot.set_xscale("log")
        plot.set_facecolor("#fcfcfa")
        plot.set_title(title, fontsize=10, loc="left")
        for edge in ("top", "right"):
            plot.spines[edge].set_visible(False)
    return figure, axes


def curve(plot: Axes, sizes: Sequence[int], values: Sequence[float], colour: str, name: str) -> None:
    plot.plot(sizes, values, color=colour, marker="o", markersize=4, label=name)


def times(plot: Axes, sizes: Sequence[int], spreads: Sequence[Spread], colour: str, name: str) -> None:
    """The medians of milliseconds, and dotted the 95th percentiles."""
    curve(plot, sizes, [spread.median for spread in spreads], colour, name)
    plot.plot(sizes, [spread.p95 for spread in spreads], color=colour, linewidth=0.8, linestyle=":")


def save(figure: Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
