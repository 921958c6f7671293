"""knowledge/partitions.py: a table for each space and each grown project, made and dropped beside everything else."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import psycopg
import pytest
from django.db import connection, transaction

from accounts.models import Project
from accounts.types import OPERATOR
from core.database import release
from knowledge import partitions, services
from knowledge.indexes import change_precision, list_unindexed
from knowledge.models import Chunk, ChunkEmbedding, Document, EmbeddingSpace
from knowledge.retrieval import search
from knowledge.spaces import get_or_create_space
from knowledge.tables import own_table, space_table
from providers.registry import get_embedder
from tests.caching.embedder import EmbedderServer, vector_of
from tests.conftest import Cast, add_document
from tests.knowledge.conftest import found, indexes, shared, tables

pytestmark = pytest.mark.usefixtures("transactional_db", "embedder")


@pytest.fixture(autouse=True)
def soon_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "GROWN", 50)


def fill(project: Project, count: int, name: str = "big.md", dimensions: int = 8) -> Document:
    """A document of `count` chunks, each with a vector."""
    space = get_or_create_space(get_embedder())
    document = Document.objects.create(
        project=project, name=name, size=1, content_hash="", state="ready", live_version=1
    )
    chunks = [Chunk(document=document, version=1, position=i, text=f"Row {i}.", content_hash="") for i in range(count)]
    Chunk.objects.bulk_create(chunks)
    ChunkEmbedding.objects.bulk_create(
        ChunkEmbedding(chunk=c, space=space, project=project, embedding=vector_of(str(c.id), dimensions))
        for c in chunks
    )
    return document


def space() -> EmbeddingSpace:
    return EmbeddingSpace.objects.get()


def rows(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return int(cursor.fetchone()[0])


def own(project: Project) -> str:
    return own_table(space().id, project.id)


def test_a_new_space_has_a_table_and_one_that_its_projects_share() -> None:
    table = space_table(get_or_create_space(get_embedder()).id)
    assert [name for name in tables() if name.startswith(table)] == [table, f"{table}_shared"]
    assert indexes() == {}


def test_small_projects_share_a_table_and_are_searched_exactly(cast: Cast) -> None:
    add_document(cast.project)
    add_document(cast.foreign, "The secret is 42.")
    partitions.repair()
    assert rows(shared()) == 3
    assert indexes() == {}


def test_a_grown_project_gets_a_table_and_an_index_of_its_own(cast: Cast) -> None:
    fill(cast.project, 60)
    fill(cast.foreign, 10)
    partitions.repair()
    assert (rows(own(cast.project)), rows(shared())) == (60, 10)
    ((name, definition),) = indexes().items()
    assert name == f"{own(cast.project)}_hnsw"
    assert "USING hnsw (((embedding)::vector(8)) vector_cosine_ops)" in definition
    assert "m='16', ef_construction='64'" in definition


def test_promoting_twice_is_promoting_once(cast: Cast) -> None:
    fill(cast.project, 60)
    for _ in range(2):
        assert partitions.promote(space(), cast.project.id)
        partitions.repair()
    assert (rows(own(cast.project)), len(indexes())) == (60, 1)


def test_what_comes_and_goes_while_a_project_is_promoted_is_not_lost(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = fill(cast.project, 60)
    kept = fill(cast.project, 5, "kept.md")
    make_keys = partitions._make_keys

    def meanwhile(table: str) -> None:
        """After the first copy, before the two change places."""
        make_keys(table)
        services.delete(document)
        fill(cast.project, 7, "new.md")
        changed = ChunkEmbedding.objects.filter(chunk__document=kept).first()
        assert changed is not None
        ChunkEmbedding.objects.filter(pk=changed.pk).update(embedding=vector_of("changed"))

    monkeypatch.setattr(partitions, "_make_keys", meanwhile)
    assert partitions.promote(space(), cast.project.id)
    assert (rows(own(cast.project)), rows(shared())) == (12, 0)
    assert set(ChunkEmbedding.objects.values_list("chunk_id", flat=True)) == set(
        Chunk.objects.values_list("id", flat=True)
    )
    passages = search(OPERATOR, cast.project.id, get_embedder(), "?", vector_of("changed"), limit=1)
    assert passages[0].similarity == pytest.approx(1, abs=1e-3)


def test_searches_and_writes_go_on_while_a_project_is_promoted(cast: Cast) -> None:
    fill(cast.project, 60)
    fill(cast.foreign, 60, "theirs.md")
    errors: list[Exception] = []
    done = threading.Event()

    def work(step: Callable[[int], object]) -> None:
        number = 0
        try:
            while not done.is_set():
                number += 1
                step(number)
        except Exception as error:
            errors.append(error)
        finally:
            release()

    def look(_: int) -> None:
        assert len(search(OPERATOR, cast.project.id, get_embedder(), "?", vector_of("x"), limit=5)) == 5

    def write(number: int) -> None:
        document = fill(cast.project, 3, f"{number}.md")
        if number % 2:
            services.delete(document)

    threads = [threading.Thread(target=work, args=(step,)) for step in (look, write)]
    for thread in threads:
        thread.start()
    for project in (cast.project, cast.foreign):
        while not partitions.promote(space(), project.id):
            pass
    done.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert rows(shared()) == 0
    assert ChunkEmbedding.objects.count() == Chunk.objects.count()


def test_of_two_workers_one_promotes(cast: Cast) -> None:
    fill(cast.project, 60)
    results: list[bool] = []

    def promote() -> None:
        try:
            results.append(partitions.promote(space(), cast.project.id))
        finally:
            release()

    threads = [threading.Thread(target=promote) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(results)
    assert (rows(own(cast.project)), rows(shared()), len(indexes())) == (60, 0, 1)


@pytest.mark.parametrize("step", ["_copy", "_make_keys", "make_index", "_change_places"])
def test_a_promotion_that_was_killed_is_followed_up(cast: Cast, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    class Killed(Exception):
        pass

    def kill(*_: object, **__: object) -> None:
        raise Killed

    fill(cast.project, 60)
    with monkeypatch.context() as patched:
        patched.setattr(partitions, step, kill)
        with pytest.raises(Killed):
            partitions.repair()
    assert found(cast.project).count("Row") == 50  # as many as are asked for: all is still there
    partitions.repair()
    assert (rows(own(cast.project)), rows(shared()), len(indexes())) == (60, 0, 1)


def test_a_promotion_that_is_not_wanted_any_more_leaves_nothing_behind(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = fill(cast.project, 60)
    with monkeypatch.context() as patched:
        patched.setattr(partitions, "_change_places", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            partitions.repair()
    services.delete(document)
    assert own(cast.project) in tables()
    partitions.repair()
    assert own(cast.project) not in tables()


def test_who_holds_the_shared_table_for_long_is_not_waited_for(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.tables.PATIENCE", "50ms")
    fill(cast.project, 60)
    settings = connection.settings_dict
    with psycopg.connect(host=settings["HOST"], user=settings["USER"], dbname=settings["NAME"]) as other:
        other.execute(f"LOCK TABLE {shared()} IN ROW EXCLUSIVE MODE")
        partitions.repair()
        assert rows(shared()) == 60
    partitions.repair()
    assert (rows(own(cast.project)), rows(shared())) == (60, 0)


def test_an_index_that_is_missing_or_broken_is_made_again(cast: Cast) -> None:
    fill(cast.project, 60)
    partitions.repair()
    (name,) = indexes()
    with connection.cursor() as cursor:
        cursor.execute(f"DROP INDEX {name}")
    assert list_unindexed(space()) == [own(cast.project)]
    partitions.repair()
    assert set(indexes()) == {name}
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = %s::regclass", [name])
    assert list_unindexed(space()) == [own(cast.project)]
    partitions.repair()
    assert list_unindexed(space()) == []


def test_a_space_is_indexed_by_half_precision_and_back(cast: Cast) -> None:
    fill(cast.project, 60)
    partitions.repair()
    before = set(found(cast.project).splitlines())
    change_precision(space(), "half")
    ((name, definition),) = indexes().items()
    assert name.endswith("_half")
    assert "((embedding)::halfvec(8)) halfvec_cosine_ops" in definition
    assert space().precision == "half"
    assert len(before & set(found(cast.project).splitlines())) >= 45
    change_precision(space(), "full")
    assert [name[-5:] for name in indexes()] == ["_hnsw"]


@pytest.mark.parametrize(("dimensions", "precision", "count"), [(3072, "full", 0), (3072, "half", 1)])
def test_vectors_too_long_for_a_full_index_are_indexed_by_half_or_searched_one_by_one(
    cast: Cast, embedder: EmbedderServer, dimensions: int, precision: str, count: int
) -> None:
    embedder.dimensions = dimensions
    get_or_create_space(get_embedder(), precision)
    fill(cast.project, 60, dimensions=dimensions)
    partitions.repair()
    assert len(indexes()) == count
    vector = vector_of("x", dimensions)
    assert len(search(OPERATOR, cast.project.id, get_embedder(), "?", vector, limit=10)) == 10
    assert rows(own(cast.project)) == 60


def test_a_deleted_project_takes_its_tables_along(cast: Cast) -> None:
    fill(cast.project, 60)
    fill(cast.foreign, 10)
    partitions.repair()
    table = own(cast.project)
    cast.project.delete()
    assert table not in tables()
    assert ChunkEmbedding.objects.count() == rows(shared()) == 10


def test_the_tables_of_a_project_whose_deletion_was_killed_are_dropped_later(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cast.project, 60)
    partitions.repair()
    table = own(cast.project)
    with monkeypatch.context() as patched:
        patched.setattr(partitions, "drop_project", lambda _: None)
        cast.project.delete()
    assert table in tables()
    partitions.repair()
    assert table not in tables()


def test_a_project_that_is_not_deleted_after_all_keeps_its_tables(cast: Cast) -> None:
    fill(cast.project, 60)
    partitions.repair()
    with transaction.atomic():
        Project.objects.get(id=cast.project.id).delete()
        transaction.set_rollback(True)
    assert rows(own(cast.project)) == 60


def test_a_dropped_space_leaves_no_table(cast: Cast) -> None:
    fill(cast.project, 60)
    partitions.repair()
    gone = space()
    assert partitions.size(gone.id) > 8192
    partitions.drop_space(gone.id)
    assert [name for name in tables() if gone.id.hex[:16] in name] == []
    assert partitions.size(gone.id) == 0


def test_a_space_whose_dropping_was_killed_is_dropped_later(cast: Cast) -> None:
    fill(cast.project, 60)
    partitions.repair()
    gone = space()
    gone.delete()
    partitions.repair()
    assert [name for name in tables() if gone.id.hex[:16] in name] == []


def test_vectors_without_a_chunk_are_removed(cast: Cast) -> None:
    fill(cast.project, 60)
    fill(cast.foreign, 4)
    partitions.repair()
    with connection.cursor() as cursor:  # as nobody does who goes through the models
        cursor.execute("DELETE FROM knowledge_chunk WHERE position < 3")
    assert ChunkEmbedding.objects.count() == 64
    assert partitions.remove_orphans() == 6
    assert partitions.remove_orphans() == 0
    assert ChunkEmbedding.objects.count() == Chunk.objects.count() == 58


def test_the_same_vector_again_is_ignored(cast: Cast) -> None:
    fill(cast.project, 2)
    row = ChunkEmbedding.objects.all()[0]
    again = ChunkEmbedding(
        chunk_id=row.chunk_id, space_id=row.space_id, project_id=row.project_id, embedding=np.ones(8)
    )
    ChunkEmbedding.objects.bulk_create([again], ignore_conflicts=True)
    assert ChunkEmbedding.objects.count() == 2
