"""knowledge/versions.py: a new content takes over from the old one, chunk by chunk, at one moment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import numpy as np
import pytest
from django.db import connection

from core.redis import sync_redis
from knowledge import ingestion, originals, services
from knowledge.models import Chunk, ChunkEmbedding, Document
from tests.caching.embedder import EmbedderServer
from tests.conftest import HANDBOOK, Cast, add_document
from tests.knowledge.conftest import found, upload


def rules(*numbers: int, changed: int | None = None) -> str:
    """A section for each number, one of them with other words."""
    words = {n: "was changed" if n == changed else f"says that {n} is a number" for n in numbers}
    return "".join(f"# Rule {n}\n\n{f'Rule {n} {words[n]}. ' * 20}\n\n" for n in numbers)


def ids(document: Document) -> dict[str, UUID]:
    """Chunks by their heading."""
    return {chunk.metadata["heading_path"][0]: chunk.id for chunk in document.chunks.order_by("position")}


def test_unchanged_chunks_keep_their_ids_and_their_vectors(cast: Cast, embedder: EmbedderServer) -> None:
    document = add_document(cast.project, rules(1, 2, 3))
    before = ids(document)
    vectors = dict(ChunkEmbedding.objects.values_list("chunk_id", "embedding"))
    sync_redis().flushdb()  # the cache of embeddings would hide what is asked again
    embedder.history.clear()
    document = add_document(cast.project, rules(1, 2, 3, changed=2))
    after = ids(document)
    assert after["Rule 1"] == before["Rule 1"]
    assert after["Rule 3"] == before["Rule 3"]
    assert after["Rule 2"] != before["Rule 2"]
    (text,) = embedder.texts
    assert "was changed" in text
    assert not Chunk.objects.filter(id=before["Rule 2"]).exists()
    assert {chunk.version for chunk in Chunk.objects.all()} == {2}
    kept = dict(ChunkEmbedding.objects.values_list("chunk_id", "embedding"))
    assert len(kept) == 3
    assert all(np.array_equal(kept[before[name]], vectors[before[name]]) for name in ("Rule 1", "Rule 3"))
    assert (document.chunks_total, document.chunks_embedded) == (3, 3)


def test_chunks_that_moved_are_numbered_and_placed_anew(cast: Cast, embedder: EmbedderServer) -> None:
    document = add_document(cast.project, rules(1, 2, 3))
    before = ids(document)
    document = add_document(cast.project, rules(3, 9, 1))
    after = ids(document)
    assert list(after) == ["Rule 3", "Rule 9", "Rule 1"]
    assert (after["Rule 1"], after["Rule 3"]) == (before["Rule 1"], before["Rule 3"])
    for chunk in document.chunks.all():
        part = document.parts.get(position=chunk.metadata["part"])
        assert part.text[chunk.metadata["start"] : chunk.metadata["end"]] == chunk.text
    assert not Chunk.objects.filter(id=before["Rule 2"]).exists()
    assert document.parts.count() == 1


def test_the_same_text_twice_in_a_document_is_kept_twice(cast: Cast, embedder: EmbedderServer) -> None:
    text = rules(1, 2) + rules(1)
    document = add_document(cast.project, text)
    before = list(document.chunks.order_by("position").values_list("id", flat=True))
    document = add_document(cast.project, text + rules(4))
    after = list(document.chunks.order_by("position").values_list("id", flat=True))
    assert after[:3] == before
    assert len(after) == 4
    document = add_document(cast.project, rules(1))
    assert list(document.chunks.values_list("id", flat=True)) == before[:1]


def test_a_text_under_another_heading_is_another_chunk(cast: Cast, embedder: EmbedderServer) -> None:
    """The embedder sees a chunk under its headings: its vector would be that of the old one."""
    first = add_document(cast.project, "# Norway\n\nParcels take five days.")
    before = set(first.chunks.values_list("id", flat=True))
    second = add_document(cast.project, "# Sweden\n\nParcels take five days.")
    assert before.isdisjoint(second.chunks.values_list("id", flat=True))


def test_a_version_that_changes_nothing_but_bytes_asks_the_embedder_for_nothing(
    cast: Cast, embedder: EmbedderServer
) -> None:
    document = add_document(cast.project, rules(1, 2))
    before = ids(document)
    sync_redis().flushdb()
    embedder.history.clear()
    document = add_document(cast.project, rules(1, 2) + "\n\n")
    assert (document.state, document.live_version, ids(document)) == ("ready", 2, before)
    assert embedder.history == []


def test_a_new_version_resumes_after_its_worker_was_killed(cast: Cast, embedder: EmbedderServer) -> None:
    document = add_document(cast.project, rules(1, 2, 3))
    before = ids(document)
    upload(cast.project, rules(1, 2, 3, changed=2))
    assert ingestion.parse(document.id) == 0
    embedder.fail(503)
    sync_redis().flushdb()
    assert ingestion.embed(document.id) == 5
    assert "was changed" not in found(cast.project)
    ingestion.embed(document.id)
    assert ids(Document.objects.get())["Rule 1"] == before["Rule 1"]
    assert "was changed" in found(cast.project)


def test_where_the_swap_fails_all_of_the_old_version_stays(cast: Cast, corpus_version: Callable[[], int]) -> None:
    document = add_document(cast.project, rules(1, 2, 3))
    before = ids(document)
    upload(cast.project, rules(3, 1, changed=3))
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$"
        )
        cursor.execute("CREATE TRIGGER refuse BEFORE UPDATE ON accounts_project EXECUTE FUNCTION refuse()")
    try:
        ingestion.ingest(document.id)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse CASCADE")
    live = Chunk.objects.filter(version=1).order_by("position")
    assert {chunk.metadata["heading_path"][0]: chunk.id for chunk in live} == before
    assert corpus_version() == 1


def test_deleting_a_document_between_two_versions_leaves_nothing(cast: Cast, embedder: EmbedderServer) -> None:
    document = add_document(cast.project, rules(1, 2, 3))
    upload(cast.project, rules(1, 2, 3, changed=2))
    ingestion.parse(document.id)
    services.delete(document)
    assert not Chunk.objects.exists()
    assert not ChunkEmbedding.objects.exists()


@pytest.mark.parametrize("end", ["waits", "fails", "is cancelled"])
def test_the_original_of_what_searches_find_stays_until_another_version_is_ready(cast: Cast, end: str) -> None:
    first = add_document(cast.project)
    document, _ = upload(cast.project, b"\x00" * 100 if end == "fails" else "# New\n\nOther words.")
    if end == "fails":
        ingestion.ingest(document.id)
    if end == "is cancelled":
        services.cancel(document)
    document.refresh_from_db()
    assert document.state == {"waits": "queued", "fails": "failed", "is cancelled": "cancelled"}[end]
    assert "30 days" in found(cast.project)
    assert opened(document) == HANDBOOK.encode()
    assert originals.forget_orphans(older_than=timedelta()) == 0
    last, _ = upload(cast.project, "# Newer\n\nThe last words.")
    ingestion.ingest(last.id)
    last.refresh_from_db()
    assert opened(last) == b"# Newer\n\nThe last words."
    assert last.live_original.name == last.original.name
    for gone in (first, document):
        assert not gone.original.storage.exists(str(gone.original.name))
    services.delete(last)
    assert not last.original.storage.exists(str(last.original.name))


def test_both_originals_of_a_document_go_with_it(cast: Cast) -> None:
    add_document(cast.project)
    document, _ = upload(cast.project, "# New\n\nOther words.")
    document.refresh_from_db()
    paths = {str(document.original.name), str(document.live_original.name)}
    assert len(paths) == 2
    services.delete(document)
    assert not any(document.original.storage.exists(path) for path in paths)


def opened(document: Document) -> bytes:
    """The file that the document's page opens."""
    document.refresh_from_db()
    with document.shown_original.open("rb") as file:
        content: bytes = file.read()
    return content
