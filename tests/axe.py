"""axe-core looks at a page: `check(page)` fails with every breach of WCAG 2.2 A and AA that it finds."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OPTIONS = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}


def problems(page: Page, within: str | None = None) -> list[str]:
    """A line for each element that breaks a rule, in the whole page or in what a selector finds."""
    # What fades in has its colours at its end.
    page.evaluate(
        "() => document.getAnimations().filter((a) => a.effect.getTiming().iterations < 9).forEach((a) => a.finish())"
    )
    found = Axe().run(page, context=within, options=OPTIONS).response["violations"]
    return [
        f"{breach['id']} at {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for breach in found
        for node in breach["nodes"]
    ]


def check(page: Page, within: str | None = None) -> None:
    """`check(page)`, and once more after a panel or dialog has opened."""
    found = problems(page, within)
    assert not found, f"{page.url}\n" + "\n".join(found)
