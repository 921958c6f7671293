"""Runs and messages in a real Chromium: reload, second tab, lost network, killed server; edit, retry, judge, delete."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from tests import axe
from tests.conftest import PASSWORD
from tests.polyai.test_browser import ask, pytestmark, reload_and_follow  # noqa: F401  # fixtures
from tests.product import Product
from tests.upstream import Reply, Upstream

LONG = " ".join(f"word{number}" for number in range(40)) + " [1]."
SHORT = "In the **home folder** [1]."
QUESTION = "Where does PolyAI keep its data?"


@pytest.fixture(scope="module")
def context(browser: Browser, product: Product) -> Generator[BrowserContext, None, None]:
    """Alice, logged in."""
    opened = browser.new_context(base_url=product.url, viewport={"width": 1280, "height": 800})
    expect.set_options(timeout=20_000)
    page = opened.new_page()
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign Up").click()
    expect(page.get_by_label("Your question")).to_be_visible()
    while page.request.get("/projects/polyai-handbook/reading/").json()["unfinished"]:
        page.wait_for_timeout(200)
    page.close()
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext, upstream_server: Upstream) -> Generator[Page, None, None]:
    """A new chat; no script may fail."""
    upstream_server.reset()
    upstream_server.naming = Reply(status=500)  # titles stay the questions' words
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto("/")
    yield opened
    opened.close()
    assert problems == []


def answers(page: Page) -> Locator:
    return page.locator("article.answer")


def body(page: Page) -> Locator:
    return answers(page).last.locator("[data-body]")


def ended(page: Page, how: str = "complete") -> Locator:
    """The last answer, when it has ended."""
    last = answers(page).last
    expect(last).to_have_attribute("data-status", how)
    return last


def fresh(text: str) -> str:
    """A question of its own, for whose answer nobody has waited yet."""
    return f"Where does PolyAI keep its data, asks {text}?"


def test_a_cached_answer_longer_than_the_page_is_shown_from_its_beginning(
    page: Page, upstream_server: Upstream
) -> None:
    upstream_server.enqueue("\n\n".join(f"Paragraph {number} [1]." for number in range(40)))
    ask(page, fresh("whoever reads"))
    ended(page)
    expect(body(page).get_by_text("Paragraph 39")).to_be_in_viewport()
    page.goto("/")
    ask(page, fresh("whoever reads"))
    expect(ended(page)).to_contain_text("Cached")
    expect(page.locator("article.question").last).to_be_in_viewport()
    expect(body(page).get_by_text("Paragraph 39")).not_to_be_in_viewport()


def test_an_answer_goes_on_over_a_reload_and_in_a_second_tab(
    context: BrowserContext, page: Page, upstream_server: Upstream
) -> None:
    upstream_server.enqueue(LONG, delay=0.08)
    ask(page, fresh("the reload"))
    expect(body(page)).to_contain_text("word3")
    page.reload()
    expect(body(page)).to_contain_text("word9")
    second = context.new_page()
    second.goto(page.url)
    expect(body(second)).to_contain_text("word12")
    for tab in (page, second):
        ended(tab)
        expect(body(tab)).to_have_text(LONG.replace("[1]", "1"))
    upstream_server.enqueue(SHORT, delay=0.1)
    ask(page, fresh("the second tab"))
    expect(second.locator("article.question").last).to_contain_text("the second tab")
    expect(ended(second).locator("[data-body]")).to_have_text("In the home folder 1.")
    assert len(upstream_server.history) == 2
    second.close()


def test_stop_works_from_another_tab_after_a_resume_and_continue_writes_the_rest(
    context: BrowserContext, page: Page, upstream_server: Upstream
) -> None:
    upstream_server.enqueue(LONG, delay=0.15)
    ask(page, fresh("the stop"))
    expect(body(page)).to_contain_text("word1")
    second = context.new_page()
    second.goto(page.url)
    expect(body(second)).to_contain_text("word3")
    second.get_by_role("button", name="Stop").click()
    for tab in (page, second):
        expect(ended(tab, "stopped")).to_contain_text("Stopped. What had come was kept.")
    second.close()
    upstream_server.enqueue("and that is all [1].")
    answers(page).last.get_by_role("button", name="Continue").click()
    expect(ended(page).locator("[data-body]")).to_contain_text("and that is all")
    expect(body(page)).to_contain_text("word0 word1")
    expect(answers(page).last.get_by_text("2/2")).to_be_visible()
    expect(answers(page).last).to_be_focused()


def test_an_answer_cut_by_its_length_can_be_continued_at_once(page: Page, upstream_server: Upstream) -> None:
    upstream_server.enqueue("It is kept in", finish_reason="length")
    ask(page, fresh("Where is the data kept, at length?"))
    expect(answers(page).last.get_by_role("button", name="Continue")).to_be_visible()
    upstream_server.enqueue("the home folder [1].")
    answers(page).last.get_by_role("button", name="Continue").click()
    expect(body(page)).to_contain_text("the home folder")


def test_a_lost_network_loses_no_word(context: BrowserContext, page: Page, upstream_server: Upstream) -> None:
    upstream_server.enqueue(LONG, delay=0.08)
    ask(page, fresh("the network"))
    expect(body(page)).to_contain_text("word3")
    context.set_offline(True)
    page.wait_for_timeout(700)
    context.set_offline(False)
    ended(page)
    expect(body(page)).to_have_text(LONG.replace("[1]", "1"))


def test_a_killed_server_leaves_what_had_come_and_a_way_to_go_on(
    page: Page,
    product: Product,
    upstream_server: Upstream,
) -> None:
    upstream_server.enqueue(LONG, delay=0.15)
    ask(page, fresh("the kill"))
    expect(body(page)).to_contain_text("word5")
    product.part("web").kill()
    expect(answers(page).last).to_contain_text("Connection lost. Trying again")
    last = ended(page, "interrupted")
    expect(last).to_contain_text("The server stopped while this was being written.")
    expect(last.locator("[data-body]")).to_contain_text("word0 word1 word2")
    upstream_server.enqueue("it is over [1].")
    last.get_by_role("button", name="Continue").click()
    expect(ended(page).locator("[data-body]")).to_contain_text("it is over 1.")


def test_a_question_is_asked_in_other_words_and_both_branches_stay(page: Page, upstream_server: Upstream) -> None:
    upstream_server.enqueue("First [1].")
    upstream_server.enqueue("Second [1].")
    ask(page, fresh("the first"))
    ended(page)
    page.locator("article.question").hover()
    page.get_by_role("button", name="Edit and ask again").click()
    box = page.locator("article.question").get_by_label("Your question")
    expect(box).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Edit and ask again")).to_be_focused()
    page.keyboard.press("Enter")
    box.fill(fresh("the second"))
    page.keyboard.press("Enter")
    expect(ended(page).locator("[data-body]")).to_have_text("Second 1.")
    expect(page.get_by_text("2/2")).to_be_visible()
    expect(answers(page)).to_be_focused()
    expect(answers(page)).to_have_count(1)
    page.get_by_role("link", name="Version before").click()
    expect(body(page)).to_have_text("First 1.")
    expect(page.locator(".bubble")).to_have_text(fresh("the first"))
    upstream_server.enqueue("Third [1].")
    ask(page, fresh("the third"))  # on the branch that is shown
    expect(ended(page).locator("[data-body]")).to_have_text("Third 1.")
    expect(answers(page).first.locator("[data-body]")).to_have_text("First 1.")
    page.reload()
    expect(answers(page).first.locator("[data-body]")).to_have_text("First 1.")


def test_without_tls_an_answer_is_copied_by_the_older_command(page: Page, upstream_server: Upstream) -> None:
    page.add_init_script("Object.defineProperty(Navigator.prototype, 'clipboard', { value: undefined })")
    page.reload()
    upstream_server.enqueue(SHORT)
    ask(page, fresh("whoever has no certificate"))
    last = ended(page)
    last.get_by_title("Copy the answer").click()
    last.get_by_role("button", name="Copy as text").click()
    expect(last.get_by_title("Copy the answer")).to_contain_class("done")
    expect(last.get_by_title("Copy the answer")).to_be_focused()
    page.get_by_label("Your question").focus()
    page.keyboard.press("Control+v")
    expect(page.get_by_label("Your question")).to_have_value("In the home folder.")


def test_another_version_comes_in_its_place_with_focus_and_history(page: Page, upstream_server: Upstream) -> None:
    long = "\n\nAnd so on." * 40
    for text in ("First", "Behind it", "Second"):
        upstream_server.enqueue(f"{text} [1].{long}")
    for number, text in enumerate(("the versions", "what is behind them")):
        ask(page, fresh(text))
        expect(page.locator("article.answer[data-status=complete]")).to_have_count(number + 1)
    answers(page).first.get_by_role("button", name="Another answer").click()
    before, after = page.get_by_role("link", name="Version before"), page.get_by_role("link", name="Next version")
    before.focus()
    place = "() => document.querySelector('article.answer').getBoundingClientRect().top"
    top = page.evaluate(place)
    page.evaluate("window.isTheSame = true")
    page.keyboard.press("Enter")
    expect(answers(page)).to_have_count(2)
    expect(answers(page).first.locator("[data-body]")).to_contain_text("First")
    expect(body(page)).to_contain_text("Behind it")
    expect(after).to_be_focused()
    expect(page.locator("[role=status][data-status]")).to_have_text("Version 1 of 2")
    assert page.evaluate(place) == top
    page.go_back()
    expect(body(page)).to_contain_text("Second")
    expect(answers(page)).to_have_count(1)
    expect(before).to_be_focused()
    page.go_forward()
    expect(body(page)).to_contain_text("Behind it")
    after.click()
    expect(body(page)).to_contain_text("Second")
    assert page.evaluate("window.isTheSame")
    page.reload()
    expect(body(page)).to_contain_text("Second")
    page.go_back()
    expect(body(page)).to_contain_text("Behind it")


def test_a_frozen_server_is_told_of_and_no_question_is_lost_or_doubled(
    page: Page, product: Product, upstream_server: Upstream
) -> None:
    page.clock.install()
    reload_and_follow(page)
    expect(page.get_by_label("Your question")).to_be_focused()
    upstream_server.enqueue(SHORT)
    upstream_server.enqueue(LONG, delay=0.08)
    web = product.part("web")
    web.suspend()
    try:
        ask(page, fresh("the ice"))
        page.clock.fast_forward(7_000)
        expect(answers(page)).to_contain_text("The server is slow to answer")
        page.clock.fast_forward(60_000)
    finally:
        web.resume()
    expect(ended(page).locator("[data-body]")).to_have_text("In the home folder 1.")
    ask(page, fresh("the second ice"))
    expect(body(page)).to_contain_text("word3")
    web.suspend()
    try:
        for seconds in (7, 5):
            page.clock.fast_forward(seconds * 1000)
        expect(answers(page).last).to_contain_text("Connection lost. Trying again")
    finally:
        web.resume()
    expect(ended(page).locator("[data-body]")).to_have_text(LONG.replace("[1]", "1"))
    expect(page.locator(".bubble")).to_have_text([fresh("the ice"), fresh("the second ice")])
    page.reload()
    expect(page.locator(".bubble")).to_have_text([fresh("the ice"), fresh("the second ice")])


def test_an_answer_is_judged_copied_asked_anew_and_deleted(
    context: BrowserContext, page: Page, upstream_server: Upstream
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    upstream_server.enqueue(SHORT)
    ask(page, fresh("the judge"))
    last = ended(page)
    last.get_by_title("Copy the answer").click()
    last.get_by_role("button", name="Copy as Markdown").click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).includes('**home folder** [1]')")
    expect(last.get_by_role("button", name="Copy as Markdown")).to_be_hidden()
    expect(last.get_by_title("Copy the answer")).to_be_focused()
    expect(last.get_by_title("Copy the answer")).to_contain_class("done")
    last.get_by_title("Copy the answer").click()
    last.get_by_role("button", name="Copy as text").click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()) === 'In the home folder.'")
    last.get_by_role("button", name="Bad answer").click()
    last.get_by_role("button", name="Skip").click()  # it counts, without a reason
    expect(last.get_by_role("button", name="Bad answer")).to_be_focused()
    page.reload()
    last = ended(page)
    expect(last.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    last.get_by_role("button", name="Bad answer").click()  # taken back …
    expect(last.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "false")
    last.get_by_role("button", name="Bad answer").click()  # … and judged again
    last.get_by_label("Out of date").check()
    last.get_by_label("Comment").fill("It has moved.")
    axe.check(page, "form.feedback")
    last.get_by_role("button", name="Send").click()
    expect(last.get_by_role("button", name="Bad answer")).to_be_focused()
    page.reload()
    last = ended(page)
    expect(last.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "true")
    last.get_by_role("button", name="Good answer").click()
    expect(last.get_by_role("button", name="Good answer")).to_have_attribute("aria-pressed", "true")
    expect(last.get_by_role("button", name="Bad answer")).to_have_attribute("aria-pressed", "false")
    upstream_server.enqueue("Somewhere else [1].")
    last.get_by_role("button", name="Another answer").click()
    expect(ended(page).locator("[data-body]")).to_have_text("Somewhere else 1.")
    expect(answers(page).last.get_by_text("2/2")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    answers(page).last.get_by_role("button", name="Delete the answer").click()
    expect(body(page)).to_have_text("In the home folder 1.")
    expect(page.get_by_text("2/2")).to_have_count(0)


def test_a_wrong_cached_answer_leaves_the_cache(page: Page, upstream_server: Upstream) -> None:
    upstream_server.enqueue(SHORT)
    for status in ("complete", "complete"):
        page.goto("/")
        ask(page, fresh("the cache"))
        ended(page, status)
    badge = answers(page).last.locator(".badge.cached")
    badge.click()
    expect(page.get_by_text("exact: the very same question")).to_be_visible()
    answers(page).last.get_by_role("button", name="Wrong answer").click()
    expect(page.get_by_text("Reported as wrong, and out of the cache")).to_be_visible()
    upstream_server.enqueue("Anew [1].")
    page.goto("/")
    ask(page, fresh("the cache"))
    expect(ended(page).locator("[data-body]")).to_have_text("Anew 1.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_thread_can_be_used_by_everybody(
    browser: Browser,
    context: BrowserContext,
    product: Product,
    upstream_server: Upstream,
    scheme: str,
) -> None:
    upstream_server.default = Reply(text=SHORT)
    coloured = browser.new_context(
        base_url=product.url,
        storage_state=context.storage_state(),
        color_scheme="dark" if scheme == "dark" else "light",
        viewport={"width": 390, "height": 800},
    )
    page = coloured.new_page()
    page.goto("/")
    ask(page, fresh(f"the {scheme}"))
    last = ended(page)
    expect(page.locator("[role=status][data-status]")).to_contain_text("Answer complete. In the home folder")
    axe.check(page)
    last.locator(".stages summary").click()
    expect(last.get_by_role("rowheader", name="tokens")).to_be_visible()
    axe.check(page)
    coloured.close()


def test_what_a_model_says_is_never_run(page: Page, upstream_server: Upstream) -> None:
    upstream_server.enqueue(
        '<script>document.title="owned"</script><img src=x onerror=alert(1)> [a](javascript:alert(1)) <b>bold</b> [1]'
    )
    page.on("dialog", lambda dialog: dialog.dismiss() if dialog.message != "1" else pytest.fail("a script ran"))
    ask(page, fresh('<img src=x onerror="alert(1)">'))
    last = ended(page)
    expect(last.locator("[data-body]")).to_contain_text("<b>bold</b>")
    assert last.locator("[data-body] :is(script, img, b)").count() == 0
    assert last.locator("[data-body] a[href^='javascript']").count() == 0
    page.reload()
    expect(page.locator(".bubble")).to_contain_text("<img src=x")
    assert page.title().endswith("PolyAI")
