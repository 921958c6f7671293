"""knowledge/services.py: cancelling, and what is done to many documents at once; duplicates and quotas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from django.core.files.base import ContentFile

from accounts.models import Project
from core.database import release
from core.errors import InvalidInput, PolyAIError, QuotaReached
from core.redis import sync_redis
from knowledge import ingestion, queue, services
from knowledge.ingestion import BATCH
from knowledge.models import Chunk, ChunkEmbedding, Document, KnowledgePolicy
from knowledge.selectors import get_policy, get_progress
from knowledge.types import Uploaded
from tests.caching.embedder import EmbedderServer
from tests.conftest import Cast, add_document
from tests.knowledge.conftest import found, upload

LONG = "".join(f"# Rule {i}\n\n{f'Rule number {i} says that {i} is a number. ' * 20}\n\n" for i in range(BATCH + 8))


def store(project: Project, name: str, content: bytes = b"Text.") -> Uploaded:
    return services.upload(project=project, name=name, file=ContentFile(content, name=name))


# --- Cancelling ---------------------------------------------------------------------------------


def test_a_document_that_waits_is_cancelled_and_no_worker_takes_it(cast: Cast) -> None:
    document, _ = upload(cast.project)
    assert services.cancel(document)
    assert ingestion.ingest(document.id) is None
    document.refresh_from_db()
    assert (document.state, document.is_finished, document.attempts) == ("cancelled", True, 0)
    assert not services.cancel(document)


def test_a_worker_stops_with_the_batch_in_which_its_document_was_cancelled(
    cast: Cast, embedder: EmbedderServer
) -> None:
    document, _ = upload(cast.project, LONG)

    def cancel_in_the_second_batch() -> None:
        embedder.meanwhile = lambda: setattr(embedder, "meanwhile", lambda: services.cancel(document))

    embedder.meanwhile = cancel_in_the_second_batch
    assert ingestion.ingest(document.id) is None
    assert Document.objects.get().state == "cancelled"
    assert ChunkEmbedding.objects.count() == BATCH
    assert found(cast.project) == ""


def test_a_retry_after_a_cancel_goes_on_where_it_stopped(cast: Cast, embedder: EmbedderServer) -> None:
    test_a_worker_stops_with_the_batch_in_which_its_document_was_cancelled(cast, embedder)
    sync_redis().flushdb()
    embedder.history.clear()
    assert services.retry_many(Document.objects.all()) == 1
    ingestion.ingest(Document.objects.get().id)
    assert Document.objects.get().state == "ready"
    assert len(embedder.texts) == Chunk.objects.count() - BATCH


def test_the_version_before_answers_on_when_a_new_one_is_cancelled(cast: Cast) -> None:
    add_document(cast.project, "Goods may be returned within 30 days.")
    document, _ = upload(cast.project, "Goods may be returned within 60 days.")
    services.cancel(document)
    assert found(cast.project) == "Goods may be returned within 30 days."
    assert upload(cast.project, "Goods may be returned within 60 days.")[1]  # the same bytes again are a retry


# --- Many at once -------------------------------------------------------------------------------


def test_all_that_failed_or_were_cancelled_are_queued_again_behind_what_people_wait_for(cast: Cast) -> None:
    ready = add_document(cast.project)
    for number in range(3):
        add_document(cast.project, b"broken\x00", f"{number}.md")
    services.cancel(upload(cast.project, "Waits.", "waits.md")[0])
    sync_redis().flushdb()
    assert services.retry_many(Document.objects.all()) == 4
    assert queue.length("parse-bulk") == queue.length() == 4
    assert set(Document.objects.exclude(id=ready.id).values_list("state", "error", "error_code")) == {
        ("queued", "", "")
    }
    ready.refresh_from_db()
    assert ready.state == "ready"


def test_all_that_is_unfinished_is_cancelled_at_once(cast: Cast) -> None:
    ready = add_document(cast.project)
    failed = add_document(cast.project, b"broken\x00", "broken.md")
    for number in range(3):
        upload(cast.project, name=f"{number}.md")
    assert services.cancel_many(Document.objects.all()) == 3
    assert {document.state for document in Document.objects.exclude(id__in=[ready.id, failed.id])} == {"cancelled"}


def test_many_are_deleted_with_all_that_is_theirs_and_their_project_moves_on_once(
    cast: Cast, tmp_path: Path, corpus_version: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "AT_ONCE", 2)
    documents = [add_document(cast.project, f"Goods, rule {number}.", f"{number}.md") for number in range(3)]
    kept = add_document(cast.project, "Parcels take five days.", "kept.md")
    secret = add_document(cast.foreign, "The secret is 42.")
    assert corpus_version() == 4
    assert services.delete_many([*documents, secret]) == 4
    assert list(Document.objects.all()) == [kept]
    assert Chunk.objects.count() == ChunkEmbedding.objects.count() == 1
    assert [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()] == [b"Parcels take five days."]
    assert corpus_version() in (5, 6)  # once for each transaction
    assert services.delete_many(documents) == 0


def test_tags_are_given_and_taken_and_searches_by_tag_find_something_else(
    cast: Cast, corpus_version: Callable[[], int]
) -> None:
    documents = [add_document(cast.project), upload(cast.project, "Waits.", "waits.md")[0]]
    assert services.set_tags(documents, add=["legal", " two \n words "]) == 2
    assert corpus_version() == 2
    assert services.set_tags(documents[:1], add=["legal"], remove=["two words", "absent"]) == 1
    tags = dict(Document.objects.values_list("name", "tags"))
    assert tags == {"handbook.md": ["legal"], "waits.md": ["legal", "two words"]}
    assert services.set_tags(documents, add=["legal"]) == 0


@pytest.mark.parametrize("tags", [[""], ["\x00"], ["x" * 51], [f"tag {number}" for number in range(51)]])
def test_tags_that_cannot_be_given_change_nothing(cast: Cast, tags: list[str]) -> None:
    document, _ = upload(cast.project)
    with pytest.raises(InvalidInput):
        services.set_tags([document], add=tags)
    assert Document.objects.get().tags == []


# --- Duplicates ---------------------------------------------------------------------------------


def test_the_same_bytes_under_another_name_are_accepted_and_said(cast: Cast) -> None:
    assert store(cast.project, "b.md").same_as == ()
    assert store(cast.project, "a.md").same_as == ("b.md",)
    again = store(cast.project, "a.md")
    assert (again.is_new, again.same_as) == (False, ("b.md",))
    assert store(cast.foreign, "a.md").same_as == ()
    assert store(cast.project, "a.md", b"Other text.").same_as == ()


def test_a_duplicate_of_a_file_that_failed_can_be_retried(cast: Cast) -> None:
    for name in ("a.md", "b.md"):
        add_document(cast.project, b"broken\x00", name)
    again = store(cast.project, "a.md", b"broken\x00")
    assert (again.is_new, again.same_as, again.document.state) == (True, ("b.md",), "queued")


# --- Quotas -------------------------------------------------------------------------------------


def test_a_project_takes_as_many_documents_as_it_may(cast: Cast, tmp_path: Path) -> None:
    KnowledgePolicy.objects.create(project=cast.project, max_documents=2)
    store(cast.project, "a.md")
    store(cast.project, "b.md")
    with pytest.raises(QuotaReached, match="has 2 documents, as many as it may") as refused:
        store(cast.project, "c.md")
    assert (refused.value.code, refused.value.status) == ("quota_reached", 413)
    assert store(cast.project, "a.md", b"A new version.").is_new
    assert set(Document.objects.values_list("name", flat=True)) == {"a.md", "b.md"}
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2
    store(cast.foreign, "c.md")
    services.delete(Document.objects.get(name="b.md"))
    store(cast.project, "c.md")


def test_a_project_takes_as_many_megabytes_as_it_may(cast: Cast) -> None:
    KnowledgePolicy.objects.create(project=cast.project, max_megabytes=1)
    store(cast.project, "a.md", b"x" * 600_000)
    with pytest.raises(QuotaReached, match="may hold 1 MB"):
        store(cast.project, "b.md", b"x" * 600_000)
    store(cast.project, "a.md", b"y" * 1_000_000)  # in the place of the old one
    assert Document.objects.get().size == 1_000_000


def test_two_uploads_at_once_do_not_both_take_the_last_place(cast: Cast) -> None:
    KnowledgePolicy.objects.create(project=cast.project, max_documents=2)
    refused: list[PolyAIError] = []

    def send(name: str) -> None:
        try:
            store(cast.project, name)
        except PolyAIError as error:
            refused.append(error)
        finally:
            release()

    threads = [Thread(target=send, args=[f"{number}.md"]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [error.code for error in refused] == ["quota_reached"] * 4
    assert Document.objects.count() == 2


def test_a_project_without_a_policy_has_the_defaults(cast: Cast) -> None:
    policy = get_policy(cast.project.id)
    assert (policy.max_documents, policy.max_megabytes, policy.chunk_tokens) == (0, 0, 220)
    assert not KnowledgePolicy.objects.exists()


# --- Progress -----------------------------------------------------------------------------------


def test_progress_tells_states_chunks_and_bytes_of_all_documents(cast: Cast, embedder: EmbedderServer) -> None:
    actor = cast.actor(cast.bob)
    empty = get_progress(actor, cast.project.id)
    assert (empty.documents, empty.percent, empty.chunks_total) == (0, 100, 0)
    ready = add_document(cast.project)
    waits, _ = upload(cast.project, "Waits.", "waits.md")
    embeds, _ = upload(cast.project, "x" * 1000, "embeds.md")
    Document.objects.filter(id=embeds.id).update(state="embedding", chunks_total=10, chunks_embedded=4)
    progress = get_progress(actor, cast.project.id)
    assert progress.counts == {"ready": 1, "queued": 1, "embedding": 1}
    assert (progress.documents, progress.unfinished) == (3, 2)
    assert (progress.chunks_total, progress.chunks_embedded) == (ready.chunks_total + 10, ready.chunks_total + 4)
    assert progress.bytes_total == ready.size + waits.size + 1000
    assert progress.bytes_done == ready.size + 400
    assert 0 < progress.percent < 100


def test_mallory_is_told_no_figures(cast: Cast) -> None:
    add_document(cast.project)
    assert get_progress(cast.actor(cast.mallory), cast.project.id).documents == 0
