"""A document's new content beside its old one: what stays, what goes, and the moment at which it changes.

Chunks whose embedded text is the same in both keep their row, and with it their id, their vectors and the cached
answers that cite them; only their place is written anew.
"""

from __future__ import annotations

from collections import defaultdict, deque
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from caching import eviction
from knowledge import claim, originals
from knowledge.models import Chunk, Document, DocumentPart, EmbeddingSpace
from knowledge.services import move_corpus_version
from knowledge.spaces import is_still_active, text_to_embed


def list_missing(document: Document, space: EmbeddingSpace) -> QuerySet[Chunk]:
    """The chunks of this version that need a vector yet, in reading order."""
    chunks = Chunk.objects.filter(document=document, version=document.version)
    return chunks.exclude(embeddings__space=space).exclude(id__in=match(document, space)).order_by("position")


def match(document: Document, space: EmbeddingSpace) -> dict[UUID, UUID]:
    """Chunks of this version by id, each with the live chunk that says the same and has its vector already."""
    if document.live_version in (0, document.version):
        return {}
    chunks = Chunk.objects.filter(document=document).order_by("position").only("id", "text", "metadata")
    live: defaultdict[str, deque[UUID]] = defaultdict(deque)
    for chunk in chunks.filter(version=document.live_version, embeddings__space=space):
        live[text_to_embed(document.name, chunk)].append(chunk.id)
    pairs: dict[UUID, UUID] = {}
    for chunk in chunks.filter(version=document.version):
        same = live.get(text_to_embed(document.name, chunk))
        if same:
            pairs[chunk.id] = same.popleft()
    return pairs


def publish(document: Document, space: EmbeddingSpace) -> bool:
    """Make this version the one that searches find, and drop what only the old one had, at once. False, and nothing
    done, when searches go to another space by now. Raises LostClaim."""
    with transaction.atomic():
        if not is_still_active(space):
            return False
        claim.release(
            document,
            state=Document.State.READY,
            live_version=document.version,
            live_original=document.original.name,
            chunks_embedded=document.chunks_total,
        )
        _keep(document, match(document, space))
        gone = Chunk.objects.filter(document=document).exclude(version=document.version)
        live = Chunk.objects.filter(document=document, version=document.version)
        hashes = set(live.values_list("content_hash", flat=True))
        eviction.replace_chunks(document.project_id, dict(gone.values_list("id", "content_hash")), hashes)
        gone.delete()
        DocumentPart.objects.filter(document=document).exclude(version=document.version).delete()
        if document.live_original.name != document.original.name:
            originals.forget(document.live_original)
        if document.live_version != document.version:
            move_corpus_version(document.project_id)
    return True


def _keep(document: Document, pairs: dict[UUID, UUID]) -> None:
    """Put the live chunks in the places of those that say the same."""
    fresh = Chunk.objects.filter(id__in=pairs)
    places = [(pairs[chunk.id], chunk.position, chunk.metadata) for chunk in fresh.only("id", "position", "metadata")]
    fresh.delete()
    live = Chunk.objects.in_bulk([chunk_id for chunk_id, _, _ in places])
    for chunk_id, position, metadata in places:
        chunk = live[chunk_id]
        chunk.version, chunk.position, chunk.metadata = document.version, position, metadata
    Chunk.objects.bulk_update(live.values(), ["version", "position", "metadata"], batch_size=500)
