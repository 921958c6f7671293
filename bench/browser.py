"""`python -m bench.browser`: what one sees of the chat, in a real Chromium beside the running product.

From the key press to the first visible word of a cached answer; a page on its second visit; a long answer while it
streams; a long conversation when it is opened; the tab's memory over many answers.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from playwright.sync_api import Page, sync_playwright

from bench.browsers import EMAIL, PASSWORD, sign_up
from bench.figures import Spread, row
from bench.stage import Stage, on_stage
from tests.chromium import CHROMIUM, FLAGS
from tests.upstream import Reply

ANSWER = Reply(text="They may return goods within **thirty days** of delivery [1], for the price that was paid [2].")
# Stamps the key and the first picture in which a word of the answer stands.
WATCH = """() => {
    window.pressed = window.seen = 0;
    addEventListener("keydown", (event) => { if (event.key === "Enter") pressed = performance.now(); }, true);
    new MutationObserver(() => {
        const last = [...document.querySelectorAll("article.answer [data-body]")].at(-1);
        if (seen || !last?.textContent.trim()) return;
        requestAnimationFrame(() => setTimeout(() => { seen ||= performance.now(); }));
    }).observe(document.querySelector("[data-thread]"), { childList: true, subtree: true, characterData: true });
}"""
FRAMES = """() => {
    window.long = []; window.frames = [];
    new PerformanceObserver((list) => list.getEntries().forEach((task) => long.push(task.duration)))
        .observe({ type: "longtask" });
    let last = performance.now();
    const tick = (now) => { frames.push(now - last); last = now; requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
}"""
READY = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


@contextmanager
def chromium(here: Stage) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, "--js-flags=--expose-gc"])
        page = browser.new_context(base_url=here.product.url, viewport={"width": 1280, "height": 800}).new_page()
        page.set_default_timeout(120_000)
        page.goto("/accounts/login/")
        page.get_by_label("Email").fill(EMAIL)
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.get_by_label("Your question").wait_for()
        yield page
        browser.close()


def ask(page: Page, text: str) -> None:
    page.get_by_label("Your question").fill(text)
    page.keyboard.press("Enter")


def wait_for_answers(page: Page, count: int) -> None:
    page.wait_for_function(
        "(count) => document.querySelectorAll('article.answer[data-status=complete]').length >= count", arg=count
    )


def key_to_word(page: Page, runs: int) -> Spread:
    """Milliseconds from Enter to the picture with the first word, of an answer from the exact cache."""
    question = "Within how many days may customers return goods?"
    values = []
    for run in range(runs + 3):
        page.goto("/?project=bench")
        page.wait_for_timeout(150)  # a person reads before typing
        page.evaluate(WATCH)
        ask(page, question)
        wait_for_answers(page, 1)
        page.wait_for_function("() => seen")
        if run > 2:
            values.append(page.evaluate("() => seen - pressed"))
    return Spread(values=values)


def second_visit(page: Page, runs: int) -> Spread:
    values = []
    for run in range(runs + 1):
        page.goto("/?project=bench")
        if run:
            values.append(page.evaluate(READY))
    return Spread(values=values)


def streaming(page: Page, here: Stage, tokens: int) -> tuple[list[float], list[float]]:
    """Times between two pictures, and tasks over 50 ms, while an answer of so many words comes."""
    words = [f"word{number}" + (".\n\n" if number % 60 == 59 else "") for number in range(tokens)]
    here.upstream.enqueue(" ".join(words) + " [1].", delay=0.003)
    page.goto("/?project=bench")
    page.wait_for_timeout(500)
    page.evaluate(FRAMES)
    ask(page, f"Tell everything about returns, for {uuid4().hex}?")
    wait_for_answers(page, 1)
    return page.evaluate("() => frames.slice(5)"), page.evaluate("() => long")


def long_conversation(page: Page, here: Stage, messages: int, runs: int) -> Spread:
    """Milliseconds until a conversation of so many messages has loaded."""
    conversation = uuid4()
    with psycopg.connect(f"host={here.product.run_folder} user=postgres dbname=polyai", autocommit=True) as connection:
        source = connection.execute(
            "SELECT id, conversation_id, content, sources, usage, stages, cache FROM chat_message "
            "WHERE role = 'assistant' AND status = 'complete' AND jsonb_array_length(sources) > 0 LIMIT 1"
        ).fetchone()
        assert source
        connection.execute(
            "INSERT INTO chat_conversation"
            " (id, origin, project_id, user_id, title, is_renamed, tags, created_at, updated_at)"
            " SELECT %s, 'web', project_id, user_id, 'A long talk', true, '{}', now(), now() FROM chat_conversation"
            " WHERE id = %s",
            [conversation, source[1]],
        )
        before = None
        for number in range(messages):
            made = uuid4()
            connection.execute(
                "INSERT INTO chat_message (id, conversation_id, parent_id, role, content, status, error, model,"
                " is_extractive, finish_reason, sources, usage, stages, cache, created_at, updated_at)"
                " SELECT %s, %s, %s, %s, content, status, error, model, is_extractive, finish_reason,"
                " CASE WHEN %s THEN sources ELSE '[]' END, usage, stages, cache,"
                " now() + %s * interval '1 millisecond', now() FROM chat_message WHERE id = %s",
                [
                    made,
                    conversation,
                    before,
                    "assistant" if number % 2 else "user",
                    bool(number % 2),
                    number,
                    source[0],
                ],
            )
            before = made
        connection.execute("UPDATE chat_conversation SET tip_id = %s WHERE id = %s", [before, conversation])
    values = []
    for run in range(runs + 1):
        page.goto(f"/chat/{conversation}/")
        if run:
            values.append(page.evaluate(READY))
    return Spread(values=values)


def memory(page: Page, answers: int) -> list[tuple[int, float, int]]:
    """Answers so far, megabytes of the scripts' heap after a collection, nodes of the page."""
    page.goto("/?project=bench")
    page.wait_for_timeout(300)
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")
    found = []
    for number in range(1, answers + 1):
        ask(page, "Within how many days may customers return goods?")
        page.wait_for_function("() => document.querySelector('[data-thread]').getAttribute('aria-busy') === 'false'")
        if number in (10, 50) or number % 100 == 0:
            page.evaluate("() => gc()")
            metrics = {one["name"]: one["value"] for one in client.send("Performance.getMetrics")["metrics"]}
            found.append((number, metrics["JSHeapUsedSize"] / 1e6, int(metrics["Nodes"])))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--answers", type=int, default=200)
    asked = parser.parse_args()
    with on_stage(ANSWER) as here:
        here.product.start()
        sign_up(here.product)
        here.product.manage("ingest", "docs/guide.md", "docs/documents.md", "--project", "bench")
        with chromium(here) as page:
            row("what", "figure", "wanted")
            row("---", "---", "---")
            row("key press to first word of a cached answer", f"{key_to_word(page, asked.runs)} ms", "median < 100 ms")
            row("page ready on the second visit", f"{second_visit(page, asked.runs)} ms", "< 500 ms")
            frames, tasks = streaming(page, here, 5000)
            late = sum(1 for frame in frames if frame > 25) / len(frames)
            fps = 1000 / statistics.mean(frames)
            row("pictures a second while 5,000 tokens stream; later than 25 ms", f"{fps:.1f}; {late:.1%}", "60")
            row("tasks over 50 ms meanwhile; the longest", f"{len(tasks)}; {max(tasks, default=0):.0f} ms", "0")
            row("conversation of 1,000 messages ready", f"{long_conversation(page, here, 1000, 10)} ms", "< 1,000 ms")
            for number, megabytes, nodes in memory(page, asked.answers):
                row(f"heap, nodes after {number} answers", f"{megabytes:.1f} MB, {nodes:,}", "bounded")


if __name__ == "__main__":
    main()
