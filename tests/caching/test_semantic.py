"""caching/semantic.py: the nearest stored question within its walls, near enough, alive, and past the vetoes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Project
from caching import approval, entries, semantic
from caching.canonical import question_key
from caching.models import CacheEntry
from caching.policy import policy_of
from caching.types import Found, Policy
from caching.verdict import Estimate
from core.database import release
from providers.types import Vector
from tests.caching.answers import make_answer, unit, vector_at

KNOWN = "How many days do customers have to return goods?"
ASKED = "How many days do the customers have to return goods?"
IN_14, IN_30 = "Which goods may go back within 14 days?", "Which goods may go back within 30 days?"
SCOPE, IDENTITY = "s" * 64, "test|8"
SIZE = 8


@pytest.fixture(autouse=True)
def no_old_indexes(transactional_db: None) -> Iterator[None]:
    """Only the index that the migration makes, and nothing remembered of others."""
    yield
    for name in indexes() - {semantic.index_name(384)}:
        execute(f"DROP INDEX {name}")
    semantic.make_index(384)


@pytest.fixture
def project(transactional_db: None) -> Project:
    return Project.objects.create(slug="support", name="Support")


@pytest.fixture
def foreign(transactional_db: None) -> Project:
    return Project.objects.create(slug="secret", name="Secret")


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def indexes() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexname FROM pg_indexes WHERE indexname LIKE 'cache_entry_hnsw_%'")
        return {name for (name,) in cursor.fetchall()}


def put(
    project: Project,
    vector: Vector,
    question: str = KNOWN,
    *,
    scope_key: str = SCOPE,
    identity: str = IDENTITY,
    **fields: Any,  # Any: an answer's
) -> CacheEntry:
    key = uuid4().hex * 2
    assert entries.admit(
        make_answer(project_id=project.id, question=question, **fields),
        scope_key=scope_key,
        request_key=key,
        question_key=question_key(question),
        embedding_identity=identity,
        vector=vector,
    )
    return entries.get_entry(project.id, entries.entry_id(project.id, key))


def put_many(project: Project, vectors: Sequence[Vector], scope_key: str = SCOPE) -> None:
    row = put(project, vectors[0], scope_key=scope_key)
    fields = {f.attname: getattr(row, f.attname) for f in CacheEntry._meta.concrete_fields}
    CacheEntry.objects.bulk_create(
        [
            CacheEntry(**{**fields, "id": uuid4(), "request_key": uuid4().hex * 2, "embedding": vector})
            for vector in vectors[1:]
        ],
        batch_size=1000,
    )


def find(
    project: Project,
    question: str = ASKED,
    vector: Vector | None = None,
    *,
    scope_key: str = SCOPE,
    identity: str = IDENTITY,
    threshold: float | None = None,
    policy: Policy | None = None,
) -> Found:
    return semantic.find(
        project.id,
        scope_key,
        question_key(question),
        question,
        vector_at(1, SIZE) if vector is None else vector,
        embedding_identity=identity,
        policy=policy or policy_of(project),
        threshold=threshold,
    )


def found_text(found: Found) -> str | None:
    return found.match.answer.text if found.match else None


# --- Near enough ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cosine", "hits"), [(1.0, True), (0.99, True), (0.95001, True), (0.94999, False), (0.9496, False), (0.5, False)]
)
def test_what_is_as_near_as_the_threshold_is_a_hit_and_nothing_below(
    project: Project, cosine: float, hits: bool
) -> None:
    row = put(project, vector_at(cosine))
    found = find(project)
    assert found.similarity == pytest.approx(cosine, abs=1e-5)
    assert (found.match is not None) is hits
    assert found.veto == ("" if hits else "threshold")
    if found.match is not None:
        assert (found.match.layer, found.match.entry_id) == ("semantic", row.id)
        assert found.match.similarity == found.similarity
        assert found.match.answer.question == KNOWN


def test_a_vector_is_as_near_to_itself_as_any_threshold_asks(project: Project) -> None:
    for seed in range(20):
        vector = unit(np.random.default_rng(seed).standard_normal(384))
        row = put(project, vector, identity="test|384")
        found = find(project, vector=vector, identity="test|384", threshold=1.0)
        assert found.match is not None
        assert found.match.entry_id == row.id


@pytest.mark.parametrize(
    ("projects_own", "asked", "hits"),
    [(0.9, None, True), (0.9, 0.96, True), (0.9, 0.98, False), (0.98, 0.5, False), (0.98, None, False)],
)
def test_a_reader_may_ask_for_more_and_not_for_less(
    project: Project, projects_own: float, asked: float | None, hits: bool
) -> None:
    put(project, vector_at(0.97))
    policy = replace(policy_of(project), threshold=projects_own)
    assert (find(project, policy=policy, threshold=asked).match is not None) is hits


def test_where_nothing_is_stored_nothing_is_found(project: Project) -> None:
    assert find(project) == Found()


def test_opposite_and_unrelated_questions_are_no_match(project: Project) -> None:
    put(project, vector_at(-1))
    put(project, vector_at(0), IN_14)
    found = find(project, policy=replace(policy_of(project), threshold=0.5))
    assert found.match is None
    assert found.similarity == pytest.approx(0, abs=1e-6)


# --- Walls ----------------------------------------------------------------------------------------


def test_nothing_is_found_across_a_wall(project: Project, foreign: Project) -> None:
    for question in (KNOWN, ASKED):  # in other words, and in the same
        put(foreign, vector_at(1), question)
        put(project, vector_at(1), question, scope_key="t" * 64)
        put(project, vector_at(1), question, identity="another|8")
        put(project, vector_at(1, 16), question)
    assert find(project) == Found()


def test_an_approved_answer_serves_the_other_scopes_of_its_project_and_no_other_project(
    project: Project, foreign: Project
) -> None:
    row = put(project, vector_at(0.99), scope_key="t" * 64)
    approval.approve(row, None)
    match = find(project).match
    assert match is not None
    assert match.answer.is_approved
    assert match.entry_id == row.id
    assert find(foreign) == Found()
    assert find(project, identity="another|8") == Found()  # whose vectors cannot be compared


@pytest.mark.parametrize(
    "state",
    [
        {"expires_at": timezone.now() - timedelta(seconds=1)},
        {"suspended_at": timezone.now()},
        {"suspended_at": timezone.now(), "approved_at": timezone.now()},
        {"created_at": timezone.now() + timedelta(hours=1), "expires_at": timezone.now() + timedelta(hours=2)},
    ],
    ids=["expired", "suspended", "approved and suspended", "clock set back"],
)
@pytest.mark.parametrize("question", [ASKED, KNOWN], ids=["other words", "same words"])
def test_what_may_not_be_served_is_never_found(project: Project, state: dict[str, object], question: str) -> None:
    row = put(project, vector_at(1))
    CacheEntry.objects.filter(id=row.id).update(**state)
    assert find(project, question) == Found()


def test_an_approved_answer_has_no_end(project: Project) -> None:
    approval.approve(put(project, vector_at(1)), None)
    CacheEntry.objects.update(expires_at=timezone.now() - timedelta(days=400))
    assert find(project).match is not None


def test_a_question_with_a_history_is_never_matched(project: Project) -> None:
    row = put(project, vector_at(1))
    CacheEntry.objects.filter(id=row.id).update(embedding=None, dimensions=None)
    assert find(project, KNOWN) == Found()


# --- Which of them --------------------------------------------------------------------------------


def test_of_several_the_nearest_is_taken(project: Project) -> None:
    for cosine in (0.96, 0.99, 0.97):
        put(project, vector_at(cosine), text=f"{cosine} [1].")
    assert found_text(find(project)) == "0.99 [1]."


def test_a_hard_difference_is_a_miss_however_near_and_says_which(project: Project) -> None:
    put(project, vector_at(1), IN_14)
    found = find(project, IN_30)
    assert found.match is None
    assert found.veto == "number"
    assert found.similarity == 1


def test_the_nearest_may_be_vetoed_where_the_second_is_right(project: Project) -> None:
    put(project, vector_at(0.999), IN_14, text="Shoes [1].")
    put(project, vector_at(0.96), "Which goods may go back within 30 days, please?", text="Hats [1].")
    assert found_text(find(project, IN_30)) == "Hats [1]."


def test_what_is_told_of_a_miss_is_told_of_the_nearest(project: Project) -> None:
    put(project, vector_at(0.999), IN_14)
    put(project, vector_at(0.8), IN_30 + " Hats?")
    found = find(project, IN_30)
    assert (found.match, found.veto) == (None, "number")
    assert found.similarity == pytest.approx(0.999, abs=1e-4)


def test_the_same_question_is_the_exact_layers_hit_whatever_the_threshold(project: Project) -> None:
    row = put(project, vector_at(1))
    match = find(project, KNOWN, policy=replace(policy_of(project), threshold=1.0, error_bound=0.001)).match
    assert match is not None
    assert (match.layer, match.entry_id, match.similarity) == ("exact", row.id, None)


def test_the_very_question_goes_before_others_with_the_same_vector(project: Project) -> None:
    """As an embedder that knows no capitals gives them."""
    for other in (KNOWN.lower(), KNOWN.upper()):
        put(project, vector_at(1), other, text="Another [1].")
    row = put(project, vector_at(1))
    match = find(project, KNOWN).match
    assert match is not None
    assert (match.layer, match.entry_id) == ("exact", row.id)


def test_of_two_answers_to_the_very_question_the_approved_one_is_given(project: Project) -> None:
    put(project, vector_at(1), text="A model's [1].")
    approval.approve(put(project, vector_at(1), text="A curator's [1].", scope_key="t" * 64), None)
    assert found_text(find(project, KNOWN)) == "A curator's [1]."


@pytest.mark.parametrize("question", [ASKED, KNOWN], ids=["other words", "same words"])
def test_a_row_that_cannot_be_read_is_passed_over(project: Project, question: str) -> None:
    row = put(project, vector_at(1))
    CacheEntry.objects.filter(id=row.id).update(sources=[{"n": 1}])
    found = find(project, question)
    assert (found.match, found.veto) == (None, "value")
    put(project, vector_at(0.98), KNOWN + " ", text="Whole [1].")
    assert found_text(find(project, question)) == "Whole [1]."


# --- The estimate ---------------------------------------------------------------------------------


def knows(monkeypatch: pytest.MonkeyPatch, probability: float, error: float) -> None:
    """A verdict that says this of every pair."""
    known = Estimate(probability=probability, error=error, interval=(0.0, error))
    monkeypatch.setattr("caching.semantic.verdict.estimate", lambda *_, **__: known)


@pytest.mark.parametrize(("error", "hits"), [(0.01, True), (0.02, True), (0.021, False), (0.4, False)])
def test_an_error_bound_takes_the_place_of_the_threshold(
    project: Project, monkeypatch: pytest.MonkeyPatch, error: float, hits: bool
) -> None:
    put(project, vector_at(0.8))
    knows(monkeypatch, 1 - error, error)
    found = find(project, policy=replace(policy_of(project), error_bound=0.02))
    assert (found.match is not None) is hits
    assert found.veto == ("" if hits else "estimate")
    assert found.probability == 1 - error
    if found.match is not None:
        assert (found.match.probability, found.match.error) == (1 - error, error)


def test_where_no_estimate_is_known_an_error_bound_lets_nothing_pass(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caching.semantic.verdict.estimate", lambda *_, **__: None)
    put(project, vector_at(1))
    found = find(project, policy=replace(policy_of(project), error_bound=0.5))
    assert (found.match, found.veto, found.probability) == (None, "estimate", None)


def test_a_reader_may_tighten_an_error_bound_by_a_similarity(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    put(project, vector_at(0.9))
    knows(monkeypatch, 0.999, 0.001)
    policy = replace(policy_of(project), error_bound=0.02)
    assert find(project, policy=policy).match is not None
    assert find(project, policy=policy, threshold=0.95).match is None


def test_no_estimate_overrules_a_veto(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    put(project, vector_at(1), IN_14)
    knows(monkeypatch, 1.0, 0.0)
    policy = replace(policy_of(project), error_bound=0.5, asks_second_opinion=True)
    found = find(project, IN_30, policy=policy)
    assert (found.match, found.doubtful, found.veto) == (None, None, "number")


@pytest.mark.parametrize(
    ("probability", "asks", "threshold", "is_doubtful"),
    [(0.7, True, None, True), (0.7, False, None, False), (0.4, True, None, False), (0.7, True, 0.95, False)],
    ids=["grey", "asks nobody", "too unlikely", "below what the reader asks for"],
)
def test_a_grey_match_waits_for_a_second_opinion(
    project: Project,
    monkeypatch: pytest.MonkeyPatch,
    probability: float,
    asks: bool,
    threshold: float | None,
    is_doubtful: bool,
) -> None:
    row = put(project, vector_at(0.9))
    knows(monkeypatch, probability, 1 - probability)
    found = find(project, policy=replace(policy_of(project), asks_second_opinion=asks), threshold=threshold)
    assert (found.match, found.veto) == (None, "threshold")
    assert (found.doubtful is not None) is is_doubtful
    if found.doubtful is not None:
        assert found.doubtful.entry_id == row.id


# --- Many -----------------------------------------------------------------------------------------


def around(count: int, low: float, high: float, dimensions: int = SIZE) -> list[Vector]:
    """Vectors whose cosines to the asked one run from low to high."""
    return [vector_at(c, dimensions, seed) for seed, c in enumerate(np.linspace(low, high, count))]


def plan_of_find(project: Project, **options: Any) -> tuple[Found, str]:  # Any: as find's
    execute("ANALYZE caching_cacheentry")
    with CaptureQueriesContext(connection) as queries:
        found = find(project, **options)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {queries.captured_queries[-1]['sql']}")
        return found, "\n".join(line for (line,) in cursor.fetchall())


def test_a_large_scope_is_searched_by_its_index_and_a_small_one_exactly(project: Project, foreign: Project) -> None:
    semantic.make_index(SIZE)
    put_many(foreign, around(1500, -0.5, 0.9))
    put_many(project, around(999, -0.5, 0.9))
    put(project, vector_at(0.97), text="Near [1].")
    found, plan = plan_of_find(project)
    assert found_text(found) == "Near [1]."
    assert "hnsw" not in plan
    put_many(project, around(2000, -0.5, 0.9))
    found, plan = plan_of_find(project)
    assert found_text(found) == "Near [1]."
    assert f"Index Scan using {semantic.index_name(SIZE)}" in plan


@pytest.fixture
def prefers_indexes() -> Iterator[None]:
    """As with a million entries: the planner takes the index also where few rows would be sorted as fast."""
    execute("SET enable_sort = off")
    yield
    execute("RESET enable_sort")


@pytest.mark.usefixtures("prefers_indexes")
@pytest.mark.parametrize(("size", "uses_index"), [(10, False), (1100, True)], ids=["small scope", "large scope"])
def test_nearer_entries_beyond_a_wall_hide_no_match(
    project: Project, foreign: Project, size: int, uses_index: bool
) -> None:
    semantic.make_index(SIZE)
    put_many(foreign, around(2500, 0.98, 1.0))
    put_many(project, around(500, 0.98, 1.0), scope_key="t" * 64)
    put_many(project, around(size, -0.5, 0.5))
    put(project, vector_at(0.96, seed=9999), text="Far [1].")
    found, plan = plan_of_find(project)
    assert found_text(found) == "Far [1]."
    assert ("hnsw" in plan) is uses_index


@pytest.mark.usefixtures("prefers_indexes")
def test_nearer_entries_that_expired_hide_no_match(project: Project) -> None:
    semantic.make_index(SIZE)
    put_many(project, around(2500, 0.98, 1.0))
    CacheEntry.objects.update(expires_at=timezone.now())
    put_many(project, around(1100, -0.5, 0.5))
    put(project, vector_at(0.96, seed=9999), text="Far [1].")
    found, plan = plan_of_find(project)
    assert found_text(found) == "Far [1]."
    assert "hnsw" in plan


@pytest.mark.usefixtures("prefers_indexes")
def test_a_scan_that_gives_up_among_nearer_entries_hides_no_match(project: Project, foreign: Project) -> None:
    semantic.make_index(SIZE)
    put_many(foreign, around(2500, 0.98, 1.0))
    put_many(project, around(1100, -0.5, 0.5))
    put(project, vector_at(0.96, seed=9999), text="Far [1].")
    execute("SET hnsw.max_scan_tuples = 100")  # of 20,000, which as many nearer entries would spend
    try:
        assert found_text(find(project)) == "Far [1]."
    finally:
        execute("RESET hnsw.max_scan_tuples")


# --- Indexes --------------------------------------------------------------------------------------


def test_each_size_has_an_index_of_its_own(project: Project) -> None:
    semantic.make_index(SIZE)
    semantic.make_index(16)
    assert {semantic.index_name(SIZE), semantic.index_name(16)} <= indexes()
    put(project, vector_at(0.97))
    put(project, vector_at(0.98, 16), text="Sixteen [1].")
    assert found_text(find(project, vector=vector_at(1, 16))) == "Sixteen [1]."
    assert found_text(find(project)) == "30 days [1]."


def test_the_bundled_embedders_size_has_its_index_from_the_start() -> None:
    assert semantic.index_name(384) in indexes()
    assert semantic.is_indexed()


def test_without_an_index_everything_is_found_and_health_can_tell(project: Project) -> None:
    """Also where other sizes have theirs."""
    put_many(project, around(1100, -0.5, 0.9))
    put(project, vector_at(0.97), text="Near [1].")
    assert not semantic.is_indexed()
    assert found_text(find(project)) == "Near [1]."
    semantic.repair_indexes()
    assert semantic.is_indexed()
    assert semantic.index_name(SIZE) in indexes()
    assert found_text(find(project)) == "Near [1]."


def test_an_index_that_is_lost_is_made_again(project: Project) -> None:
    put(project, vector_at(0.97, 384), identity="test|384")
    execute(f"DROP INDEX {semantic.index_name(384)}")
    assert not semantic.is_indexed()
    semantic.repair_indexes()
    assert semantic.is_indexed()
    semantic.repair_indexes()


def test_an_index_whose_making_was_interrupted_is_replaced(project: Project) -> None:
    put(project, vector_at(0.97))
    semantic.make_index(SIZE)
    name = semantic.index_name(SIZE)
    execute(f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")
    assert not semantic.is_indexed()
    semantic.repair_indexes()
    assert semantic.is_indexed()
    assert find(project).match is not None


def test_vectors_too_large_for_an_index_are_searched_exactly(project: Project) -> None:
    large = semantic.MAX_INDEXED_DIMENSIONS + 1
    semantic.make_index(large)
    put(project, vector_at(0.97, large), identity="test|large")
    put(project, vector_at(0.5, large, seed=1), IN_14, identity="test|large")
    assert indexes() == {semantic.index_name(384)}
    assert semantic.is_indexed()  # nothing is missing that could be there
    semantic.repair_indexes()
    match = find(project, vector=vector_at(1, large), identity="test|large").match
    assert match is not None
    assert match.similarity == pytest.approx(0.97, abs=1e-5)


def test_processes_that_need_an_index_at_once_make_one(project: Project) -> None:
    put_many(project, around(500, -0.5, 0.9))

    def make() -> None:
        try:
            semantic.make_index(SIZE)  # as the first use in each process
        finally:
            release()

    with ThreadPoolExecutor(4) as pool:
        for running in [pool.submit(make) for _ in range(4)]:
            running.result(30)
    assert semantic.is_indexed()
    assert semantic.index_name(SIZE) in indexes()


def test_an_entry_of_a_size_without_an_index_can_be_stored_and_found(project: Project) -> None:
    row = put(project, vector_at(0.99, 24))
    assert row.dimensions == 24
    assert found_text(find(project, vector=vector_at(1, 24))) == "30 days [1]."
    assert isinstance(row.id, UUID)
