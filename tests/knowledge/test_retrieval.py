"""knowledge/retrieval.py: the nearest passages, of what one may read, in one statement."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from uuid import uuid4

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from accounts.models import Membership, Project, User
from accounts.types import OPERATOR, Actor
from knowledge import ingestion, partitions, retrieval, services
from knowledge.models import Chunk, ChunkEmbedding, Document, EmbeddingSpace
from knowledge.spaces import get_or_create_space, switch
from knowledge.tables import own_table
from providers.registry import get_embedder
from providers.types import Vector
from tests.caching.embedder import DIMENSIONS, EmbedderServer, vector_of
from tests.conftest import Cast, add_document
from tests.knowledge.conftest import found, search, upload

REFUND = "Within how many days can customers send goods back?"
TEXTS = {
    "refunds.md": "Customers may return goods within 30 days of delivery.",
    "shipping.md": "Parcels to Norway take five working days.",
    "office.md": "The office in Bergen has a kitchen and twelve desks.",
    "python.md": "A decorator is a function that takes a function and returns one.",
}


@pytest.fixture
def project(cast: Cast) -> Project:
    for name, text in TEXTS.items():
        add_document(cast.project, text, name)
    return cast.project


@pytest.mark.parametrize(
    ("question", "name"),
    [
        (REFUND, "refunds.md"),
        ("How long does a delivery to Oslo take?", "shipping.md"),
        ("Where do our people work?", "office.md"),
        ("wrap a function in another one", "python.md"),
    ],
)
def test_the_passage_that_answers_comes_first(project: Project, question: str, name: str) -> None:
    assert search(project, question)[0].document == name


def test_a_document_is_found_by_its_name_too(project: Project) -> None:
    add_document(project, "Twelve, at most.", "Dogs in the canteen.md")
    assert search(project, "How many dogs may be in the canteen?")[0].text == "Twelve, at most."


def test_a_passage_says_where_it_stands_and_how_near_it_is(cast: Cast) -> None:
    document = add_document(cast.project, "# Refunds\n\nCustomers may return goods within 30 days.", "handbook.md")
    (passage,) = search(cast.project, REFUND)
    chunk = Chunk.objects.get()
    assert (passage.chunk_id, passage.content_hash) == (chunk.id, chunk.content_hash)
    assert (passage.document_id, passage.document, passage.locator) == (document.id, "handbook.md", "Refunds")
    assert passage.text == chunk.text
    assert 0.4 < passage.similarity < 1


def test_the_similarity_is_the_cosine_and_the_nearest_come_first(cast: Cast, embedder: EmbedderServer) -> None:
    for number in range(6):
        add_document(cast.project, f"Text {number}.", f"{number}.md")
    question = vector_of("question")
    passages = retrieval.search(OPERATOR, cast.project.id, get_embedder(), "?", question, limit=10)
    cosines = {p.text: float(vector_of(f"{p.document}\n{p.text}") @ question) for p in passages}
    assert len(passages) == 6
    assert [p.similarity for p in passages] == sorted((p.similarity for p in passages), reverse=True)
    assert all(p.similarity == pytest.approx(cosines[p.text], abs=1e-3) for p in passages)


def test_no_more_passages_than_asked_for(project: Project) -> None:
    assert len(search(project, REFUND, limit=2)) == 2


def test_it_is_one_statement_after_the_space_is_known(
    project: Project, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    vector = np.eye(1, 384, dtype=np.float32)[0]
    with django_assert_num_queries(2) as queries:
        assert retrieval.search(OPERATOR, project.id, get_embedder(), "goods", vector)
    assert "knowledge_embeddingspace" in queries.captured_queries[0]["sql"]


def test_without_any_document_nothing_is_found_and_the_embedders_space_is_not_made(cast: Cast) -> None:
    assert retrieval.search(OPERATOR, cast.project.id, get_embedder(), "?", np.ones(384, dtype=np.float32)) == []
    assert not EmbeddingSpace.objects.exists()


# --- What must not be found ---------------------------------------------------------------------


def test_nobody_finds_what_is_in_another_project(cast: Cast, project: Project) -> None:
    add_document(cast.foreign, "Customers may return goods within 99 days of delivery, but that is a secret.")
    assert "secret" not in found(project, REFUND)
    assert "secret" not in found(project, REFUND, cast.actor(cast.mallory))
    assert "secret" in found(cast.foreign, REFUND, cast.actor(cast.mallory))


def test_only_members_find_anything(cast: Cast, project: Project) -> None:
    assert "30 days" in found(project, REFUND, cast.actor(cast.alice))
    assert "30 days" in found(project, REFUND, cast.actor(cast.bob))
    assert found(project, REFUND, cast.actor(cast.mallory)) == ""
    assert found(project, REFUND, Actor(user_id=uuid4())) == ""


def test_a_removed_member_finds_nothing_more(cast: Cast, project: Project) -> None:
    Membership.objects.filter(user=cast.bob).delete()
    assert found(project, REFUND, cast.actor(cast.bob)) == ""


def test_an_account_that_was_switched_off_finds_nothing(cast: Cast, project: Project) -> None:
    User.objects.filter(id=cast.alice.id).update(is_active=False)
    assert found(project, REFUND, cast.actor(cast.alice)) == ""


def test_a_key_finds_what_is_in_its_own_project_alone(cast: Cast, project: Project) -> None:
    Membership.objects.create(project=cast.foreign, user=cast.alice)
    add_document(cast.foreign, "The secret is 42.")
    key = Actor(user_id=cast.alice.id, project_id=project.id)
    assert "30 days" in found(project, REFUND, key)
    assert found(cast.foreign, REFUND, key) == ""


def test_a_project_open_to_everyone_is_found_by_everyone_with_an_account(cast: Cast, project: Project) -> None:
    Project.objects.filter(id=project.id).update(visibility="everyone")
    assert "30 days" in found(project, REFUND, cast.actor(cast.mallory))


def test_an_old_version_is_never_found(cast: Cast) -> None:
    document = add_document(cast.project, "Goods may be returned within 30 days.")
    chunk = Chunk.objects.get()
    add_document(cast.project, "Goods may be returned within 60 days.")
    left = Chunk.objects.create(
        document=document, version=1, position=0, text=chunk.text, content_hash=chunk.content_hash
    )
    vector = ChunkEmbedding.objects.get().embedding
    ChunkEmbedding.objects.create(
        chunk=left, space=EmbeddingSpace.objects.get(), project=cast.project, embedding=vector
    )
    assert found(cast.project) == "Goods may be returned within 60 days."


def test_a_version_that_is_still_being_read_is_not_found(cast: Cast, embedder: EmbedderServer) -> None:
    document, _ = upload(cast.project, "Goods may be returned within 30 days.")
    ingestion.ingest(document.id)
    Document.objects.update(version=2)
    Chunk.objects.update(version=2)
    assert ChunkEmbedding.objects.exists()
    assert found(cast.project) == ""


def test_a_deleted_document_is_not_found(cast: Cast, project: Project) -> None:
    services.delete(Document.objects.get(name="refunds.md"))
    assert "30 days" not in found(project, REFUND)


def test_vectors_of_two_embedders_are_never_compared(
    cast: Cast, project: Project, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("embedder")
    embedder = get_embedder()
    found_by_words = retrieval.search(OPERATOR, project.id, embedder, REFUND, vector_of(REFUND))
    assert {passage.similarity for passage in found_by_words} <= {0}
    switch(get_or_create_space(embedder), allow_gaps=True)
    assert search(project, "Oslo") == []
    add_document(project, "New words.", "new.md")
    assert found(project, "Oslo") == "New words."


# --- Many rows ----------------------------------------------------------------------------------

MANY = 1_500


def fill(project: Project, count: int, near: Vector | None = None) -> None:
    """A grown project: chunks with vectors at random, or close to one, in a table of their own."""
    space = get_or_create_space(get_embedder())
    document = Document.objects.create(
        project=project, name="big.md", size=1, content_hash="", state="ready", live_version=1
    )
    vectors = np.random.default_rng(7).standard_normal((count, DIMENSIONS))
    if near is not None:
        vectors = near + 0.01 * vectors
    chunks = [Chunk(document=document, version=1, position=i, text=f"Row {i}.", content_hash="") for i in range(count)]
    Chunk.objects.bulk_create(chunks)
    ChunkEmbedding.objects.bulk_create(
        ChunkEmbedding(chunk=chunk, space=space, project=project, embedding=vector)
        for chunk, vector in zip(chunks, vectors, strict=True)
    )
    assert partitions.promote(space, project.id)


@contextmanager
def by_index_alone() -> Generator[None, None, None]:
    """As the planner decides on a large table."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE knowledge_chunkembedding, knowledge_chunk, knowledge_document")
        for way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        yield


def plan_of(project: Project, vector: Vector, limit: int) -> str:
    with CaptureQueriesContext(connection) as queries:
        retrieval.search(OPERATOR, project.id, get_embedder(), "?", vector, limit=limit)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries.captured_queries[-1]['sql']}")
        return "\n".join(line for (line,) in cursor.fetchall())


def test_a_grown_project_is_searched_by_its_own_index(cast: Cast, embedder: EmbedderServer) -> None:
    fill(cast.project, MANY)
    with by_index_alone():
        plan = plan_of(cast.project, vector_of("question"), 5)
    table = own_table(EmbeddingSpace.objects.get().id, cast.project.id)
    assert f"Index Scan using {table}_hnsw" in plan
    assert "shared" not in plan


def test_the_index_finds_what_a_look_at_every_row_finds(cast: Cast, embedder: EmbedderServer) -> None:
    fill(cast.project, MANY)
    question = vector_of("question")
    with by_index_alone():
        quick = {p.text for p in retrieval.search(OPERATOR, cast.project.id, get_embedder(), "?", question, limit=10)}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_indexscan = off")
        exact = {p.text for p in retrieval.search(OPERATOR, cast.project.id, get_embedder(), "?", question, limit=10)}
    assert len(quick & exact) >= 9


def test_as_many_passages_come_from_the_index_as_were_asked_for(cast: Cast, embedder: EmbedderServer) -> None:
    """HNSW looks at 40 rows by itself; it must go on until enough have passed."""
    fill(cast.project, MANY)
    with by_index_alone():
        assert (
            len(retrieval.search(OPERATOR, cast.project.id, get_embedder(), "?", vector_of("question"), limit=50)) == 50
        )


def test_another_projects_nearer_rows_do_not_hide_ones_own(cast: Cast, embedder: EmbedderServer) -> None:
    question = vector_of("question")
    fill(cast.foreign, MANY, near=question)
    add_document(cast.project, "Ours.")
    with by_index_alone():
        passages = retrieval.search(cast.actor(cast.alice), cast.project.id, get_embedder(), "?", question)
    assert [passage.text for passage in passages] == ["Ours."]
