"""Chunks a second through the whole of ingestion, beside the embedder alone on the same texts."""

from __future__ import annotations

import random
import time
from typing import Any

from bench.figures import Clock, Spread

DOCUMENTS, PARAGRAPHS, ROUNDS = 6, 120, 3
WORDS = ("machine", "valve", "pressure", "customer", "refund", "parcel", "delivery", "invoice", "contract", "engine")


def measure() -> tuple[Spread, Spread, int]:
    """Chunks a second alone and ingested, alternating, and the chunks of one round."""
    from accounts.services import create_project
    from knowledge.ingestion import BATCH
    from knowledge.models import Chunk, Document
    from knowledge.spaces import text_to_embed
    from providers.registry import get_embedder

    alone: list[float] = []
    ingested: list[float] = []
    for number in range(ROUNDS):
        project = create_project(name=f"Bench {number}")
        with Clock() as clock:
            documents = [_upload(project, number * DOCUMENTS + n) for n in range(DOCUMENTS)]
            while Document.objects.filter(id__in=documents, state="ready").count() < DOCUMENTS:
                time.sleep(0.05)
        chunks = list(Chunk.objects.filter(document__project=project).select_related("document"))
        ingested.append(len(chunks) / clock.ms * 1000)
        texts = [text_to_embed(chunk.document.name, chunk) for chunk in chunks]
        embedder = get_embedder()
        with Clock() as clock:
            for start in range(0, len(texts), BATCH):
                embedder.embed_sync(texts[start : start + BATCH])
        alone.append(len(texts) / clock.ms * 1000)
    return Spread(values=alone), Spread(values=ingested), len(chunks)


def _upload(project: Any, seed: int) -> Any:  # Any: the product's project and document id
    from django.core.files.base import ContentFile

    from knowledge.services import upload

    name = f"{seed}.md"
    return upload(project=project, name=name, file=ContentFile(text_of(seed), name=name)).document.id


def text_of(seed: int, paragraphs: int = PARAGRAPHS) -> bytes:
    """Markdown that no earlier round has embedded: the embedding cache knows none of it."""
    chance = random.Random(seed)
    sentences = (_sentence(chance) for _ in range(10**6))
    text = "\n\n".join(
        (f"## Section {n}\n\n" if n % 5 == 0 else "") + " ".join(next(sentences) for _ in range(8))
        for n in range(paragraphs)
    )
    return text.encode()


def _sentence(chance: random.Random) -> str:
    return " ".join(chance.choices(WORDS, k=12)).capitalize() + f" in case {chance.randrange(10**6)}."
