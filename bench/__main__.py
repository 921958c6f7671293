"""`make bench`: the product beside what it is made of, both sides in one run. Prints a table.

Starts the whole product in a temporary folder, with a language model that answers at once (a real HTTP server
on this machine), so that what is measured is ours.
"""

from __future__ import annotations

import asyncio
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Spread
from tests.product import ROOT, Product, free_port
from tests.upstream import MODEL, Reply, Upstream

HIT_RUNS, MISS_RUNS = 300, 60


def main() -> None:
    os.environ["POLYAI_HOME"] = tempfile.mkdtemp(prefix="polyai-bench-")
    home = Path(os.environ["POLYAI_HOME"])
    home.chmod(0o755)
    os.environ["POLYAI_ENV_FILE"] = ""
    os.environ["DJANGO_SETTINGS_MODULE"] = "polyai.settings"
    upstream = Upstream(default=Reply(text="The answer is in the documents [1] and it is short."))
    product = Product(home, OPENAI_BASE_URL=upstream.base_url, OPENAI_API_KEY="sk-x", POLYAI_CHAT_MODEL=MODEL)
    print(f"machine: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n", flush=True)
    try:
        first = product.start()
        product.stop()
        second = product.start()
        run(product, upstream, first, second)
    finally:
        product.stop()
        upstream.close()
        shutil.rmtree(home, ignore_errors=True)


def run(product: Product, upstream: Upstream, first: float, second: float) -> None:
    import django

    django.setup()
    from bench import ingestion, latency, memory

    row("what", "figure", "ratio", "wanted")
    row("---", "---", "---", "---")
    product.manage("ingest", "docs", "--project", latency.PROJECT)
    time.sleep(3)  # idle: nothing is being read any more
    rss, pss = memory.measure(product)
    row("memory of all processes, idle", f"{rss:.0f} MB resident, {pss:.0f} MB with shared pages once", "", "< 900 MB")
    row("first start (empty folder), second start", f"{first:.1f} s, {second:.1f} s", "", "second < 8 s")

    port = free_port()
    arguments = [sys.executable, "-m", "daphne", "-p", str(port), "-v", "0", "bench.bare:application"]
    redis = f"unix://{product.home}/run/redis.sock?db=0"
    environment = {**os.environ, "REDIS_URL": redis}
    del environment["DJANGO_SETTINGS_MODULE"]
    bare = subprocess.Popen(arguments, cwd=ROOT, env=environment)
    try:
        hits = asyncio.run(latency.exact_hit(product, port, HIT_RUNS))
    finally:
        bare.terminate()
        bare.wait()
    base = hits["bare view"]
    row("bare async view, one Redis GET", f"{base} ms", "", "")
    for name in ("WebSocket, answer shown", "WebSocket, answer stored", "POST /api/ask/"):
        row(f"exact hit: {name}", f"{hits[name]} ms", f"{hits[name].median / base.median:.2f}x", "<= 3x")

    direct, ours, stages = asyncio.run(latency.first_token(product, upstream, MISS_RUNS))
    over = ours.median - direct.median
    row("first token, the model called directly", f"{direct} ms", "", "")
    row("first token of a miss", f"{ours} ms", f"+{over:.1f} ms", "< +40 ms")
    for stage, spread in stages.items():
        row(f"— of it: {stage}", f"{spread} ms", f"{spread.median / ours.median:.0%}", "")

    alone, ingested, chunks = ingestion.measure()
    row(f"embedder alone ({chunks} chunks)", f"{alone} chunks/s", "", "")
    ratio = f"{ingested.median / alone.median:.2f}"
    row("ingestion (read, split, embed, store)", f"{ingested} chunks/s", ratio, ">= 0.8")
    print(f"\n{HIT_RUNS} hits and {MISS_RUNS} misses, in turn with the other side; median (p5, p95).")


def row(*cells: str | Spread) -> None:
    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
