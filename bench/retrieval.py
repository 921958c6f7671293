"""`python -m bench.retrieval folder [collection …]`: how well searches find what people judged relevant, and how fast.

Each collection is read, cut, embedded and stored by the product, a document for each passage. Compared are the dense
side alone, the lexical side alone, PostgreSQL's own ts_rank, both sides by reciprocal rank (k 60), and the search as
it is. Weights and depths were chosen on the questions with even numbers, while the others' figures were in sight; mtrag
was not looked at before they stood.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from bench.figures import Clock, Spread, row
from bench.stage import on_stage

if TYPE_CHECKING:  # they need Django's settings, which the stage sets
    from accounts.models import Project
    from knowledge.passages import Ranked
    from providers.types import Vector

SETS = {
    "cranfield": ("retrieval_cranfield", "english"),
    "xquad en": ("retrieval_xquad/en", "english"),
    "xquad de": ("retrieval_xquad/de", "german"),
    "xquad zh": ("retrieval_xquad/zh", "simple"),
    "msmarco_5k": ("retrieval_msmarco_5k", "english"),
    "mtrag": ("rag_multiturn_mtrag", "english"),
}
DEPTH = 100
BATCH = 64
TIMED = 150  # questions of each set
WAYS = ("dense", "lexical", "ts_rank", "reciprocal rank", "fused")
Ranking = list[str]  # ids of documents, best first


@dataclass(frozen=True, kw_only=True)
class Collection:
    name: str
    config: str  # of PostgreSQL's full-text search
    documents: Mapping[str, str]
    questions: Mapping[str, str]
    gains: Mapping[str, Mapping[str, int]]


def main() -> None:
    if len(sys.argv) < 2 or not Path(sys.argv[1]).is_dir() or not set(sys.argv[2:]) <= set(SETS):
        sys.exit(f"usage: python -m bench.retrieval folder [{' | '.join(SETS)}]")
    wanted = sys.argv[2:] or list(SETS)
    found = [read(Path(sys.argv[1]), name) for name in wanted if (Path(sys.argv[1]) / SETS[name][0]).is_dir()]
    if not found:
        print(f"{sys.argv[1]} has none of {', '.join(folder for folder, _ in SETS.values())}", file=sys.stderr)
        return
    with on_stage() as here:
        here.product.start()
        os.environ.update(here.product.environment)
        import django

        django.setup()
        columns = ("collection", "way", "nDCG@10", "recall@10", "recall@100", "test half: nDCG@10", "p50 ms", "p95 ms")
        row(*columns)
        row(*("---" for _ in columns))
        for collection in found:
            measure(collection, here.kept)


def read(folder: Path, name: str) -> Collection:
    place, config = SETS[name]
    place_of = folder / place
    gains: defaultdict[str, dict[str, int]] = defaultdict(dict)
    judged = next(f for f in (*place_of.glob("qrels*.tsv"), place_of.parent / "qrels.tsv") if f.exists())
    for line in judged.read_text(encoding="utf-8").splitlines()[1:]:
        question, document, gain = line.split("\t")
        if int(gain) > 0:
            gains[question][document] = int(gain)
    documents = {item["_id"]: _markdown(item) for item in _lines(place_of / "corpus.jsonl") if item["text"].strip()}
    questions = {identity: text for identity, text in _questions(place_of) if gains[identity]}
    return Collection(name=name, config=config, documents=documents, questions=questions, gains=gains)


def _questions(place: Path) -> Iterator[tuple[str, str]]:
    """Id and text; of a conversation the last thing its user says."""
    if (place / "queries.jsonl").exists():
        yield from ((item["_id"], item["text"]) for item in _lines(place / "queries.jsonl"))
        return
    for item in _lines(next(place.glob("tasks*.jsonl"))):
        yield item["task_id"], item["messages"][-1]["content"]


def _lines(file: Path) -> list[dict[str, Any]]:  # Any: JSON
    return [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]


def _markdown(item: Mapping[str, Any]) -> str:
    title = " ".join(item.get("title", "").replace("_", " ").split())
    return f"# {title}\n\n{item['text']}" if title else item["text"]


def measure(collection: Collection, kept: Path) -> None:
    from accounts.services import create_project
    from knowledge.words import recount

    project = create_project(name=collection.name)
    _ingest(project, collection.documents, kept)
    recount(project.id)
    texts = list(collection.questions.values())
    vectors = embed(texts, kept)
    ways: dict[str, list[Ranking]] = {way: [] for way in WAYS}
    for text, vector in zip(texts, vectors, strict=True):
        for way, ranking in _rankings(project, collection.config, text, vector).items():
            ways[way].append(ranking)
    times = _times(project, texts[:TIMED], vectors)
    ids = list(collection.questions)
    for way in WAYS:
        scores = [score(ranking, collection.gains[i]) for ranking, i in zip(ways[way], ids, strict=True)]
        everything, test = np.mean(scores, axis=0), np.mean(scores[1::2], axis=0)
        spread = times.get(way)
        quick = (f"{spread.median:.1f}", f"{spread.p95:.1f}") if spread else ("", "")
        row(collection.name, way, *(f"{value:.4f}" for value in everything), f"{test[0]:.4f}", *quick)


def _ingest(project: Project, documents: Mapping[str, str], kept: Path) -> None:
    """Read, cut, embed and store as ingestion does, all documents at once: one by one they would take an hour."""
    from django.core.files.base import ContentFile
    from django.db import connection

    from knowledge.chunking import split
    from knowledge.models import Chunk, ChunkEmbedding, Document
    from knowledge.reading import read
    from knowledge.spaces import get_or_create_space, text_to_embed
    from knowledge.words import store_words
    from providers.registry import get_embedder

    chunks: list[Chunk] = []
    for identity, text in documents.items():
        name = f"{identity}.md"
        document = Document.objects.create(project=project, name=name, size=len(text), state="ready", live_version=1)
        own = [
            Chunk(
                document=document,
                version=1,
                position=position,
                text=piece.text,
                content_hash=hashlib.sha256(piece.text.encode()).hexdigest(),
                metadata={"heading_path": list(piece.heading_path), "part": 0, "start": piece.start, "end": piece.end},
            )
            for position, piece in enumerate(split(read(name, ContentFile(text.encode())).parts))
        ]
        Chunk.objects.bulk_create(own)
        store_words(document, own)
        chunks += own
    vectors = embed([text_to_embed(chunk.document.name, chunk) for chunk in chunks], kept)
    space = get_or_create_space(get_embedder())
    ChunkEmbedding.objects.bulk_create(
        (
            ChunkEmbedding(chunk=chunk, space=space, project_id=project.id, embedding=vector)
            for chunk, vector in zip(chunks, vectors, strict=True)
        ),
        batch_size=500,
        ignore_conflicts=True,  # the product embeds by itself what it finds without a vector
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE knowledge_chunkwords, knowledge_chunkembedding, knowledge_chunk, knowledge_document")


def embed(texts: Sequence[str], kept: Path) -> npt.NDArray[np.float32]:
    """The bundled model's vectors, kept for the next time."""
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
    file = kept / f"retrieval-{digest}.npy"
    if not file.exists():
        kept.mkdir(parents=True, exist_ok=True)
        from providers.minilm import MiniLM

        print(f"embedding {len(texts):,} texts …", file=sys.stderr, flush=True)
        model = MiniLM(threads=os.cpu_count() or 1)
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))  # batches of like lengths need little padding
        vectors = np.vstack(
            [model.embed([texts[n] for n in order[start : start + BATCH]])[0] for start in range(0, len(order), BATCH)]
        )
        unfinished = file.with_suffix(".tmp.npy")
        np.save(unfinished, vectors[np.argsort(order)])
        unfinished.replace(file)
    found: npt.NDArray[np.float32] = np.load(file)
    return found


def _rankings(project: Project, config: str, text: str, vector: Vector) -> dict[str, Ranking]:
    from accounts.types import OPERATOR
    from knowledge.retrieval import rank
    from knowledge.spaces import find_space
    from knowledge.types import Filters
    from providers.registry import get_embedder

    space = find_space(get_embedder())
    rows = rank(OPERATOR, project.id, space, vector, text, filters=Filters(), pool=2 * DEPTH, depth=DEPTH)

    def by(key: Callable[[Ranked], float]) -> Ranking:
        return documents_of([item.document for item in sorted(rows, key=key)])

    never = 10**6
    return {
        "dense": documents_of(_sorted(rows, "dense_rank")),
        "lexical": documents_of(_sorted(rows, "lexical_rank")),
        "ts_rank": documents_of(_by_ts_rank(project, config, text)),
        "reciprocal rank": by(lambda r: -1 / (60 + (r.dense_rank or never)) - 1 / (60 + (r.lexical_rank or never))),
        "fused": documents_of([item.document for item in rows]),
    }


def _sorted(rows: Sequence[Ranked], place: str) -> list[str]:
    ranked = [(getattr(item, place), item.document) for item in rows if getattr(item, place)]
    return [document for _, document in sorted(ranked)]


def documents_of(names: Sequence[str]) -> Ranking:
    """Each document once, where its best chunk stands."""
    return list(dict.fromkeys(name.removesuffix(".md") for name in names))


def _by_ts_rank(project: Project, config: str, text: str) -> list[str]:
    """PostgreSQL's full-text search as one finds it described: any word of the question, ranked by ts_rank."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT name FROM (
                SELECT document.name, to_tsvector(%(config)s::regconfig, chunk.text) AS vector,
                       replace(plainto_tsquery(%(config)s::regconfig, %(text)s)::text, '&', '|')::tsquery AS query
                FROM knowledge_chunk chunk JOIN knowledge_document document ON document.id = chunk.document_id
                WHERE document.project_id = %(project)s
            ) found
            WHERE vector @@ query
            ORDER BY ts_rank(vector, query, 1) DESC LIMIT %(depth)s
            """,
            {"config": config, "text": text, "project": project.id, "depth": DEPTH},
        )
        return [name for (name,) in cursor.fetchall()]


def score(ranking: Ranking, gains: Mapping[str, int]) -> tuple[float, float, float]:
    """nDCG@10 (Järvelin & Kekäläinen 2002), recall@10 and recall@100."""
    found = [gains.get(document, 0) for document in ranking]
    ideal = sorted(gains.values(), reverse=True)
    ndcg = _discounted(found[:10]) / _discounted(ideal[:10])
    return ndcg, sum(map(bool, found[:10])) / len(gains), sum(map(bool, found[:DEPTH])) / len(gains)


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / math.log2(place + 2) for place, gain in enumerate(gains))


def _times(project: Project, texts: Sequence[str], vectors: npt.NDArray[np.float32]) -> dict[str, Spread]:
    """Milliseconds of a search as the chat makes it, in turn: with both sides, by words alone, by meaning alone."""
    from accounts.types import OPERATOR
    from knowledge.retrieval import search
    from providers.registry import get_embedder

    embedder = get_embedder()
    times: dict[str, list[float]] = {"fused": [], "lexical": [], "dense": []}
    for text, vector in zip(texts, vectors, strict=False):
        for way, asked, near in (("fused", text, vector), ("lexical", text, None), ("dense", "?", vector)):
            with Clock() as clock:
                search(OPERATOR, project.id, embedder, asked, near)
            times[way].append(clock.ms)
    return {way: Spread(values=values[5:]) for way, values in times.items()}


if __name__ == "__main__":
    main()
