"""Nothing that was typed or dropped into the composer is lost: in a real Chromium, against the running product."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.conftest import PASSWORD
from tests.polyai.test_browser_composer import DRAG, ask, field, let_go, page, state  # noqa: F401  # fixtures
from tests.polyai.test_browser_composer import pytestmark as pytestmark
from tests.product import Product

RECHECKED = 5_500  # milliseconds after which an open socket's session is looked at again


def log_in(tab: Page) -> None:
    tab.get_by_label("Email").fill("alice@example.org")
    tab.get_by_label("Password").fill(PASSWORD)
    tab.get_by_role("button", name="Log in").click()


def test_a_question_sent_after_a_log_out_elsewhere_is_there_again_after_the_log_in(
    browser: Browser,
    product: Product,
    state: Path,  # noqa: F811
) -> None:
    context = browser.new_context(base_url=product.url)
    tab, other = context.new_page(), context.new_page()
    tab.goto("/accounts/login/?next=/%3Fproject=support")
    log_in(tab)
    tab.wait_for_url("**/?project=support")
    ask(tab, "The first question")
    expect(tab.locator("article.answer[data-status=complete]")).to_be_visible()
    other.goto("/projects/")
    other.get_by_role("button", name="Log out").click()
    tab.wait_for_timeout(RECHECKED)
    ask(tab, "Asked a moment too late")
    tab.get_by_role("link", name="Log in again").click()
    log_in(tab)
    expect(tab.locator("article.question .bubble")).to_have_text(["The first question"])
    assert field(tab) == "Asked a moment too late"
    context.close()


def test_a_second_question_asked_offline_stays_in_the_field(page: Page) -> None:  # noqa: F811
    page.context.set_offline(True)
    ask(page, "The one that waits")
    expect(page.locator("[data-hint]")).to_contain_text("The one that waits")
    ask(page, "The next one")
    page.context.set_offline(False)
    expect(page.locator("article.question .bubble")).to_have_text(["The one that waits"])
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    assert field(page) == "The next one"


def test_files_that_come_before_the_place_is_chosen_all_go_there(page: Page) -> None:  # noqa: F811
    let_go(page, "one.md", "The first file.")
    expect(page.get_by_role("group", name="Where to")).to_contain_text("one.md")
    let_go(page, "two.md", "The second file.")
    menu = page.get_by_role("group", name="Where to")
    expect(menu).to_contain_text("2 files")
    menu.get_by_role("button", name="Into this conversation").press("Enter")
    expect(page.get_by_role("list", name="Files").locator("li")).to_contain_text(["one.md", "two.md"])
    expect(page.get_by_label("Your question")).to_be_focused()


def test_a_file_dropped_before_the_script_for_files_has_come_is_kept(page: Page) -> None:  # noqa: F811
    page.evaluate(DRAG, [["dragenter", "dragover", "drop"], "early.md", "An early file."])
    expect(page.get_by_role("group", name="Where to")).to_contain_text("early.md")


def test_a_file_whose_place_is_not_chosen_stays_with_the_question(page: Page) -> None:  # noqa: F811
    let_go(page, "one.md", "The only file.")
    expect(page.get_by_role("group", name="Where to")).to_be_visible()
    page.get_by_label("Your question").click()
    page.keyboard.type("What does it say?")
    expect(page.get_by_role("list", name="Files").locator("li")).to_contain_text("Ready")
    assert field(page) == "What does it say?"
