"""knowledge/reembedding.py: another model is built beside the one that serves, and switched to when it is complete."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Project
from core.database import in_db, release
from core.errors import InvalidInput
from knowledge import estimates, ingestion, partitions, reembedding, services
from knowledge.models import Chunk, ChunkEmbedding, EmbeddingSpace
from knowledge.spaces import (
    count_missing,
    find_active,
    find_serving_embedder,
    find_space,
    get_or_create_space,
    get_serving_embedder,
    switch,
)
from knowledge.tables import space_table
from knowledge.tasks import build_spaces, remove_orphans, repair_vectors
from providers.registry import get_embedder, make_embedder
from tests.caching.conftest import forget_embedder
from tests.caching.embedder import EmbedderServer
from tests.conftest import Cast, add_document, complete, make_question
from tests.knowledge.conftest import found, search, tables, upload

LOCAL = ("local", "all-MiniLM-L6-v2")
LONG = "\n\n".join(f"# Rule {n}\n\nRule number {n} says that {n} is a number. " * 3 for n in range(40))


@pytest.fixture
def project(cast: Cast) -> Project:
    """Documents that the bundled embedder has embedded."""
    add_document(cast.project)
    add_document(cast.project, "The office is in Bergen.", "office.md")
    return cast.project


@pytest.fixture
def changed(project: Project, request: pytest.FixtureRequest) -> EmbedderServer:
    """The environment has come to name another embedder."""
    server = request.getfixturevalue("embedder")
    assert isinstance(server, EmbedderServer)
    return server


def old() -> EmbeddingSpace:
    return EmbeddingSpace.objects.get(model=LOCAL[1])


def new() -> EmbeddingSpace:
    return EmbeddingSpace.objects.get(model="test-embedder")


def build() -> None:
    """As beat does, without its pauses."""
    EmbeddingSpace.objects.update(retry_at=None)
    build_spaces()


def run(command: str, *arguments: str) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out)
    return out.getvalue()


# --- The change, from the environment ------------------------------------------------------------


def test_the_old_space_serves_until_the_new_one_is_complete(changed: EmbedderServer, project: Project) -> None:
    assert get_serving_embedder().model == LOCAL[1]
    build()
    assert "Bergen" in found(project)
    assert EmbeddingSpace.objects.count() == 1  # nobody has agreed to the cost
    reembedding.start(get_embedder())
    assert (old().status, new().status) == ("active", "building")
    assert "Bergen" in found(project)
    build()
    assert (old().status, new().status) == ("retired", "active")
    assert get_serving_embedder() is get_embedder()
    assert "Bergen" in found(project)
    assert count_missing(new()) == count_missing(old()) == 0


def test_progress_is_shown(changed: EmbedderServer, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    add_document(project, LONG, "long.md")
    space = reembedding.start(get_embedder())
    total = Chunk.objects.count()
    assert (new().chunks_embedded, new().chunks_total, new().percent) == (0, total, 0)
    monkeypatch.setattr(reembedding, "BATCH", 8)
    store, calls = reembedding._store, iter(range(100))
    with monkeypatch.context() as patched:  # time for two batches
        patched.setattr(reembedding, "_store", lambda *batch: next(calls) < 2 and store(*batch))
        reembedding.build(space)
    assert new().chunks_embedded == 16
    build()
    assert (new().chunks_embedded, new().percent) == (total, 100)


def test_documents_that_come_meanwhile_are_ready_at_once_and_in_both(changed: EmbedderServer, project: Project) -> None:
    reembedding.start(get_embedder())
    document = add_document(project, "New words.", "new.md")
    assert document.state == "ready"
    assert ChunkEmbedding.objects.filter(chunk__document=document).get().space == old()
    build()
    assert ChunkEmbedding.objects.filter(chunk__document=document).count() == 2
    assert "New words." in found(project)


def test_documents_deleted_meanwhile_vanish(changed: EmbedderServer, project: Project) -> None:
    reembedding.start(get_embedder())
    changed.meanwhile = lambda: services.delete(project.documents.get(name="office.md"))
    build()
    build()
    assert new().status == "active"
    assert "Bergen" not in found(project)
    assert ChunkEmbedding.objects.filter(space=new()).count() == Chunk.objects.count()
    assert partitions.remove_orphans() == 0


def test_a_document_published_while_the_space_is_switched_is_in_the_new_one(
    changed: EmbedderServer, project: Project, settings: Settings
) -> None:
    reembedding.start(get_embedder())
    build()
    switch(old())
    document, _ = upload(project, "Came in the middle.", "middle.md")
    store = ingestion._store

    def switched(*arguments: object) -> None:
        store(*arguments)  # type: ignore[arg-type]  # passed on
        if find_active() == old():
            switch(new())

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ingestion, "_store", switched)
        ingestion.ingest(document.id)
    document.refresh_from_db()
    assert document.state == "ready"
    assert count_missing(new()) == 0
    assert "Came in the middle." in found(project)


def test_the_next_document_waits_for_nobody_when_nothing_was_embedded_before(
    cast: Cast, request: pytest.FixtureRequest
) -> None:
    get_or_create_space(get_embedder())
    request.getfixturevalue("embedder")
    assert add_document(cast.project).state == "ready"
    assert (old().status, new().status) == ("retired", "active")


def test_what_is_cached_keeps_to_its_space(cast: Cast, project: Project, request: pytest.FixtureRequest) -> None:
    question = make_question(cast, "Where is the office?")

    async def status() -> str:
        return (await complete(question)).cache.status

    from asgiref.sync import async_to_sync

    ask = async_to_sync(status)
    assert [ask(), ask()] == ["miss", "hit-exact"]
    request.getfixturevalue("embedder")
    assert ask() == "hit-exact"  # the old space serves
    reembedding.start(get_embedder())
    build()
    assert [ask(), ask()] == ["miss", "hit-exact"]
    switch(old())
    assert ask() == "hit-exact"


# --- Failures -----------------------------------------------------------------------------------


def test_an_embedder_over_its_limit_is_left_alone_for_a_while(changed: EmbedderServer, project: Project) -> None:
    reembedding.start(get_embedder())
    changed.fail(429)
    build_spaces()
    space = new()
    assert "over its limit" in space.error
    assert space.retry_at is not None
    assert space.retry_at > timezone.now()
    asked = len(changed.history)
    build_spaces()
    assert len(changed.history) == asked
    assert "Bergen" in found(project)
    EmbeddingSpace.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
    build_spaces()
    assert (new().status, new().error, new().attempts) == ("active", "", 0)


def test_pauses_grow_and_stay_under_ten_minutes(changed: EmbedderServer, project: Project) -> None:
    reembedding.start(get_embedder())
    for attempts, seconds in ((0, 5), (3, 40), (15, 600)):
        EmbeddingSpace.objects.filter(id=new().id).update(attempts=attempts)
        changed.fail(503)
        build()
        retry_at = new().retry_at
        assert retry_at is not None
        assert seconds - 3 < (retry_at - timezone.now()).total_seconds() <= seconds


def test_a_builder_killed_at_any_point_is_resumed(
    changed: EmbedderServer, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_document(project, LONG, "long.md")
    monkeypatch.setattr(reembedding, "BATCH", 8)
    reembedding.start(get_embedder())
    store, calls = reembedding._store, iter(range(100))

    def killed(*arguments: object) -> bool:
        if next(calls) == 2:
            raise KeyboardInterrupt
        return store(*arguments)  # type: ignore[arg-type]  # passed on

    with monkeypatch.context() as patched:
        patched.setattr(reembedding, "_store", killed)
        with pytest.raises(KeyboardInterrupt):
            build()
    assert 16 <= ChunkEmbedding.objects.filter(space=new()).count() < Chunk.objects.count()
    build()
    assert new().status == "active"
    assert ChunkEmbedding.objects.filter(space=new()).count() == Chunk.objects.count()
    assert len(changed.texts) == len(set(changed.texts))  # the embedding cache had what was not stored


def test_of_two_builders_one_builds(changed: EmbedderServer, project: Project) -> None:
    add_document(project, LONG, "long.md")
    reembedding.start(get_embedder())

    def work() -> None:
        try:
            build_spaces()
        finally:
            release()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert new().status == "active"
    assert len(changed.texts) == len(set(changed.texts))


def test_a_space_dropped_while_it_is_built_stays_dropped(changed: EmbedderServer, project: Project) -> None:
    space = reembedding.start(get_embedder())
    changed.meanwhile = lambda: reembedding.drop(space)
    build()
    assert list(EmbeddingSpace.objects.all()) == [old()]
    assert space_table(space.id) not in tables()


def test_a_grown_project_is_indexed_after_it_was_loaded(
    changed: EmbedderServer, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitions, "GROWN", 10)
    add_document(project, LONG, "long.md")
    reembedding.start(get_embedder())
    repair_vectors()
    build()
    assert new().status == "active"
    assert partitions.list_grown(new()) == []
    assert "Bergen" in found(project, "office")


# --- The operator -------------------------------------------------------------------------------


def test_an_operator_switches_back_and_the_environment_does_not_undo_it(
    changed: EmbedderServer, project: Project
) -> None:
    reembedding.start(get_embedder())
    build()
    switch(old())
    assert get_serving_embedder().model == LOCAL[1]
    build()
    assert find_active() == old()
    assert "Bergen" in found(project)


def test_a_changed_environment_wins_again(changed: EmbedderServer, project: Project, settings: Settings) -> None:
    reembedding.start(get_embedder())
    build()
    switch(old())
    third = make_embedder(changed.base_url, "third")
    reembedding.start(third)
    settings.EMBEDDING_MODEL = "third"
    forget_embedder()
    build()
    assert find_active() == find_space(third)


def test_a_space_with_gaps_is_switched_to_by_order_alone_and_filled(
    changed: EmbedderServer, project: Project, corpus_version: Callable[[], int]
) -> None:
    space = reembedding.start(get_embedder())
    with pytest.raises(InvalidInput, match="chunks have no vector in test-embedder"):
        switch(space)
    assert find_active() == old()
    switch(space, allow_gaps=True)
    assert {passage.similarity for passage in search(project, "Bergen")} <= {0}  # by their words alone
    before = corpus_version()
    build()
    assert any(passage.similarity for passage in search(project, "Bergen"))
    assert corpus_version() > before  # answers written from less are looked at again
    assert new().completed_at is not None


def test_switching_back_after_new_documents_asks_for_them_first(changed: EmbedderServer, project: Project) -> None:
    reembedding.start(get_embedder())
    build()
    add_document(project, "Only in the new space.", "late.md")
    with pytest.raises(InvalidInput, match="1 chunks"):
        switch(old())
    embedder = make_embedder(*LOCAL)
    assert reembedding.estimate(embedder).chunks == 1
    reembedding.start(embedder)
    build()
    assert (new().status, old().status) == ("active", "building")  # the environment names the new one
    switch(old())
    assert "Only in the new space." in found(project)


def test_the_active_space_is_never_dropped_and_a_retired_one_leaves_no_table(
    changed: EmbedderServer, project: Project
) -> None:
    reembedding.start(get_embedder())
    build()
    gone = old()
    with pytest.raises(InvalidInput, match="switch to another one first"):
        reembedding.drop(new())
    reembedding.drop(gone)
    assert list(EmbeddingSpace.objects.all()) == [new()]
    assert space_table(gone.id) not in tables()
    assert ChunkEmbedding.objects.count() == Chunk.objects.count()
    assert "Bergen" in found(project)


def test_an_active_space_that_is_complete_is_not_started_again(project: Project) -> None:
    with pytest.raises(InvalidInput, match="every chunk is in it"):
        reembedding.start(get_embedder())


def test_an_estimate_says_what_it_would_take(changed: EmbedderServer, project: Project, settings: Settings) -> None:
    estimate = reembedding.estimate(get_embedder())
    assert (estimate.chunks, estimate.dimensions, estimate.dollars) == (Chunk.objects.count(), 8, None)
    assert 50 < estimate.tokens < 120
    assert estimate.seconds > 0
    settings.PRICES = {"test-embedder": [1000.0, 0]}
    priced = reembedding.estimate(get_embedder())
    assert priced.dollars == pytest.approx(estimate.tokens / 1000)
    assert "US dollars" in estimates.told(priced)
    assert "price unknown" in estimates.told(estimate)
    assert reembedding.estimate(make_embedder(*LOCAL)).dollars == 0
    assert EmbeddingSpace.objects.count() == 1


def test_shorter_vectors_of_a_model_have_a_space_of_their_own(changed: EmbedderServer, project: Project) -> None:
    run("reembed", "--yes", "--wait", "--dimensions", "4")
    space = EmbeddingSpace.objects.get(shortened_to=4)
    assert (space.dimensions, space.status) == (4, "building")
    switch(space)
    assert "Bergen" in found(project)
    assert get_serving_embedder().identity == f"{changed.base_url}|test-embedder|4"


def test_the_environments_key_goes_to_its_own_address_alone(changed: EmbedderServer, settings: Settings) -> None:
    def key(address: str) -> str:
        return str(vars(make_embedder(address, "other"))["_arguments"]["api_key"])

    settings.EMBEDDING_API_KEYS = {"http://127.0.0.1:1/v1": "sk-other"}
    assert key(changed.base_url) == "sk-test"
    assert key("http://127.0.0.1:1/v1") == "sk-other"
    assert key("http://127.0.0.1:2/v1") == "none"


async def test_the_serving_embedder_is_known_without_the_database(project: Project) -> None:
    assert await find_serving_embedder() is get_embedder()
    assert await in_db(get_serving_embedder)() is get_embedder()


# --- Commands -----------------------------------------------------------------------------------


def test_the_whole_way_by_commands(changed: EmbedderServer, project: Project) -> None:
    total = Chunk.objects.count()
    assert f"{total} chunks" in run("reembed", "--dry-run")
    assert EmbeddingSpace.objects.count() == 1
    told = run("reembed", "--yes", "--wait", "--precision", "half")
    assert f"{total} of {total} chunks" in told
    assert "Complete and active." in told
    assert new().precision == "half"
    assert "nothing is missing" in run("reembed")
    assert "answers from now on" in run("switch_space", LOCAL[1])
    assert find_active() == old()
    assert "is gone" in run("drop_space", f"test-embedder@{changed.base_url}")
    assert list(EmbeddingSpace.objects.all()) == [old()]


def test_the_precision_of_a_space_is_changed_by_command(project: Project) -> None:
    assert "half precision" in run("reembed", "--precision", "half")
    assert old().precision == "half"
    assert "Bergen" in found(project, "Where is the office?")


@pytest.mark.parametrize("answer", ["n", "", None])
def test_without_a_yes_nothing_is_started(
    changed: EmbedderServer, project: Project, monkeypatch: pytest.MonkeyPatch, answer: str | None
) -> None:
    def asked(_: str) -> str:
        if answer is None:
            raise EOFError
        return answer

    monkeypatch.setattr("builtins.input", asked)
    with pytest.raises(CommandError, match=r"Nothing was done|--yes"):
        run("reembed")
    assert EmbeddingSpace.objects.count() == 1


def test_names_that_mean_nothing_are_refused_with_those_that_do(project: Project) -> None:
    for command in ("switch_space", "drop_space"):
        with pytest.raises(CommandError, match=r"No space is called 'gpt'. There are: all-MiniLM-L6-v2@local"):
            run(command, "gpt")
    with pytest.raises(CommandError, match="switch to another one first"):
        run("drop_space", str(old().id))


def test_the_tasks_of_beat_do_no_harm_on_a_quiet_server(project: Project) -> None:
    for task in (build_spaces, repair_vectors, remove_orphans):
        task()
    assert find_active() == old()
    assert ChunkEmbedding.objects.count() == Chunk.objects.count()
