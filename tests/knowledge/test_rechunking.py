"""knowledge/rechunking.py: cut anew from the stored text, while today's chunks go on serving."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from pytest_django import Settings

from accounts.models import Project
from knowledge import ingestion
from knowledge.models import Document
from knowledge.policies import change_policy, get_chunking
from knowledge.rechunking import estimate, list_cut_otherwise, rechunk
from tests.caching.embedder import EmbedderServer
from tests.conftest import Cast, add_document
from tests.knowledge.conftest import found, search, upload

LONG = "Customers may return goods within thirty days of delivery. " * 60
CorpusVersion = Callable[[], int]


def want(project: Project, tokens: int = 100) -> None:
    change_policy(project, chunk_tokens=tokens, chunk_overlap=20, max_documents=0, max_megabytes=0)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    ids: list[object] = []
    monkeypatch.setattr("knowledge.queue.send", lambda document: ids.append(document.id))
    return ids


def answering(project: Project) -> set[UUID]:
    """The chunks that a search finds now."""
    return {chunk_id for passage in search(project, "returned goods", limit=50) for chunk_id in passage.chunk_ids}


def test_documents_that_are_cut_otherwise_are_queued_and_no_others(cast: Cast, sent: list[object]) -> None:
    old = add_document(cast.project, LONG, "old.txt")
    want(cast.project)
    add_document(cast.project, LONG, "new.txt")
    add_document(cast.foreign, LONG, "foreign.txt")
    sent.clear()
    assert list(list_cut_otherwise(cast.project)) == [old]
    assert rechunk(cast.project) == 1
    assert sent == [old.id]
    old.refresh_from_db()
    assert (old.state, old.version, old.live_version, old.is_bulk) == ("queued", 2, 1, True)
    assert rechunk(cast.project) == 0, "what is queued is not queued again"


def test_the_old_chunks_answer_until_the_new_ones_are_ready(cast: Cast, corpus_version: CorpusVersion) -> None:
    document = add_document(cast.project, LONG, "long.txt")
    before, version = set(document.chunks.values_list("id", flat=True)), corpus_version()
    want(cast.project)
    rechunk(cast.project)
    assert answering(cast.project)
    assert answering(cast.project) <= before
    assert corpus_version() == version
    ingestion.ingest(document.id)
    document.refresh_from_db()
    assert (document.state, document.version, document.live_version) == ("ready", 2, 2)
    assert max(chunk.metadata["tokens"] for chunk in document.chunks.all()) <= 100
    assert document.chunking == str(get_chunking(cast.project))
    assert answering(cast.project)
    assert answering(cast.project).isdisjoint(before)
    assert corpus_version() == version + 1
    assert not list_cut_otherwise(cast.project).exists()


def test_the_file_is_not_read_again(cast: Cast) -> None:
    document = add_document(cast.project, f"# Refunds\n\n{LONG}", "long.md")
    parts = [(part.text, part.is_markdown) for part in document.parts.all()]
    document.original.delete(save=False)
    want(cast.project)
    rechunk(cast.project)
    ingestion.ingest(document.id)
    document.refresh_from_db()
    assert (document.state, document.error, document.title) == ("ready", "", "Refunds")
    assert [(part.text, part.is_markdown) for part in document.parts.all()] == parts
    assert {part.version for part in document.parts.all()} == {2}


def test_a_new_content_is_read_though_text_of_the_old_is_stored(cast: Cast) -> None:
    document = add_document(cast.project, LONG, "long.txt")
    want(cast.project)
    rechunk(cast.project)
    upload(cast.project, "Parcels take five days.", "long.txt")
    ingestion.ingest(document.id)
    assert found(cast.project) == "Parcels take five days."


def test_a_document_whose_text_was_not_stored_is_read_from_its_file(cast: Cast) -> None:
    document = add_document(cast.project, LONG, "long.txt")
    document.parts.all().delete()
    Document.objects.update(chunking="", parts_hash="")
    rechunk(cast.project)
    ingestion.ingest(document.id)
    document.refresh_from_db()
    assert (document.state, document.parts.count()) == ("ready", 1)


def test_one_that_is_being_embedded_is_cut_anew_as_well(cast: Cast, embedder: EmbedderServer) -> None:
    embedder.fail(503)
    document = add_document(cast.project, LONG, "long.txt")
    Document.objects.update(state="embedding")
    want(cast.project)
    assert rechunk(cast.project) == 1
    ingestion.ingest(document.id)
    document.refresh_from_db()
    assert (document.state, document.live_version) == ("ready", 2)
    assert set(document.chunks.values_list("version", flat=True)) == {2}


def test_the_estimate_names_documents_chunks_tokens_and_price(
    cast: Cast, settings: Settings, embedder: EmbedderServer
) -> None:
    document = add_document(cast.project, LONG, "long.txt")
    assert estimate(cast.project).documents == 0
    want(cast.project)
    about = estimate(cast.project)
    assert (about.documents, about.chunks, about.dollars) == (1, document.chunks_total, None)
    assert about.tokens == pytest.approx(sum(chunk.metadata["tokens"] for chunk in document.chunks.all()), abs=1)
    settings.PRICES = {settings.EMBEDDING_MODEL: (2.0, 0.0)}
    assert estimate(cast.project).dollars == pytest.approx(about.tokens * 2e-6)


def test_an_empty_project_has_nothing_to_cut(cast: Cast) -> None:
    assert rechunk(cast.project) == 0
    assert (estimate(cast.project).chunks, estimate(cast.project).tokens) == (0, 0)
