"""`python -m bench.against_open_webui`: the same files into this product and into Open WebUI, in turn.

Both embed with the same endpoint: once one that answers at once (what is left is each product's own work), once the
bundled model on this machine. Files go in as their pages send them, four requests at a time, until all can be searched.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx2
import psycopg

from bench.figures import Spread, row
from bench.ingestion import text_of
from bench.peers import PeerMissing, open_webui, running
from bench.stage import Stage, on_stage
from tests.product import free_port

BUNDLED = "all-MiniLM-L6-v2"
REQUESTS = 4
ROUNDS = 3
SIZES = {"large": (12, 120), "small": (200, 3)}  # files, paragraphs of each
Files = Sequence[tuple[str, bytes]]


def main() -> None:
    print(f"machine: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n", flush=True)
    row("embedder", "files", "PolyAI", "Open WebUI", "ratio", "wanted")
    row("---", "---", "---", "---", "---", "---")
    for name, model, embedder in (("answers at once", "quick", quick), ("bundled model", BUNDLED, bundled)):
        with embedder() as address, on_stage() as stage:
            stage.product.environment["POLYAI_EMBEDDING_BASE_URL"] = address
            stage.product.environment["POLYAI_EMBEDDING_MODEL"] = model
            stage.product.start()
            try:
                with open_webui(stage, address, model) as peer:
                    measure(name, stage, peer)
            except PeerMissing as missing:
                sys.exit(f"bench: {missing}")


@contextmanager
def quick() -> Iterator[str]:
    port = free_port()
    alive = f"http://127.0.0.1:{port}/"
    with running([sys.executable, "-m", "bench.quick_embedder", str(port)], os.environ, alive):
        yield f"{alive}v1"


@contextmanager
def bundled() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "manage.py", "serve_embeddings", "--bind", f"127.0.0.1:{port}"]
    with running(command, os.environ, f"http://127.0.0.1:{port}/health"):
        yield f"http://127.0.0.1:{port}/v1"


def measure(embedder: str, stage: Stage, peer: str) -> None:
    ours, theirs = into_polyai(stage), into_open_webui(peer)
    for kind, (files, paragraphs) in SIZES.items():
        seconds: dict[str, list[float]] = {"ours": [], "theirs": []}
        for number in range(ROUNDS):
            content = [(f"{kind}-{number}-{n}.md", text_of(number * 10_000 + n, paragraphs)) for n in range(files)]
            for name, ingest in (("ours", ours), ("theirs", theirs)):
                began = time.perf_counter()
                ingest(content)
                seconds[name].append(time.perf_counter() - began)
        mine, other = Spread(values=seconds["ours"]), Spread(values=seconds["theirs"])
        size = sum(len(text) for _, text in content) / 1024
        row(
            embedder,
            f"{files} of {size / files:.0f} KB",
            f"{mine} s",
            f"{other} s",
            f"{other.median / mine.median:.1f}x",
            ">= 3x",
        )


def into_polyai(stage: Stage) -> Callable[[Files], None]:
    """Through the REST API, as an integrator's script does."""
    product = stage.product
    environment = {**product.environment, "DJANGO_SUPERUSER_PASSWORD": "correct horse 9"}
    product.environment.update(environment)
    product.manage("createsuperuser", "--noinput", "--email", "bench@example.com")
    product.manage("ingest", "README.md", "--project", "peer")
    made = product.manage("create_key", "--project", "peer", "--user", "bench@example.com")
    key = next(word for word in made.stdout.split() if word.startswith("sk-"))
    address = f"{product.url}/api/projects/peer/documents/"
    client = httpx2.Client(headers={"Authorization": f"Bearer {key}"}, timeout=120)

    def upload(file: tuple[str, bytes]) -> str:
        response = client.post(address, files={"file": file})
        assert response.status_code == 201, response.text
        return str(response.json()["id"])

    def ingest(files: Files) -> None:
        with ThreadPoolExecutor(REQUESTS) as pool:
            wanted = list(pool.map(upload, files))
        # Asked of PostgreSQL, not through the page: looking is not to cost the server anything.
        with psycopg.connect(host=str(product.run_folder), user="postgres", dbname="polyai", autocommit=True) as link:
            counted = "SELECT count(*) FROM knowledge_document WHERE id = ANY(%s::uuid[]) AND state = 'ready'"
            while (link.execute(counted, [wanted]).fetchone() or [0])[0] < len(wanted):
                time.sleep(0.02)

    return ingest


def into_open_webui(peer: str) -> Callable[[Files], None]:
    """Into a knowledge base, as its page does: each request returns when its file has been embedded."""
    client = httpx2.Client(base_url=peer, timeout=600)
    signed_in = client.post("/api/v1/auths/signin", json={"email": "", "password": ""}).raise_for_status().json()
    client.headers["Authorization"] = f"Bearer {signed_in['token']}"
    made = client.post("/api/v1/knowledge/create", json={"name": "Bench", "description": "Bench"})
    knowledge = made.raise_for_status().json()["id"]

    def upload(file: tuple[str, bytes]) -> None:
        response = client.post(
            "/api/v1/files/",
            params={"process": "true", "process_in_background": "false"},
            files={"file": file},
            data={"metadata": json.dumps({"knowledge_id": knowledge})},
        )
        identity = response.raise_for_status().json()["id"]
        state = client.get(f"/api/v1/files/{identity}/process/status").json()
        assert state["status"] == "completed", state

    def ingest(files: Files) -> None:
        with ThreadPoolExecutor(REQUESTS) as pool:
            list(pool.map(upload, files))

    return ingest


if __name__ == "__main__":
    main()
