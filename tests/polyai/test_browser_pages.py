"""Every page in a real Chromium: what it may load, what it weighs, and whether everybody can use it."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from urllib.parse import urlsplit

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import Browser, BrowserContext, expect

from tests import axe, bare
from tests.conftest import PASSWORD
from tests.polyai.test_browser import pytestmark as pytestmark
from tests.product import Product
from tests.upstream import Upstream

BUDGET = 60_000  # bytes of our own CSS and JavaScript that the chat page loads
ADMIN = ("", "accounts/user/", "accounts/user/add/", "accounts/project/", "knowledge/document/", "caching/cachelookup/")
ANSWER = """It holds documents, and the people who may ask them [1].

| It holds documents | and the people | who may ask them, and what they asked |
|---|---|---|
| It holds documents of every kind | It holds documents | It holds documents of all these people |

```
It holds documents, and a line of code that is much longer than the screen of any telephone is wide
```
"""
BEYOND = """() => [...document.querySelectorAll("main *")].filter((one) =>
    one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".table *, pre *, .scroll *, .wide *, .tabs *"))
    .map((one) => `beyond the edge: ${one.outerHTML.slice(0, 120)}`)"""
WATCH = """
    window.breaches = [];
    addEventListener("securitypolicyviolation", (event) =>
        breaches.push(`${event.violatedDirective}: ${event.blockedURI} in ${event.sourceFile}:${event.lineNumber}`));
"""


@pytest.fixture(scope="module")
def context(
    browser: Browser,
    product: Product,
    upstream_server: Upstream,
) -> Generator[BrowserContext, None, None]:
    """Signed up as the administrator, with a question asked and its answer cached."""
    opened = browser.new_context(base_url=product.url, viewport={"width": 1280, "height": 800}, color_scheme="light")
    opened.set_default_timeout(15_000)
    opened.add_init_script(WATCH)
    page = opened.new_page()
    page.goto("/accounts/signup/")
    page.get_by_label("Email").fill("alice@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_label("Your question").wait_for()
    page.goto("/projects/polyai-handbook/documents/")
    expect(page.locator("[data-summary] .meter")).to_have_count(0, timeout=60_000)
    upstream_server.enqueue(ANSWER)
    page.goto("/?project=polyai-handbook")
    page.get_by_label("Your question").fill("What is a project?")
    page.keyboard.press("Enter")
    expect(page.locator("article.answer")).to_have_attribute("data-status", "complete", timeout=15_000)
    page.close()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def pages(context: BrowserContext) -> list[str]:
    """The address of every page of ours that can be opened: what the URLs name, filled in."""
    page = context.new_page()
    page.goto("/?project=polyai-handbook")
    known = {"slug": "polyai-handbook"}
    for name, where, pattern in (
        ("conversation_id", "/?project=polyai-handbook", r"/chat/([-0-9a-f]{36})/"),
        ("document_id", "/projects/polyai-handbook/documents/", r"/documents/([-0-9a-f]{36})/"),
        ("entry_id", "/projects/polyai-handbook/cache/entries/", r"/entries/([-0-9a-f]{36})/"),
    ):
        page.goto(where)
        found = re.search(pattern, page.content())
        assert found, f"no {name} on {where}"
        known[name] = found[1]
    found_pages = []
    for route in _routes(get_resolver()):
        address = "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda match: known.get(match[1], match[0]), route)
        if "<" in address or address.startswith(("/api/", "/admin/", "/health/", "/jsi18n/")):
            continue
        response = context.request.get(address, max_redirects=0)
        if response.status == 200 and response.headers["content-type"].startswith("text/html"):
            found_pages.append(address)
    page.close()
    return found_pages


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        if isinstance(entry, URLPattern):
            yield prefix + str(entry.pattern)
        else:
            yield from _routes(entry, prefix + str(entry.pattern))


def test_every_page_obeys_its_policy_and_asks_no_other_server(
    context: BrowserContext,
    pages: list[str],
    product: Product,
) -> None:
    problems: list[str] = []
    page = context.new_page()
    page.on(
        "console",
        lambda message: problems.append(f"{message.text} {message.location}") if message.type == "error" else None,
    )
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: None if _is_ours(request.url, product) else problems.append(request.url))
    assert len(pages) > 15
    for address in [*pages, "/api/docs/", *(f"/admin/{path}" for path in ADMIN)]:
        page.goto(address)
        problems += page.evaluate("breaches")
        assert not problems, f"{address}: {problems}"
    page.close()


def _is_ours(url: str, product: Product) -> bool:
    return urlsplit(url).scheme in ("data", "blob") or url.startswith((product.url, product.url.replace("http", "ws")))


def test_everybody_can_use_every_page(context: BrowserContext, pages: list[str]) -> None:
    page = context.new_page()
    problems: list[str] = []
    for address in pages:
        for size, scheme in (((1280, 800), "light"), ((390, 844), "dark")):
            page.set_viewport_size({"width": size[0], "height": size[1]})
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # one of its literals
            page.goto(address)
            found = [*axe.problems(page), *page.evaluate(BEYOND)]
            problems += [f"{address} ({scheme}, {size[0]}): {problem}" for problem in found]
    assert not problems, "\n".join(problems)
    page.close()


def test_a_long_name_of_a_project_leaves_the_title_of_the_page_its_room(context: BrowserContext) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto("/projects/polyai-handbook/members/")
    page.locator(".project-name").evaluate("name => name.textContent = 'A long name '.repeat(20)")
    assert page.locator("h1").evaluate("title => title.scrollWidth <= title.clientWidth")
    page.close()


def test_every_word_of_every_page_comes_from_a_catalog(
    browser: Browser, context: BrowserContext, pages: list[str], product: Product
) -> None:
    opened = browser.new_context(base_url=product.url, locale=bare.LANGUAGE, storage_state=context.storage_state())
    opened.route("**/jsi18n/**", lambda route: route.fulfill(content_type="text/javascript", body=bare.CATALOG))
    page = opened.new_page()
    found: list[str] = []
    for address in [*pages, "/nowhere/", *(f"/admin/{path}" for path in (*ADMIN, "knowledge/embeddingspace/add/"))]:
        page.goto(address)
        found += [f"{address}: {text}" for text in bare.words(page)]
    assert not found, "\n".join(found)
    opened.close()


def test_the_chat_weighs_little(context: BrowserContext) -> None:
    weights: dict[str, int] = {}
    page = context.new_page()
    page.on(
        "response",
        lambda response: (
            weights.update({response.url: len(response.body())})
            if response.request.resource_type in ("script", "stylesheet")
            else None
        ),
    )
    page.goto("/?project=polyai-handbook", wait_until="networkidle")
    assert any("jsi18n" in url for url in weights)
    assert sum(weights.values()) < BUDGET, weights
    page.close()


def test_a_theme_is_chosen_stays_and_is_named(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/projects/")
    button = page.locator("[data-theme-button]")
    for name in ("as the system", "light", "dark"):
        expect(button).to_have_attribute("aria-label", f"Theme: {name}")
        page.reload()
        expect(button).to_have_attribute("aria-label", f"Theme: {name}")
        button.click()
    expect(button).to_have_attribute("aria-label", "Theme: as the system")
    page.close()


def test_scripts_count_and_fill_in(context: BrowserContext) -> None:
    page = context.new_page()
    page.goto("/projects/")
    told = page.evaluate(
        """[1, 2].map((n) => interpolate(ngettext("%s file of %s", "%s files of %s", n), [n, "$& all"]))
            .concat(interpolate(gettext("%(name)s is ready"), { name: "a.pdf" }, true))"""
    )
    assert told == ["1 file of $& all", "2 files of $& all", "a.pdf is ready"]
    page.close()
