"""Which embedding space answers: one is active, and stays so until another one is complete.

The environment names the embedder that is wanted. The first one's space is active from its first document on. When
the environment comes to name another, the active space goes on serving, asked by its own embedder, until the new one
has been built (knowledge.reembedding); then the environment wins. An operator who switches by hand is heeded for as
long as the environment stays as it was.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from caching.embeddings import embed_texts
from core.database import in_db
from core.errors import InvalidInput, ProviderRefused, StoreUnavailable
from core.languages import localized
from knowledge import partitions
from knowledge.chunking import without_rules
from knowledge.headers import header_of
from knowledge.indexes import typed
from knowledge.models import Chunk, ChunkEmbedding, EmbeddingSpace
from providers.registry import get_embedder, make_embedder
from providers.types import Embedder, Vector, Vectors

log = logging.getLogger(__name__)
PREPROCESSING = "title+headings+context/2"  # moves when text_to_embed does
BREADTH = 200  # candidates of a search by index; with 100, recall@10 of a million chunks was 0.95
FRESH = 5.0  # seconds for which a process remembers which embedder serves
# The chunks that searches find and a space lacks.
MISSING = """
    FROM knowledge_chunk c JOIN knowledge_document d ON d.id = c.document_id
    WHERE c.version = d.live_version AND NOT EXISTS (
        SELECT 1 FROM knowledge_chunkembedding e
        WHERE e.space_id = %(space)s AND e.project_id = d.project_id AND e.chunk_id = c.id
    )
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('knowledge_embeddingspace'))"


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
        provider=embedder.provider,
        model=embedder.model,
        shortened_to=embedder.shortened_to,
        preprocessing=PREPROCESSING,
    ).first()


def find_searched(embedder: Embedder) -> EmbeddingSpace | None:
    """The space that a question embedded by this embedder is asked of: the active one if it is of this embedder,
    whatever was put before the chunks' texts; else its newest."""
    spaces = EmbeddingSpace.objects.filter(
        provider=embedder.provider, model=embedder.model, shortened_to=embedder.shortened_to
    )
    return spaces.order_by("status", "-created_at").first()  # active, building, retired


def space_id(embedder: Embedder) -> uuid.UUID:
    """A space made again has the id that it had, and its tables their names."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{embedder.identity}|{PREPROCESSING}")


def find_active() -> EmbeddingSpace | None:
    return EmbeddingSpace.objects.filter(status=EmbeddingSpace.Status.ACTIVE).first()


def get_or_create_space(embedder: Embedder, precision: str = EmbeddingSpace.Precision.FULL) -> EmbeddingSpace:
    """The embedder's space, with its tables. It is active if no other is, else it is to be built.

    The first call asks the embedder how many dimensions it has. Raises ProviderError.
    """
    space = find_space(embedder)
    if space is not None:
        return space
    dimensions = embed_texts(embedder, ["How many dimensions?"]).shape[1]
    with transaction.atomic():
        # One process at a time: a second one would find the space made, or log a duplicate key.
        with connection.cursor() as cursor:
            cursor.execute(_LOCK)
        space = find_space(embedder)
        if space is None:
            status = EmbeddingSpace.Status.BUILDING if find_active() else EmbeddingSpace.Status.ACTIVE
            space = EmbeddingSpace.objects.create(
                id=space_id(embedder),
                provider=embedder.provider,
                model=embedder.model,
                shortened_to=embedder.shortened_to,
                preprocessing=PREPROCESSING,
                dimensions=dimensions,
                precision=precision,
                status=status,
            )
        partitions.make_space(space)
    return space


def embedder_of(space: EmbeddingSpace) -> Embedder:
    """What makes this space's vectors, with the key that the environment has for its address."""
    return make_embedder(space.provider, space.model, space.shortened_to)


def distance_sql(space: EmbeddingSpace) -> str:
    """The cosine distance, 0 to 2, of `embedding` to the one parameter, a vector in pgvector's notation `[1,2,…]`.

    Ordered by this, and filtered by `space_id` and `project_id` as constants, a statement looks at one partition,
    and takes its HNSW index where it has one.
    """
    return f"({typed('embedding', space)} <=> {typed('%s', space)})"


def breadth_sql(breadth: int = BREADTH) -> str:
    """A condition that is true, and has this statement's HNSW scans look at so many candidates (`hnsw.ef_search`).

    Beside `distance_sql` in WHERE: it is looked at once, before the scan, and ends with the transaction. SET LOCAL
    would do the same by a round trip more; a setting of the connection would slow down the caches, which need few.
    """
    return f"(SELECT set_config('hnsw.ef_search', '{breadth:d}', true)) IS NOT NULL"


def check_dimensions(space: EmbeddingSpace, vectors: Vectors | Vector) -> None:
    """Raises ProviderRefused when the embedder has come to give vectors of another size under the same name."""
    if vectors.shape[-1] != space.dimensions:
        raise ProviderRefused(
            _(
                "The embedding model '%(model)s' gives %(shape)s numbers where it gave %(dimensions)s before. "
                "Serve the old model again, or give the new one a name of its own (POLYAI_EMBEDDING_MODEL)."
            )
            % {"model": space.model, "shape": vectors.shape[-1], "dimensions": space.dimensions}
        )


# --- Which one serves ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    wanted: str  # the environment's embedder, by its identity
    embedder: Embedder
    until: float  # monotonic


_known: _Known | None = None


def serving_space() -> EmbeddingSpace:
    """The space that a new document has to be in, made when there is none yet. Raises ProviderError.

    An active space without a vector gives way to the environment's at once: there is nothing to build.
    """
    active = find_active()
    wanted = get_embedder()
    if active is None:
        return get_or_create_space(wanted)
    if is_of(active, wanted) or active.chosen_over == wanted.identity or _has_vectors(active):
        return active
    space = get_or_create_space(wanted)
    switch(space, allow_gaps=True)
    return space


def get_serving_embedder() -> Embedder:
    """What embeds a question: the active space's embedder, the environment's where there is none.

    Remembered for five seconds. The database away, what was known last, or what the environment says.
    """
    global _known
    wanted, now = get_embedder(), time.monotonic()
    if (remembered := _remembered(wanted)) is not None:
        return remembered
    active = find_active()
    embedder = wanted if active is None or is_of(active, wanted) else embedder_of(active)
    _known = _Known(wanted=wanted.identity, embedder=embedder, until=now + FRESH)
    return embedder


async def find_serving_embedder() -> Embedder:
    """The same from asynchronous code, without a thread where it is remembered."""
    global _known
    wanted = get_embedder()
    if (remembered := _remembered(wanted)) is not None:
        return remembered
    try:
        return await in_db(get_serving_embedder)()
    except StoreUnavailable:
        last = _known.embedder if _known is not None and _known.wanted == wanted.identity else wanted
        _known = _Known(wanted=wanted.identity, embedder=last, until=time.monotonic() + FRESH)
        return last


def forget_serving() -> None:
    """Look into the database again at the next question."""
    global _known
    _known = None


def _remembered(wanted: Embedder) -> Embedder | None:
    known = _known
    if known is None or known.wanted != wanted.identity or time.monotonic() > known.until:
        return None
    return known.embedder


def is_of(space: EmbeddingSpace, embedder: Embedder) -> bool:
    return (space.provider, space.model, space.shortened_to) == (
        embedder.provider,
        embedder.model,
        embedder.shortened_to,
    ) and space.preprocessing == PREPROCESSING


def _has_vectors(space: EmbeddingSpace) -> bool:
    return ChunkEmbedding.objects.filter(space_id=space.id).exists()


# --- Switching ----------------------------------------------------------------------------------


def is_still_active(space: EmbeddingSpace) -> bool:
    """Whether this space is the active one, and stays so until the end of the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM knowledge_embeddingspace WHERE id = %s FOR SHARE", [space.id])
        row = cursor.fetchone()
    return row is not None and row[0] == EmbeddingSpace.Status.ACTIVE


def count_missing(space: EmbeddingSpace, most: int | None = None) -> int:
    """How many chunks that searches find have no vector in this space; counted up to `most`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT 1 {MISSING} LIMIT %(most)s) missing",  # noqa: S608
            {"space": space.id, "most": most},
        )
        return int(cursor.fetchone()[0])


def switch(space: EmbeddingSpace, *, allow_gaps: bool = False) -> None:
    """Make a space the one that answers, in one transaction; the one before is kept for the way back.

    Raises InvalidInput when documents are missing in it. With `allow_gaps` they are found by their words until beat
    has embedded them. Nobody publishes a document meanwhile (`is_still_active`): none is overlooked.
    """
    with transaction.atomic():
        rows = {row.id: row for row in EmbeddingSpace.objects.select_for_update().order_by("id")}
        target = rows.get(space.id)
        if target is None:
            raise InvalidInput(_("The embedding space %(space)s was dropped meanwhile.") % {"space": space})
        missing = 0 if allow_gaps else count_missing(target)
        if missing:
            raise InvalidInput(
                _(
                    "%(missing)s chunks have no vector in %(target)s yet. Let it be built first (manage.py "
                    "reembed), or switch with --with-gaps: what is missing is found by its words until it has been "
                    "embedded."
                )
                % {"missing": localized(missing), "target": target}
            )
        retired = EmbeddingSpace.objects.filter(status=EmbeddingSpace.Status.ACTIVE).exclude(id=target.id)
        retired.update(status=EmbeddingSpace.Status.RETIRED)
        wanted = get_embedder()
        target.status = EmbeddingSpace.Status.ACTIVE
        target.chosen_over = "" if is_of(target, wanted) else wanted.identity
        target.completed_at = target.completed_at or (None if allow_gaps else timezone.now())
        target.save(update_fields=["status", "chosen_over", "completed_at"])
        transaction.on_commit(forget_serving)
    log.info("embedding space %s answers from now on", space)
