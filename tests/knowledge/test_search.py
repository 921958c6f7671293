"""knowledge/retrieval.py: words beside meaning, filters, twins and neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Project
from accounts.types import OPERATOR
from caching.embeddings import embed_texts
from knowledge import partitions, retrieval, words
from knowledge.models import Chunk, ChunkEmbedding, ChunkWords, CommonWord, Document, EmbeddingSpace, Lexicon
from knowledge.spaces import get_or_create_space
from knowledge.tables import own_table
from knowledge.types import Filters, Passage
from providers.registry import get_embedder
from tests.caching.embedder import EmbedderServer, vector_of
from tests.conftest import Cast, add_document
from tests.knowledge.conftest import search


def by_words(project: Project, question: str, **fields: object) -> list[Passage]:
    """As while the embedder is down."""
    return retrieval.search(OPERATOR, project.id, get_embedder(), question, None, **fields)  # type: ignore[arg-type]


def names(passages: Sequence[Passage]) -> list[str]:
    return [passage.document for passage in passages]


def filtered(project: Project, question: str, **fields: object) -> set[str]:
    vector = embed_texts(get_embedder(), [question])[0]
    filters = Filters(**fields)  # type: ignore[arg-type]
    return set(names(retrieval.search(OPERATOR, project.id, get_embedder(), question, vector, filters=filters)))


# --- Words ----------------------------------------------------------------------------------------


def test_the_asked_identifier_comes_first_before_near_ones(cast: Cast) -> None:
    for number in (4011, 4012, 4013, 4014):
        add_document(cast.project, f"Error ERR-{number}: the pump stopped. Check the valve.", f"{number}.md")
    add_document(cast.project, "What to do when the pump has stopped with an error: check the valve.", "pump.md")
    for question in ("What does ERR-4012 mean?", "err_4012", "The pump stopped with error ERR4012, why?"):
        assert search(cast.project, question)[0].document == "4012.md"
        assert by_words(cast.project, question)[0].document == "4012.md"


@pytest.mark.parametrize(
    ("texts", "question"),
    [
        (("黑豹队的防守只丢了308分。", "公司的办公室在北京。", "客户可以在三十天内退货。"), "防守丢了多少分？"),
        (("東京タワーの高さは333メートルです。", "注文は五日で届きます。"), "タワーの高さはどれくらいですか"),
        (("ค่าจัดส่งสินค้าไปเชียงใหม่ 50 บาท", "สำนักงานของเราอยู่ในกรุงเทพ"), "ค่าจัดส่งเท่าไร"),
        (("Die Rückgabe der Häuser ist möglich.", "Das Büro liegt in Bergen."), "Welches Haus?"),
        (("Возврат книги возможен в течение месяца.", "Офис находится в Москве."), "вернуть книги"),
    ],
)
def test_every_script_is_found_by_its_words(cast: Cast, texts: tuple[str, ...], question: str) -> None:
    for number, text in enumerate(texts):
        add_document(cast.project, text, f"{number}.md")
    assert by_words(cast.project, question)[0].document == "0.md"


def test_a_rare_word_weighs_more_than_many_common_ones(cast: Cast) -> None:
    for number in range(8):
        add_document(cast.project, f"The customer of the shop has the parcel {number} and the invoice.", f"{number}.md")
    add_document(cast.project, "A quokka.", "rare.md")
    assert by_words(cast.project, "the customer of the shop and the quokka")[0].document == "rare.md"


def test_words_find_only_what_one_may_read_and_what_is_live(cast: Cast) -> None:
    add_document(cast.project, "Goods may be returned within 30 days.")
    add_document(cast.foreign, "Goods may be returned, but that is a secret.", "secret.md")
    assert names(by_words(cast.project, "returned goods")) == ["handbook.md"]
    mallory = cast.actor(cast.mallory)
    assert retrieval.search(mallory, cast.project.id, get_embedder(), "goods", None) == []
    Document.objects.filter(project=cast.project).update(version=2)
    Chunk.objects.filter(document__project=cast.project).update(version=2)
    assert by_words(cast.project, "returned goods") == []


def test_another_projects_words_do_not_hide_ones_own(cast: Cast, embedder: EmbedderServer) -> None:
    fill(cast.foreign, 2_000, "A quokka lives on Rottnest Island, number {}.", near=vector_of("quokka"))
    add_document(cast.project, "We have one quokka.", "ours.md")
    found = retrieval.search(OPERATOR, cast.project.id, get_embedder(), "quokka", vector_of("quokka"))
    assert names(found) == ["ours.md"]
    assert names(by_words(cast.project, "quokka")) == ["ours.md"]


def test_it_is_one_statement_that_uses_both_indexes(cast: Cast, embedder: EmbedderServer) -> None:
    fill(cast.project, 1_500, "Case {} was closed.", near=None)
    words.recount(cast.project.id)
    space = EmbeddingSpace.objects.get()
    assert partitions.promote(space, cast.project.id)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE knowledge_chunkembedding, knowledge_chunk, knowledge_document, knowledge_chunkwords")
        for way in ("seqscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
        with CaptureQueriesContext(connection) as queries:
            vector = vector_of("question")
            found = retrieval.search(OPERATOR, cast.project.id, get_embedder(), "77", vector, limit=20)
        assert len(queries) == 2  # the space, and the search
        cursor.execute(f"EXPLAIN {queries.captured_queries[-1]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert f"{own_table(space.id, cast.project.id)}_hnsw" in plan
    assert "Bitmap Index Scan on chunk_words" in plan
    assert "Case 77 was closed." in {passage.text for passage in found}


def test_common_words_are_counted_and_make_nobody_look_at_all_chunks(cast: Cast, embedder: EmbedderServer) -> None:
    fill(cast.project, 1_500, "Case {} was closed.", near=None)
    words.recount(cast.project.id)
    assert set(CommonWord.objects.values_list("lexeme", flat=True)) >= {"big", "was"}
    assert Lexicon.objects.get().chunks == 1_500
    assert by_words(cast.project, "was case 1234 closed")[0].text == "Case 1234 was closed."
    assert len(by_words(cast.project, "closed case")) == 5  # nothing rare is asked: some of those


def test_documents_without_words_get_them_in_the_background(cast: Cast) -> None:
    add_document(cast.project, "Goods may be returned within 30 days.")
    ChunkWords.objects.all().delete()
    Document.objects.update(words_scheme=0, language="")
    assert by_words(cast.project, "returned goods") == []
    assert words.fill_words(5) == 1
    assert len(by_words(cast.project, "returned goods")) == 1
    assert Document.objects.get().language == "en"
    assert words.fill_words(5) == 0


def test_a_hit_by_words_alone_has_its_cosine_too(cast: Cast, embedder: EmbedderServer) -> None:
    fill(cast.project, 200, "Case {} was closed.", near=vector_of("question"))
    add_document(cast.project, "A quokka.", "quokka.md")
    found = retrieval.search(OPERATOR, cast.project.id, get_embedder(), "quokka", vector_of("question"))
    cosine = float(vector_of("quokka.md\nA quokka.") @ vector_of("question"))
    assert found[0].document == "quokka.md"
    assert found[0].similarity == pytest.approx(cosine, abs=1e-3)


@pytest.mark.parametrize("question", ["", "?", "...", "' OR 1=1 --", "a & !b | (c", "\\", "'", "x" * 5_000])
def test_no_question_breaks_the_statement(cast: Cast, question: str) -> None:
    add_document(cast.project)
    assert isinstance(by_words(cast.project, question), list)
    assert search(cast.project, question or "?")


# --- Filters --------------------------------------------------------------------------------------


def test_filters_let_through_what_they_name(cast: Cast) -> None:
    added = {
        name: add_document(cast.project, f"Goods may be returned, says {name}.", name)
        for name in ("a.md", "b.txt", "c.md")
    }
    Document.objects.filter(name="a.md").update(tags=["legal", "shop"], metadata={"year": 2025, "team": "sales"})
    Document.objects.filter(name="b.txt").update(tags=["shop"], created_at=timezone.now() - timedelta(days=9))
    question = "May goods be returned?"
    yesterday = timezone.now() - timedelta(days=1)
    assert filtered(cast.project, question) == {"a.md", "b.txt", "c.md"}
    assert filtered(cast.project, question, tags=("shop",)) == {"a.md", "b.txt"}
    assert filtered(cast.project, question, tags=("shop", "legal")) == {"a.md"}
    assert filtered(cast.project, question, kinds=("md",)) == {"a.md", "c.md"}
    assert filtered(cast.project, question, since=yesterday) == {"a.md", "c.md"}
    assert filtered(cast.project, question, until=yesterday) == {"b.txt"}
    assert filtered(cast.project, question, metadata={"year": 2025}) == {"a.md"}
    assert filtered(cast.project, question, documents=(added["c.md"].id,)) == {"c.md"}
    assert filtered(cast.project, question, documents=(added["c.md"].id,), tags=("shop",)) == set()


def test_two_thousand_nearer_rows_beyond_a_filter_hide_nothing(cast: Cast, embedder: EmbedderServer) -> None:
    fill(cast.project, 2_000, "A quokka lives on Rottnest Island, number {}.", near=vector_of("quokka"))
    wanted = add_document(cast.project, "We have one quokka.", "wanted.md")
    filters = Filters(documents=(wanted.id,))
    for vector in (vector_of("quokka"), None):
        found = retrieval.search(OPERATOR, cast.project.id, get_embedder(), "quokka", vector, filters=filters)
        assert names(found) == ["wanted.md"]


# --- Twins and neighbours -------------------------------------------------------------------------

LONG = "Customers may return goods within 30 days of delivery, in the box in which they came, with the invoice. " * 3


def test_the_same_words_in_two_documents_are_one_passage(cast: Cast) -> None:
    add_document(cast.project, LONG, "a.md")
    add_document(cast.project, LONG.upper(), "b.md")
    add_document(cast.project, LONG.replace("30", "14"), "other.md")
    found = names(search(cast.project, "return goods"))
    assert len(found) == 2
    assert "other.md" in found


def test_neighbours_in_one_section_are_one_passage_without_the_overlap_twice(cast: Cast) -> None:
    sentences = [f"The quokka number {n} lives at {n} Bay Road and eats leaves of {n + 3} kinds." for n in range(24)]
    document = add_document(cast.project, "# Quokkas\n\n" + " ".join(sentences), "quokkas.md")
    chunks = list(document.chunks.order_by("position"))
    assert len(chunks) > 1
    (passage,) = search(cast.project, "Where do the quokkas live?", limit=5)
    assert passage.chunk_ids == tuple(chunk.id for chunk in chunks)
    assert passage.chunk_id in passage.chunk_ids
    assert " ".join(sentences) in " ".join(passage.text.split())
    assert passage.content_hash not in {chunk.content_hash for chunk in chunks}


def test_sections_stay_apart(cast: Cast) -> None:
    add_document(cast.project)
    assert {passage.locator for passage in search(cast.project, "goods, parcels")} == {"Refunds", "Shipping"}


def fill(project: Project, count: int, text: str, near: np.ndarray | None) -> None:
    """A document of so many chunks, with words, and with vectors at random or close to one."""
    space = get_or_create_space(get_embedder())
    document = Document.objects.create(
        project=project, name="big.md", size=1, content_hash="", state="ready", live_version=1, chunks_total=count
    )
    vectors = np.random.default_rng(7).standard_normal((count, space.dimensions))
    if near is not None:
        vectors = near + 0.01 * vectors
    chunks = [
        Chunk(document=document, version=1, position=2 * n, text=text.format(n), content_hash=str(n))
        for n in range(count)
    ]
    Chunk.objects.bulk_create(chunks)
    words.store_words(document, chunks)
    ChunkEmbedding.objects.bulk_create(
        ChunkEmbedding(chunk=chunk, space=space, project=project, embedding=vector)
        for chunk, vector in zip(chunks, vectors, strict=True)
    )
