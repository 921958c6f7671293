"""Conversations in a real Chromium: the list and its menus, undo, the palette by keyboard, a shared link."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests import axe
from tests.conftest import PASSWORD
from tests.polyai.test_browser import ask, pytestmark, until  # noqa: F401  # fixtures
from tests.product import Product
from tests.upstream import Reply, Upstream

QUESTIONS = ("Where does PolyAI keep its data?", "Which variables configure the model?", "Is there a cache?")


@pytest.fixture(scope="module")
def page(browser: Browser, product: Product, upstream_server: Upstream) -> Generator[Page, None, None]:
    """Alice, logged in, with three conversations."""
    context = browser.new_context(base_url=product.url, viewport={"width": 1280, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    expect.set_options(timeout=15_000)
    opened.goto("/accounts/signup/")
    opened.get_by_label("Email").fill("alice@example.org")
    opened.get_by_label("Password").fill(PASSWORD)
    opened.get_by_role("button", name="Sign Up").click()
    expect(opened.get_by_label("Your question")).to_be_visible()
    upstream_server.default = Reply(text="In the **home folder** [1].")
    upstream_server.naming = Reply(status=500)  # titles stay the questions' words
    for question in QUESTIONS:
        opened.goto("/")
        ask(opened, question)
        expect(opened.locator("article.answer[data-status=complete]")).to_have_count(1)
    yield opened
    context.close()


@pytest.fixture(autouse=True)
def problems(page: Page) -> Generator[list[str], None, None]:
    found: list[str] = []
    page.on("pageerror", lambda error: found.append(str(error)))
    yield found
    assert found == []


def lines(page: Page) -> list[str]:
    return page.locator("[data-conversations] > li").all_inner_texts()


def open_menu(page: Page, title: str) -> None:
    page.get_by_role("link", name=f"Options for {title}").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()


def test_a_new_conversation_has_its_line_at_the_first_answer_and_is_renamed_in_place(page: Page) -> None:
    assert lines(page) == ["Today", *reversed(QUESTIONS)]
    open_menu(page, QUESTIONS[2])
    page.keyboard.press("Enter")
    expect(page.get_by_label("Title", exact=True)).to_be_focused()
    page.keyboard.type("<b>Caches</b>")
    page.keyboard.press("Enter")
    expect(page.locator("[data-title]")).to_have_text("<b>Caches</b>")
    expect(page.get_by_role("link", name="<b>Caches</b>", exact=True)).to_be_focused()
    page.locator("[data-title]").click()
    expect(page.get_by_label("Title", exact=True)).to_be_focused()
    page.keyboard.type("Not this")
    page.keyboard.press("Escape")
    expect(page.locator("[data-title]")).to_have_text("<b>Caches</b>")
    expect(page.get_by_label("Options of this conversation")).to_be_focused()
    page.reload()
    assert lines(page) == ["Today", "<b>Caches</b>", QUESTIONS[1], QUESTIONS[0]]


def test_a_menu_pins_and_tags_by_keyboard(page: Page) -> None:
    open_menu(page, QUESTIONS[0])
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Pin")).to_be_focused()
    axe.check(page)
    page.keyboard.press("Enter")
    expect(page.locator(".item").first).to_have_text(QUESTIONS[0])
    assert lines(page) == ["Pinned", QUESTIONS[0], "Today", "<b>Caches</b>", QUESTIONS[1]]
    open_menu(page, QUESTIONS[0])
    expect(page.get_by_role("menuitem", name="Unpin")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name=f"Options for {QUESTIONS[0]}")).to_be_focused()
    open_menu(page, QUESTIONS[1])
    page.get_by_role("menuitem", name="Tags").click()
    page.get_by_label("Tags", exact=True).fill("billing")
    axe.check(page)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator(".item a").filter(has_text=QUESTIONS[1])).to_be_focused()
    page.reload()
    page.get_by_label("Which conversations are listed").select_option("tag:billing")
    expect(page.locator(".item")).to_have_text([QUESTIONS[1]])
    page.get_by_label("Which conversations are listed").select_option("")
    expect(page.locator(".item")).to_have_count(3)


def test_deleting_can_be_undone_also_where_the_page_was_left_for_it(page: Page) -> None:
    open_menu(page, QUESTIONS[1])
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    notice = page.locator("[data-toast]")
    expect(notice).to_contain_text(f"“{QUESTIONS[1]}” is deleted.")
    expect(page.locator(".item")).to_have_count(2)
    axe.check(page)
    notice.get_by_role("button", name="Undo").click()
    expect(page.locator(".item")).to_have_count(3)
    expect(page.get_by_role("link", name=QUESTIONS[1], exact=True)).to_be_focused()

    page.get_by_role("link", name=QUESTIONS[1], exact=True).click()
    page.get_by_label("Options of this conversation").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("[data-welcome]")).to_be_visible()
    expect(page.locator(".item")).to_have_count(2)
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("article.answer")).to_have_count(1)


def test_the_navigation_of_a_narrow_window_takes_the_focus_and_gives_it_back(page: Page) -> None:
    page.set_viewport_size({"width": 640, "height": 400})  # as at 200 % on a small screen
    page.get_by_role("button", name="Open navigation").press("Enter")
    expect(page.get_by_role("link", name="PolyAI", exact=True)).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Open navigation")).to_be_focused()
    expect(page.get_by_role("link", name="New chat")).to_be_hidden()
    page.set_viewport_size({"width": 1280, "height": 800})


def test_the_palette_is_used_by_keyboard_alone_and_drops_stale_answers(page: Page) -> None:
    page.goto("/projects/")
    page.keyboard.press("Control+k")
    box = page.get_by_role("combobox")
    expect(box).to_be_focused()
    expect(page.get_by_role("option", name="New chat")).to_be_visible()
    axe.check(page)
    held: list[Route] = []
    page.route("**/palette/?q=stale*", lambda route: held.append(route))
    page.keyboard.type("stale")
    until(page, lambda: held)
    box.fill("variab")
    first = page.get_by_role("option").first
    expect(first).to_have_attribute("aria-selected", "true")
    expect(first).to_contain_text("Which variables configure the model?")
    expect(first.locator("mark").first).to_have_text("variab")
    for late in held:
        late.continue_()
    page.wait_for_timeout(200)
    expect(first).to_contain_text("Which variables configure the model?")
    page.unroute("**/palette/?q=stale*")
    box.fill("nothing is called so")
    expect(page.get_by_text("Nothing found.")).to_be_visible()
    axe.check(page)
    box.fill("variab")
    expect(first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("option").nth(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.locator("[data-title]")).to_have_text(QUESTIONS[1])
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog").get_by_role("combobox")).to_have_value("")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog").get_by_role("option").first).to_have_attribute("aria-selected", "true")
    page.keyboard.type("new ch")
    page.keyboard.press("Enter")  # before it is found
    expect(page.locator("[data-welcome]")).to_be_visible()


def test_a_shared_link_is_read_without_a_log_in_until_it_is_revoked(browser: Browser, page: Page) -> None:
    page.get_by_role("link", name=QUESTIONS[0], exact=True).click()
    menu = page.get_by_label("Options of this conversation")
    menu.click()
    page.get_by_role("link", name="Share").click()
    page.get_by_label("Works for").select_option("7")
    page.get_by_role("button", name="Make a link").click()
    link = page.get_by_label("Link", exact=True).input_value()
    axe.check(page)
    for scheme in ("light", "dark"):
        stranger = browser.new_context(color_scheme=scheme)
        other = stranger.new_page()
        other.goto(link)
        expect(other.locator("strong")).to_have_text("home folder")
        expect(other.locator("a.cite, .sources, .sidebar")).to_have_count(0)
        axe.check(other)
        stranger.close()
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("There is no link to this conversation.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_focused()
    gone = page.context.new_page()
    answer = gone.goto(link)
    assert answer is not None
    assert answer.status == 404
    expect(gone.get_by_role("heading")).to_have_text("This link does not work any more.")
    gone.close()


def test_every_page_of_conversations_is_accessible_in_light_and_dark_and_on_a_phone(
    browser: Browser,
    product: Product,
    page: Page,
) -> None:
    place = page.url.removeprefix(product.url)
    for scheme, width in (("light", 390), ("dark", 1280)):
        context = browser.new_context(
            base_url=product.url,
            viewport={"width": width, "height": 800},
            storage_state=page.context.storage_state(),
            color_scheme=scheme,  # type: ignore[arg-type]  # one of playwright's words
        )
        other = context.new_page()
        for path in (place, "/conversations/", "/conversations/?q=data", f"{place}share/", f"{place}options/"):
            other.goto(path)
            axe.check(other)
            assert other.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        context.close()


def test_filing_works_without_javascript(browser: Browser, product: Product, page: Page) -> None:
    context = browser.new_context(
        base_url=product.url, java_script_enabled=False, storage_state=page.context.storage_state()
    )
    plain = context.new_page()
    plain.goto("/conversations/")
    plain.get_by_role("link", name=f"Options for {QUESTIONS[1]}").click()
    plain.get_by_label("Title").fill("Variables")
    plain.get_by_role("button", name="Save").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Variables")
    plain.get_by_label("Options of this conversation").click()
    plain.get_by_role("button", name="Delete", exact=True).click()
    expect(plain.locator(".notices")).to_contain_text("“Variables” is deleted.")
    plain.goto("/conversations/?show=deleted")
    plain.get_by_role("button", name="Restore Variables").click()
    expect(plain.locator("article.answer")).to_have_count(1)
    context.close()


def test_a_list_that_comes_late_takes_nothing_away(page: Page) -> None:
    page.goto("/")
    title = "Which line comes late?"
    ask(page, title)
    expect(page.get_by_role("link", name=title, exact=True)).to_be_visible()
    chosen = page.get_by_label("Which conversations are listed")
    held: list[Route] = []
    page.route("**/conversations/?show=*", lambda route: held.append(route))

    def come() -> None:
        line = page.locator(".item").first.element_handle()
        held.pop().continue_()
        page.wait_for_function("(line) => !line.isConnected", arg=line)

    for wanted in ("archived", ""):
        chosen.select_option(wanted)
        until(page, lambda: held)
        if wanted:
            older = held.pop()
    open_menu(page, title)
    come()
    older.continue_()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Title", exact=True)).to_be_focused()
    page.keyboard.type("Named ")
    chosen.dispatch_event("change")
    until(page, lambda: held)
    held.pop().continue_()
    page.wait_for_timeout(100)
    page.keyboard.type("late")
    page.keyboard.press("Enter")
    until(page, lambda: held)
    come()
    expect(page.get_by_role("link", name="Named late", exact=True)).to_be_visible()
    deletions: list[Route] = []
    page.route("**/delete/", lambda route: deletions.append(route))
    page.goto("/")
    open_menu(page, "Named late")
    page.get_by_role("menuitem", name="Delete").click()
    until(page, lambda: deletions)
    chosen.select_option("archived")
    until(page, lambda: held)
    come()
    deletions[0].continue_()
    expect(page.locator("[data-toast]")).to_contain_text("“Named late” is deleted.")
