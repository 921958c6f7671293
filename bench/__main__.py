"""`make bench`: the product beside what it is made of, both sides in one run. Prints a table.

Starts the whole product in a temporary folder, with a language model that answers at once (a real HTTP server
on this machine), so that what is measured is ours.
"""

from __future__ import annotations

import asyncio
import os
import platform
import time

from bench.figures import row
from bench.peers import bare_view
from bench.stage import Stage, on_stage

HIT_RUNS, MISS_RUNS = 300, 60


def main() -> None:
    print(f"machine: {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}\n", flush=True)
    with on_stage() as here:
        first = here.product.start()
        here.product.stop()
        second = here.product.start()
        run(here, first, second)


def run(here: Stage, first: float, second: float) -> None:
    product = here.product
    import django

    django.setup()
    from bench import coalescing, ingestion, latency, memory, throughput

    row("what", "figure", "ratio", "wanted")
    row("---", "---", "---", "---")
    product.manage("ingest", "docs", "--project", latency.PROJECT)
    time.sleep(3)  # idle: nothing is being read any more
    rss, pss = memory.measure(product)
    row("memory of all processes, idle", f"{rss:.0f} MB resident, {pss:.0f} MB with shared pages once", "", "< 900 MB")
    row("first start (empty folder), second start", f"{first:.1f} s, {second:.1f} s", "", "second < 8 s")

    with bare_view(product) as bare:
        hits = asyncio.run(latency.exact_hit(product, bare, HIT_RUNS))
    base = hits["bare view"]
    row("bare async view, one Redis GET", f"{base} ms", "", "")
    for name in ("WebSocket, answer shown", "WebSocket, answer stored", "POST /api/ask/"):
        row(f"exact hit: {name}", f"{hits[name]} ms", f"{hits[name].median / base.median:.2f}x", "<= 3x")

    direct, ours, stages = asyncio.run(latency.first_token(product, here.upstream, MISS_RUNS))
    over = ours.median - direct.median
    row("first token, the model called directly", f"{direct} ms", "", "")
    row("first token of a miss", f"{ours} ms", f"+{over:.1f} ms", "< +40 ms")
    for stage, spread in stages.items():
        row(f"— of it: {stage}", f"{spread} ms", f"{spread.median / ours.median:.0%}", "")

    ingestion.report()
    throughput.measure(here)
    coalescing.measure(here)
    print(f"\n{HIT_RUNS} hits and {MISS_RUNS} misses, in turn with the other side; median (p5, p95). {throughput.NOTE}")


if __name__ == "__main__":
    main()
