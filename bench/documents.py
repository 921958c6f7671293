"""`make eval EVAL_DATA=folder`: what comes out of real files of every kind, good, odd and broken.

Each file of docs_ingest/MANIFEST_dev.csv goes through `knowledge.reading.read`, as an upload does. Where the corpus has
another tool's text of a file, word recall says how much of it we have too: of its words, each as often as it stands
there, the share that ours has. Prints Markdown tables.
"""

from __future__ import annotations

import csv
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import django

WORD = re.compile(r"\w+")
TARGET = 0.95
WORST = 8
# The codes that end a file of a class rightly; "" is text.
RIGHT = {
    "good": {""},
    "malformed": {"", "damaged"},
    "encoding": {""},
    "encrypted": {"", "encrypted"},
    "no_text": {"no_text"},
    "empty": {"empty", "no_text"},
    "huge": {""},
    "unsupported": {"", "unsupported_file"},
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`code` is that of the refusal, "" where text came out; `recall` is None without a truth."""

    name: str
    kind: str
    code: str
    reason: str
    characters: int
    seconds: float
    recall: float | None

    @property
    def is_right(self) -> bool:
        must_open = "owner" in self.name and self.kind == "encrypted"
        return self.code in RIGHT[self.kind] and not (must_open and self.code)


def main() -> None:
    folder = Path(sys.argv[1]) / "docs_ingest"
    outcomes = list(read_all(folder))
    print("\n## Reading real files\n")
    _print_classes(outcomes)
    _print_recall(outcomes)
    wrong = [outcome for outcome in outcomes if not outcome.is_right]
    for outcome in wrong:
        print(f"Wrong: {outcome.name} ({outcome.kind}): {outcome.code or 'text'} {outcome.reason}")
    seconds = sum(outcome.seconds for outcome in outcomes)
    print(f"{len(outcomes)} files in {seconds:.1f} s, {len(wrong)} in a wrong state.")


def read_all(folder: Path) -> Iterator[Outcome]:
    from core.errors import PolyAIError
    from knowledge.reading import read

    with (folder / "MANIFEST_dev.csv").open(newline="") as manifest:
        rows = list(csv.DictReader(manifest))
    for row in rows:
        code, reason, text = "", "", ""
        start = time.perf_counter()
        try:
            with (folder / row["file"]).open("rb") as file:
                reading = read(row["file"], file)
            text, reason = "\n\n".join(part.text for part in reading.parts), reading.notes
        except PolyAIError as error:
            code, reason = error.code, error.message
        yield Outcome(
            name=row["file"].removeprefix("dev/files/"),
            kind=row["cls"],
            code=code,
            reason=reason,
            characters=len(text),
            seconds=time.perf_counter() - start,
            recall=word_recall(_truth(folder, row["truth"]), text) if row["truth"] else None,
        )


def _truth(folder: Path, name: str) -> str:
    path = folder / name
    return (path if path.exists() else folder / "dev" / name).read_text()


def word_recall(truth: str, text: str) -> float:
    """The share of the truth's words, each counted as often as it stands there, that the text has. 0 to 1."""
    wanted, found = Counter(WORD.findall(truth.lower())), Counter(WORD.findall(text.lower()))
    return sum(min(n, found[word]) for word, n in wanted.items()) / max(wanted.total(), 1)


def _print_classes(outcomes: list[Outcome]) -> None:
    print("| class | files | text | refused, by code | in the right state | slowest |\n|---|--:|--:|---|--:|--:|")
    for kind in sorted({outcome.kind for outcome in outcomes}):
        those = [outcome for outcome in outcomes if outcome.kind == kind]
        codes = Counter(outcome.code for outcome in those if outcome.code)
        refused = ", ".join(f"{code} {n}" for code, n in codes.most_common())
        right = sum(outcome.is_right for outcome in those)
        read = sum(not outcome.code for outcome in those)
        slowest = max(outcome.seconds for outcome in those)
        print(f"| {kind} | {len(those)} | {read} | {refused} | {right} of {len(those)} | {slowest:.2f} s |")


def _print_recall(outcomes: list[Outcome]) -> None:
    scored = sorted((outcome.recall, outcome.name) for outcome in outcomes if outcome.recall is not None)
    if not scored:
        return
    middle = median(recall for recall, _ in scored)
    verdict = "reached" if middle >= TARGET else "MISSED"
    print(f"\nWord recall against {len(scored)} truths: median {middle:.3f} (target {TARGET}: {verdict}). The worst:\n")
    print("| file | word recall |\n|---|--:|")
    for recall, name in scored[:WORST]:
        print(f"| {name} | {recall:.3f} |")
    print()


if __name__ == "__main__":
    django.setup()
    main()
