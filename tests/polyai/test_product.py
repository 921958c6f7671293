"""`make run`, as a newcomer and as an operator meet it: the real processes, started, killed and started again."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.conftest import PASSWORD
from tests.product import ROOT, Product
from tests.upstream import MODEL, Upstream

pytestmark = pytest.mark.product


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, upstream_server: Upstream) -> Generator[Product, None, None]:
    home = tmp_path_factory.mktemp("product")
    for folder in (home, *home.parents[:3]):
        folder.chmod(0o755)  # pytest makes them 0700; PostgreSQL, as a user of its own, has to pass
    started = Product(home, OPENAI_BASE_URL=upstream_server.base_url, OPENAI_API_KEY="sk-test", POLYAI_CHAT_MODEL=MODEL)
    started.start()
    yield started
    started.stop()


def test_the_first_start_prints_an_address_that_answers(product: Product) -> None:
    assert product.said(f"open {product.url}")
    assert product.get("/health/live") == {"status": "ok"}
    assert "PolyAI" in httpx2.get(product.url, follow_redirects=True).text


def test_the_handbook_can_be_asked_at_once_and_the_second_answer_is_cached(
    product: Product, upstream_server: Upstream
) -> None:
    product.manage("ingest", "docs", "--project", "polyai-handbook")
    upstream_server.reset()
    upstream_server.enqueue("It moves with every change of the documents [1].")
    question = "What does the corpus_version of a project do?"
    first = product.manage("ask", question, "--project", "polyai-handbook")
    assert first.stdout.startswith("It moves with every change of the documents [1].\n")
    assert "[1] architecture.md" in first.stdout
    assert "cache: miss" in first.stdout
    second = product.manage("ask", question, "--project", "polyai-handbook")
    assert "cache: hit-exact" in second.stdout
    assert len(upstream_server.history) == 1


def test_the_example_client_of_the_protocol_prints_an_answer_with_its_sources(
    product: Product, upstream_server: Upstream
) -> None:
    product.environment["DJANGO_SUPERUSER_PASSWORD"] = PASSWORD
    product.manage("createsuperuser", "--noinput", "--email", "alice@example.org")
    client = (sys.executable, "docs/examples/follow.py", product.url)
    upstream_server.enqueue("In the *home* folder [1], and nowhere else.", delay=0.05)
    said = subprocess.run(
        [*client, "alice@example.org", PASSWORD, "polyai-handbook", "Where does PolyAI keep its data?"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr
    answer, first, *_rest = said.stdout.splitlines()
    assert answer == "In the *home* folder [1], and nowhere else."
    assert re.fullmatch(r"\[1\] \w+\.md .+", first)
    wrong = subprocess.run(
        [*client, "alice@example.org", "wrong", "x", "y"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (wrong.returncode, wrong.stderr) == (1, "this address and password were not accepted\n")


def test_an_answer_of_ten_thousand_citations_reaches_its_reader(product: Product, upstream_server: Upstream) -> None:
    client = (sys.executable, "docs/examples/follow.py", product.url)
    upstream_server.enqueue("[1]" * 10_000)  # as HTML it is longer than a message that the server accepts
    said = subprocess.run(
        [*client, "alice@example.org", PASSWORD, "polyai-handbook", "What is the data of PolyAI stored in?"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("[1]" * 10_000 + "\n")


def test_every_part_is_healthy_by_name(product: Product) -> None:
    deadline = time.monotonic() + 30
    while (health := product.get("/health/ready"))["status"] != "ok":
        assert time.monotonic() < deadline, health
        time.sleep(0.2)
    names = ["database", "redis", "semantic_cache", "embeddings", "worker", "beat", "model", "storage"]
    assert health["parts"] == dict.fromkeys(names, "ok")


def test_every_process_shows_its_lines_with_a_prefix(product: Product) -> None:
    assert {line.split("|")[0].strip() for line in product.lines} >= {"polyai", "postgres"}


def test_a_part_that_is_killed_is_started_again_and_it_is_said(product: Product) -> None:
    before = product.part("embeddings").pid
    product.part("embeddings").kill()
    product.wait_until_said("embeddings was killed by signal 9: STARTING IT AGAIN")
    deadline = time.monotonic() + 20
    while product.get("/health/ready")["parts"]["embeddings"] != "ok":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert product.part("embeddings").pid != before


def test_a_second_supervisor_in_the_same_folder_is_refused(product: Product) -> None:
    done = product.manage("up", check=False)
    assert done.returncode == 1
    assert f"PolyAI runs in {product.home} already" in done.stderr


def test_a_worker_killed_while_it_works_loses_no_document(product: Product, tmp_path: Path) -> None:
    for number in range(3):
        pages = (
            f"Part {number}.{n} of the machine is described here at length, with its number {n}." for n in range(300)
        )
        (tmp_path / f"long-{number}.txt").write_text("\n\n".join(pages))
    product.manage("ingest", str(tmp_path), "--project", "machines", "--no-wait")
    time.sleep(1.5)
    for process in product.part("worker").children(recursive=True):
        process.kill()
    product.part("worker").kill()
    done = product.manage("ingest", str(tmp_path), "--project", "machines")
    assert done.stdout.splitlines()[-1] == "machines: 3 ready (3 unchanged), 0 failed, 0 refused"


def test_after_kill_9_of_everything_it_starts_again_and_remembers(product: Product, upstream_server: Upstream) -> None:
    product.kill_everything()
    product.start()
    upstream_server.reset()
    answer = product.manage("ask", "Which file describes the corpus version?", "--project", "polyai-handbook")
    assert "[1]" in answer.stdout


def test_what_a_killed_supervisor_left_running_is_stopped_at_the_next_start(product: Product) -> None:
    left = product.part("web")
    product.kill_supervisor()
    assert left.is_running()
    product.start()
    assert product.said("is left over from a supervisor that was killed")
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
    assert product.get("/health/live") == {"status": "ok"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_and_leaves_no_process(product: Product, number: signal.Signals) -> None:
    if product.has_ended:
        product.start()
    below = product.processes()[1:]
    assert product.stop(number) == 0
    assert [process for process in below if process.is_running()] == []
    stopped = [line for line in product.lines if line.endswith("stopped")]
    assert stopped[-1].endswith("postgres stopped")


def test_a_port_in_use_is_one_clear_line(product: Product, tmp_path: Path) -> None:
    other = Product(tmp_path)
    with socket.create_server(("127.0.0.1", other.port)):
        done = other.manage("up", check=False)
    assert done.returncode == 1
    reason = f"port {other.port} on 127.0.0.1 cannot be used (Address already in use)"
    assert f"{reason}: choose another with PORT=8001 make run" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unwritable_home_is_one_clear_line(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    done = Product(blocked / "var").manage("up", check=False)
    assert done.returncode == 1
    assert "make it writable, or set POLYAI_HOME to a folder of your own" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_value_that_cannot_be_read_names_its_variable(tmp_path: Path) -> None:
    wrong = Product(tmp_path, POLYAI_MAX_UPLOAD_MB="many")
    done = wrong.manage("up", check=False)
    assert done.returncode == 1
    assert "POLYAI_MAX_UPLOAD_MB" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_redis_of_ones_own_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    done = Product(tmp_path, REDIS_URL="redis://127.0.0.1:1/0", DATABASE_URL=os.environ["TEST_DATABASE_URL"]).manage(
        "up", check=False
    )
    assert done.returncode == 1
    assert "the Redis at REDIS_URL does not answer" in done.stderr


def test_a_database_of_ones_own_that_does_not_answer_is_one_clear_line(tmp_path: Path) -> None:
    done = Product(tmp_path, DATABASE_URL="postgres://nobody@127.0.0.1:1/none").manage("up", check=False)
    assert done.returncode == 1
    assert "the database at DATABASE_URL does not answer" in done.stderr
    assert "Traceback" not in done.stderr
