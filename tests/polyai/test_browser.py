"""The main job in a real Chromium, against the whole running product: sign up, upload, ask, read, ask again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from tests.chromium import CHROMIUM
from tests.conftest import HANDBOOK, PASSWORD
from tests.knowledge.files import make_pdf
from tests.product import Product
from tests.upstream import Upstream

CACHE_SECTIONS = ("entries/", "review/", "what-if/", "calculator/", "settings/", "entries/write/")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.product,
    pytest.mark.skipif(
        CHROMIUM is None and os.environ.get("CI") != "true",
        reason="no Chromium here: install one (Debian, Ubuntu: apt install chromium)",
    ),
]


@pytest.fixture(scope="module")
def page(browser: Browser, product: Product) -> Generator[Page, None, None]:
    context = browser.new_context(base_url=product.url, viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    expect.set_options(timeout=15_000)
    yield opened
    context.close()


def reload_and_follow(page: Page) -> None:
    """Load the chat again, and wait until the server has said that this page follows the conversation."""
    told: list[WebSocket] = []

    def hear(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: told.append(socket) if '"following"' in str(frame) else None)

    page.on("websocket", hear)
    page.reload()
    until(page, lambda: any(not socket.is_closed() for socket in told))


def wait_until_told(page: Page, heard: list[str | bytes]) -> None:
    until(page, lambda: any('"following"' in str(message) for message in heard))


def until(page: Page, happened: Callable[[], object], seconds: float = 20) -> None:
    """Let the page go on until it is so."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it never happened"
        page.wait_for_timeout(20)


def ask(page: Page, text: str) -> None:
    page.get_by_label("Your question").fill(text)
    page.keyboard.press("Enter")


def test_the_main_job_end_to_end(page: Page, tmp_path: Path, upstream_server: Upstream) -> None:
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)

    page.goto("/")
    page.get_by_role("link", name="sign up").click()
    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign Up").click()
    expect(page.get_by_role("heading", name="Ask PolyAI handbook")).to_be_visible()
    expect(page.get_by_role("link", name="Admin")).to_be_visible()

    page.get_by_role("link", name="All projects").click()
    page.get_by_label("Name of the new project").fill("Support")
    page.get_by_role("button", name="Create").click()

    good, bad = tmp_path / "handbook.md", tmp_path / "broken.pdf"
    good.write_text(HANDBOOK)
    bad.write_bytes(b"this is no PDF")
    page.locator("input[type=file]").set_input_files([good, bad])
    row = page.locator("article.document", has_text="handbook.md")
    expect(row.locator(".badge")).to_have_text("Ready")
    failed = page.locator("article.document", has_text="broken.pdf")
    expect(failed.locator(".badge")).to_have_text("Failed")
    expect(failed).to_contain_text("The file is not a PDF, though its name says so.")
    expect(failed.get_by_role("button", name="Try again")).to_be_visible()

    page.get_by_role("link", name="Chat", exact=True).click()
    upstream_server.reset()
    upstream_server.enqueue("They have **30 days** to return goods [1]. See [9].", delay=0.2)
    ask(page, "How many days do customers have to return goods?")
    answer = page.locator("article.answer").first
    expect(answer.locator("[data-body]")).to_contain_text("They have 30")
    expect(answer.locator("[data-body]")).not_to_contain_text("goods")  # it streams: the end is not there yet
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    expect(answer.locator("strong").first).to_have_text("30 days")
    expect(answer.locator("[data-body]")).to_have_text("They have 30 days to return goods 1. See.")
    expect(answer.locator("a.cite")).to_have_count(1)

    answer.locator("a.cite").click()
    panel = page.locator("[data-panel]")
    expect(panel).to_contain_text("Customers may return goods within 30 days of delivery.")
    expect(panel).to_contain_text("handbook.md")
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()

    ask(page, "How many days do customers have to return goods?")
    again = page.locator("article.answer").nth(1)
    expect(again.locator(".badge.cached")).to_contain_text("Cached")
    expect(again.locator("strong").first).to_have_text("30 days")
    assert len(upstream_server.history) == 1

    upstream_server.enqueue("Thirty days [1].")
    again.get_by_role("button", name="Ask fresh").click()
    expect(again.locator("[data-body]")).to_have_text("Thirty days 1.")
    expect(again.get_by_text("2/2")).to_be_visible()
    assert len(upstream_server.history) == 2

    page.reload()
    expect(page.locator("article.answer")).to_have_count(2)
    page.get_by_role("link", name="Version before").click()
    expect(page.locator("article.answer .badge.cached")).to_have_count(1)
    assert problems == []


def test_files_can_be_dropped_on_the_page(page: Page) -> None:
    page.goto("/projects/support/documents/")
    page.evaluate(
        """() => {
            const files = new DataTransfer();
            for (const name of ["north.txt", "south.txt"]) {
                files.items.add(new File([`The ${name} office opens at nine.`], name));
            }
            document.dispatchEvent(new DragEvent("drop", { dataTransfer: files, bubbles: true, cancelable: true }));
        }"""
    )
    for name in ("north.txt", "south.txt"):
        expect(page.locator("article.document", has_text=name).locator(".badge")).to_have_text("Ready")
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("article.document", has_text="north.txt").get_by_role("button", name="Delete").click()
    expect(page.locator("article.document", has_text="north.txt")).to_have_count(0)
    expect(page.locator("article.document", has_text="south.txt")).to_have_count(1)


def test_many_files_go_up_with_progress_and_a_failed_one_is_tried_again(page: Page, tmp_path: Path) -> None:
    page.goto("/projects/support/documents/")
    files = [tmp_path / f"{number:02}.md" for number in range(25)]
    for file in files:
        file.write_text(f"Office {file.stem} opens at nine.")
    (tmp_path / "locked.pdf").write_bytes(make_pdf("x", password="secret"))
    (tmp_path / "program.exe").write_bytes(b"MZ")
    page.locator("#files").set_input_files([*files, tmp_path / "locked.pdf", tmp_path / "program.exe"])
    uploads = page.get_by_role("region", name="Uploads")
    expect(uploads).to_contain_text("26 files uploaded")
    expect(uploads).to_contain_text("cannot be read")  # program.exe, refused with its reason
    summary = page.locator("[data-summary]")
    expect(summary.locator(".meter")).to_have_count(0, timeout=60_000)  # nothing is in progress any more

    page.get_by_label("Search in names, tags and errors").fill("locked")
    page.keyboard.press("Enter")
    row = page.locator("article.document")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("The PDF is encrypted.")
    row.get_by_role("button", name="Try again").click()
    expect(page.locator(".notice.info", has_text="locked.pdf is queued again.")).to_be_visible()
    expect(row.locator(".badge")).to_have_text("Failed")
    expect(uploads).to_be_visible()  # filtering did not leave the page

    page.get_by_role("link", name="Clear").click()
    expect(page.locator("article.document", has_text="07.md")).to_be_visible()
    page.get_by_label("Choose all on this page").check()
    page.get_by_label("Tags, divided by commas").fill("Offices")
    page.get_by_role("button", name="Add tag").click()
    expect(page.locator(".notice.info", has_text="tagged Offices")).to_be_visible()
    expect(page.locator("article.document", has_text="07.md").get_by_role("link", name="Offices")).to_be_visible()


def test_a_source_opens_on_its_passage_beside_the_page_of_the_original(page: Page, tmp_path: Path) -> None:
    pages = [f"Section {number}: the valve {number} is checked every {number + 2} weeks." for number in range(1, 31)]
    (tmp_path / "valves.pdf").write_bytes(make_pdf(*pages))
    page.goto("/projects/support/documents/")
    page.locator("#files").set_input_files(tmp_path / "valves.pdf")
    row = page.locator("article.document", has_text="valves.pdf")
    expect(row.locator(".badge")).to_have_text("Ready")
    row.get_by_role("link", name="valves.pdf").click()
    page.get_by_role("link", name="Chunks", exact=True).click()
    chunk = page.locator("section.chunk", has_text="valve 24 is").get_attribute("id") or ""
    page.goto(f"{page.url.split('?')[0]}?chunk={chunk.removeprefix('chunk-')}#{chunk}")
    expect(page.locator("mark")).to_have_text("Section 24: the valve 24 is checked every 26 weeks.")
    expect(page.locator("mark")).to_be_in_viewport()
    picture = page.get_by_role("img", name="Page 24 as it looks in the original, with the passage framed")
    expect(picture).to_be_in_viewport()
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 500


def test_stop_keeps_what_had_come(page: Page, upstream_server: Upstream) -> None:
    page.goto("/?project=support")
    upstream_server.enqueue("one two three four five six seven eight nine ten", delay=0.3)
    ask(page, "What is counted here in this place?")
    body = page.locator("article.answer [data-body]")
    expect(body).to_contain_text("two")
    page.keyboard.press("Escape")
    expect(page.locator("article.answer .state")).to_have_text("Stopped. What had come was kept.")
    page.reload()
    expect(body).to_contain_text("one two")
    expect(body).not_to_contain_text("ten")


def test_an_answer_goes_on_while_its_page_is_closed(page: Page, upstream_server: Upstream) -> None:
    page.goto("/?project=support")
    upstream_server.enqueue("one two three four five six seven [1]", delay=0.3)
    ask(page, "What is counted here while nobody looks?")
    expect(page.locator("article.answer [data-body]")).to_contain_text("one")
    page.wait_for_url("**/chat/**")
    page.reload()
    expect(page.locator("article.answer [data-body]")).to_have_text("one two three four five six seven 1")
    expect(page.locator("article.answer")).to_have_attribute("data-status", "complete")


def test_a_model_that_breaks_off_says_so_and_keeps_what_came(page: Page, upstream_server: Upstream) -> None:
    page.goto("/?project=support")
    upstream_server.enqueue("one two three", cut_after=2)
    ask(page, "What is counted before the line is cut?")
    expect(page.locator("article.answer .state.error")).to_contain_text("broke off in the middle of its answer")
    expect(page.locator("article.answer [data-body]")).to_have_text("one two")
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_what_a_model_writes_cannot_run_in_the_page(page: Page, upstream_server: Upstream) -> None:
    page.goto("/?project=support")
    attack = (
        '<img src=x onerror="window.hacked=1"> [click](javascript:window.hacked=1) <script>window.hacked=1</script>'
    )
    upstream_server.enqueue(attack)
    ask(page, "What does an attacker write into an answer?")
    expect(page.locator("article.answer [data-body]")).to_contain_text("onerror")
    assert page.locator("article.answer [data-body] :is(img, script, a)").count() == 0
    assert page.evaluate("window.hacked") is None


def test_the_cache_page_shows_what_was_saved_and_keeps_what_a_curator_approves(page: Page) -> None:
    page = page.context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.goto("/projects/support/documents/")
    page.get_by_role("link", name="Cache", exact=True).click()
    expect(page.locator(".key-figures")).to_contain_text("of 4 questions")
    expect(page.get_by_role("img", name="Share of each day’s questions")).to_be_visible()
    page.get_by_text("As a table").first.click()
    expect(page.get_by_role("columnheader", name="Same words").first).to_be_visible()

    page.get_by_role("link", name="Answers").click()
    page.get_by_role("link", name="How many days do customers have").click()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("status")).to_contain_text("Approved")
    page.get_by_role("link", name="Answers").first.click()
    answers = page.locator("li.entry")
    before = answers.count()
    assert before > 1
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Flush all").click()
    expect(answers).to_have_count(before)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Flush all").click()
    expect(answers).to_have_count(1)
    expect(answers.locator(".badge")).to_have_text("Approved")
    assert problems == []
    page.close()


def test_it_works_on_a_phone_without_sideways_scrolling(browser: Browser, product: Product, page: Page) -> None:
    context = browser.new_context(
        base_url=product.url,
        viewport={"width": 390, "height": 844},
        storage_state=page.context.storage_state(),
        color_scheme="dark",
    )
    phone = context.new_page()
    cache = [f"/projects/support/cache/{section}" for section in ("", *CACHE_SECTIONS)]
    for path in ("/?project=support", "/projects/support/documents/", "/projects/", *cache):
        phone.goto(path)
        assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert phone.evaluate("document.querySelector('main').scrollWidth <= innerWidth"), path
    phone.goto("/projects/polyai-handbook/documents/")
    phone.get_by_role("link", name="configuration.md").click()  # it has wide tables
    expect(phone.locator(".stretch table").first).to_be_visible()
    assert phone.evaluate("document.querySelector('main').scrollWidth <= innerWidth")
    phone.goto("/?project=support")
    expect(phone.get_by_role("link", name="Documents")).to_be_hidden()
    phone.get_by_role("button", name="Open navigation").click()
    expect(phone.get_by_role("link", name="Documents")).to_be_visible()
    context.close()


def test_asking_works_without_javascript(
    browser: Browser, product: Product, page: Page, upstream_server: Upstream
) -> None:
    context = browser.new_context(
        base_url=product.url, java_script_enabled=False, storage_state=page.context.storage_state()
    )
    plain = context.new_page()
    plain.goto("/?project=support")
    upstream_server.enqueue("Without a script [1].")
    plain.get_by_label("Your question").fill("Does this work without a script too?")
    plain.get_by_role("button", name="Send").click()
    expect(plain.locator("article.answer [data-body]")).to_have_text("Without a script 1.")
    dead = plain.locator("button[type=button]")  # they do nothing without a script
    assert [button.inner_text() for button in dead.all() if button.is_visible()] == []
    upstream_server.enqueue(status=429)
    plain.get_by_label("Your question").fill("And is this lost\nwhen it is refused?")
    plain.get_by_role("button", name="Send").click()
    expect(plain.locator(".refusal")).to_contain_text("is over its limit")
    expect(plain.get_by_label("Your question")).to_have_value("And is this lost\nwhen it is refused?")
    plain.get_by_role("button", name="Send").click()
    expect(plain.locator("article.answer [data-body]").last).to_have_text("The documents say so 1.")
    expect(plain.get_by_label("Your question")).to_have_value("")
    context.close()
