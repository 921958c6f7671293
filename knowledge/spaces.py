"""The embedding space in use: made when its embedder is first used, with an index of its own."""

from __future__ import annotations

from django.db import connection, transaction

from caching.embeddings import embed_texts
from core.errors import ProviderRefused
from knowledge.chunking import without_rules
from knowledge.headers import header_of
from knowledge.models import Chunk, EmbeddingSpace
from providers.types import Embedder, Vector, Vectors

PREPROCESSING = "title+headings+context/2"  # moves when text_to_embed does
MAX_INDEXED_DIMENSIONS = 2000  # pgvector's limit for an index on `vector`


def text_to_embed(document_name: str, chunk: Chunk) -> str:
    """What the embedder sees: the chunk under its document's name, title and headings, so that it can be found
    by them, and under the header rows of its table. The header takes 34 tokens at most (knowledge/headers.py)."""
    about = chunk.metadata
    header = header_of(
        name=document_name,
        title=about.get("title", ""),
        label=about.get("label", ""),
        headings=about.get("heading_path", []),
    )
    return "\n".join([header, without_rules(chunk.shown)])


def find_space(embedder: Embedder) -> EmbeddingSpace | None:
    return EmbeddingSpace.objects.filter(
        provider=embedder.provider, model=embedder.model, preprocessing=PREPROCESSING
    ).first()


def get_or_create_space(embedder: Embedder) -> EmbeddingSpace:
    """The embedder's space. The first call asks the embedder how many dimensions it has. Raises ProviderError."""
    space = find_space(embedder)
    if space is not None:
        return space
    dimensions = embed_texts(embedder, ["How many dimensions?"]).shape[1]
    with transaction.atomic():
        space, made = EmbeddingSpace.objects.get_or_create(
            provider=embedder.provider,
            model=embedder.model,
            preprocessing=PREPROCESSING,
            defaults={"dimensions": dimensions},
        )
        if made and dimensions <= MAX_INDEXED_DIMENSIONS:
            _create_index(space)
    return space


def distance_sql(space: EmbeddingSpace) -> str:
    """The cosine distance, 0 to 2, of `embedding` to the one parameter, a vector in pgvector's notation `[1,2,…]`,
    written as the space's index has it."""
    return f"(embedding::vector({space.dimensions:d}) <=> %s::vector({space.dimensions:d}))"


def check_dimensions(space: EmbeddingSpace, vectors: Vectors | Vector) -> None:
    """Raises ProviderRefused when the embedder has come to give vectors of another size under the same name."""
    if vectors.shape[-1] != space.dimensions:
        raise ProviderRefused(
            f"The embedding model '{space.model}' gives {vectors.shape[-1]} numbers where it gave {space.dimensions} "
            "before. Serve the old model again, or give the new one a name of its own (POLYAI_EMBEDDING_MODEL)."
        )


def _create_index(space: EmbeddingSpace) -> None:
    """HNSW (Malkov & Yashunin 2016, arXiv:1603.09320) over this space's vectors alone; it is still empty here."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE INDEX IF NOT EXISTS embedding_hnsw_{space.id.hex} ON knowledge_chunkembedding "
            f"USING hnsw ((embedding::vector({space.dimensions:d})) vector_cosine_ops) "
            f"WITH (m = 16, ef_construction = 64) WHERE space_id = '{space.id}'"
        )
