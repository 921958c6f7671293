"""The composer in a real Chromium, against the whole running product."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, FilePayload, Page, Route, expect

from tests import axe
from tests.conftest import HANDBOOK, PASSWORD
from tests.polyai.test_browser import pytestmark as pytestmark
from tests.polyai.test_browser import until
from tests.product import Product
from tests.upstream import Upstream

NAMES = ("handbook.md", "other.md")
DRAG = """([types, name, text]) => {
    const carried = new DataTransfer();
    carried.items.add(new File([text], name));
    for (const type of types) {
        document.dispatchEvent(new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true }));
    }
    return document.body.classList.contains("is-over");
}"""


@pytest.fixture(scope="module")
def state(browser: Browser, product: Product, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One log-in for all: alice's, with a project and its handbook."""
    kept = tmp_path_factory.mktemp("state") / "state.json"
    context = browser.new_context(base_url=product.url)
    page = context.new_page()
    expect.set_options(timeout=15_000)
    page.goto("/")
    page.get_by_role("link", name="sign up").click()
    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign Up").click()
    page.get_by_role("link", name="All projects").click()
    page.get_by_label("Name of the new project").fill("Support")
    page.get_by_role("button", name="Create").click()
    page.locator("input[type=file]").set_input_files(
        [FilePayload(name=name, mimeType="text/markdown", buffer=HANDBOOK.encode()) for name in NAMES]
    )
    expect(page.locator("article.document .badge", has_text="Ready")).to_have_count(2, timeout=60_000)
    context.storage_state(path=kept)
    context.close()
    return kept


@pytest.fixture
def page(browser: Browser, product: Product, state: Path, upstream_server: Upstream) -> Generator[Page, None, None]:
    """A new chat in the project; what the scripts complain about fails the test."""
    upstream_server.reset()
    context = browser.new_context(
        base_url=product.url, storage_state=state, viewport={"width": 1280, "height": 800}, reduced_motion="reduce"
    )
    opened = context.new_page()
    opened.set_default_timeout(10_000)
    problems: list[str] = []
    opened.on("pageerror", lambda error: problems.append(str(error)))
    opened.goto("/?project=support")
    yield opened
    context.close()
    assert problems == []


def field(page: Page) -> str:
    return page.get_by_label("Your question").input_value()


def type_in(page: Page, text: str) -> None:
    page.get_by_label("Your question").press_sequentially(text)


def ask(page: Page, text: str) -> None:
    page.get_by_label("Your question").fill(text)
    page.keyboard.press("Enter")


def let_go(page: Page, name: str, text: str) -> None:
    """As the system does it: a drag says again and again that it is over the page, until it ends."""
    page.wait_for_function(DRAG, arg=[["dragenter", "dragover"], name, text])
    page.evaluate(DRAG, [["drop"], name, text])


def drop(page: Page, name: str, text: str, into: str) -> None:
    let_go(page, name, text)
    page.get_by_role("group", name="Where to").get_by_role("button", name=into).press("Enter")


def test_a_draft_outlives_a_reload_and_is_gone_when_it_is_sent(page: Page) -> None:
    type_in(page, "A thought about")
    page.keyboard.press("Shift+Enter")
    type_in(page, "returns")
    page.reload()
    assert field(page) == "A thought about\nreturns"
    page.goto("/?project=polyai-handbook")
    assert field(page) == ""  # another project's new chat is another draft
    page.goto("/?project=support")
    page.get_by_label("Your question").press("Enter")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    assert field(page) == ""
    type_in(page, "And of this conversation")
    page.reload()
    assert field(page) == "And of this conversation"
    page.goto("/?project=support")
    assert field(page) == ""


def test_logging_out_leaves_no_draft_behind(page: Page, state: Path) -> None:
    type_in(page, "Nobody else's")
    page.route("**/accounts/logout/", lambda route: route.fulfill(status=204))  # the others share it
    page.get_by_role("button", name="Log out").click()
    page.wait_for_function("() => Object.keys(localStorage).every((key) => !key.startsWith('draft:'))")


def test_a_hash_restricts_the_question_by_keyboard_alone(page: Page) -> None:
    sent: list[str] = []
    page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    type_in(page, "How many days? #")
    options = page.get_by_role("listbox", name="Documents and tags").get_by_role("option")
    expect(options).to_have_text(["handbook.md", "other.md"])
    type_in(page, "oth")
    expect(options).to_have_text(["other.md"])
    axe.check(page)
    page.keyboard.press("Escape")
    expect(options).to_have_count(0)
    page.keyboard.press("Backspace")
    expect(options).to_have_text(["other.md"])
    page.keyboard.press("Enter")
    chips = page.get_by_role("list", name="Only from")
    expect(chips).to_contain_text("other.md")
    assert field(page).strip() == "How many days?"
    page.reload()
    expect(chips).to_contain_text("other.md")
    page.get_by_label("Your question").press("Enter")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    assert any('"documents":["' in frame for frame in sent)
    expect(chips).to_contain_text("other.md")  # for the next question too
    page.get_by_label("Your question").focus()
    page.keyboard.press("Backspace")
    page.keyboard.press("Enter")
    expect(chips).to_be_hidden()
    expect(page.get_by_label("Your question")).to_be_focused()
    page.goto("/?project=support")
    expect(chips).to_be_hidden()


@pytest.mark.parametrize(("typed", "picked"), [("#oth", ["other.md"]), ("#12", [])])
def test_an_enter_before_the_list_is_there_means_what_it_means_then(page: Page, typed: str, picked: list[str]) -> None:
    held: list[Route] = []
    type_in(page, "#")
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(2)
    page.route(f"**/pick/?q={typed[1:]}*", lambda route: held.append(route))
    type_in(page, typed[1:])
    page.keyboard.press("Enter")
    until(page, lambda: held)
    held[0].continue_()
    expect(page.get_by_label("Your question")).to_have_value("")
    expect(page.locator("[data-picks] .is-pick")).to_have_text(picked)
    expect(page.locator("article.question .bubble")).to_have_text([] if picked else [typed])


def test_a_file_that_is_removed_twice_takes_no_other_with_it(page: Page) -> None:
    for name in ("one.md", "two.md"):
        drop(page, name, f"The file {name}.", into="Into this conversation")
    files = page.get_by_role("list", name="Files").locator("li")
    expect(files.filter(has_text="Ready")).to_have_count(2)
    gone: list[str] = []
    page.on("requestfinished", lambda request: gone.append(request.url) if "/remove/" in request.url else None)
    page.evaluate("""() => {
        const remove = document.querySelectorAll("[data-files] button")[1];
        remove.click();
        remove.click();
    }""")
    until(page, lambda: len(gone) == 2)
    page.wait_for_timeout(100)
    expect(files).to_contain_text(["one.md"])


def test_a_dropped_file_is_read_for_this_conversation_answers_there_and_stays_with_it(
    page: Page, upstream_server: Upstream
) -> None:
    drop(page, "deal.md", "The Zanzibar contract pays 900 euros.", "Into this conversation")
    files = page.get_by_role("list", name="Files")
    expect(files.locator("li", has_text="deal.md")).to_contain_text("Ready")
    page.reload()
    expect(files.locator("li", has_text="deal.md")).to_contain_text("Ready")
    ask(page, "What does the Zanzibar contract pay?")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    assert "The Zanzibar contract pays 900 euros." in str(upstream_server.history[-1])
    page.wait_for_url("**/chat/**")
    page.reload()
    expect(files.locator("li", has_text="deal.md")).to_contain_text("Ready")
    axe.check(page)
    page.get_by_role("link", name="Documents", exact=True).click()
    expect(page.locator("article.document")).to_have_count(2)
    page.go_back()
    files.get_by_role("button", name="Remove deal.md").press("Enter")
    expect(files).to_be_hidden()
    expect(page.get_by_label("Your question")).to_be_focused()


def test_a_file_says_why_it_is_not_read_and_is_tried_again_where_that_can_help(page: Page) -> None:
    files = page.get_by_role("list", name="Files").locator("li")
    page.route("**/files/", lambda route: route.abort(), times=1)
    drop(page, "cut.md", "A fine text.", "Into this conversation")
    expect(files).to_contain_text("The upload was cut off.")
    page.get_by_role("button", name="Try cut.md again").click()
    expect(files).to_contain_text("Ready")
    drop(page, "broken.pdf", "this is no PDF", "Into this conversation")
    expect(files.last).to_contain_text("The file is not a PDF, though its name says so.")
    drop(page, "tool.exe", "x", "Into this conversation")
    expect(files.last).to_contain_text("'.exe' files cannot be read yet.")
    expect(page.get_by_role("button", name="again")).to_have_count(0)
    for name in ("cut.md", "broken.pdf", "tool.exe"):
        page.get_by_role("button", name=f"Remove {name}").click()


def test_a_file_for_the_project_is_everybodys(page: Page) -> None:
    drop(page, "shared.md", "Parcels to Peru take nine days.", "Into Support")
    expect(page.get_by_role("list", name="Files").locator("li")).to_contain_text("Ready, in the project")
    page.get_by_role("link", name="Documents", exact=True).click()
    row = page.locator("article.document", has_text="shared.md")
    expect(row).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0)


def test_a_question_asked_offline_waits_and_is_sent_once(page: Page) -> None:
    ask(page, "The first question")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    page.context.set_offline(True)
    ask(page, "How many days offline?")
    expect(page.locator("[data-hint]")).to_contain_text("How many days offline?")
    page.context.set_offline(False)
    expect(page.locator("article.question", has_text="How many days offline?")).to_have_count(1)
    expect(page.locator("article.answer[data-status=complete]")).to_have_count(2)
    expect(page.locator("[data-hint]")).to_be_empty()


def test_of_two_tabs_one_sends_the_question_that_waited_over_a_reload(page: Page) -> None:
    ask(page, "The first question")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    page.wait_for_url("**/chat/**")
    place, other = page.url, page.context.new_page()
    page.context.set_offline(True)
    ask(page, "Only once, please")
    expect(page.get_by_role("button", name="Take it back")).to_be_visible()
    page.goto("about:blank")
    page.context.set_offline(False)
    for tab in (page, other):
        tab.goto(place, wait_until="commit")
    for tab in (page, other):
        expect(tab.locator("[data-composer]")).to_be_visible()
        tab.wait_for_function("() => Object.keys(localStorage).every((key) => !key.startsWith('queued:'))")
    for tab in (page, other):
        expect(tab.locator("article.answer[data-status=complete]")).to_have_count(2)
    page.reload()
    expect(page.locator("article.question", has_text="Only once, please")).to_have_count(1)
    expect(page.locator("article.answer")).to_have_count(2)


def test_a_question_that_waits_can_be_taken_back(page: Page) -> None:
    page.context.set_offline(True)
    ask(page, "Not after all")
    page.get_by_role("button", name="Take it back").click()
    assert field(page) == "Not after all"
    page.context.set_offline(False)
    page.reload()
    assert field(page) == "Not after all"
    expect(page.locator("article.question")).to_have_count(0)


def test_a_session_that_has_expired_keeps_the_draft(page: Page) -> None:
    type_in(page, "Half a question")
    page.evaluate("import('/static/js/conditions.js').then((conditions) => conditions.sessionExpired())")
    page.context.clear_cookies()
    page.get_by_role("link", name="Log in again").click()
    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Ask Support")).to_be_visible()
    assert field(page) == "Half a question"


def test_a_limit_says_when_it_frees(page: Page) -> None:
    for seconds, told in ((60, "1 minute"), (45, "seconds"), (1, "")):
        page.evaluate("n => import('/static/js/conditions.js').then((conditions) => conditions.limited(n))", seconds)
        expect(page.locator("[data-hint]")).to_contain_text(told)
    expect(page.locator("[data-hint]")).to_have_text("You can ask again.")


def test_a_question_mark_lists_the_keys_and_an_arrow_edits_the_last_question(page: Page) -> None:
    dialog = page.get_by_role("dialog", name="Keys")
    type_in(page, "Why?")
    expect(dialog).to_be_hidden()
    page.get_by_label("Your question").fill("")
    ask(page, "The first question")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    page.keyboard.press("ArrowUp")
    expect(page.locator("article.question").get_by_label("Your question")).to_be_focused()
    page.keyboard.press("Escape")
    page.get_by_role("link", name="New chat").focus()
    page.keyboard.press("?")
    expect(dialog).to_contain_text("Break the line")
    axe.check(page)
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="New chat")).to_be_focused()


def test_a_long_question_shows_about_what_it_costs(page: Page) -> None:
    expect(page.locator("[data-estimate]")).to_be_empty()
    page.get_by_label("Your question").fill("word " * 200)
    expect(page.locator("[data-estimate]")).to_contain_text("About 1,550 tokens")
    expect(page.locator("[data-estimate]")).not_to_contain_text("$")  # nobody told us this model's price


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_state_passes_axe(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
    axe.check(page)
    let_go(page, "a.md", "A.")
    expect(page.get_by_role("group", name="Where to")).to_be_visible()
    axe.check(page)
    page.keyboard.press("Escape")
    drop(page, "broken.pdf", "this is no PDF", "Into this conversation")
    expect(page.get_by_role("list", name="Files")).to_contain_text("not a PDF")
    page.evaluate("import('/static/js/conditions.js').then((conditions) => conditions.sessionExpired())")
    expect(page.get_by_role("link", name="Log in again")).to_be_visible()
    axe.check(page)
    page.get_by_role("button", name="Remove broken.pdf").click()
