"""Many identical questions at once: how often is the model asked, and does everybody get the whole answer?

`python -m bench.coalescing`, or a part of `make bench`.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from typing import Any  # Any: an event, as JSON

from bench.figures import Clock, row
from bench.latency import PROJECT, Chat
from bench.stage import TEXT, Stage, on_stage
from tests.upstream import Reply

ASKERS = 200
QUESTION = "Which of these two hundred questions may be answered by one generation?"
SLOW = Reply(text=TEXT, first_delay=1.0, delay=0.1)  # time for everybody to come in
ALONE = SLOW.first_delay + SLOW.delay * len(TEXT.split())  # seconds


def main() -> None:
    with on_stage() as here:
        here.product.start()
        import django

        django.setup()
        here.product.manage("ingest", "docs", "--project", PROJECT)
        row("what", "figure", "ratio", "wanted")
        row("---", "---", "---", "---")
        measure(here)


def measure(here: Stage) -> None:
    """Print the rows. The product is running and its project has documents."""
    asked, before = len(here.upstream.history), here.upstream.default
    here.upstream.default = SLOW
    try:
        milliseconds, ends = asyncio.run(_ask_at_once(here))
    finally:
        here.upstream.default = before
    calls = len(here.upstream.history) - asked
    complete = [end for end in ends if end.get("type") == "answer_completed" and end["text"] == TEXT]
    statuses = Counter(end["cache"]["status"] for end in complete)
    told = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    row(f"{ASKERS} identical questions at once: calls of the model", str(calls), "", "1")
    row("— of them: complete answers", f"{len(complete)} ({told})", "", str(ASKERS))
    row(
        "— from the first question to the last word",
        f"{milliseconds:.0f} ms (the model alone: {ALONE * 1000:.0f} ms)",
        "",
        "",
    )
    for problem, count in Counter(str(end) for end in ends if end not in complete).most_common(3):
        row("— instead of an answer", f"{count}: {problem[:200]}", "", "0")


async def _ask_at_once(here: Stage) -> tuple[float, list[dict[str, Any]]]:
    """Open all sockets, then ask on all of them; the milliseconds until the last ended, and how each ended."""
    from core.database import in_db

    chat = await in_db(Chat)(here.product)
    async with AsyncExitStack() as open_sockets:
        sockets = [await open_sockets.enter_async_context(chat.connect()) for _ in range(ASKERS)]
        with Clock() as clock:
            ended = await asyncio.gather(*(chat.ask_on(s, QUESTION) for s in sockets), return_exceptions=True)
    problems = [{"type": type(end).__name__, "message": str(end)} for end in ended if isinstance(end, BaseException)]
    return clock.ms, problems + [end[1] for end in ended if not isinstance(end, BaseException)]


if __name__ == "__main__":
    main()
