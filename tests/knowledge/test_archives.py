"""knowledge/archives.py: the files of a ZIP become documents, and what bites is refused with its reason."""

from __future__ import annotations

import io
import random
import stat
import struct
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse
from pytest_django.fixtures import Settings

from core.errors import TooLong, UnreadableFile
from knowledge import archives
from knowledge.archives import Entry, Refused, Unpacked, expand, upload_archive
from knowledge.models import Document
from tests.conftest import Cast, browser_of
from tests.knowledge.test_api import DOCUMENTS, program_of


def pack(*files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content, compress_type=method)
    return packed.getvalue()


def pack_raw(name: bytes, content: bytes = b"text", flags: int = 0) -> bytes:
    """An archive of one file whose name is just these bytes."""
    head = struct.pack(
        "<HHHHHLLLHH", 20, flags, 0, 0, 33, zlib.crc32(content), len(content), len(content), len(name), 0
    )
    local = b"PK\3\4" + head + name + content
    central = b"PK\1\2" + struct.pack("<H", 20) + head + struct.pack("<HHHLL", 0, 0, 0, 0, 0) + name
    end = b"PK\5\6" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def contents(archive: bytes) -> dict[str, bytes]:
    return {found.name: found.file.read() for found in expand(io.BytesIO(archive)) if isinstance(found, Entry)}


def reasons(archive: bytes) -> dict[str, str]:
    return {found.name: found.error.message for found in expand(io.BytesIO(archive)) if isinstance(found, Refused)}


def upload(cast: Cast, archive: bytes, name: str = "book.zip") -> Unpacked:
    return upload_archive(project=cast.project, name=name, file=ContentFile(archive, name=name), user=cast.alice)


def stored(cast: Cast) -> dict[str, int]:
    return dict(Document.objects.values_list("name", "version"))


def test_each_file_is_a_document_under_its_archives_name(cast: Cast) -> None:
    unpacked = upload(cast, pack(("en/intro.md", b"# Intro"), ("de/", b""), ("notes.txt", b"notes"), ("a.exe", b"MZ")))
    assert stored(cast) == {"book.zip/en/intro.md": 1, "book.zip/notes.txt": 1}
    assert len(unpacked.new) == 2
    assert [(refused.name, refused.error.code) for refused in unpacked.refused] == [("a.exe", "unsupported_file")]
    document = Document.objects.get(name="book.zip/en/intro.md")
    assert (document.size, document.kind, document.uploaded_by) == (7, "md", cast.alice)
    with document.original.open("rb") as file:
        assert file.read() == b"# Intro"


def test_the_same_archive_again_updates_what_has_changed(cast: Cast) -> None:
    upload(cast, pack(("a.md", b"a"), ("b.md", b"b")))
    again = upload(cast, pack(("a.md", b"a"), ("b.md", b"new")))
    assert stored(cast) == {"book.zip/a.md": 1, "book.zip/b.md": 2}
    assert [document.name for document in again.documents if document.id in again.new] == ["book.zip/b.md"]


def test_two_archives_keep_their_files_apart(cast: Cast) -> None:
    upload(cast, pack(("README.md", b"one")), "one.zip")
    upload(cast, pack(("README.md", b"two")), "two.zip")
    assert stored(cast) == {"one.zip/README.md": 1, "two.zip/README.md": 1}


def test_litter_of_file_managers_is_left_out(cast: Cast) -> None:
    litter = [("__MACOSX/._a.md", b"x"), (".DS_Store", b"x"), ("b/Thumbs.db", b"x"), ("._a.md", b"x")]
    archive = pack(("a.md", b"a"), *litter)
    assert (contents(archive), reasons(archive)) == ({"a.md": b"a"}, {})


@pytest.mark.parametrize(
    "name",
    [
        *("../up.md", "a/../../up.md", "/etc/up.md", "..\\up.md", "\\\\host\\up.md", "C:\\up.md", "C:/up.md", ".."),
    ],
)
def test_a_name_that_leads_out_is_refused(name: str) -> None:
    archive = pack_raw(name.encode())
    assert contents(archive) == {}
    assert all("leads out" in reason for reason in reasons(archive).values())


def test_links_are_refused() -> None:
    link = zipfile.ZipInfo("passwd.md")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    assert "link" in reasons(pack((link, b"/etc/passwd"), ("a.md", b"a")))["passwd.md"]


def test_a_file_with_a_password_is_refused_and_the_others_go_on() -> None:
    archive = bytearray(pack(("secret.md", b"secret"), ("open.md", b"open")))
    archive[6] |= 1  # in the file's own head, and in the archive's list
    archive[archive.index(b"PK\1\2") + 8] |= 1
    assert "password" in reasons(bytes(archive))["secret.md"]
    assert contents(bytes(archive)) == {"open.md": b"open"}


@pytest.mark.parametrize("name", ["inner.zip", "inner.ZIP", "inner.tar.gz", "inner.7z"])
def test_archives_in_archives_are_refused(name: str) -> None:
    assert "inside an archive" in reasons(pack((name, pack(("a.md", b"a")))))[name]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_without_limit_are_refused(method: int) -> None:
    assert "unusual" in reasons(pack(("a.md", b"a"), method=method))["a.md"]


def test_a_bomb_is_refused_before_it_is_unpacked(settings: Settings) -> None:
    zeros = bytes(11 * 1024 * 1024)
    noise = random.Random(1).randbytes(64)
    archive = pack(("bomb.txt", zeros), ("fine.txt", noise))
    assert "200 times" in reasons(archive)["bomb.txt"]
    assert contents(archive) == {"fine.txt": noise}
    settings.MAX_UPLOAD_MB = 10
    assert "10 MB" in reasons(archive)["bomb.txt"]
    settings.MAX_ARCHIVE_MB = 10
    with pytest.raises(TooLong, match="unpacks to more than 10 MB"):
        contents(archive)


def test_an_archive_that_lies_about_a_size_is_damaged_and_no_larger() -> None:
    archive = bytearray(pack(("a.txt", bytes(2 * 1024 * 1024))))
    where = archive.index(b"PK\1\2") + 24
    archive[where : where + 4] = struct.pack("<L", 10)
    assert "damaged" in reasons(bytes(archive))["a.txt"]


def test_files_that_share_their_bytes_count_each(settings: Settings) -> None:
    """The overlapping bomb: a list of many files, all of which point to one."""
    settings.MAX_ARCHIVE_MB = 5
    archive = pack(("a.txt", bytes(1024 * 1024)))
    start = archive.index(b"PK\1\2")
    entry = archive[start : archive.index(b"PK\5\6")]
    end = struct.pack("<HHHHLLH", 0, 0, 100, 100, 100 * len(entry), start, 0)
    with pytest.raises(TooLong):
        contents(archive[:start] + 100 * entry + b"PK\5\6" + end)


def test_an_archive_of_thousands_of_small_files_is_taken() -> None:
    archive = pack(*((f"{n}.md", b"x") for n in range(10_000)))
    assert sum(isinstance(found, Entry) for found in expand(io.BytesIO(archive))) == 10_000


def test_more_files_than_that_are_refused_with_their_number() -> None:
    with pytest.raises(TooLong, match=r"has 10,001 files; 10,000 is the limit\. Split it\."):
        contents(pack(*((f"{n}.md", b"x") for n in range(10_001))))


def test_a_list_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = pack(*((f"{n}.md", b"x") for n in range(400)))
    monkeypatch.setattr(archives, "MAX_DIRECTORY", 10_000)
    with pytest.raises(UnreadableFile):
        contents(archive)


@pytest.mark.parametrize(
    "archive",
    [b"", b"PK", b"no archive at all", pack(("a.md", b"a"))[:-30]],
    ids=["empty", "two letters", "words", "cut off"],
)
def test_what_is_no_archive_is_told(archive: bytes) -> None:
    with pytest.raises(UnreadableFile, match="damaged"):
        contents(archive)


def test_a_damaged_file_is_refused_and_the_others_go_on() -> None:
    archive = bytearray(pack(("a.md", b"aaaa"), ("b.md", b"bbbb"), method=zipfile.ZIP_STORED))
    archive[archive.index(b"aaaa")] ^= 1
    assert "damaged" in reasons(bytes(archive))["a.md"]
    assert contents(bytes(archive)) == {"b.md": b"bbbb"}


def test_noise_never_breaks_it() -> None:
    dice = random.Random(4)
    whole = pack(("a.md", b"a" * 500), ("b/c.txt", b"c" * 500))
    for _ in range(300):
        broken = bytearray(whole)
        for _ in range(dice.randint(1, 8)):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        with suppress(UnreadableFile, TooLong):
            contents(bytes(broken))


@pytest.mark.parametrize(
    ("name", "encoding", "flags"),
    [
        ("Übersicht.md", "cp437", 0),
        ("Übersicht.md", "utf-8", 0),
        ("Übersicht.md", "utf-8", 0x800),
        ("説明書/はじめに.md", "cp932", 0),
        ("取扱説明書（日本語）.txt", "cp932", 0),
        ("データ一覧.txt", "cp932", 0),
        ("产品说明书.txt", "gb18030", 0),
        ("설명서.txt", "euc_kr", 0),
        ("Résumé – été.md", "utf-8", 0),
        ("Straße.md", "cp437", 0),
    ],
)
def test_a_name_is_read_in_the_encoding_that_its_packer_used(name: str, encoding: str, flags: int) -> None:
    assert list(contents(pack_raw(name.encode(encoding), flags=flags))) == [name]


def test_two_names_that_become_one_are_told() -> None:
    archive = pack(("a/b.md", b"1"), ("a//b.md", b"2"), ("a/./b\u202e.md", b"3"), ("a\\b.md", b"4"))
    assert contents(archive) == {"a/b.md": b"1"}
    assert "this name" in reasons(archive)["a/b.md"]


def test_an_archive_without_a_readable_file_is_refused(cast: Cast) -> None:
    with pytest.raises(UnreadableFile, match=r"no file that can be read\. a\.exe"):
        upload(cast, pack(("a.exe", b"MZ")))
    with pytest.raises(UnreadableFile, match="no file"):
        upload(cast, pack())


def test_an_archive_over_the_limit_is_refused(cast: Cast, settings: Settings) -> None:
    settings.MAX_ARCHIVE_MB = 1
    with pytest.raises(TooLong):
        upload(cast, random.Random(1).randbytes(1024 * 1024 + 1))


# --- Its doors ----------------------------------------------------------------------------------


def test_a_program_is_told_of_every_file(cast: Cast) -> None:
    program = program_of(cast.alice, cast.project)
    archive = pack(("a.md", b"a"), ("b.md", b""), ("c.exe", b"MZ"))
    for status in (201, 200):
        response = program.post(DOCUMENTS, {"file": SimpleUploadedFile("book.zip", archive)})
        assert response.status_code == status
        assert [document["name"] for document in response.json()["documents"]] == ["book.zip/a.md"]
        refused = {refused["name"]: refused["error"] for refused in response.json()["refused"]}
        assert "empty" in refused["b.md"]["message"]
        assert refused["c.exe"]["code"] == "unsupported_file"
    response = program.post(DOCUMENTS, {"file": SimpleUploadedFile("book.zip", b"no archive")})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "unreadable_file")


def test_the_page_shows_every_file(cast: Cast) -> None:
    file = SimpleUploadedFile("book.zip", pack(("a.md", b"a"), ("c.exe", b"MZ")))
    response = browser_of(cast.alice).post(
        reverse("upload", args=["support"]), {"files": [file]}, headers={"Accept": "application/json"}
    )
    (told,) = response.json()["files"]
    assert (told["name"], told["error"], told["is_new"]) == ("book.zip", None, True)
    assert told["note"].startswith("1 of its files were taken, 1 of them new. 1 were refused: c.exe: ")
    assert list(stored(cast)) == ["book.zip/a.md"]


def test_the_command_unpacks_too(cast: Cast, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "book.zip").write_bytes(pack(("a.md", b"a"), ("c.exe", b"MZ")))
    (tmp_path / "bad.zip").write_bytes(b"bad")
    (tmp_path / "b.md").write_text("b")
    with pytest.raises(SystemExit):
        call_command("ingest", str(tmp_path), "--project", "support", "--no-wait")
    told = capsys.readouterr()
    assert stored(cast) == {"book.zip/a.md": 1, "b.md": 1}
    assert "2 accepted (0 unchanged), 0 failed, 2 refused" in told.out
    assert "book.zip/c.exe: refused: " in told.err
    assert "bad.zip: refused: The archive is damaged" in told.err
