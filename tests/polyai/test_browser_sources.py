"""Answers and their sources in a real Chromium: the card, the panel, pages of PDF files, code, formulas, axe."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import HANDBOOK, PASSWORD
from tests.knowledge.files import make_pdf
from tests.polyai.test_browser import ask, page, pytestmark
from tests.product import Product
from tests.upstream import Upstream

__all__ = ["page", "pytestmark"]

ANSWER = r"""Valve 3 is **checked** every five weeks [1], goods come back within 30 days [2].

$$\frac{a}{b} = \sqrt{x^2 + 1}$$

With $x > 0$ it costs $5 or $10[^1].

```python
def valve(number: int) -> int:
    return number + len("ab")  # in weeks + 2
```

| Valve | Weeks | Why it is checked just then and at no other time of the year |
|---|--:|---|
| 3 | 5 | because the rules say so |

- [x] read
  - [ ] the rules
- [ ] checked

![the plan](https://pictures.example.org/plan.png)

[^1]: In May.
"""


@pytest.fixture(scope="module")
def thread(page: Page, upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A conversation with one answer that has everything."""
    files = tmp_path_factory.mktemp("files")
    (files / "handbook.md").write_text(HANDBOOK)
    pages = [f"Section {number}: the valve {number} is checked every {number + 2} weeks." for number in range(1, 7)]
    (files / "valves.pdf").write_bytes(make_pdf(*pages))
    page.goto("/")
    page.get_by_role("link", name="sign up").click()
    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign Up").click()
    page.goto("/projects/")
    page.get_by_label("Name of the new project").fill("Support")
    page.get_by_role("button", name="Create").click()
    page.locator("input[type=file]").set_input_files([files / "handbook.md", files / "valves.pdf"])
    for name in ("handbook.md", "valves.pdf"):
        expect(page.locator("article.document", has_text=name).locator(".badge")).to_have_text("Ready", timeout=60_000)
    page.goto("/?project=support")
    upstream_server.reset()
    upstream_server.enqueue(ANSWER, delay=0.005)
    ask(page, "How often is valve 3 checked, in section 3?")
    expect(page.locator("article.answer .facts")).to_be_visible()
    page.reload()
    expect(page.locator("article.answer .footnotes")).to_be_visible()
    return page


def cite_of_pdf(page: Page) -> Locator:
    """The number of the source that stands in the PDF file."""
    row = page.locator("[data-source-row]", has_text="valves.pdf").first
    return page.locator(f'a.cite[data-source="{row.get_attribute("data-source-row")}"]').first


def test_a_number_shows_its_passage_to_the_pointer_and_to_the_keyboard(thread: Page) -> None:
    card, cite = thread.get_by_role("tooltip"), thread.locator("a.cite").first
    cite.hover()
    expect(card).to_be_visible()
    expect(card).to_be_in_viewport(ratio=1)
    expect(cite).to_have_attribute("aria-describedby", "source-card")
    card.hover()  # it stays while it is read
    expect(card).to_be_visible()
    thread.mouse.move(5, 5)
    expect(card).to_be_hidden()

    thread.locator("a.cite").first.focus()
    thread.keyboard.press("Tab")
    expect(thread.locator("a.cite").nth(1)).to_be_focused()
    expect(card).to_be_visible()
    thread.keyboard.press("Escape")
    expect(card).to_be_hidden()
    expect(thread.locator("a.cite").nth(1)).to_be_focused()


def test_a_click_opens_the_passage_beside_the_thread_with_the_page_it_stands_on(thread: Page) -> None:
    panel, cite = thread.locator("[data-panel]"), cite_of_pdf(thread)
    cite.focus()
    thread.keyboard.press("Enter")
    expect(panel.get_by_role("heading")).to_be_focused()
    expect(panel).to_contain_text("valves.pdf")
    expect(panel.locator(".passage")).to_contain_text("is checked every")
    picture = panel.get_by_role("img", name="as it looks in the original, with the passage framed")
    expect(picture).to_have_js_property("complete", True)
    assert picture.evaluate("image => image.naturalWidth") > 500
    assert "/documents/" in (panel.get_by_role("link", name="Open in document").get_attribute("href") or "")

    title = panel.get_by_role("heading").inner_text()
    forth, back = panel.get_by_role("button", name="Next source"), panel.get_by_role("button", name="Previous source")
    (forth if forth.is_enabled() else back).click()
    expect(panel.get_by_role("heading")).not_to_have_text(title)
    thread.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    expect(cite).to_be_focused()


def test_the_style_of_the_panel_is_fetched_again_where_it_did_not_come(thread: Page) -> None:
    tab = thread.context.new_page()
    tab.route("**/css/panel.css", lambda route: route.abort(), times=1)
    tab.goto(thread.url)
    with tab.expect_event("requestfinished", lambda request: request.url.endswith("/panel.css")):
        tab.locator("a.cite").first.click()
    expect(tab.locator("[data-panel]")).to_be_visible()
    tab.close()


def test_the_sources_that_were_used_stand_apart(thread: Page) -> None:
    sources = thread.locator(".sources")
    expect(sources.locator(".sources-title")).to_have_text("2 sources used")
    expect(sources.locator(".used [data-source-row]")).to_have_count(2)
    others = sources.locator(".found [data-source-row]")
    expect(others.first).to_be_hidden()
    sources.get_by_text("more sources found").click()
    expect(others.first).to_be_visible()
    others.first.locator("summary").click()
    expect(others.first.locator(".passage")).to_be_visible()
    sources.get_by_text("more sources found").click()


def test_code_is_copied(thread: Page) -> None:
    thread.context.grant_permissions(["clipboard-read", "clipboard-write"])
    thread.get_by_role("button", name="Copy", exact=True).click()
    expect(thread.get_by_role("button", name="Copied")).to_be_visible()
    assert thread.evaluate("navigator.clipboard.readText()").startswith("def valve(number: int) -> int:\n    return")
    expect(thread.get_by_role("button", name="Copy", exact=True)).to_be_visible()


def test_an_answer_is_copied_as_text_that_keeps_its_lists_and_formulas(thread: Page) -> None:
    thread.context.grant_permissions(["clipboard-read", "clipboard-write"])
    thread.locator("summary", has_text="Copy the answer").click()
    thread.get_by_role("button", name="Copy as text").click()
    expect(thread.get_by_title("Copy the answer")).to_contain_class("done")
    text = thread.evaluate("navigator.clipboard.readText()")
    assert text.startswith("Valve 3 is checked every five weeks, goods come back within 30 days.\n\na/b = √(x^2 + 1)\n")
    assert "it costs $5 or $10[1]." in text
    assert "Valve\tWeeks\t" in text
    assert "- [x] read\n   - [ ] the rules\n- [ ] checked\n" in text
    assert text.endswith("1. In May.")


def test_formulas_are_drawn_and_prices_are_text(thread: Page) -> None:
    formulas = thread.locator("article.answer math")
    expect(formulas).to_have_count(2)
    height = "element => element.getBoundingClientRect().height"
    assert formulas.first.evaluate(height) > 1.5 * formulas.nth(1).evaluate(
        height
    )  # a fraction is as high as two lines
    expect(thread.locator("article.answer [data-body]")).to_contain_text("costs $5 or $10")
    assert thread.locator("article.answer [data-body] img").count() == 0


def test_columns_and_tasks_stand_where_they_belong(thread: Page) -> None:
    assert thread.locator("article.answer td").nth(1).evaluate("cell => getComputedStyle(cell).textAlign") == "right"
    boxes = thread.locator("article.answer .task-list-item-checkbox")
    outer, inner, last = boxes.evaluate_all("boxes => boxes.map((box) => box.getBoundingClientRect().x)")
    assert inner - outer > 16
    assert outer == last


def test_a_conversation_is_printed_to_its_end_in_the_colours_of_paper(thread: Page) -> None:
    size = thread.viewport_size
    assert size
    thread.set_viewport_size({"width": size["width"], "height": 300})
    thread.emulate_media(media="print", color_scheme="dark")
    scroll = thread.locator("[data-scroll]")
    assert scroll.evaluate("element => element.scrollHeight <= element.clientHeight")
    assert scroll.evaluate("element => element.getBoundingClientRect().height > innerHeight")
    lightness = "element => getComputedStyle(element).color.match(/\\d+/g).slice(0, 3).every((part) => part < 60)"
    assert thread.locator("article.answer p").first.evaluate(lightness)
    for name in ("[data-composer]", ".sidebar", ".actions", "[data-copy-code]"):
        expect(thread.locator(name).first).to_be_hidden()
    cite = thread.locator("article.answer a.cite").first
    assert cite.evaluate("link => getComputedStyle(link).display") == "inline", "its brackets stand above and below it"
    thread.emulate_media(media="screen", color_scheme="light")
    thread.set_viewport_size(size)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_wrong_with_a_thread_and_its_panel(thread: Page, scheme: str) -> None:
    thread.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    thread.locator("a.cite").first.click()
    expect(thread.locator("[data-panel]")).to_be_visible()
    # Of the whole page: what stands around the thread is looked at elsewhere.
    found = Axe().run(
        thread, context=".thread-and-panel", options={"runOnly": ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"]}
    )
    thread.keyboard.press("Escape")
    assert [violation["id"] for violation in found.response["violations"]] == [], found.generate_report()


def test_on_a_phone_the_panel_is_a_sheet_that_keeps_the_focus(
    browser: Browser, product: Product, thread: Page, tmp_path: Path
) -> None:
    context = browser.new_context(
        base_url=product.url,
        viewport={"width": 390, "height": 844},
        storage_state=thread.context.storage_state(),
        color_scheme="dark",
    )
    phone = context.new_page()
    phone.goto(thread.url)
    assert phone.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert phone.locator(".thread-scroll").evaluate("element => element.scrollWidth <= element.clientWidth")
    table = phone.locator("article.answer .table")
    assert table.evaluate("element => element.scrollWidth > element.clientWidth")
    cite = phone.locator("a.cite").first
    cite.click()
    panel = phone.locator("[data-panel]")
    expect(panel).to_be_visible()
    for _ in range(8):
        phone.keyboard.press("Tab")
        assert phone.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('[data-panel]')"
        )
    phone.mouse.click(195, 60)  # beside it
    expect(panel).to_be_hidden()
    expect(cite).to_be_focused()
    context.close()


def test_what_streams_shows_no_half_written_sign(thread: Page, upstream_server: Upstream) -> None:
    thread.evaluate(
        """() => {
            window.flashes = [];
            const look = () => {
                const words = document.querySelector("article.answer:last-child [data-body]")?.textContent ?? "";
                if (/\\*\\*|\\]\\(|\\|---|`{1,3}|\\[\\d*$|\\[\\^/.test(words)) window.flashes.push(words.slice(-60));
            };
            const thread = document.querySelector("[data-thread]");
            new MutationObserver(look).observe(thread, { childList: true, subtree: true });
        }"""
    )
    upstream_server.enqueue(ANSWER + "\n\nSee [the **list** of it](https://example.org/a) and `x`.", delay=0.005)
    ask(thread, "How often is valve 4 checked, then?")
    expect(thread.locator("article.answer").nth(1).locator(".facts")).to_be_visible()
    assert thread.evaluate("window.flashes") == []
