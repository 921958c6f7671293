"""knowledge/ingestion.py: from an accepted file to passages that can be found, whatever happens on the way."""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from pytest_django import Settings

from core.database import release
from core.redis import sync_redis
from knowledge import claim, services
from knowledge.ingestion import BATCH, MAX_ATTEMPTS, ingest, parse
from knowledge.models import Chunk, ChunkEmbedding, Document
from knowledge.selectors import STALLED_AFTER
from tests.caching.embedder import EmbedderServer
from tests.conftest import HANDBOOK, Cast, add_document
from tests.knowledge.conftest import found, upload
from tests.knowledge.files import make_docx, make_pdf

LONG = "".join(f"# Rule {i}\n\n{f'Rule number {i} says that {i} is a number. ' * 20}\n\n" for i in range(BATCH + 8))


def text_of(document: Document) -> str:
    return "\n".join(document.chunks.values_list("text", flat=True))


def kill_worker(document: Document, *, seconds_ago: float = STALLED_AFTER.total_seconds() + 1) -> None:
    """Leave a document as a worker does that was killed: in its hand, and no heartbeat since."""
    Document.objects.filter(id=document.id).update(
        claim=uuid.uuid4(), heartbeat_at=timezone.now() - timedelta(seconds=seconds_ago)
    )


def test_a_document_becomes_ready_and_can_be_found(cast: Cast, corpus_version: Callable[[], int]) -> None:
    document = add_document(cast.project)
    assert (document.state, document.error, document.live_version) == ("ready", "", 1)
    assert document.chunks_total == document.chunks_embedded == Chunk.objects.count() == ChunkEmbedding.objects.count()
    assert (document.claim, document.heartbeat_at, document.attempts) == (None, None, 1)
    assert "30 days" in found(cast.project)
    assert corpus_version() == 1


@pytest.mark.parametrize(
    ("name", "content", "locator"),
    [
        ("a.md", b"# Refunds\n\nGoods may be returned.", "Refunds"),
        ("a.txt", b"Goods may be returned.", ""),
        ("a.html", b"<h1>Refunds</h1><p>Goods may be returned.</p>", "Refunds"),
        ("a.pdf", make_pdf("Cover", "Goods may be returned."), "Page 2"),
        ("a.docx", make_docx("# Refunds", "Goods may be returned."), "Refunds"),
    ],
)
def test_every_kind_of_file_is_read_to_the_place_of_each_chunk(
    cast: Cast, name: str, content: bytes, locator: str
) -> None:
    document = add_document(cast.project, content, name)
    assert (document.state, document.error) == ("ready", "")
    chunk = document.chunks.get(text__contains="Goods may be returned.")
    assert chunk.locator == locator
    assert chunk.content_hash == hashlib.sha256(chunk.text.encode()).hexdigest()
    assert set(chunk.metadata) == {"heading_path", "title", "page", "label", "part", "start", "end", "tokens"}
    part = document.parts.get(position=chunk.metadata["part"])
    assert part.text[chunk.metadata["start"] : chunk.metadata["end"]] == chunk.text


def test_chunks_are_numbered_in_reading_order(cast: Cast, embedder: EmbedderServer) -> None:
    document = add_document(cast.project, LONG)
    starts = [chunk.metadata["start"] for chunk in document.chunks.order_by("position")]
    assert starts == sorted(starts)
    assert list(document.chunks.values_list("position", flat=True)) == list(range(len(starts)))


def test_the_embedder_sees_a_chunk_under_its_documents_name_and_its_headings(
    cast: Cast, embedder: EmbedderServer
) -> None:
    add_document(cast.project, "# Install\n\n## Linux\n\nRun it.", "guide.md")
    assert embedder.texts[-1].startswith("guide.md\nInstall")
    assert embedder.texts[-1].endswith("Run it.")


def test_progress_is_counted_batch_by_batch(cast: Cast, embedder: EmbedderServer) -> None:
    document, _ = upload(cast.project, LONG)
    seen: list[tuple[str, int, int]] = []

    def look() -> None:
        now = Document.objects.get(id=document.id)
        seen.append((now.state, now.chunks_embedded, now.chunks_total))
        embedder.meanwhile = look

    embedder.meanwhile = look
    ingest(document.id)
    embedder.meanwhile = None
    total = Chunk.objects.count()
    assert total > BATCH
    batches = list(range(0, total, BATCH))
    assert seen == [("embedding", done, total) for done in (0, *batches)]
    assert [len(texts) for texts in embedder.history] == [1, *[min(BATCH, total - done) for done in batches]]


@pytest.mark.parametrize(
    ("name", "content", "reason", "code"),
    [
        ("a.md", b"abc\x00def", "NUL", "wrong_kind"),
        ("a.md", b" \n ", "empty", "empty"),
        ("a.pdf", b"%PDF-1.7 garbage", "damaged", "damaged"),
        ("a.pdf", make_pdf("Secret", password="secret"), "encrypted", "encrypted"),
        ("a.pdf", make_pdf(""), "OCR", "no_text"),
        ("a.docx", b"PK not really", "damaged", "damaged"),
        ("a.html", b"<script>x()</script>", "no text", "no_text"),
    ],
)
def test_a_file_that_cannot_be_read_fails_at_once_with_its_reason(
    cast: Cast, corpus_version: Callable[[], int], name: str, content: bytes, reason: str, code: str
) -> None:
    document, _ = upload(cast.project, content, name)
    assert ingest(document.id) is None
    document.refresh_from_db()
    assert document.state == "failed"
    assert reason in document.error
    assert document.error_code == code
    assert (document.claim, document.heartbeat_at, document.attempts) == (None, None, 1)
    assert not Chunk.objects.exists()
    assert corpus_version() == 0


@pytest.mark.parametrize("page", ["<p>goods a\x00b</p>", "<p>goods &#xD800; &#0;</p>", "<p>goods \U0010ffff</p>"])
def test_characters_that_postgresql_cannot_store_do_not_stop_a_page(cast: Cast, page: str) -> None:
    document = add_document(cast.project, page.encode(), "a.html")
    assert (document.state, document.error) == ("ready", "")
    assert "goods" in text_of(document)


@pytest.mark.parametrize("state", ["ready", "failed"])
def test_a_finished_document_is_left_alone(cast: Cast, state: str) -> None:
    document, _ = upload(cast.project)
    Document.objects.update(state=state)
    assert ingest(document.id) is None
    assert Document.objects.get().attempts == 0


def test_a_document_that_is_gone_is_no_error(cast: Cast) -> None:
    assert ingest(uuid.uuid4()) is None


# --- Two workers, killed workers ----------------------------------------------------------------


def test_two_workers_cannot_hold_one_document(cast: Cast, embedder: EmbedderServer) -> None:
    document, _ = upload(cast.project)
    embedder.meanwhile = lambda: ingest(document.id)
    ingest(document.id)
    document.refresh_from_db()
    assert (document.state, document.attempts) == ("ready", 1)
    assert len(embedder.texts) == 1 + Chunk.objects.count()


def test_four_workers_at_once_make_one_set_of_chunks(cast: Cast, corpus_version: Callable[[], int]) -> None:
    document, _ = upload(cast.project)

    def work() -> None:
        try:
            ingest(document.id)
        finally:
            release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    document.refresh_from_db()
    assert (document.state, document.attempts) == ("ready", 1)
    assert Chunk.objects.count() == document.chunks_total
    assert corpus_version() == 1


def test_a_document_in_living_hands_is_not_taken(cast: Cast) -> None:
    document, _ = upload(cast.project)
    kill_worker(document, seconds_ago=STALLED_AFTER.total_seconds() - 10)
    assert ingest(document.id) is None
    assert Document.objects.get().state == "queued"


@pytest.mark.parametrize("state", ["parsing", "embedding"])
def test_a_worker_killed_before_it_stored_anything_is_replaced(cast: Cast, state: str) -> None:
    document, _ = upload(cast.project)
    Document.objects.update(state=state, attempts=1)
    kill_worker(document)
    ingest(document.id)
    document.refresh_from_db()
    assert (document.state, document.attempts) == ("ready", 1)
    assert "30 days" in found(cast.project)


def test_a_worker_killed_midway_is_resumed_without_doing_anything_twice(
    cast: Cast, embedder: EmbedderServer, corpus_version: Callable[[], int]
) -> None:
    document = add_document(cast.project, LONG)
    chunks = set(Chunk.objects.values_list("id", flat=True))
    half = list(ChunkEmbedding.objects.order_by("chunk__position")[: len(chunks) // 2])
    lost = ChunkEmbedding.objects.exclude(chunk__in=[row.chunk_id for row in half])
    missing = [row.chunk.text for row in lost.order_by("chunk__position").select_related("chunk")]
    lost.delete()
    Document.objects.update(state="embedding", live_version=0)
    kill_worker(document)
    sync_redis().flushdb()  # the cache of embeddings would hide what is asked again
    embedder.history.clear()

    ingest(document.id)

    document.refresh_from_db()
    assert (document.state, document.live_version) == ("ready", 1)
    assert set(Chunk.objects.values_list("id", flat=True)) == chunks
    assert [text.split("\n", 2)[2] for text in embedder.texts] == missing
    assert ChunkEmbedding.objects.count() == len(chunks)
    assert set(ChunkEmbedding.objects.filter(chunk__in=[row.chunk_id for row in half])) == set(half)
    assert document.chunks_total == document.chunks_embedded == len(chunks)
    assert corpus_version() == 2


def test_a_worker_killed_just_before_it_published_is_resumed_without_the_embedder(
    cast: Cast, embedder: EmbedderServer
) -> None:
    document = add_document(cast.project)
    Document.objects.update(state="embedding", live_version=0)
    kill_worker(document)
    embedder.history.clear()
    ingest(document.id)
    assert Document.objects.get().state == "ready"
    assert embedder.history == []


def test_a_worker_that_was_taken_for_dead_does_not_disturb_the_one_that_took_over(
    cast: Cast, embedder: EmbedderServer, corpus_version: Callable[[], int]
) -> None:
    document, _ = upload(cast.project)

    def take_over() -> None:
        Document.objects.update(heartbeat_at=timezone.now() - STALLED_AFTER - timedelta(seconds=1))
        ingest(document.id)

    embedder.meanwhile = take_over
    assert ingest(document.id) is None
    document.refresh_from_db()
    assert document.state == "ready"
    assert Chunk.objects.count() == ChunkEmbedding.objects.count() == document.chunks_total
    assert corpus_version() == 1


def test_a_file_that_kills_its_worker_every_time_is_given_up(cast: Cast) -> None:
    document, _ = upload(cast.project)
    Document.objects.update(attempts=MAX_ATTEMPTS, state="parsing")
    kill_worker(document)
    assert ingest(document.id) is None
    document.refresh_from_db()
    assert document.state == "failed"
    assert document.error == "Given up after 8 tries: the file stops its reader."
    assert (document.claim, document.heartbeat_at) == (None, None)


def test_a_worker_shows_that_it_lives_while_it_waits(
    cast: Cast, embedder: EmbedderServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "HEARTBEAT", 0.02)
    document, _ = upload(cast.project)
    beats = set()

    def watch() -> None:
        for _ in range(10):
            beats.add(Document.objects.get().heartbeat_at)
            time.sleep(0.03)

    embedder.meanwhile = watch
    ingest(document.id)
    assert len(beats) > 3
    assert Document.objects.get().heartbeat_at is None


# --- Deleted or replaced meanwhile --------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_a_document_deleted_during_its_ingestion_leaves_no_orphan(
    cast: Cast, embedder: EmbedderServer, corpus_version: Callable[[], int], tmp_path: object, batch: int
) -> None:
    document, _ = upload(cast.project, LONG)

    def later(requests: int) -> Callable[[], None]:
        def act() -> None:
            if requests > 1:
                embedder.meanwhile = later(requests - 1)
            else:
                services.delete(Document.objects.get())

        return act

    embedder.meanwhile = later(batch)
    assert ingest(document.id) is None
    assert not Document.objects.exists()
    assert not Chunk.objects.exists()
    assert not ChunkEmbedding.objects.exists()
    assert corpus_version() == 0


def test_a_document_replaced_during_its_ingestion_ends_with_its_new_content_alone(
    cast: Cast, embedder: EmbedderServer, corpus_version: Callable[[], int]
) -> None:
    document, _ = upload(cast.project, "Goods may be returned within 30 days.")
    embedder.meanwhile = lambda: upload(cast.project, "Goods may be returned within 60 days.")
    assert ingest(document.id) is None
    assert Document.objects.get().state == "queued"
    assert found(cast.project) == ""
    ingest(document.id)
    assert found(cast.project) == "Goods may be returned within 60 days."
    assert [chunk.version for chunk in Chunk.objects.all()] == [2]
    assert corpus_version() == 1


def test_a_retry_during_the_ingestion_hands_the_document_over(
    cast: Cast, embedder: EmbedderServer, corpus_version: Callable[[], int]
) -> None:
    document, _ = upload(cast.project)
    embedder.meanwhile = lambda: services.retry(document)
    ingest(document.id)
    assert Document.objects.get().state == "queued"
    ingest(document.id)
    assert Document.objects.get().state == "ready"
    assert Chunk.objects.count() == ChunkEmbedding.objects.count()
    assert corpus_version() == 1


def test_nothing_of_a_new_version_is_found_before_it_is_whole(cast: Cast, embedder: EmbedderServer) -> None:
    add_document(cast.project, "Goods may be returned within 30 days.")
    document, _ = upload(cast.project, LONG)
    seen: list[str] = []

    def first() -> None:
        embedder.meanwhile = second

    def second() -> None:
        assert ChunkEmbedding.objects.filter(chunk__version=2).count() == BATCH
        seen.append(found(cast.project))

    embedder.meanwhile = first
    ingest(document.id)
    assert seen == ["Goods may be returned within 30 days."]
    assert "Rule number" in found(cast.project)


# --- An embedder that fails ---------------------------------------------------------------------


def test_while_the_embedder_is_down_a_document_waits_and_says_why(
    cast: Cast, settings: Settings, corpus_version: Callable[[], int], embedder: EmbedderServer
) -> None:
    settings.EMBEDDING_BASE_URL = "http://127.0.0.1:9/v1"  # nobody listens there
    document, _ = upload(cast.project)
    before = timezone.now()
    assert ingest(document.id) == 5
    document.refresh_from_db()
    assert (document.state, document.claim, document.heartbeat_at) == ("queued", None, None)
    assert "cannot be reached" in document.error
    assert "Trying again by itself." in document.error
    assert document.retry_at is not None
    assert timedelta(seconds=5) <= document.retry_at - before < timedelta(seconds=10)
    assert corpus_version() == 0


def test_each_pause_is_twice_the_one_before(cast: Cast, embedder: EmbedderServer) -> None:
    document, _ = upload(cast.project)
    embedder.fail(*[503] * MAX_ATTEMPTS)
    pauses = [ingest(document.id) for _ in range(MAX_ATTEMPTS)]
    assert pauses == [5, 10, 20, 40, 80, 160, 320, None]
    assert Document.objects.get().state == "failed"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_after_the_last_attempt_the_document_has_failed_with_the_reason(
    cast: Cast, embedder: EmbedderServer, status: int
) -> None:
    document, _ = upload(cast.project)
    parse(document.id)
    Document.objects.update(attempts=MAX_ATTEMPTS - 1)
    embedder.fail(status)
    assert ingest(document.id) is None
    document.refresh_from_db()
    assert document.state == "failed"
    assert "The embedding model 'test-embedder'" in document.error
    assert "by itself" not in document.error


def test_when_the_embedder_is_back_the_rest_is_done_and_the_reason_is_gone(
    cast: Cast, embedder: EmbedderServer, corpus_version: Callable[[], int]
) -> None:
    document, _ = upload(cast.project, LONG)

    def fail_in_the_second_batch() -> None:
        embedder.meanwhile = lambda: setattr(embedder, "meanwhile", lambda: embedder.fail(503))

    embedder.meanwhile = fail_in_the_second_batch
    assert ingest(document.id) == 5
    assert ChunkEmbedding.objects.count() == BATCH
    chunks = set(Chunk.objects.values_list("id", flat=True))
    embedder.history.clear()
    assert ingest(document.id) is None
    document.refresh_from_db()
    assert (document.state, document.error, document.retry_at) == ("ready", "", None)
    assert set(Chunk.objects.values_list("id", flat=True)) == chunks
    assert len(embedder.texts) == len(chunks) - BATCH
    assert corpus_version() == 1


@pytest.mark.parametrize("status", [429, 503])
def test_an_embedder_that_says_when_to_come_back_is_obeyed_and_fails_no_document(
    cast: Cast, embedder: EmbedderServer, status: int
) -> None:
    document, _ = upload(cast.project)
    embedder.retry_after = "7"
    embedder.fail(*[status] * (MAX_ATTEMPTS + 2))
    before = timezone.now()
    for _ in range(MAX_ATTEMPTS + 2):
        sync_redis().flushdb()  # its wish is over
        assert ingest(document.id) == 7
    sync_redis().flushdb()
    document.refresh_from_db()
    assert (document.state, document.attempts) == ("queued", 0)
    assert document.error_code in ("provider_rate_limited", "provider_unreachable")
    assert document.retry_at is not None
    assert document.retry_at - before >= timedelta(seconds=7)
    assert ingest(document.id) is None
    document.refresh_from_db()
    assert (document.state, document.error, document.error_code) == ("ready", "", "")


def test_while_it_wants_to_be_left_alone_an_embedder_is_asked_for_no_other_document(
    cast: Cast, embedder: EmbedderServer
) -> None:
    first, second = upload(cast.project, "One.", "1.md")[0], upload(cast.project, "Two.", "2.md")[0]
    add_document(cast.foreign)  # its space is known
    embedder.retry_after = "7"
    embedder.fail(429)
    assert ingest(first.id) == 7
    asked = len(embedder.history)
    pause = ingest(second.id)
    assert pause is not None
    assert 0 < pause <= 7
    assert len(embedder.history) == asked
    second.refresh_from_db()
    assert (second.state, second.attempts) == ("queued", 0)


@pytest.mark.parametrize(("wish", "pause"), [("0", 1), ("999999", 3600)])
def test_a_wish_that_makes_no_sense_is_kept_within_bounds(
    cast: Cast, embedder: EmbedderServer, wish: str, pause: float
) -> None:
    document, _ = upload(cast.project)
    embedder.retry_after = wish
    embedder.fail(429)
    assert ingest(document.id) == pause


@pytest.mark.parametrize(("status", "setting"), [(401, "POLYAI_EMBEDDING_API_KEY"), (404, "POLYAI_EMBEDDING_MODEL")])
def test_an_embedder_that_refuses_fails_at_once_and_names_the_setting_to_change(
    cast: Cast, embedder: EmbedderServer, status: int, setting: str
) -> None:
    document, _ = upload(cast.project)
    embedder.fail(status)
    assert ingest(document.id) is None
    document.refresh_from_db()
    assert document.state == "failed"
    assert setting in document.error


def test_the_reason_of_a_problem_that_nobody_foresaw_is_in_the_log_alone(
    cast: Cast, caplog: pytest.LogCaptureFixture
) -> None:
    document, _ = upload(cast.project)
    document.original.storage.delete(str(document.original.name))
    assert ingest(document.id) == 5
    document.refresh_from_db()
    assert document.state == "queued"
    assert document.error.startswith("Something went wrong on the server")
    assert str(document.original.name) not in document.error
    assert "FileNotFoundError" in caplog.text


def test_without_redis_a_document_becomes_ready_all_the_same(
    cast: Cast, corpus_version: Callable[[], int], request: pytest.FixtureRequest
) -> None:
    document, _ = upload(cast.project)
    request.getfixturevalue("dead_redis")
    ingest(document.id)
    assert Document.objects.get().state == "ready"
    assert "30 days" in found(cast.project)
    assert corpus_version() == 1


def test_vectors_that_the_cache_knows_are_not_asked_for_again(cast: Cast, embedder: EmbedderServer) -> None:
    services.delete(add_document(cast.project))
    asked = len(embedder.texts)
    document = add_document(cast.project)
    assert document.state == "ready"
    assert len(embedder.texts) == asked


def test_a_file_is_read_from_the_storage_and_not_from_the_request(cast: Cast) -> None:
    file = ContentFile(HANDBOOK.encode(), name="handbook.md")
    document = services.upload(project=cast.project, name="handbook.md", file=file).document
    file.close()
    ingest(document.id)
    assert Document.objects.get().state == "ready"
