"""caching/entries.py: the rows behind the caches, and that no copy in Redis outlives one that was taken away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.models import Project, User
from caching import approval, entries, eviction, exact
from caching.exact import Unreadable
from caching.models import CacheEntry, Judgement
from caching.types import CachedAnswer, Match
from core.database import in_db, release
from core.errors import NotFound
from core.redis import sync_redis
from knowledge.services import move_corpus_version
from providers.types import Vector
from tests.caching.answers import make_answer, make_source, vector_at

T = TypeVar("T")
KEY, OTHER = "a" * 64, "b" * 64
QUESTION = "q" * 64
DAY = 24 * 3600


@pytest.fixture
def project(transactional_db: None) -> Project:
    return Project.objects.create(slug="support", name="Support")


@pytest.fixture
def foreign(transactional_db: None) -> Project:
    return Project.objects.create(slug="secret", name="Secret")


def answer_in(project: Project, seconds: float = 60, *, age: float = 0, **fields: Any) -> CachedAnswer:  # Any: fields
    version = Project.objects.get(id=project.id).corpus_version
    return make_answer(seconds, age=age, **{"project_id": project.id, "corpus_version": version, **fields})


def admit(
    answer: CachedAnswer,
    key: str = KEY,
    *,
    question_key: str = QUESTION,
    scope_key: str = "s" * 64,
    vector: Vector | None = None,
    is_follow_up: bool = False,
) -> bool:
    shared = None if is_follow_up else vector_at(1) if vector is None else vector
    return entries.admit(
        answer,
        scope_key=scope_key,
        request_key=key,
        question_key=question_key,
        embedding_identity="test|8",
        vector=shared,
    )


def admitted(project: Project, key: str = KEY, seconds: float = 60, **options: Any) -> CacheEntry:  # Any: as admit's
    answer = options.pop("answer", None) or answer_in(project, seconds)
    assert admit(answer, key, **options)
    return row_of(project, key)


def row_of(project: Project, key: str = KEY) -> CacheEntry:
    return entries.get_entry(project.id, entries.entry_id(project.id, key))


def found(project: Project, key: str = KEY, question_key: str | None = QUESTION) -> Match | None:
    return entries.find(project.id, key, question_key)


def rows() -> int:
    return CacheEntry.objects.count()


def copy(answer: CachedAnswer, key: str = KEY, epoch: int = 0) -> str:
    """Put a copy into Redis, as a lookup does; its name."""
    name = exact.name(answer.project_id, epoch, key)
    sync_redis().set(name, exact.dump(answer), px=60_000)
    return name


def epoch_of(project: Project) -> int:
    return Project.objects.get(id=project.id).cache_epoch


def person(name: str = "alice") -> User:
    return User.objects.create_user(f"{name}@example.org", "correct horse 9")


def change(**fields: object) -> None:
    CacheEntry.objects.update(**fields)


# --- Admission ------------------------------------------------------------------------------------


def test_what_was_admitted_is_found_whole(project: Project) -> None:
    answer = answer_in(project, sources=(make_source(1), make_source(2)))
    assert admit(answer)
    match = found(project)
    assert match is not None
    assert match.answer == answer
    assert (match.layer, match.answer.is_approved, match.similarity) == ("exact", False, None)
    assert match.entry_id == entries.entry_id(project.id, KEY)


def test_admitted_again_it_takes_the_place_of_the_one_before(project: Project) -> None:
    admit(answer_in(project))
    again = answer_in(project, 90, text="Sixty [1].", sources=(make_source(2),), model="other", prompt_tokens=1)
    assert admit(again)
    assert rows() == 1
    match = found(project)
    assert match is not None
    assert match.answer == again
    assert row_of(project).chunk_ids == [make_source(2).chunk_id]


def test_an_answer_to_documents_that_changed_meanwhile_is_not_admitted(project: Project) -> None:
    before = answer_in(project)
    move_corpus_version(project.id)
    assert not admit(before)
    assert not admit(replace(before, corpus_version=before.corpus_version + 2))
    assert rows() == 0
    assert admit(replace(before, corpus_version=before.corpus_version + 1))


def test_an_answer_for_a_project_that_is_gone_is_not_admitted(project: Project) -> None:
    answer = answer_in(project)
    project.delete()
    assert not admit(answer)


def test_another_projects_version_is_no_matter(project: Project, foreign: Project) -> None:
    move_corpus_version(foreign.id)
    assert admit(answer_in(project))


def test_an_approved_answer_keeps_its_place(project: Project) -> None:
    approval.approve(admitted(project), None)
    assert not admit(answer_in(project, text="Another [1]."))
    assert row_of(project).text == "30 days [1]."


def test_an_approved_answer_keeps_other_scopes_answers_to_its_question_out(project: Project, foreign: Project) -> None:
    approval.approve(admitted(project), None)
    assert not admit(answer_in(project), OTHER, scope_key="t" * 64)
    assert admit(answer_in(project), OTHER, question_key="r" * 64)
    assert admit(answer_in(foreign))


def test_a_follow_up_is_neither_kept_out_by_an_approved_answer_nor_taken_for_one(project: Project) -> None:
    """The same words after another history ask for something else."""
    approval.approve(admitted(project), None)
    assert admit(answer_in(project), OTHER, is_follow_up=True)
    approval.approve(row_of(project, OTHER), None)
    assert admit(answer_in(project), "c" * 64, is_follow_up=True)
    follow_up = found(project, OTHER, None)
    assert follow_up is not None
    assert follow_up.entry_id == entries.entry_id(project.id, OTHER)


def test_a_suspended_answer_waits_for_its_curator_and_no_machine_writes_under_the_approval(project: Project) -> None:
    approval.approve(admitted(project), None)
    move_corpus_version(project.id)
    eviction.refute(row_of(project).id, corpus_version=1)
    assert not admit(answer_in(project, text="Nobody approved this [1]."))
    row = row_of(project)
    assert row.text == "30 days [1]."
    assert row.suspended_at is not None
    assert found(project) is None
    assert admit(answer_in(project), OTHER)  # of another scope, in a row of its own


def test_a_follow_up_has_no_vector(project: Project) -> None:
    row = admitted(project, is_follow_up=True)
    assert row.embedding is None
    assert row.dimensions is None
    assert found(project, question_key=None) is not None


# --- Finding --------------------------------------------------------------------------------------


def test_nothing_is_found_across_projects_or_requests(project: Project, foreign: Project) -> None:
    admitted(project)
    assert found(foreign) is None
    assert found(project, OTHER) is None
    with pytest.raises(NotFound):
        entries.get_entry(foreign.id, entries.entry_id(project.id, KEY))


def test_an_expired_answer_is_not_found_and_an_approved_one_is(project: Project) -> None:
    admitted(project)
    change(expires_at=timezone.now())
    assert found(project) is None
    approval.approve(row_of(project), None)
    match = found(project)
    assert match is not None
    assert match.answer.is_approved


def test_an_approved_answer_is_found_from_other_scopes_by_its_question_alone(project: Project) -> None:
    admitted(project)
    assert found(project, OTHER) is None
    approval.approve(row_of(project), None)
    match = found(project, OTHER)
    assert match is not None
    assert match.entry_id == entries.entry_id(project.id, KEY)
    assert found(project, OTHER, "r" * 64) is None
    assert found(project, OTHER, None) is None  # after a history the words alone say nothing


def test_the_approved_of_two_answers_is_found(project: Project) -> None:
    admitted(project, answer=answer_in(project, text="A model's [1]."))
    admitted(project, OTHER, answer=answer_in(project, text="A curator's [1]."), scope_key="t" * 64)
    approval.approve(row_of(project, OTHER), None)
    match = found(project)
    assert match is not None
    assert match.answer.text == "A curator's [1]."


def test_a_suspended_answer_is_found_by_nobody(project: Project) -> None:
    admitted(project)
    change(suspended_at=timezone.now())
    assert found(project) is None
    assert entries.find_stale(project.id, KEY, DAY) is None


@pytest.mark.parametrize("finds", ["live", "stale"])
def test_after_the_clock_was_set_back_answers_from_the_future_are_not_found(project: Project, finds: str) -> None:
    admitted(project)
    change(created_at=timezone.now() + timedelta(hours=1), expires_at=timezone.now() + timedelta(hours=2))
    match = found(project) if finds == "live" else entries.find_stale(project.id, KEY, DAY)
    assert match is None
    change(created_at=timezone.now() + timedelta(seconds=20))  # as the clocks of two servers may differ
    assert found(project) is not None


@pytest.mark.parametrize(
    ("expired_since", "stale_ttl", "serves"),
    [(10, 60, True), (59, 60, True), (61, 60, False), (10, 0, False), (0, 0, False), (10, DAY, True), (DAY, 60, False)],
)
def test_an_expired_answer_may_serve_up_to_an_age(
    project: Project, expired_since: float, stale_ttl: int, serves: bool
) -> None:
    admitted(project)
    change(created_at=timezone.now() - timedelta(days=2), expires_at=timezone.now() - timedelta(seconds=expired_since))
    assert (entries.find_stale(project.id, KEY, stale_ttl) is not None) is serves


def test_a_stale_answer_is_the_very_requests_own(project: Project, foreign: Project) -> None:
    admitted(project)
    assert entries.find_stale(project.id, OTHER, DAY) is None
    assert entries.find_stale(foreign.id, KEY, DAY) is None


@pytest.mark.parametrize(
    "sources", [None, {}, "text", [7], [{}], [{"chunk_id": 7}], [{"chunk_id": str(uuid4())}], [{"n": "1"}]]
)
def test_a_row_whose_sources_cannot_be_read_is_unreadable_and_deletable(project: Project, sources: object) -> None:
    admitted(project)
    change(sources=sources if sources is not None else {"a": None})
    with pytest.raises(Unreadable):
        found(project)
    approval.approve(row_of(project), None)
    forget(project, 1)
    assert row_of(project).sources == []
    assert row_of(project).suspended_at is not None


# --- Renewal and refutation -----------------------------------------------------------------------


def test_a_renewal_remembers_the_version_and_the_chunks_and_keeps_the_end(project: Project) -> None:
    row = admitted(project)
    before = found(project)
    assert before is not None
    renewed = replace(before.answer, corpus_version=5, sources=(make_source(1, chunk_id=UUID(int=900)),))
    entries.renew(row.id, renewed)
    match = found(project)
    assert match is not None
    assert match.answer == renewed
    assert match.answer.expires_at == before.answer.expires_at
    assert row_of(project).chunk_ids == [UUID(int=900)]


def test_a_renewal_goes_only_forwards(project: Project) -> None:
    row = admitted(project)
    change(corpus_version=7)
    for version in (6, 7):
        entries.renew(row.id, answer_in(project, corpus_version=version, sources=()))
    assert row_of(project).corpus_version == 7
    assert len(row_of(project).sources) == 1


def test_a_refuted_answer_is_gone_with_its_copy(project: Project) -> None:
    row = admitted(project)
    name = copy(answer_in(project))
    eviction.refute(row.id, corpus_version=1)
    assert rows() == 0
    assert not sync_redis().exists(name)


def test_a_refuted_answer_that_is_approved_waits_for_a_curator(project: Project) -> None:
    row = admitted(project)
    approval.approve(row, None)
    name = copy(answer_in(project))
    eviction.refute(row.id, corpus_version=1)
    suspended = row_of(project)
    assert suspended.suspended_at is not None
    assert "changed" in suspended.suspended_because
    assert suspended.approved_at is not None
    assert found(project) is None
    assert not sync_redis().exists(name)
    eviction.refute(row.id, corpus_version=2)
    assert row_of(project).suspended_at == suspended.suspended_at


def test_who_looked_at_older_documents_refutes_nothing_newer(project: Project) -> None:
    row = admitted(project)
    name = copy(answer_in(project))
    change(corpus_version=4)
    for version in (3, 4):
        eviction.refute(row.id, corpus_version=version)
    assert rows() == 1
    assert sync_redis().exists(name)
    eviction.refute(uuid4(), corpus_version=9)  # one that is gone already


# --- Deleted chunks -------------------------------------------------------------------------------


def forget(project: Project, *numbers: int) -> None:
    """Delete chunks as knowledge.services.delete does."""
    with transaction.atomic():
        move_corpus_version(project.id)
        eviction.forget_chunks(project.id, [make_source(n).chunk_id for n in numbers])


def test_answers_that_show_a_deleted_chunk_are_gone_at_once_everywhere(project: Project) -> None:
    answer = answer_in(project, sources=(make_source(1), make_source(2)))
    untouched = answer_in(project, sources=(make_source(3),))
    admit(answer)
    admit(answer, OTHER, is_follow_up=True)
    admit(untouched, "c" * 64, question_key="r" * 64)
    names = [copy(answer), copy(answer, OTHER), copy(untouched, "c" * 64)]
    forget(project, 2, 99)
    assert [row.request_key for row in entries.list_entries(project.id)] == ["c" * 64]
    assert [sync_redis().exists(name) for name in names] == [0, 0, 1]
    assert epoch_of(project) == 0


def test_another_projects_answers_are_untouched(project: Project, foreign: Project) -> None:
    admitted(project)
    admitted(foreign)
    name = copy(answer_in(foreign))
    forget(project, 1)
    assert found(project) is None
    assert found(foreign) is not None
    assert sync_redis().exists(name)


def test_expired_answers_that_might_serve_stale_are_gone_too(project: Project) -> None:
    admitted(project)
    change(expires_at=timezone.now() - timedelta(seconds=5))
    forget(project, 1)
    assert entries.find_stale(project.id, KEY, DAY) is None
    assert rows() == 0


def test_an_approved_answer_is_suspended_and_shows_the_deleted_passage_nowhere(project: Project) -> None:
    answer = answer_in(project, sources=(make_source(1, text="A secret."), make_source(2)))
    approval.approve(admitted(project, answer=answer), None)
    name = copy(answer)
    forget(project, 1)
    row = row_of(project)
    assert [source["n"] for source in row.sources] == [2]
    assert row.chunk_ids == [make_source(2).chunk_id]
    assert row.suspended_at is not None
    assert "deleted" in row.suspended_because
    assert "A secret." not in str(row.sources)
    assert not sync_redis().exists(name)
    assert found(project) is None


def test_where_nothing_shows_the_chunk_nothing_happens(project: Project) -> None:
    admitted(project)
    forget(project, 50)
    forget(project)
    assert found(project) is not None


def test_without_redis_the_epoch_moves_and_no_copy_is_found_again(
    project: Project, foreign: Project, dead_redis: str
) -> None:
    admitted(project)
    forget(project, 1)
    assert rows() == 0
    assert epoch_of(project) == 1
    assert epoch_of(foreign) == 0


def test_a_delete_that_is_rolled_back_took_nothing(project: Project) -> None:
    admitted(project)
    approval.approve(admitted(project, OTHER, question_key="r" * 64), None)
    name = copy(answer_in(project))
    with transaction.atomic():
        eviction.forget_chunks(project.id, [make_source().chunk_id])
        assert sync_redis().exists(name)  # nobody else has seen the delete yet
        transaction.set_rollback(True)
    assert rows() == 2
    assert row_of(project, OTHER).suspended_at is None
    assert sync_redis().exists(name)


def test_many_answers_are_forgotten_at_once(project: Project) -> None:
    admitted(project)
    row = row_of(project)
    CacheEntry.objects.bulk_create(clones(row, 1500))
    forget(project, 1)
    assert rows() == 0


def clones(row: CacheEntry, count: int) -> list[CacheEntry]:
    fields = {f.attname: getattr(row, f.attname) for f in CacheEntry._meta.concrete_fields}
    keys = [uuid4().hex * 2 for _ in range(count)]
    return [CacheEntry(**{**fields, "id": entries.entry_id(row.project_id, key), "request_key": key}) for key in keys]


HASH = make_source().content_hash


@pytest.mark.parametrize(
    ("text", "gone", "live", "serves"),
    [
        ("30 days [1].", HASH, set(), False),
        ("30 days [1].", HASH, {HASH}, True),
        ("30 days [2].", HASH, set(), True),
        ("30 days [1].", None, set(), True),
    ],
    ids=["other words", "the same words again", "not cited", "another document"],
)
def test_a_new_content_suspends_what_was_approved_and_cites_the_old(
    project: Project, text: str, gone: str | None, live: set[str], serves: bool
) -> None:
    approval.approve(admitted(project, answer=answer_in(project, text=text)), None)
    chunks = {make_source().chunk_id: gone} if gone else {uuid4(): HASH}
    with transaction.atomic():
        eviction.replace_chunks(project.id, chunks, live)
    assert (found(project) is not None) is serves


def test_an_approved_answer_whose_sources_cannot_be_read_stops_no_new_content(project: Project) -> None:
    approval.approve(admitted(project), None)
    change(sources=["damaged"])
    with transaction.atomic():
        eviction.replace_chunks(project.id, {make_source().chunk_id: HASH}, {HASH})
    assert row_of(project).suspended_at is not None


# --- What curators do -----------------------------------------------------------------------------


def test_an_evicted_answer_is_in_no_cache(project: Project) -> None:
    row = admitted(project)
    name = copy(answer_in(project))
    eviction.evict(row)
    assert rows() == 0
    assert not sync_redis().exists(name)
    eviction.evict(replaced(row, id=entries.entry_id(project.id, KEY)))  # twice is once


def replaced(row: CacheEntry, **fields: object) -> CacheEntry:
    for name, value in fields.items():
        setattr(row, name, value)
    return row


def test_without_redis_an_eviction_moves_the_epoch(project: Project, dead_redis: str) -> None:
    eviction.evict(admitted(project))
    assert epoch_of(project) == 1


def test_an_eviction_in_a_transaction_that_is_rolled_back_took_nothing(project: Project) -> None:
    row = admitted(project)
    name = copy(answer_in(project))
    with transaction.atomic():
        eviction.evict(row)
        transaction.set_rollback(True)
    assert found(project) is not None
    assert sync_redis().exists(name)


def test_judgements_outlive_the_answer_they_judge(project: Project) -> None:
    row = admitted(project)
    Judgement.objects.create(project=project, entry=row, origin="click", layer="exact", is_right=False)
    eviction.evict(row)
    assert Judgement.objects.get().entry_id is None


async def test_no_copy_is_made_of_an_answer_that_was_evicted_meanwhile(project: Project) -> None:
    """Found in PostgreSQL, checked for a while, evicted, and only then copied to Redis."""
    answer = await in_db(answer_in)(project)
    row = await in_db(lambda: admitted(project, answer=answer))()
    await entries.copy(answer, epoch=0, request_key=KEY)
    assert await exact.find(project.id, 0, KEY) == answer
    await in_db(eviction.evict)(row)
    await entries.copy(answer, epoch=0, request_key=KEY)
    assert await exact.find(project.id, 0, KEY) is None


async def test_no_copy_is_made_of_an_answer_that_another_replaced_meanwhile(project: Project) -> None:
    old, new = await in_db(answer_in)(project), await in_db(lambda: answer_in(project, text="New [1]."))()
    await in_db(admit)(old)
    await in_db(admit)(new)
    await entries.copy(old, epoch=0, request_key=KEY)
    assert await exact.find(project.id, 0, KEY) is None
    await entries.copy(new, epoch=0, request_key=KEY)
    assert await exact.find(project.id, 0, KEY) == new


def test_a_flush_takes_all_of_a_project_but_what_is_approved(project: Project, foreign: Project) -> None:
    admitted(project)
    admitted(project, OTHER, is_follow_up=True)
    approval.approve(admitted(project, "c" * 64, question_key="r" * 64), None)
    admitted(foreign)
    assert eviction.flush(project) == 2
    assert [row.request_key for row in entries.list_entries(project.id)] == ["c" * 64]
    assert epoch_of(project) == 1  # every copy is out of reach
    assert eviction.flush(project) == 0
    assert found(foreign) is not None
    assert epoch_of(foreign) == 0


def test_an_approval_has_a_name_and_no_end(project: Project) -> None:
    alice = person()
    row = admitted(project)
    approval.approve(row, alice)
    change(expires_at=timezone.now() - timedelta(days=400))
    match = found(project)
    assert match is not None
    assert match.answer.is_approved
    assert row_of(project).approved_by == alice
    alice.delete()
    assert found(project) is not None


def test_what_was_written_anew_since_the_curator_looked_is_not_approved(project: Project) -> None:
    seen = admitted(project)
    admit(answer_in(project, text="Nobody has read this [1]."))
    with pytest.raises(NotFound):
        approval.approve(seen, None)
    assert row_of(project).approved_at is None
    eviction.evict(row_of(project))
    with pytest.raises(NotFound):
        approval.approve(seen, None)


def test_a_withdrawn_answer_lives_as_long_as_any_other(project: Project) -> None:
    row = admitted(project)
    approval.approve(row, None)
    name = copy(answer_in(project))
    approval.withdraw(row)
    assert found(project) is not None
    assert not sync_redis().exists(name)
    change(expires_at=timezone.now())
    assert found(project) is None


def test_a_withdrawn_answer_that_was_suspended_is_gone(project: Project) -> None:
    approval.approve(admitted(project), None)
    seen = row_of(project)
    eviction.refute(seen.id, corpus_version=1)
    approval.withdraw(seen)  # suspended since the curator looked
    assert rows() == 0
    approval.withdraw(seen)  # and twice is once


# --- Purging --------------------------------------------------------------------------------------


def test_rows_are_purged_when_they_may_not_even_serve_stale(project: Project, foreign: Project) -> None:
    Project.objects.filter(id=project.id).update(stale_ttl=60)
    Project.objects.filter(id=foreign.id).update(stale_ttl=0)
    for where in (project, foreign):
        admitted(where)
    assert eviction.purge() == 0
    change(expires_at=timezone.now() - timedelta(seconds=30))
    assert eviction.purge() == 1
    assert CacheEntry.objects.get().project_id == project.id
    change(expires_at=timezone.now() - timedelta(seconds=61))
    assert eviction.purge() == 1
    assert eviction.purge() == 0


def test_approved_answers_are_not_purged_suspended_or_not(project: Project) -> None:
    approval.approve(admitted(project), None)
    change(expires_at=timezone.now() - timedelta(days=400))
    assert eviction.purge() == 0
    change(suspended_at=timezone.now())
    assert eviction.purge() == 0


def test_a_purge_takes_a_thousand_at_once_the_oldest_first(project: Project) -> None:
    row = admitted(project)
    CacheEntry.objects.bulk_create(clones(row, eviction.PURGED_AT_ONCE))
    change(expires_at=timezone.now() - timedelta(days=60))
    newest = CacheEntry.objects.order_by("id")[7]
    CacheEntry.objects.filter(id=newest.id).update(expires_at=timezone.now() - timedelta(days=50))
    assert eviction.purge() == eviction.PURGED_AT_ONCE
    assert CacheEntry.objects.get().id == newest.id
    assert eviction.purge() == 1
    assert eviction.purge() == 0


# --- At the same time -----------------------------------------------------------------------------


@pytest.fixture
def threads() -> Iterator[Callable[[Callable[[], T]], Future[T]]]:
    """Run a function beside the test, with a connection of its own."""
    with ThreadPoolExecutor(4) as pool:

        def start(function: Callable[[], T]) -> Future[T]:
            def run() -> T:
                try:
                    return function()
                finally:
                    release()

            return pool.submit(run)

        yield start


def wait_for_a_waiting_statement() -> None:
    """Until a statement in another connection waits for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with connection.cursor() as cursor:
        for _ in range(1000):
            cursor.execute("SELECT pg_stat_clear_snapshot()")
            cursor.execute(waiting)
            if cursor.fetchone()[0]:
                return
            time.sleep(0.01)
    raise AssertionError("nobody waits")


Threads = Callable[[Callable[[], T]], "Future[T]"]


def test_an_admission_waits_for_a_delete_and_is_refused(project: Project, threads: Threads[bool]) -> None:
    answer = answer_in(project)
    with transaction.atomic():
        move_corpus_version(project.id)
        eviction.forget_chunks(project.id, [make_source().chunk_id])
        admission = threads(lambda: admit(answer))
        wait_for_a_waiting_statement()
    assert admission.result(20) is False
    assert rows() == 0


def test_a_delete_waits_for_an_admission_and_takes_its_row(project: Project, threads: Threads[None]) -> None:
    with transaction.atomic():
        admit(answer_in(project))
        deletion = threads(lambda: forget(project, 1))
        wait_for_a_waiting_statement()
    deletion.result(20)
    assert rows() == 0


def test_however_admissions_and_deletes_meet_no_answer_shows_what_was_deleted(
    project: Project, threads: Threads[object]
) -> None:
    for n in range(1, 26):
        before = answer_in(project, sources=(make_source(n),))
        together = threading.Barrier(3)

        def admitting(key: str, answer: CachedAnswer = before, together: threading.Barrier = together) -> None:
            together.wait()
            admit(answer, key)

        def deleting(n: int = n, together: threading.Barrier = together) -> None:
            together.wait()
            forget(project, n)

        running = [threads(deleting), *(threads(lambda key=key: admitting(key)) for key in (KEY, OTHER))]  # type: ignore[misc]  # a default of a lambda
        for future in running:
            future.result(20)
        assert rows() == 0


def test_two_admissions_at_once_leave_one_whole_answer(project: Project, threads: Threads[bool]) -> None:
    texts = [f"Answer {n} [1]." for n in range(4)]
    answers = [answer_in(project, text=text, model=text) for text in texts]
    for _ in range(5):
        running = [threads(lambda answer=answer: admit(answer)) for answer in answers]  # type: ignore[misc]  # as above
        assert all(future.result(20) for future in running)
        row = row_of(project)
        assert rows() == 1
        assert row.text == row.model


def test_an_approval_waits_for_an_admission_and_does_not_cover_what_it_brought(
    project: Project, threads: Threads[None]
) -> None:
    seen = admitted(project)
    with transaction.atomic():
        admit(answer_in(project, text="Nobody has read this [1]."))
        approving = threads(lambda: approval.approve(seen, None))
        wait_for_a_waiting_statement()
    with pytest.raises(NotFound):
        approving.result(20)
    assert row_of(project).approved_at is None


def test_an_admission_waits_for_an_approval_and_is_refused(project: Project, threads: Threads[bool]) -> None:
    seen, answer = admitted(project), answer_in(project, text="Nobody has read this [1].")
    with transaction.atomic():
        approval.approve(seen, None)
        admission = threads(lambda: admit(answer))
        wait_for_a_waiting_statement()
    assert admission.result(20) is False
    assert row_of(project).text == "30 days [1]."


def test_a_refutation_that_waited_for_an_admission_leaves_the_new_answer(
    project: Project, threads: Threads[None]
) -> None:
    row = admitted(project)
    move_corpus_version(project.id)
    with transaction.atomic():
        admit(answer_in(project, text="New [1]."))
        refutation = threads(lambda: eviction.refute(row.id, corpus_version=1))
        wait_for_a_waiting_statement()
    refutation.result(20)
    assert row_of(project).text == "New [1]."


def test_a_refutation_that_waited_for_an_approval_suspends_and_deletes_nothing(
    project: Project, threads: Threads[None]
) -> None:
    row = admitted(project)
    with transaction.atomic():
        approval.approve(row_of(project), None)
        refutation = threads(lambda: eviction.refute(row.id, corpus_version=1))
        wait_for_a_waiting_statement()
    refutation.result(20)
    assert row_of(project).suspended_at is not None


def test_a_purge_leaves_what_somebody_renews_now(project: Project, threads: Threads[int]) -> None:
    Project.objects.update(stale_ttl=0)
    admitted(project)
    change(expires_at=timezone.now() - timedelta(seconds=1))
    with transaction.atomic():
        admit(answer_in(project))
        assert threads(eviction.purge).result(20) == 0
    assert found(project) is not None


def test_an_eviction_that_tells_of_its_project_and_an_admission_do_not_stop_each_other(
    project: Project, threads: Threads[object]
) -> None:
    """As a judgement does, which shifts the project's verdict in the same transaction."""

    def judge() -> None:
        with transaction.atomic():
            eviction.evict(row)
            Project.objects.filter(id=project.id).update(verdict_offset=0.1)

    for _ in range(20):
        row, answer = admitted(project), answer_in(project)
        running = [threads(judge), threads(lambda answer=answer: admit(answer))]  # type: ignore[misc]  # as above
        for future in running:
            future.result(20)


def test_a_flush_and_an_admission_do_not_stop_each_other(project: Project, threads: Threads[object]) -> None:
    row = admitted(project)
    CacheEntry.objects.bulk_create(clones(row, 300))
    for _ in range(10):
        answer = answer_in(project)
        running = [threads(lambda: eviction.flush(project)), threads(lambda answer=answer: admit(answer))]  # type: ignore[misc]  # as above
        for future in running:
            future.result(20)
    assert rows() <= 1
