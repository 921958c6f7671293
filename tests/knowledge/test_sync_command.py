"""manage.py sync: a project kept in step with a folder."""

from __future__ import annotations

import os
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import Project
from core.redis import sync_redis
from knowledge import ingestion, queue, services
from knowledge.models import Document, SyncedFile
from tests.conftest import Cast
from tests.knowledge.conftest import found, upload


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files, one of them deeper, beside what the storage writes."""
    folder = tmp_path / "handbooks"
    (folder / "north").mkdir(parents=True)
    (folder / "a.md").write_text("Goods may be returned within 30 days.")
    (folder / "north" / "b.md").write_text("Parcels take five days.")
    (folder / ".hidden.md").write_text("Hidden.")
    (folder / "program.exe").write_bytes(b"MZ")
    return folder


def sync(folder: Path, **options: object) -> tuple[int, str, str]:
    """Run it, and what it queued: exit status, the last line of the output, errors."""
    status, lines, errors = sync_aloud(folder, **options)
    return status, lines[-1], errors


def sync_aloud(folder: Path, **options: object) -> tuple[int, list[str], str]:
    """As `sync`, with the whole output."""
    out, err = StringIO(), StringIO()
    status = 0
    try:
        call_command("sync", str(folder), project="support", no_wait=True, stdout=out, stderr=err, **options)
    except SystemExit as end:
        status = int(end.code or 0)
    for document in Document.objects.filter(state="queued"):
        ingestion.ingest(document.id)
    return status, [line.removeprefix("support: ") for line in out.getvalue().splitlines()], err.getvalue()


def names(project: Project) -> set[str]:
    return set(Document.objects.filter(project=project).values_list("name", flat=True))


def test_new_changed_and_deleted_files_are_followed(cast: Cast, folder: Path) -> None:
    assert sync(folder) == (0, "2 new, 0 changed, 0 unchanged, 0 deleted, 0 refused", "")
    assert names(cast.project) == {"a.md", "north/b.md"}
    assert set(Document.objects.values_list("is_bulk", flat=True)) == {True}
    (folder / "a.md").write_text("Goods may be returned within 60 days.")
    (folder / "north" / "b.md").unlink()
    (folder / "c.md").write_text("The office is in Bergen.")
    assert sync(folder)[1] == "1 new, 1 changed, 0 unchanged, 1 deleted, 0 refused"
    assert names(cast.project) == {"a.md", "c.md"}
    assert "60 days" in found(cast.project)
    assert "five days" not in found(cast.project)
    assert Document.objects.get(name="a.md").version == 2


def test_a_second_run_reads_no_file_and_queues_nothing(cast: Cast, folder: Path) -> None:
    sync(folder)
    sync_redis().flushdb()
    for path in folder.rglob("*.md"):
        seen = path.stat()
        path.write_bytes(b"x" * seen.st_size)  # not looked at: size and time are the same
        os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert sync(folder)[1] == "0 new, 0 changed, 2 unchanged, 0 deleted, 0 refused"
    assert queue.length() == 0


def test_a_file_that_was_only_touched_is_no_new_version(cast: Cast, folder: Path) -> None:
    sync(folder)
    os.utime(folder / "a.md", (1, 1))
    assert sync(folder)[1] == "0 new, 1 changed, 1 unchanged, 0 deleted, 0 refused"
    assert Document.objects.get(name="a.md").version == 1
    assert sync(folder)[1] == "0 new, 0 changed, 2 unchanged, 0 deleted, 0 refused"


def test_a_sync_that_was_cut_off_goes_on_where_it_stopped(cast: Cast, folder: Path) -> None:
    sync(folder)
    Document.objects.get(name="north/b.md").delete()
    assert sync(folder)[1] == "1 new, 0 changed, 1 unchanged, 0 deleted, 0 refused"


def test_a_dry_run_says_what_would_be_done_and_does_nothing(cast: Cast, folder: Path) -> None:
    sync(folder)
    (folder / "a.md").write_text("Changed, and longer than before: 60 days.")
    (folder / "north" / "b.md").unlink()
    (folder / "c.md").write_text("New.")
    before = set(Document.objects.values_list("name", "version"))
    assert sync(folder, dry_run=True)[1] == "1 new, 1 changed, 0 unchanged, 1 deleted, 0 refused"
    assert set(Document.objects.values_list("name", "version")) == before


@pytest.mark.usefixtures("transactional_db")
def test_a_dry_run_makes_no_project(folder: Path) -> None:
    assert sync(folder, dry_run=True)[1] == "2 new, 0 changed, 0 unchanged, 0 deleted, 0 refused"
    assert not Project.objects.exists()


def test_documents_that_came_another_way_are_left_alone(cast: Cast, folder: Path) -> None:
    by_hand, _ = upload(cast.project, name="by-hand.md")
    sync(folder)
    (folder / "a.md").unlink()
    sync(folder)
    assert names(cast.project) == {"by-hand.md", "north/b.md"}
    assert not SyncedFile.objects.filter(document=by_hand).exists()


def test_what_is_gone_is_kept_when_told(cast: Cast, folder: Path) -> None:
    sync(folder)
    (folder / "a.md").unlink()
    assert sync(folder, keep=True)[1] == "0 new, 0 changed, 1 unchanged, 0 deleted, 0 refused"
    assert names(cast.project) == {"a.md", "north/b.md"}


@pytest.mark.parametrize("is_missing", [False, True])
def test_an_empty_or_missing_folder_deletes_nothing_unless_told(cast: Cast, folder: Path, is_missing: bool) -> None:
    sync(folder)
    for path in folder.rglob("*.md"):
        path.unlink()
    if is_missing:
        folder.rename(folder.with_name("unmounted"))
    with pytest.raises(CommandError, match="Is it mounted"):
        sync(folder)
    assert names(cast.project) == {"a.md", "north/b.md"}
    assert sync(folder, delete=True)[1] == "0 new, 0 changed, 0 unchanged, 2 deleted, 0 refused"
    assert names(cast.project) == set()


def test_two_folders_do_not_take_a_name_from_each_other(cast: Cast, folder: Path, tmp_path: Path) -> None:
    sync(folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.md").write_text("Another a.")
    status, line, errors = sync(other)
    assert (status, line) == (1, "1 new, 0 changed, 0 unchanged, 0 deleted, 1 refused")
    assert f"a.md: refused: The document of this name comes from {folder}" in errors
    assert "30 days" in found(cast.project)


def test_a_file_that_is_refused_holds_up_no_other_and_is_tried_again(
    cast: Cast, folder: Path, settings: Settings
) -> None:
    settings.MAX_UPLOAD_MB = 1
    (folder / "a.md").write_bytes(b"x" * (1024 * 1024 + 1))
    status, line, errors = sync(folder)
    assert (status, line) == (1, "2 new, 0 changed, 0 unchanged, 0 deleted, 1 refused")
    assert errors.startswith("a.md: refused: The file has 1.1 MB")
    (folder / "a.md").write_text("No longer too large.")
    assert sync(folder)[:2] == (0, "1 new, 0 changed, 1 unchanged, 0 deleted, 0 refused")


def test_a_single_file_is_no_folder(cast: Cast, folder: Path) -> None:
    with pytest.raises(CommandError, match="is no folder"):
        sync(folder / "a.md")


def test_a_document_deleted_on_the_page_comes_back_with_the_next_sync(cast: Cast, folder: Path) -> None:
    """The folder says what the project has."""
    sync(folder)
    services.delete(Document.objects.get(name="a.md"))
    assert sync(folder)[1] == "1 new, 0 changed, 1 unchanged, 0 deleted, 0 refused"


def test_a_link_that_leads_out_of_the_folder_is_left_out_and_said(cast: Cast, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("The secret is 42.")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "inner.md").symlink_to(folder / "a.md")
    status, lines, errors = sync_aloud(folder)
    assert (status, errors) == (0, "")
    assert lines == [
        "skipped: 1 (links that lead out of the folder): link.md",
        "3 new, 0 changed, 0 unchanged, 0 deleted, 0 refused",
    ]
    assert names(cast.project) == {"a.md", "inner.md", "north/b.md"}


def test_a_file_that_became_a_link_out_of_the_folder_is_gone(cast: Cast, folder: Path, tmp_path: Path) -> None:
    sync(folder)
    (folder / "a.md").rename(tmp_path / "a.md")
    (folder / "a.md").symlink_to(tmp_path / "a.md")
    assert sync(folder)[1] == "0 new, 0 changed, 1 unchanged, 1 deleted, 0 refused"


def test_two_spellings_of_a_folder_are_one(cast: Cast, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(folder)
    for spelling in (tmp_path / "current", folder, folder / ".." / "handbooks", tmp_path / "current"):
        sync(spelling)
        (folder / "a.md").write_text(f"Goods may be returned, says {spelling}.")
        assert sync(spelling)[:2] == (0, "0 new, 1 changed, 1 unchanged, 0 deleted, 0 refused")


def test_a_link_to_a_folder_may_be_led_to_another(cast: Cast, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(folder)
    sync(tmp_path / "current")
    folder.rename(tmp_path / "older")
    folder.with_name("newer").mkdir()
    (tmp_path / "newer" / "a.md").write_text("Goods may be returned within 90 days.")
    (tmp_path / "current").unlink()
    (tmp_path / "current").symlink_to(tmp_path / "newer")
    assert sync(tmp_path / "current")[:2] == (0, "0 new, 1 changed, 0 unchanged, 1 deleted, 0 refused")


def test_an_empty_file_is_left_out_until_it_has_text_and_keeps_what_it_had(cast: Cast, folder: Path) -> None:
    sync(folder)
    for name in ("a.md", "c.md"):
        (folder / name).write_bytes(b"")
    status, lines, errors = sync_aloud(folder)
    assert (status, errors) == (0, "")
    assert lines == ["skipped: 2 (empty): a.md, c.md", "0 new, 0 changed, 1 unchanged, 0 deleted, 0 refused"]
    assert "30 days" in found(cast.project)
    (folder / "c.md").write_text("No longer empty.")
    assert sync(folder)[:2] == (0, "1 new, 0 changed, 1 unchanged, 0 deleted, 0 refused")


def test_of_many_that_are_left_out_the_first_are_named(cast: Cast, folder: Path) -> None:
    for number in range(8):
        (folder / f"{number}.md").touch()
    assert "skipped: 8 (empty): 0.md, 1.md, 2.md, 3.md, 4.md …" in sync_aloud(folder, dry_run=True)[1]


def test_a_file_whose_name_cannot_be_shown_is_left_out(cast: Cast, folder: Path) -> None:
    (folder / "  .md").write_text("Who am I?")
    status, lines, _ = sync_aloud(folder)
    assert (status, lines[0]) == (0, "skipped: 1 (no name): '  .md'")
    assert names(cast.project) == {"a.md", "north/b.md"}
