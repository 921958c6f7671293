"""`python -m bench.torture --answers 200`: answers that are cut again and again while they are being written.

Each is cut one to five times, at random: its page is reloaded, its network is lost, or the web process is killed by
signal 9 under it. In the end the page shows what the model said, each word once; or the message is interrupted, and
what is kept of it is the beginning of what the model said.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import sys
import time
from collections import Counter
from html import unescape
from uuid import uuid4

import httpx2
import psycopg

from bench.browsers import ENDS, Tab, log_in, sign_up
from bench.figures import row
from bench.stage import Stage, on_stage
from tests.upstream import Reply

AT_ONCE = 10
PATIENCE = 60.0  # seconds for one answer
APART = 25.0  # seconds between two kills: the supervisor gives up on what ends four times a minute
WORDS = 80


class Torture:
    def __init__(self, here: Stage, cookie: str) -> None:
        self.here, self.cookie = here, cookie
        self.chance = random.Random(5)
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._killed_at = 0.0
        self._places = asyncio.Semaphore(AT_ONCE)

    async def ask(self, number: int) -> None:
        async with self._places:
            tab = Tab(self.here.product, self.cookie, uuid4())
            await tab.open()
            await tab.follow()
            await tab.send(type="ask", project="bench", text=f"What does the handbook say about subject {number}?")
            cuts = sorted(self.chance.uniform(0.05, 0.95) * WORDS for _ in range(self.chance.randint(1, 5)))
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._read(tab, cuts)
            except TimeoutError:
                self.wrong.append(f"{number}: no end after {PATIENCE:.0f} s")
                self.counts["no end"] += 1
            finally:
                self.counts["repeated events"] += tab.repeated
                await tab.close()

    async def _read(self, tab: Tab, cuts: list[float]) -> None:
        while True:
            try:
                event = await tab.hear()
            except OSError:
                await self._return(tab)
                continue
            except Exception as error:  # a connection that the killed server did not close
                if "ConnectionClosed" not in type(error).__name__:
                    raise
                await self._return(tab)
                continue
            if event["type"] in ENDS or event["type"] == "answer_interrupted":
                return await self._judge(tab)
            if event["type"] == "following" and event["answer_id"] is None and tab.answer_id:
                return await self._judge(tab)  # it is over: the page looks at the message itself
            if cuts and len(tab.text.split()) >= cuts[0]:
                cuts.pop(0)
                await self._cut(tab)

    async def _cut(self, tab: Tab) -> None:
        kind = self.chance.choice(["reload", "network", "network", "kill"])
        if kind == "kill" and time.monotonic() < self._killed_at + APART:
            kind = "reload"
        self.counts[kind] += 1
        if kind == "kill":
            self._killed_at = time.monotonic()
            self.here.product.part("web").kill()
            return
        tab.cut()
        if kind == "reload":
            tab.last, tab.text = 0, ""
        await asyncio.sleep(self.chance.uniform(0, 0.5))
        await self._return(tab)

    async def _return(self, tab: Tab) -> None:
        await tab.open()
        await tab.follow()

    async def _judge(self, tab: Tab) -> None:
        """What the conversation has, looked at as the page does: until the message is not being written any more."""
        address = f"{self.here.product.url}/chat/{tab.conversation}/messages/{tab.answer_id}/"
        async with httpx2.AsyncClient(headers={"Cookie": self.cookie}, timeout=30) as client:
            while True:
                try:
                    page = (await client.get(address)).text
                    kept = (await client.get(f"{address}markdown/")).text
                except httpx2.HTTPError:
                    await asyncio.sleep(0.3)
                    continue
                status = re.search(r'data-status="(\w+)"', page)
                if status and status[1] != "streaming":
                    break
                await asyncio.sleep(0.5)
        self._count(tab, status[1], unescape(kept))

    def _count(self, tab: Tab, status: str, kept: str) -> None:
        said = WHOLE
        self.counts[status] += 1
        if status == "complete" and not (kept == said and said.startswith(tab.text.strip())):
            self.wrong.append(f"complete, but: {kept[-60:]!r}, shown {tab.text[-60:]!r}")
        if status == "interrupted" and not (said.startswith(kept) and said.startswith(tab.text.strip())):
            self.wrong.append(f"interrupted, but: {kept[-60:]!r}, shown {tab.text[-60:]!r}")
        if status not in ("complete", "interrupted"):
            self.wrong.append(f"{status}: {kept[-60:]!r}")


WHOLE = " ".join(f"word{number}" for number in range(WORDS)) + " [1]."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--answers", type=int, default=200)
    asked = parser.parse_args()
    with on_stage(Reply(text=WHOLE, delay=0.04)) as here:
        here.product.environment["POLYAI_LOG_LEVEL"] = "ERROR"
        here.product.start()
        sign_up(here.product)
        here.product.manage("ingest", "docs/guide.md", "--project", "bench")
        torture = asyncio.run(_run(here, asked.answers))
        left = _left_streaming(here)
    row("what", "figure", "wanted")
    row("---", "---", "---")
    cuts = ", ".join(f"{torture.counts[kind]} {kind}" for kind in ("reload", "network", "kill"))
    row(f"{asked.answers} answers, cut", cuts, "1 to 5 times each")
    row("complete, and as the model said it", f"{torture.counts['complete']}", "")
    row("interrupted, and a true beginning", f"{torture.counts['interrupted']}", "")
    row("anything else", f"{len(torture.wrong)}", "0")
    row("events that came twice", f"{torture.counts['repeated events']}", "0")
    row("messages that are still being written", f"{left}", "0")
    for line in torture.wrong[:20]:
        print(line)
    sys.exit(bool(torture.wrong) or bool(left))


async def _run(here: Stage, answers: int) -> Torture:
    torture = Torture(here, await log_in(here.product))
    await asyncio.gather(*(torture.ask(number) for number in range(answers)))
    return torture


def _left_streaming(here: Stage) -> int:
    with psycopg.connect(f"host={here.product.run_folder} user=postgres dbname=polyai") as connection:
        found = connection.execute("SELECT count(*) FROM chat_message WHERE status = 'streaming'").fetchone()
    return int(found[0]) if found else 0


if __name__ == "__main__":
    main()
