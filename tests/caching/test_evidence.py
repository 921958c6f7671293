"""caching/evidence.py: an answer is given again only while what it cites is what a search finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching.evidence import renewed
from caching.types import CachedAnswer, Source
from tests.caching.answers import make_answer, make_source

PASSAGES = tuple(make_source(n, similarity=round(0.8 - n / 10, 1)) for n in range(1, 6))  # 0.7 … 0.3


def answer_on(*sources: Source, text: str = "…") -> CachedAnswer:
    return make_answer(sources=sources, text=text, corpus_version=3)


def test_the_same_passages_renew_an_answer_for_the_version_they_were_found_under() -> None:
    answer = answer_on(*PASSAGES)
    assert renewed(answer, {1, 2}, PASSAGES, 9) == replace(answer, corpus_version=9)


def test_a_renewal_moves_neither_end_nor_beginning() -> None:
    answer = replace(answer_on(*PASSAGES), expires_at=datetime.now(UTC) + timedelta(seconds=1))
    again = renewed(answer, {1}, PASSAGES, 9)
    assert again is not None
    assert (again.created_at, again.expires_at) == (answer.created_at, answer.expires_at)


def test_an_answer_that_cites_nothing_is_never_renewed() -> None:
    assert renewed(answer_on(*PASSAGES), set(), PASSAGES, 9) is None
    assert renewed(answer_on(), {1}, PASSAGES, 9) is None


def test_where_nothing_is_found_nothing_is_renewed() -> None:
    assert renewed(answer_on(*PASSAGES), {1}, (), 9) is None


@pytest.mark.parametrize("cited", [{1}, {1, 2}, {5}])
def test_a_cited_passage_that_is_not_found_any_more_ends_the_answer(cited: set[int]) -> None:
    gone = max(cited)
    found = [source for source in PASSAGES if source.n != gone]
    assert renewed(answer_on(*PASSAGES), cited, found, 9) is None


def test_a_cited_number_whose_source_is_gone_from_the_answer_ends_it() -> None:
    """As after a delete that scrubbed the first of two cited passages."""
    assert renewed(answer_on(PASSAGES[1]), {1, 2}, PASSAGES, 9) is None


def test_a_passage_nobody_cites_may_go_and_its_number_stays_free() -> None:
    found = (PASSAGES[0], PASSAGES[2])
    again = renewed(answer_on(*PASSAGES), {1, 3}, found, 9)
    assert again is not None
    assert [source.n for source in again.sources] == [1, 3]


def test_a_cited_passage_with_other_words_ends_the_answer() -> None:
    edited = replace(PASSAGES[0], content_hash="f" * 64, text="14 days")
    assert renewed(answer_on(*PASSAGES), {1}, (edited, *PASSAGES[1:]), 9) is None


def test_the_same_words_in_another_document_are_another_passage() -> None:
    moved = replace(PASSAGES[0], document_id=uuid4())
    assert renewed(answer_on(*PASSAGES), {1}, (moved, *PASSAGES[1:]), 9) is None


def test_the_same_words_in_a_new_chunk_of_their_document_are_shown_from_there() -> None:
    chunk = uuid4()
    found = tuple(replace(source, n=9 - source.n) for source in (replace(PASSAGES[0], chunk_id=chunk), *PASSAGES[1:]))
    again = renewed(answer_on(*PASSAGES), {1}, found, 9)
    assert again is not None
    assert again.sources[0].chunk_id == chunk
    assert [source.n for source in again.sources] == [1, 2, 3, 4, 5]  # as the text cites them


def newcomer(similarity: float) -> Source:
    return make_source(77, similarity=similarity)


@pytest.mark.parametrize(
    ("similarity", "holds"), [(0.99, False), (0.36, False), (0.35, False), (0.349, True), (0.0, True), (-1.0, True)]
)
def test_a_newcomer_half_as_near_as_the_farthest_cited_passage_ends_the_answer(similarity: float, holds: bool) -> None:
    found = (PASSAGES[0], newcomer(similarity))
    assert (renewed(answer_on(PASSAGES[0]), {1}, found, 9) is not None) is holds


def test_a_newcomer_that_comes_before_a_cited_passage_ends_the_answer_however_far_it_is() -> None:
    """As one that has the asked identifier: it is found by its words."""
    far = newcomer(0.0)
    assert renewed(answer_on(*PASSAGES[:2]), {1, 2}, (PASSAGES[0], far, PASSAGES[1]), 9) is None
    assert renewed(answer_on(*PASSAGES[:2]), {1}, (PASSAGES[0], far, PASSAGES[1]), 9) is not None


def test_a_passage_that_was_there_before_is_no_newcomer_though_nobody_cites_it() -> None:
    assert renewed(answer_on(*PASSAGES), {5}, PASSAGES, 9) is not None


@pytest.mark.parametrize("similarity", [float("nan"), float("inf")])
def test_a_similarity_that_is_no_number_is_no_excuse(similarity: float) -> None:
    assert renewed(answer_on(PASSAGES[0]), {1}, (PASSAGES[0], newcomer(similarity)), 9) is None


def test_cited_passages_that_point_away_from_the_question_are_not_outdone_by_nearer_newcomers() -> None:
    cited = replace(PASSAGES[0], similarity=-0.2)
    assert renewed(answer_on(cited), {1}, (cited, newcomer(-0.15)), 9) is None


def test_two_chunks_with_the_same_words_are_one_piece_of_evidence() -> None:
    twin = replace(PASSAGES[0], n=2, chunk_id=uuid4())
    assert renewed(answer_on(PASSAGES[0], twin), {1, 2}, (twin,), 9) is not None


small = st.integers(0, 5)
similarities = st.floats(-1, 1)
sources = st.builds(
    lambda n, document, words, similarity: make_source(
        n, document_id=UUID(int=document), content_hash=str(words), similarity=similarity
    ),
    st.integers(1, 5),
    st.integers(0, 2),
    small,
    similarities,
)


@given(
    st.lists(sources, max_size=5, unique_by=lambda source: source.n),
    st.sets(st.integers(1, 6)),
    st.lists(sources, max_size=6),
)
def test_whatever_is_renewed_still_has_all_it_cites(before: list[Source], cited: set[int], found: list[Source]) -> None:
    again = renewed(answer_on(*before), cited, found, 9)
    if again is None:
        return
    words = {source.n: (source.document_id, source.content_hash) for source in before}
    there = {(source.document_id, source.content_hash) for source in found}
    kept = {source.n: (source.document_id, source.content_hash) for source in again.sources}
    assert cited
    assert cited <= kept.keys()  # none that is cited is lost
    assert all(words[n] == identity and identity in there for n, identity in kept.items())  # nor another in its place
    assert again.corpus_version == 9


@given(st.lists(sources, min_size=1, max_size=5, unique_by=lambda source: source.n), st.data())
def test_what_did_not_change_is_always_evidence(before: list[Source], data: st.DataObject) -> None:
    cited = data.draw(st.sets(st.sampled_from([source.n for source in before]), min_size=1))
    shown = data.draw(st.permutations(before))
    assert renewed(answer_on(*before), cited, shown, 9) is not None
