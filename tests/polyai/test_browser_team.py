"""A team in a real Chromium: invited, signed up, promoted, heard and removed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.conftest import HANDBOOK, PASSWORD
from tests.polyai.test_browser import pytestmark  # noqa: F401  # fixtures, and what the file needs
from tests.product import Product
from tests.upstream import Upstream

TEAM = "/projects/support/members/"
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}


@contextmanager
def window(browser: Browser, product: Product) -> Iterator[Page]:
    context = browser.new_context(base_url=product.url, viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.on("dialog", lambda dialog: dialog.accept())
    yield page
    context.close()


def sign_up(page: Page, email: str) -> None:
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign up").click()


@pytest.fixture(scope="module")
def alice(browser: Browser, product: Product) -> Generator[Page, None, None]:
    """The first account, with a project and a document in it."""
    expect.set_options(timeout=15_000)
    with window(browser, product) as page:
        page.goto("/accounts/signup/")
        expect(page.get_by_text("becomes the administrator of this server")).to_be_visible()
        sign_up(page, "alice@example.org")
        page.get_by_role("link", name="All projects").click()
        page.get_by_label("Name of the new project").fill("Support")
        page.get_by_role("button", name="Create").click()
        page.locator("input[type=file]").set_input_files(
            {"name": "handbook.md", "mimeType": "text/markdown", "buffer": HANDBOOK.encode()}
        )
        expect(page.locator("article.document")).to_be_visible()
        yield page


@pytest.fixture(scope="module")
def bob(browser: Browser, product: Product) -> Generator[Page, None, None]:
    with window(browser, product) as page:
        yield page


def problems(page: Page, scheme: str) -> list[str]:
    """What axe finds wrong with a page, by its rule."""
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of two words
    found = Axe().run(page, options=RULES).response["violations"]
    return [f"{page.url} {scheme}: {rule['id']} {[node['target'] for node in rule['nodes']]}" for rule in found]


def test_somebody_is_invited_signs_up_and_is_in(alice: Page, bob: Page) -> None:
    alice.goto(TEAM)
    alice.get_by_role("button", name="Make a link").click()
    link = alice.get_by_label("Link", exact=True).input_value()
    alice.get_by_role("button", name="Copy").click()
    expect(alice.get_by_role("button", name="Copied")).to_be_visible()

    bob.goto(link)
    expect(bob.get_by_role("heading", name="Join “Support”")).to_be_visible()
    assert problems(bob, "light") + problems(bob, "dark") == []
    bob.get_by_role("link", name="Sign up").click()
    expect(bob.get_by_text("alice@example.org invites you to “Support”")).to_be_visible()
    sign_up(bob, "bob@example.org")
    expect(bob.get_by_role("heading", name="Ask Support")).to_be_visible()

    alice.goto(TEAM)
    expect(alice.locator(".person", has_text="bob@example.org")).to_contain_text("since")
    expect(alice.get_by_text("Open links")).to_be_hidden()
    bob.goto(link)
    expect(bob.get_by_role("heading", name="Ask Support")).to_be_visible()


def test_a_reader_judges_and_a_curator_hears(alice: Page, bob: Page, upstream_server: Upstream) -> None:
    upstream_server.reset()
    upstream_server.enqueue("They have **30 days** [1].")
    bob.goto("/projects/support/documents/")
    expect(bob.locator("article.document .badge")).to_have_text("Ready", timeout=60_000)
    bob.goto("/?project=support")
    bob.get_by_label("Your question").fill("How many days do customers have to return goods?")
    bob.keyboard.press("Enter")
    answer = bob.locator("article.answer")
    expect(answer.locator("strong").first).to_have_text("30 days")
    expect(answer.locator("details.stages")).to_be_visible()
    given = bob.evaluate(
        """async () => {
            const message = document.querySelector("article.answer").dataset.message;
            const csrf = document.querySelector("input[name=csrfmiddlewaretoken]").value;
            const body = new URLSearchParams({ rating: "bad", reason: "incomplete", comment: "And by post?" });
            const response = await fetch(`${location.pathname}messages/${message}/feedback/`, {
                method: "POST", body, headers: { "X-CSRFToken": csrf, Accept: "application/json" },
            });
            return response.json();
        }"""
    )
    assert given == {"rating": "bad"}

    alice.goto("/projects/support/documents/")
    alice.get_by_role("link", name="Team 1 open").click()
    alice.get_by_role("link", name="Feedback 1 open").click()
    opinion = alice.get_by_role("article", name="How many days do customers have to return goods?")
    expect(opinion).to_contain_text("And by post?")
    expect(opinion).to_contain_text("bob")
    opinion.locator("summary", has_text="source").click()
    expect(opinion).to_contain_text("Customers may return goods within 30 days")
    assert problems(alice, "light") + problems(alice, "dark") == []
    opinion.get_by_role("button", name="Evict").click()
    expect(alice.get_by_text("The answer has left the caches")).to_be_visible()
    expect(alice.get_by_role("button", name="Evict")).to_be_hidden()
    alice.get_by_role("button", name="Mark reviewed").click()
    expect(alice.get_by_text("No feedback waits")).to_be_visible()
    alice.get_by_label("State").select_option("Reviewed")
    expect(alice.get_by_text("reviewed by alice")).to_be_visible()


def test_a_role_is_changed_and_a_member_removed(alice: Page, bob: Page) -> None:
    bob.goto(TEAM)
    expect(bob.get_by_role("link", name="Usage")).to_be_hidden()
    alice.goto(TEAM)
    alice.get_by_label("Role of bob@example.org").select_option("Editor")
    expect(alice.get_by_text("bob@example.org has the role “editor” now.")).to_be_visible()
    bob.reload()
    expect(bob.get_by_role("link", name="Feedback")).to_be_visible()
    alice.get_by_role("button", name="Remove bob@example.org").click()
    expect(alice.get_by_text("is no member any more")).to_be_visible()
    bob.reload()
    expect(bob.get_by_role("heading", name="Not found")).to_be_visible()


@pytest.mark.parametrize("address", [TEAM, "/projects/support/usage/", "/usage/", "/projects/support/settings/"])
def test_the_pages_are_accessible_in_light_and_dark_and_fit_a_phone(alice: Page, address: str) -> None:
    alice.goto(address)
    assert problems(alice, "light") + problems(alice, "dark") == []
    alice.set_viewport_size({"width": 390, "height": 800})
    assert problems(alice, "light") == []
    assert alice.evaluate("document.documentElement.scrollWidth <= innerWidth")
    alice.set_viewport_size({"width": 1280, "height": 800})
