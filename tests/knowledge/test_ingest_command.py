"""manage.py ingest: files and folders into a project, until each is ready or failed."""

from __future__ import annotations

import threading
from collections.abc import Generator
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import Project
from core.database import release
from knowledge import ingestion
from knowledge.models import Chunk, Document
from knowledge.parsers import PARSERS
from tests.conftest import Cast
from tests.knowledge.conftest import found

pytestmark = pytest.mark.usefixtures("transactional_db")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files to put in, beside what the storage writes."""
    folder = tmp_path / "documents to read"
    folder.mkdir()
    return folder


@pytest.fixture
def worker() -> Generator[None, None, None]:
    """Takes what is queued, as Celery does (test_tasks.py), without its start and its end of a second each."""
    done = threading.Event()

    def work() -> None:
        while not done.wait(0.02):
            for document in Document.objects.filter(state="queued"):
                ingestion.ingest(document.id)
            release()

    thread = threading.Thread(target=work)
    thread.start()
    yield
    done.set()
    thread.join()


def ingest(*paths: Path, project: str = "support", **options: object) -> tuple[int, str, str]:
    """Run it: exit status, output, errors."""
    out, err = StringIO(), StringIO()
    try:
        call_command("ingest", *map(str, paths), project=project, stdout=out, stderr=err, **options)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


def test_a_folder_is_read_with_all_below_it(folder: Path, worker: None) -> None:
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "a.md").write_text("Goods may be returned within 30 days.")
    (folder / "deep" / "er" / "a.md").write_text("Parcels take five days.")
    (folder / "deep" / "b.TXT").write_text("The office is in Bergen.")
    (folder / "program.exe").write_bytes(b"MZ")
    (folder / ".hidden.md").write_text("Hidden.")
    status, out, err = ingest(folder)
    assert (status, err) == (0, "")
    assert out.endswith("support: 3 ready (0 unchanged), 0 failed, 0 refused\n")
    assert "a.md: ready: 1 chunks" in out
    assert set(Document.objects.values_list("name", flat=True)) == {"a.md", "deep/er/a.md", "deep/b.TXT"}
    assert "30 days" in found(Project.objects.get(slug="support"))


def test_what_failed_or_was_refused_is_told_with_its_reason_and_the_status(
    folder: Path, worker: None, settings: Settings
) -> None:
    settings.MAX_UPLOAD_MB = 1
    (folder / "good.md").write_text("Text.")
    (folder / "nul.md").write_bytes(b"a\x00b")
    (folder / "empty.md").touch()
    (folder / "big.txt").write_bytes(b"x" * (1024 * 1024 + 1))
    status, out, err = ingest(folder, folder / "absent.md", folder / "good.md")
    assert status == 1
    assert "nul.md: failed: The file has NUL bytes" in out
    assert "empty.md: refused: The file is empty." in err
    assert "big.txt: refused: The file has" in err
    assert "absent.md: refused: No such file or directory" in err
    assert "1 failed, 3 refused" in out
    assert "Traceback" not in out + err


def test_a_second_run_changes_nothing(folder: Path, worker: None) -> None:
    (folder / "a.md").write_text("Goods may be returned.")
    ingest(folder)
    chunks = set(Chunk.objects.values_list("id", flat=True))
    status, out, _ = ingest(folder)
    assert status == 0
    assert "support: 1 ready (1 unchanged)" in out
    assert set(Chunk.objects.values_list("id", flat=True)) == chunks


def test_a_new_project_is_made_and_an_old_one_is_used(cast: Cast, folder: Path) -> None:
    (folder / "a.md").write_text("Text.")
    ingest(folder, no_wait=True)
    ingest(folder, project="fresh", name="A fresh one", no_wait=True)
    ingest(folder, project="plain", no_wait=True)
    names = dict(Project.objects.values_list("slug", "name"))
    assert names == {"support": "Support", "secret": "Secret", "fresh": "A fresh one", "plain": "plain"}
    assert cast.project.documents.count() == 1


def test_without_waiting_it_ends_when_all_are_accepted(folder: Path) -> None:
    (folder / "a.md").write_text("Text.")
    status, out, _ = ingest(folder, no_wait=True)
    assert (status, out) == (0, "support: 1 accepted (0 unchanged), 0 failed, 0 refused\n")
    assert Document.objects.get().state == "queued"


def test_two_files_of_one_name_do_not_replace_each_other(folder: Path, worker: None) -> None:
    """`ingest north/rules.md south/rules.md`: both were accepted, so neither may be lost."""
    for place in ("north", "south"):
        (folder / place).mkdir()
        (folder / place / "rules.md").write_text(f"Rules of the {place}.")
    ingest(folder / "north" / "rules.md", folder / "south" / "rules.md")
    texts = found(Project.objects.get(slug="support"))
    assert "Rules of the north." in texts
    assert "Rules of the south." in texts


@pytest.mark.parametrize("slug", ["", "two words", "ümlaut", "a/b", "x" * 61])
def test_a_slug_that_cannot_be_one_is_refused(folder: Path, slug: str) -> None:
    (folder / "a.md").write_text("Text.")
    with pytest.raises(CommandError, match="cannot be a project's slug"):
        ingest(folder, project=slug, no_wait=True)
    assert not Project.objects.exists()


def test_a_folder_without_any_file_that_can_be_read_says_which_can(folder: Path) -> None:
    (folder / "program.exe").write_bytes(b"MZ")
    with pytest.raises(CommandError) as refused:
        ingest(folder)
    for ending in PARSERS:
        assert ending in str(refused.value)
