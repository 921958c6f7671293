"""knowledge/reading.py: files are read in a process apart, which cannot hurt us and is replaced when it is lost."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
from django.conf import settings as configured
from pytest_django import Settings

from core.errors import (
    DamagedFile,
    EmptyFile,
    EncryptedFile,
    InvalidInput,
    ParserLost,
    PolyAIError,
    TooLargeToRead,
    TooSlowToRead,
    UnsupportedFile,
)
from knowledge import sandbox
from knowledge.reading import read, render_page
from knowledge.types import Part
from tests.knowledge.files import make_docx, make_pdf

SLOW = b"<blockquote>" * 200 + b"line\n" * 30_000  # takes seconds: each quote marks every line anew


@pytest.fixture(autouse=True)
def fresh_process() -> Generator[None, None, None]:
    sandbox.close()
    yield
    sandbox.close()


def parser() -> psutil.Process:
    # By the parent's number: children() compares start times, which a machine that was suspended gets wrong.
    mine = [process for process in psutil.process_iter() if process.ppid() == os.getpid()]
    (child,) = [process for process in mine if "knowledge.parsers" in process.cmdline()]
    return child


def read_bytes(name: str, content: bytes) -> tuple[Part, ...]:
    return read(name, io.BytesIO(content)).parts


def test_a_file_comes_back_as_its_parts() -> None:
    assert read_bytes("a.pdf", make_pdf("One", "Two")) == (Part(text="One", page=1), Part(text="Two", page=2))


def test_a_file_is_read_from_its_start_wherever_it_was_left() -> None:
    file = io.BytesIO(b"# Title")
    file.read()
    assert read("a.md", file).parts[0].text == "# Title"


def test_one_process_reads_many_files() -> None:
    read_bytes("a.md", b"one")
    first = parser().pid
    read_bytes("b.txt", b"two")
    with pytest.raises(EncryptedFile):
        read_bytes("c.pdf", make_pdf("x", password="secret"))
    assert parser().pid == first


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.exe", b"MZ", UnsupportedFile),
        ("a.txt", b"", EmptyFile),
        ("a.pdf", b"%PDF-1.7\n", DamagedFile),
        ("a.docx", make_docx("text")[:300], DamagedFile),
    ],
)
def test_a_refusal_is_the_same_error_on_this_side(name: str, content: bytes, error: type[PolyAIError]) -> None:
    with pytest.raises(error) as refused:
        read_bytes(name, content)
    assert type(refused.value) is error
    assert refused.value.message.endswith(".")


def test_a_large_process_of_ours_does_not_cost_a_new_parser_for_each_file() -> None:
    held = bytearray(os.urandom(4096) * (configured.PARSER_MEGABYTES * 256))  # as much as a parser may have
    read_bytes("a.md", b"one")
    first = parser()
    del held
    read_bytes("b.md", b"two")
    assert parser() == first


def test_the_process_holds_no_secret_and_no_django() -> None:
    read_bytes("a.md", b"text")
    child = parser()
    assert set(child.environ()) <= {"LANG", "MALLOC_ARENA_MAX", "OMP_NUM_THREADS", "LC_CTYPE"}
    assert not any("django" in m.path for m in child.memory_maps())
    assert child.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert child.rlimit(psutil.RLIMIT_AS)[0] == configured.PARSER_MEGABYTES * 1024 * 1024
    assert child.rlimit(psutil.RLIMIT_NOFILE)[0] <= 64


def test_the_parsers_import_without_django() -> None:
    program = (
        "import sys, knowledge.parsers as p, importlib\n"
        "[importlib.import_module(f'knowledge.parsers.{m}') for m in {*p.PARSERS.values(), 'rendering'}]\n"
        "print([m for m in ('django', 'psycopg', 'celery', 'redis') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=configured.BASE_DIR)
    assert run.stdout.strip() == "[]", run.stderr


def test_a_file_that_takes_too_long_is_given_up_and_the_next_is_read(settings: Settings) -> None:
    settings.PARSER_SECONDS = 1
    with pytest.raises(TooSlowToRead, match="more than 1 seconds") as refused:
        read_bytes("a.html", SLOW)
    assert (refused.value.code, refused.value.retryable) == ("too_slow", False)
    assert read_bytes("a.md", b"next")[0].text == "next"


def test_a_process_that_hangs_without_working_is_killed_too(settings: Settings) -> None:
    settings.PARSER_SECONDS = 1
    read_bytes("a.md", b"text")
    parser().suspend()
    with pytest.raises(TooSlowToRead):
        read_bytes("a.md", b"more")
    assert read_bytes("a.md", b"next")[0].text == "next"


def test_a_file_that_needs_more_memory_than_allowed_is_refused(settings: Settings) -> None:
    settings.PARSER_MEGABYTES = 256
    with pytest.raises(TooLargeToRead, match="memory") as refused:
        read_bytes("a.txt", "ä".encode("latin-1") * 40_000_000)
    assert (refused.value.code, refused.value.retryable) == ("too_large", False)
    assert read_bytes("a.md", b"next")[0].text == "next"


def test_a_process_that_was_killed_between_two_files_is_replaced() -> None:
    read_bytes("a.md", b"text")
    child = parser()
    child.kill()
    assert read_bytes("a.md", b"next")[0].text == "next"


def kill_when_busy(times: int, used: list[int]) -> threading.Thread:
    """Kills the parsers' process as soon as it works, and its successors."""

    def run() -> None:
        while len(used) < times:
            for child in psutil.Process().children():
                if child.pid not in used and "knowledge.parsers" in child.cmdline():
                    used.append(child.pid)
                    os.kill(child.pid, signal.SIGKILL)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_process_that_is_killed_over_a_file_is_replaced_and_the_file_read() -> None:
    killed: list[int] = []
    thread = kill_when_busy(1, killed)
    assert len(read_bytes("a.txt", b"words " * 1_000_000)[0].text) == 6_000_000
    thread.join()
    assert len(killed) == 1


def test_a_process_that_is_killed_twice_over_a_file_is_worth_a_later_try() -> None:
    killed: list[int] = []
    thread = kill_when_busy(2, killed)
    with pytest.raises(ParserLost, match="stopped twice") as lost:
        read_bytes("a.html", SLOW)
    thread.join()
    assert lost.value.retryable
    assert len(killed) == 2


def test_a_process_that_crashes_on_a_file_makes_it_a_damaged_one() -> None:
    read_bytes("a.md", b"text")
    child = parser()
    child.suspend()

    def crash() -> None:
        os.kill(child.pid, signal.SIGABRT)
        child.resume()

    timer = threading.Timer(0.2, crash)
    timer.start()
    with pytest.raises(DamagedFile, match="broke the program that reads it"):
        read_bytes("a.html", SLOW)
    timer.join()


def test_threads_take_turns() -> None:
    found: dict[int, str] = {}

    def run(number: int) -> None:
        found[number] = read_bytes("a.md", b"text %d" % number)[0].text

    threads = [threading.Thread(target=run, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: f"text {n}" for n in range(8)}


def test_a_fork_has_a_process_of_its_own() -> None:
    """As Celery's workers are forks of one another."""
    read_bytes("a.md", b"text")
    mine = parser().pid
    answer, told = os.pipe()
    if (child := os.fork()) == 0:
        text = read_bytes("a.md", b"in the fork")[0].text
        os.write(told, f"{text} {parser().pid != mine}".encode())
        sandbox.close()
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(answer, 100) == b"in the fork True"
    os.close(answer)
    os.close(told)
    assert read_bytes("a.md", b"still here")[0].text == "still here"
    assert parser().pid == mine


def test_the_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    program = (
        "import django, io, os, signal; django.setup()\n"
        "from knowledge import sandbox; from knowledge.reading import read\n"
        "read('a.md', io.BytesIO(b'text')); print(sandbox._current._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {"DJANGO_SETTINGS_MODULE": "polyai.settings", **os.environ}
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, cwd=configured.BASE_DIR, env=environment)
    pid = int(run.stdout)
    if psutil.pid_exists(pid):
        psutil.wait_procs([psutil.Process(pid)], timeout=10)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def pixels(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and the bytes of the picture, of the kind that is made here."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")
    length = int.from_bytes(png[33:37], "big")
    return width, height, zlib.decompress(png[41 : 41 + length])


def test_a_page_is_a_picture_with_the_passage_marked_on_it() -> None:
    pdf = make_pdf("first", "one line\nthe passage goes\nover two lines")
    plain = pixels(render_page(io.BytesIO(pdf), 2))
    marked = pixels(render_page(io.BytesIO(pdf), 2, "the passage goes\nover two lines"))
    assert plain[:2] == marked[:2] == (1000, 1295)
    yellow = bytes([255, 221, 87])
    assert plain[2].count(yellow) == 0
    assert marked[2].count(yellow) > 500


def test_a_passage_is_found_over_the_hyphens_at_the_ends_of_lines() -> None:
    pdf = io.BytesIO(make_pdf("the worst-\ncase is impor-\ntant"))
    (part,) = read("a.pdf", pdf).parts
    assert render_page(pdf, 1, part.text) != render_page(pdf, 1)


def test_a_passage_that_is_not_on_the_page_leaves_it_plain() -> None:
    pdf = make_pdf("one line")
    assert render_page(io.BytesIO(pdf), 1, "another one") == render_page(io.BytesIO(pdf), 1)


@pytest.mark.parametrize("page", [0, 2, -1])
def test_a_page_that_is_not_there_says_which_are(page: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 1"):
        render_page(io.BytesIO(make_pdf("one")), page)


@pytest.mark.parametrize("kids", [b"/Kids [2 0 R]", b"/Kids [9 0 R]"], ids=["loop", "no page"])
def test_a_page_that_cannot_be_opened_has_no_picture_and_breaks_nothing(kids: bytes) -> None:
    read_bytes("a.md", b"text")
    first = parser().pid
    with pytest.raises(DamagedFile, match="Page 1 of the PDF is damaged") as refused:
        render_page(io.BytesIO(make_pdf("text").replace(b"/Kids [4 0 R]", kids)), 1)
    assert refused.value.status == 422
    assert parser().pid == first
