"""caching/judgements.py: what a judgement does to the answer and to the project's verdict."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Project
from caching import approval, entries, exact
from caching.judgements import LEARNED_FROM, judge, refit
from caching.models import CacheEntry, Judgement
from core.redis import sync_redis
from tests.caching.answers import make_answer, vector_at
from tests.conftest import Cast

ANSWER = "30 days [1]."


@pytest.fixture
def project(cast: Cast) -> Project:
    return cast.project


@pytest.fixture
def entry(project: Project) -> CacheEntry:
    """An answer in every layer."""
    answer = make_answer(project_id=project.id, text=ANSWER, corpus_version=project.corpus_version)
    keys = {"scope_key": "s" * 64, "request_key": "r" * 64, "question_key": "q" * 64}
    assert entries.admit(answer, **keys, embedding_identity="e", vector=vector_at(1.0))
    sync_redis().set(exact.name(project.id, project.cache_epoch, "r" * 64), exact.dump(answer))
    return CacheEntry.objects.get()


def judgement(project: Project, entry: UUID | None, **fields: Any) -> Judgement:  # Any: a judgement's fields
    fields = {"origin": "click", "layer": "semantic", "asked": "how?", "known": "How?", "is_right": False, **fields}
    return Judgement(project=project, entry_id=entry, **fields)


def copies() -> list[bytes]:
    return list(sync_redis().scan_iter("polyai:exact:*"))


def offset(project: Project) -> float:
    return Project.objects.get(id=project.id).verdict_offset


def test_a_wrong_answer_leaves_every_cache_at_once(project: Project, entry: CacheEntry) -> None:
    judge(judgement(project, entry.id), ANSWER)
    assert not CacheEntry.objects.exists()
    assert copies() == []
    assert Judgement.objects.get().entry_id is None


def test_with_redis_away_the_copy_cannot_be_found_any_more(
    project: Project, entry: CacheEntry, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ConnectionError("Redis is away")

    with monkeypatch.context() as patch:
        patch.setattr("caching.exact.forget", away)
        judge(judgement(project, entry.id), ANSWER)
    project.refresh_from_db()
    (copy,) = copies()
    assert copy.decode() != exact.name(project.id, project.cache_epoch, "r" * 64)
    assert not CacheEntry.objects.exists()


def test_a_right_answer_stays(project: Project, entry: CacheEntry) -> None:
    judge(judgement(project, entry.id, is_right=True), ANSWER)
    assert CacheEntry.objects.get().suspended_at is None
    assert len(copies()) == 1
    assert Judgement.objects.get().entry_id == entry.id


def test_an_approved_answer_waits_for_its_curator(cast: Cast, project: Project, entry: CacheEntry) -> None:
    approval.approve(entry, cast.alice)
    judge(judgement(project, entry.id, asked="how now?"), ANSWER)
    row = CacheEntry.objects.get()
    assert row.suspended_at is not None
    assert row.suspended_because == "A reader said so: wrong for “how now?”."
    assert copies() == []


def test_a_question_without_end_fits_into_the_reason(cast: Cast, project: Project, entry: CacheEntry) -> None:
    approval.approve(entry, cast.alice)
    judge(judgement(project, entry.id, asked="how " * 2000), ANSWER)
    assert len(CacheEntry.objects.get().suspended_because) <= 300


def test_an_answer_written_anew_is_another_answer(project: Project, entry: CacheEntry) -> None:
    judge(judgement(project, entry.id), "What stood there before [1].")
    assert CacheEntry.objects.filter(id=entry.id).exists()
    assert Judgement.objects.get().entry_id is None


def test_the_answer_of_another_project_is_out_of_reach(cast: Cast, entry: CacheEntry) -> None:
    judge(judgement(cast.foreign, entry.id), ANSWER)
    assert CacheEntry.objects.filter(id=entry.id).exists()
    assert Judgement.objects.get().entry_id is None


def test_an_answer_that_is_gone_is_judged_all_the_same(project: Project) -> None:
    for gone in (None, uuid4()):
        judge(judgement(project, gone, probability=0.9), ANSWER)
    assert Judgement.objects.count() == 2
    assert offset(project) < 0


def test_the_same_judgement_twice_counts_once(project: Project, entry: CacheEntry) -> None:
    identity = uuid4()
    judge(judgement(project, entry.id, id=identity, probability=0.9), ANSWER)
    before = offset(project)
    judge(judgement(project, entry.id, id=identity, probability=0.9), ANSWER)
    assert Judgement.objects.count() == 1
    assert offset(project) == before


def at_once(*calls: Callable[[], None]) -> None:
    def call(function: Callable[[], None]) -> None:
        try:
            function()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as threads:
        for done in [threads.submit(call, function) for function in calls]:
            done.result()


def test_many_judgements_at_once_lose_none_and_deadlock_nobody(project: Project, entry: CacheEntry) -> None:
    same = uuid4()
    calls = [
        lambda n=n: judge(
            judgement(project, entry.id, id=same if n % 2 else uuid4(), probability=0.9, is_right=n % 4 == 0), ANSWER
        )
        for n in range(8)
    ]
    at_once(*calls)
    assert Judgement.objects.count() == 5
    fitted = offset(project)
    refit(project)
    assert offset(project) == fitted  # the last one saw all of them


@pytest.mark.parametrize(("is_right", "sign"), [(True, 1), (False, -1)])
def test_the_offset_follows_what_is_judged(project: Project, is_right: bool, sign: int) -> None:
    offsets = [0.0]
    for _ in range(5):
        judge(judgement(project, None, probability=0.9, is_right=is_right), ANSWER)
        offsets.append(offset(project))
    assert sorted(offsets, key=lambda value: sign * value) == offsets
    assert len(set(offsets)) == 6


@pytest.mark.parametrize(
    "fields", [{"layer": "exact", "probability": None}, {"layer": "semantic", "probability": None}]
)
def test_what_tells_nothing_about_matching_moves_nothing(project: Project, fields: dict[str, Any]) -> None:
    judge(judgement(project, None, **fields), ANSWER)
    assert offset(project) == 0


def test_other_projects_learn_nothing_from_it(cast: Cast, project: Project) -> None:
    judge(judgement(project, None, probability=0.9), ANSWER)
    assert offset(cast.foreign) == 0


def test_only_the_newest_are_learned_from(project: Project) -> None:
    now = timezone.now()
    old = [
        judgement(project, None, probability=0.9, is_right=False, created_at=now - timedelta(days=9)) for _ in range(50)
    ]
    new = [judgement(project, None, probability=0.9, is_right=True, created_at=now) for _ in range(LEARNED_FROM)]
    Judgement.objects.bulk_create([*old, *new])
    refit(project)
    with_old = offset(project)
    Judgement.objects.filter(is_right=False).delete()
    refit(project)
    assert offset(project) == with_old > 0
