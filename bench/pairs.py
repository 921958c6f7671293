"""Labelled pairs of questions: read, embedded in this process, and split so that no question is on two sides."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from providers.types import Vectors

IDENTITY = "local|all-MiniLM-L6-v2"  # OpenAIEmbedder.identity of the bundled embedder
SEED = 20261121
SHARES = {"fit": 0.6, "calibrate": 0.2, "test": 0.2}
BATCH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    a: str
    b: str
    same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A text and what it was labelled to ask for."""

    text: str
    label: str


def folder_of(arguments: Sequence[str], usage: str) -> Path:
    """The data folder named on the command line; ends the program with a word on what is wrong otherwise."""
    if len(arguments) != 1 or not arguments[0]:
        sys.exit(f"usage: {usage}")
    folder = Path(arguments[0])
    wanted = folder / "paraphrase_qqp" / "pairs_dev.jsonl"
    if not wanted.is_file():
        sys.exit(f"{folder} is not the data folder: it has no {wanted.relative_to(folder)}")
    return folder


def read_pairs(folder: Path) -> list[Pair]:
    lines = (folder / "paraphrase_qqp" / "pairs_dev.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return [Pair(a=row["a"], b=row["b"], same=row["label"] == 1) for row in rows]


def read_intents(folder: Path) -> dict[str, list[Intent]]:
    """The two intent sets by name, each text once; those of CLINC150 that are out of scope are left out."""
    with (folder / "intents_banking77" / "train.csv").open(encoding="utf-8", newline="") as file:
        banking = [Intent(text=row["text"], label=row["category"]) for row in csv.DictReader(file)]
    splits = json.loads((folder / "intents_clinc150" / "data_full.json").read_text(encoding="utf-8"))
    clinc = [Intent(text=text, label=label) for text, label in splits["train"] + splits["test"]]
    return {
        name: list({intent.text: intent for intent in intents}.values())
        for name, intents in {"banking77": banking, "clinc150": clinc}.items()
    }


def split(pairs: Sequence[Pair], seed: int = SEED) -> dict[str, list[Pair]]:
    """Connected components of questions, dealt to fit, calibrate and test: no question is on two sides."""
    dealt = components(pairs)
    random.Random(seed).shuffle(dealt)
    sides: dict[str, list[Pair]] = {side: [] for side in SHARES}
    for component in dealt:
        emptiest = min(SHARES, key=lambda side: len(sides[side]) / SHARES[side])
        sides[emptiest].extend(component)
    return sides


def components(pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs in groups: two of them are in one group if questions lead from the one to the other."""
    parent: dict[str, str] = {}

    def root(text: str) -> str:
        parent.setdefault(text, text)
        while parent[text] != text:
            parent[text] = parent[parent[text]]
            text = parent[text]
        return text

    for pair in pairs:
        parent[root(pair.a)] = root(pair.b)
    found: defaultdict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        found[root(pair.a)].append(pair)
    return list(found.values())


def embed(texts: Iterable[str]) -> dict[str, npt.NDArray[np.float32]]:
    """Each text's vector by the bundled model. Kept under POLYAI_HOME or the temporary folder: 20,000 take minutes."""
    wanted = sorted(set(texts), key=lambda text: (len(text), text))  # batches of like lengths need little padding
    digest = hashlib.sha256("\0".join([IDENTITY, *wanted]).encode()).hexdigest()[:16]
    kept = Path(os.environ.get("POLYAI_HOME") or tempfile.gettempdir()) / f"bench-vectors-{digest}.npy"
    if not kept.exists():
        vectors = _embed(wanted)
        unfinished = kept.with_suffix(".tmp.npy")
        np.save(unfinished, vectors)
        unfinished.replace(kept)
    return dict(zip(wanted, np.load(kept), strict=True))


def _embed(texts: Sequence[str]) -> Vectors:
    from providers.minilm import MiniLM

    model = MiniLM(threads=os.cpu_count() or 1)
    print(f"embedding {len(texts):,} texts …", file=sys.stderr, flush=True)
    return np.vstack([model.embed(list(texts[n : n + BATCH]))[0] for n in range(0, len(texts), BATCH)])


def similarities(pairs: Sequence[Pair]) -> npt.NDArray[np.float64]:
    """Cosine of each pair, shape (pairs,)."""
    vectors = embed(text for pair in pairs for text in (pair.a, pair.b))
    return np.array([float(vectors[pair.a] @ vectors[pair.b]) for pair in pairs])
