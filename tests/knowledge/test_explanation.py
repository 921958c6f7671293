"""knowledge/explanation.py: a search laid open, and why a chunk was not found."""

from __future__ import annotations

from uuid import uuid4

import pytest

from accounts.models import Project
from caching.embeddings import embed_texts
from core.errors import NotFound
from knowledge.explanation import explain, explain_chunk
from knowledge.models import Chunk, ChunkEmbedding, ChunkWords, Document
from knowledge.types import ChunkReport, Filters
from providers.registry import get_embedder
from tests.conftest import Cast, add_document

QUESTION = "Within how many days may goods be returned?"


@pytest.fixture
def project(cast: Cast) -> Project:
    add_document(cast.project, "Goods may be returned within 30 days.", "refunds.md")
    add_document(cast.project, "GOODS may be returned within 30 days!", "copy.md")
    add_document(cast.project, "The office in Bergen has a kitchen.", "office.md")
    return cast.project


def report(cast: Cast, name: str, **fields: object) -> ChunkReport:
    chunk = Chunk.objects.get(document__name=name)
    vector = embed_texts(get_embedder(), [QUESTION])[0]
    actor = cast.actor(cast.alice)
    return explain_chunk(actor, cast.project.id, get_embedder(), QUESTION, vector, chunk.id, **fields)  # type: ignore[arg-type]


def test_a_search_is_laid_open_with_both_ranks_and_why_each_chunk_is_no_passage(cast: Cast, project: Project) -> None:
    vector = embed_texts(get_embedder(), [QUESTION])[0]
    told = explain(cast.actor(cast.alice), project.id, get_embedder(), QUESTION, vector, limit=1)
    assert len(told.candidates) == 3
    first, twin, office = told.candidates
    assert [passage.chunk_id for passage in told.passages] == [first.passage.chunk_id]
    assert {first.dense_rank, twin.dense_rank} == {first.lexical_rank, twin.lexical_rank} == {1, 2}
    assert (first.dropped, office.dropped) == ("", "Not among the best 1.")
    assert first.passage.document in twin.dropped
    assert office.dense_rank == 3
    assert first.fused >= twin.fused > office.fused
    assert set(told.stages) == {"space", "search", "assemble"}
    assert {"goods", "returned"} <= set(told.terms)


def test_nobody_elses_search_is_laid_open(cast: Cast, project: Project) -> None:
    mallory = cast.actor(cast.mallory)
    assert explain(mallory, project.id, get_embedder(), QUESTION, None).candidates == ()
    for chunk_id in (Chunk.objects.all()[0].id, uuid4()):
        with pytest.raises(NotFound):
            explain_chunk(mallory, project.id, get_embedder(), QUESTION, None, chunk_id)


def test_a_chunk_that_is_found_has_no_reason_not_to_be(cast: Cast, project: Project) -> None:
    Document.objects.get(name="copy.md").delete()
    told = report(cast, "refunds.md")
    assert (told.position, told.dense_rank, told.lexical_rank, told.reasons) == (1, 1, 1, ())
    assert "returned" in told.found
    assert "many" in told.missing


def test_each_reason_is_told(cast: Cast, project: Project) -> None:
    assert "none of the question's words" in " ".join(report(cast, "office.md").reasons)
    assert "filters" in " ".join(report(cast, "refunds.md", filters=Filters(kinds=("pdf",))).reasons)
    reasons = " ".join(report(cast, "office.md", limit=1).reasons)
    assert "Not among the best 1." in reasons
    ChunkEmbedding.objects.filter(chunk__document__name="office.md").delete()
    ChunkWords.objects.filter(chunk__document__name="office.md").delete()
    told = report(cast, "office.md")
    assert (told.has_vector, told.has_words, told.position) == (False, False, None)
    assert len(told.reasons) == 3
    Document.objects.filter(name="office.md").update(version=2, live_version=2)
    assert "version" in report(cast, "office.md").reasons[0]
