"""`python -m bench.followers`: many open pages on one server process, while answers are being written.

The model says the time instead of words, so that each page knows how old what it shows is: from the model's socket
through the pipeline to the page, the 50 ms for which words are gathered included.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from uuid import uuid4

import psycopg

from bench.browsers import ENDS, Tab, log_in, sign_up
from bench.figures import row
from bench.stage import Stage, on_stage
from tests.upstream import Reply

WORDS, DELAY = 200, 0.05


async def watch(tab: Tab, ages: list[float]) -> bool:
    """Follow one answer to its end; whether every word came."""
    while True:
        event = await tab.hear()
        if event["type"] == "text_delta":
            now = time.time()
            ages += [now - float(word) for word in event["text"].split()]
        if event["type"] in ENDS:
            return bool(event["type"] == "answer_completed" and tab.text.strip() == event["text"])


async def measure(here: Stage, runs: int, tabs_each: int) -> tuple[list[float], int, int, list[int]]:
    """Ages in seconds, answers that lacked a word, events that came twice, connections held meanwhile."""
    cookie = await log_in(here.product)
    ages: list[float] = []
    groups = []
    for _ in range(runs):
        tabs = [Tab(here.product, cookie, conversation) for conversation in [uuid4()] for _ in range(tabs_each)]
        for tab in tabs:
            await tab.open()
            await tab.follow()
            await tab.hear()
        groups.append(tabs)
    tabs = [tab for group in groups for tab in group]
    watching = [asyncio.create_task(watch(tab, ages)) for tab in tabs]
    held: list[int] = []
    counting = asyncio.create_task(_count(here, held))
    for number, group in enumerate(groups):
        await group[0].send(type="ask", project="bench", text=f"What is the time of day in room {number}?")
        await asyncio.sleep(0.1)
    whole = await asyncio.gather(*watching)
    counting.cancel()
    for tab in tabs:
        await tab.close()
    return ages, whole.count(False), sum(tab.repeated for tab in tabs), held


async def _count(here: Stage, held: list[int]) -> None:
    """PostgreSQL connections that are in use at the moment, again and again."""
    folder = here.product.run_folder
    connection = await psycopg.AsyncConnection.connect(f"host={folder} user=postgres dbname=polyai", autocommit=True)
    async with connection:
        while True:
            await asyncio.sleep(0.25)
            rows = await connection.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE state <> 'idle' AND pid <> pg_backend_pid() AND datname = 'polyai'"
            )
            found = await rows.fetchone()
            held.append(found[0] if found else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--followers", type=int, default=300)
    parser.add_argument("--runs", type=int, default=30, help="answers that are written at the same time")
    asked = parser.parse_args()
    with on_stage(Reply(text=" ".join(["word"] * WORDS), delay=DELAY, is_clock=True)) as here:
        here.product.start()
        sign_up(here.product)
        here.product.manage("ingest", "docs/guide.md", "--project", "bench")
        ages, lacking, repeated, held = asyncio.run(measure(here, asked.runs, asked.followers // asked.runs))
    ages.sort()
    row("what", "figure", "", "wanted")
    row("---", "---", "---", "---")
    row(f"{asked.followers} followers of {asked.runs} answers: words told", f"{len(ages):,}", "", "")
    row("pages that lack a word", f"{lacking}", "", "0")
    row("events that came twice", f"{repeated}", "", "0")
    at = {share: 1000 * ages[int(share * (len(ages) - 1))] for share in (0.5, 0.95, 0.99)}
    row(
        "age of a word when shown: median, p95, p99",
        " / ".join(f"{ms:.0f}" for ms in at.values()) + " ms",
        "",
        "p99 < 250 ms",
    )
    row("PostgreSQL connections in use: median, most", f"{statistics.median(held):.0f} / {max(held)}", "", "at rest")


if __name__ == "__main__":
    main()
