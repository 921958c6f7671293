"""knowledge/services.py: uploads, retries and deletions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from django.core.files.base import ContentFile
from django.db import connection, transaction
from pytest_django import Settings

from accounts.models import Project
from core.database import release
from core.errors import InvalidInput, PolyAIError, TooLong, UnreadableFile, UnsupportedFile
from knowledge import ingestion, queue, services
from knowledge.models import Chunk, ChunkEmbedding, Document
from tests.conftest import HANDBOOK, Cast, add_document
from tests.knowledge.conftest import found, upload


def stored_files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def test_an_accepted_file_is_stored_and_queued(cast: Cast, tmp_path: Path) -> None:
    document, is_new = upload(cast.project, user=cast.alice)
    document.refresh_from_db()
    assert is_new
    assert (document.state, document.version, document.live_version) == ("queued", 1, 0)
    assert (document.size, document.uploaded_by) == (len(HANDBOOK), cast.alice)
    assert stored_files(tmp_path) == [HANDBOOK.encode()]
    assert queue.length() == 1


def test_the_name_of_a_file_never_reaches_the_file_system(cast: Cast, tmp_path: Path) -> None:
    upload(cast.project, name="../../etc/evil.md")
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert "evil" not in str(path)
    assert path.parent.parent.name == str(cast.project.id)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("a.md", b"", UnreadableFile),
        ("a.exe", b"MZ", UnsupportedFile),
        ("a", b"text", UnsupportedFile),
        ("", b"text", InvalidInput),
        ("///", b"text", InvalidInput),
        ("../..", b"text", InvalidInput),
        ("\x00\x1f", b"text", InvalidInput),
        ("north/  .txt", b"text", InvalidInput),
        ("\u3164\u2800.txt", b"text", InvalidInput),
        ("big.md", b"x" * (1024 * 1024 + 1), TooLong),
    ],
    ids=[
        *("empty", "unknown kind", "no kind", "no name", "only slashes", "only dots", "only controls"),
        *("only blanks", "only fillers", "too large"),
    ],
)
def test_what_cannot_be_used_is_refused_and_leaves_nothing(
    cast: Cast, settings: Settings, tmp_path: Path, name: str, text: bytes, error: type[PolyAIError]
) -> None:
    settings.MAX_UPLOAD_MB = 1
    with pytest.raises(error):
        upload(cast.project, text, name)
    assert not Document.objects.exists()
    assert stored_files(tmp_path) == []
    assert queue.length() == 0


def test_a_file_of_just_the_limit_is_accepted(cast: Cast, settings: Settings) -> None:
    settings.MAX_UPLOAD_MB = 1
    assert upload(cast.project, b"x" * 1024 * 1024)[1]


def test_the_refusal_of_a_large_file_says_how_large_it_is_and_what_the_limit_is(cast: Cast, settings: Settings) -> None:
    settings.MAX_UPLOAD_MB = 1
    with pytest.raises(TooLong) as refused:
        upload(cast.project, b"x" * (1024 * 1024 + 200_000))
    assert "1.2 MB" in refused.value.message
    assert "1 MB is the limit" in refused.value.message


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("handbook.md", "handbook.md"),
        ("Über uns 手册 🙂.md", "Über uns 手册 🙂.md"),
        ("/etc/passwd.md", "etc/passwd.md"),
        ("../../up.md", "up.md"),
        ("a/./b//c.md", "a/b/c.md"),
        ("C:\\docs\\a.md", "C:/docs/a.md"),
        ("a\x00b\x1bc\x7fd\n.md", "abcd.md"),
        ("harmless\u202efdp.md", "harmlessfdp.md"),
        ("\u2066a\u2069\u200e\u200f\u061c.md", "a.md"),
        ("a\ud800b.md", "ab.md"),
    ],
)
def test_a_name_is_made_fit_to_show(cast: Cast, given: str, shown: str) -> None:
    document, _ = upload(cast.project, name=given)
    document.refresh_from_db()
    assert document.name == shown


@pytest.mark.parametrize("letter", ["x", "ü", "🙂"])
def test_a_name_of_300_characters_is_cut_and_keeps_its_ending(cast: Cast, letter: str) -> None:
    document, _ = upload(cast.project, name=letter * 300 + ".md")
    assert len(document.name) == 255
    assert document.name.startswith(letter * 200)
    assert document.name.endswith(".md")


def test_the_same_name_in_another_normal_form_is_the_same_document(cast: Cast) -> None:
    """macOS writes é as e and an accent, everybody else as one character."""
    composed, _ = upload(cast.project, name="caf\u00e9.md")
    decomposed, is_new = upload(cast.project, name="cafe\u0301.md")
    assert (decomposed.id, is_new) == (composed.id, False)


def test_two_names_that_differ_only_after_the_255th_character_stay_two_documents(cast: Cast) -> None:
    upload(cast.project, "The first.", "x" * 300 + "-1.md")
    upload(cast.project, "The second.", "x" * 300 + "-2.md")
    assert Document.objects.count() == 2


def test_the_same_name_in_another_project_is_another_document(cast: Cast) -> None:
    ours, _ = upload(cast.project)
    theirs, is_new = upload(cast.foreign)
    assert is_new
    assert ours.id != theirs.id


def test_the_same_bytes_again_are_no_new_work(cast: Cast, tmp_path: Path, corpus_version: Callable[[], int]) -> None:
    first = add_document(cast.project)
    waiting, chunks = queue.length(), set(Chunk.objects.values_list("id", flat=True))
    again, is_new = upload(cast.project, user=cast.alice)
    again.refresh_from_db()
    assert (again.id, is_new, again.state, again.version) == (first.id, False, "ready", 1)
    assert queue.length() == waiting
    assert set(Chunk.objects.values_list("id", flat=True)) == chunks
    assert len(stored_files(tmp_path)) == 1
    assert corpus_version() == 1


def test_the_same_bytes_while_they_wait_are_queued_once(cast: Cast) -> None:
    upload(cast.project)
    assert not upload(cast.project)[1]
    assert queue.length() == 1


def test_new_bytes_are_a_new_version_and_the_old_one_answers_until_it_is_ready(
    cast: Cast, tmp_path: Path, corpus_version: Callable[[], int]
) -> None:
    first = add_document(cast.project, "Goods may be returned within 30 days.")
    second, is_new = upload(cast.project, "Goods may be returned within 60 days.")
    assert (second.id, is_new, second.version, second.live_version) == (first.id, True, 2, 1)
    assert "30 days" in found(cast.project)
    assert corpus_version() == 1
    ingestion.ingest(second.id)
    assert "60 days" in found(cast.project)
    assert "30 days" not in found(cast.project)
    assert corpus_version() == 2
    assert set(Chunk.objects.values_list("version", flat=True)) == {2}
    assert stored_files(tmp_path) == [b"Goods may be returned within 60 days."]


def test_a_new_version_that_cannot_be_read_leaves_the_old_one_answering(
    cast: Cast, corpus_version: Callable[[], int]
) -> None:
    document = add_document(cast.project, "Goods may be returned within 30 days.")
    add_document(cast.project, b"broken\x00")
    document.refresh_from_db()
    assert (document.state, document.version, document.live_version) == ("failed", 2, 1)
    assert "30 days" in found(cast.project)
    assert corpus_version() == 1


def test_the_old_bytes_after_a_failed_version_are_ready_again(cast: Cast) -> None:
    add_document(cast.project, "Goods may be returned within 30 days.")
    add_document(cast.project, b"broken\x00")
    document = add_document(cast.project, "Goods may be returned within 30 days.")
    assert (document.state, document.live_version, document.version) == ("ready", 3, 3)
    assert Chunk.objects.count() == 1


def test_three_versions_in_a_row_leave_one_set_of_chunks(cast: Cast) -> None:
    for days in (10, 20, 30):
        add_document(cast.project, f"Goods may be returned within {days} days.")
    assert [chunk.text for chunk in Chunk.objects.all()] == ["Goods may be returned within 30 days."]
    assert ChunkEmbedding.objects.count() == 1


@pytest.mark.parametrize("how", ["retry", "the same bytes"])
def test_a_failed_upload_can_be_retried(cast: Cast, how: str) -> None:
    document = add_document(cast.project, b"broken\x00")
    Document.objects.update(attempts=8)
    assert document.state == "failed"
    if how == "retry":
        services.retry(document)
    else:
        assert upload(cast.project, b"broken\x00")[1]
    document.refresh_from_db()
    assert (document.state, document.error, document.attempts, document.claim) == ("queued", "", 0, None)
    assert document.retry_at is None
    assert queue.length() == 2


def test_trying_a_ready_document_again_changes_nothing_that_can_be_found(
    cast: Cast, corpus_version: Callable[[], int]
) -> None:
    document = add_document(cast.project)
    services.retry(document)
    assert found(cast.project)
    ingestion.ingest(document.id)
    document.refresh_from_db()
    assert document.state == "ready"
    assert corpus_version() == 1


def test_deleting_removes_the_document_its_chunks_its_vectors_and_its_file(
    cast: Cast, tmp_path: Path, corpus_version: Callable[[], int]
) -> None:
    document = add_document(cast.project)
    other = add_document(cast.project, "Our office is in Bergen.", "office.md")
    services.delete(document)
    assert list(Document.objects.all()) == [other]
    assert {chunk.document_id for chunk in Chunk.objects.all()} == {other.id}
    assert ChunkEmbedding.objects.count() == Chunk.objects.count()
    assert stored_files(tmp_path) == [b"Our office is in Bergen."]
    assert "30 days" not in found(cast.project)
    assert corpus_version() == 3


@pytest.mark.parametrize("state", ["queued", "failed"])
def test_deleting_what_no_search_could_find_moves_no_version(
    cast: Cast, tmp_path: Path, corpus_version: Callable[[], int], state: str
) -> None:
    document, _ = upload(cast.project)
    Document.objects.update(state=state)
    services.delete(document)
    assert corpus_version() == 0
    assert stored_files(tmp_path) == []


def test_a_document_published_after_the_delete_was_asked_for_moves_the_version_all_the_same(
    cast: Cast, corpus_version: Callable[[], int]
) -> None:
    """Else an answer that was cached in between would be served from a document that is gone."""
    asked_for, _ = upload(cast.project)
    ingestion.ingest(asked_for.id)
    services.delete(asked_for)
    assert corpus_version() == 2


def test_a_file_replaced_after_the_delete_was_asked_for_is_removed_too(cast: Cast, tmp_path: Path) -> None:
    asked_for, _ = upload(cast.project)
    upload(cast.project, "Goods may be returned within 60 days.")
    services.delete(asked_for)
    assert stored_files(tmp_path) == []


def test_deleting_twice_at_once_is_no_error(cast: Cast) -> None:
    document, again = add_document(cast.project), Document.objects.get()
    services.delete(document)
    services.delete(again)
    assert not Document.objects.exists()


def test_a_delete_waits_for_the_worker_that_is_just_storing_chunks(cast: Cast) -> None:
    """The worker holds the document's row while it adds chunks: a delete that has looked for chunks before
    would break on those that it did not see."""
    document, _ = upload(cast.project)
    problems: list[Exception] = []

    def delete() -> None:
        try:
            services.delete(document)
        except Exception as problem:
            problems.append(problem)
        finally:
            release()

    with transaction.atomic():
        Document.objects.filter(id=document.id).update(state="parsing")
        thread = Thread(target=delete)
        thread.start()
        wait_for_a_lock()
        Chunk.objects.create(document=document, version=1, position=0, text="late", content_hash="0" * 64)
    thread.join()
    assert problems == []
    assert not Document.objects.exists()
    assert not Chunk.objects.exists()


def wait_for_a_lock() -> None:
    with connection.cursor() as cursor:
        for _ in range(200):
            cursor.execute("SELECT pg_sleep(0.01)")
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            if cursor.fetchone() != (0,):
                return
    raise AssertionError("nobody waits")


def test_two_uploads_of_one_new_name_at_once_are_one_document(cast: Cast) -> None:
    problems: list[Exception] = []

    def send(days: int) -> None:
        try:
            upload(cast.project, f"Goods may be returned within {days} days.")
        except Exception as problem:
            problems.append(problem)
        finally:
            release()

    threads = [Thread(target=send, args=[days]) for days in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    document = Document.objects.get()
    assert document.version == 6
    ingestion.ingest(document.id)
    assert Chunk.objects.get().version == 6


def test_an_upload_that_is_rolled_back_is_not_queued(cast: Cast) -> None:
    with transaction.atomic():
        upload(cast.project)
        transaction.set_rollback(True)
    assert queue.length() == 0
    assert not Document.objects.exists()


@pytest.mark.parametrize("write", ["upload", "delete"])
def test_the_version_of_the_documents_and_the_change_are_one_transaction(
    cast: Cast, corpus_version: Callable[[], int], write: str
) -> None:
    """Where the version cannot be moved, here for a trigger, nothing that can be found changes either."""
    document = add_document(cast.project, "Goods may be returned within 30 days.")
    upload(cast.project, "Goods may be returned within 60 days.")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$"
        )
        cursor.execute("CREATE TRIGGER refuse BEFORE UPDATE ON accounts_project EXECUTE FUNCTION refuse()")
    try:
        if write == "upload":
            ingestion.ingest(document.id)
        else:
            with pytest.raises(Exception, match="refused"):
                services.delete(Document.objects.get())
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION refuse CASCADE")
    assert found(cast.project) == "Goods may be returned within 30 days."
    assert Document.objects.get().live_version == 1
    assert corpus_version() == 1


def test_the_file_is_read_from_its_beginning_wherever_it_stands(cast: Cast, tmp_path: Path) -> None:
    file = ContentFile(HANDBOOK.encode(), name="handbook.md")
    file.read(10)
    services.upload(project=cast.project, name="handbook.md", file=file)
    assert stored_files(tmp_path) == [HANDBOOK.encode()]


def test_moving_the_version_moves_one_project_alone(cast: Cast) -> None:
    services.move_corpus_version(cast.project.id)
    assert dict(Project.objects.values_list("slug", "corpus_version")) == {"support": 1, "secret": 0}
