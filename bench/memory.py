"""Memory of all processes of the running product."""

from __future__ import annotations

from tests.product import Product


def measure(product: Product) -> tuple[float, float]:
    """Megabytes: resident, and proportional (pages that processes share are counted once in all)."""
    rss = pss = 0.0
    for process in product.processes():
        full = process.memory_full_info()
        rss += full.rss / 1e6
        pss += getattr(full, "pss", full.rss) / 1e6
    return rss, pss


def by_process(product: Product) -> list[tuple[str, float]]:
    """Each process with its proportional megabytes, largest first."""
    rows: list[tuple[str, float]] = []
    for process in product.processes():
        words = [word.rsplit("/", 1)[-1] for word in process.cmdline()[:6]]
        full = process.memory_full_info()
        rows.append((" ".join(words)[:60], getattr(full, "pss", full.rss) / 1e6))
    return sorted(rows, key=lambda row: -row[1])
