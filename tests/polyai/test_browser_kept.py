"""Nothing that was typed or dropped into the composer is lost: in a real Chromium, against the running product."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute, expect

from tests.conftest import PASSWORD
from tests.polyai.test_browser import reload_and_follow, until, wait_until_told
from tests.polyai.test_browser_composer import DRAG, ask, field, let_go, page, state  # noqa: F401  # fixtures
from tests.polyai.test_browser_composer import pytestmark as pytestmark
from tests.product import Product
from tests.upstream import Upstream


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
    expect(tab.get_by_role("link", name="Log in again")).to_be_visible()
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


@pytest.mark.parametrize("way", ["Enter", "Send"])
def test_a_question_sent_before_the_script_has_come_is_asked_once_when_it_has(
    page: Page,  # noqa: F811
    upstream_server: Upstream,
    way: str,
) -> None:
    held: list[Route] = []
    page.route("**/js/chat.js", lambda route: held.append(route))  # playwright marks a function
    page.goto("/?project=support", wait_until="commit")
    page.get_by_label("Your question").fill(f"Asked early by {way}?")
    for _ in range(2):
        if way == "Enter":
            page.keyboard.press("Enter")
        else:
            page.get_by_role("button", name=way).click()
    assert field(page) == f"Asked early by {way}?"
    until(page, lambda: held)
    held[0].continue_()
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    expect(page.locator("article.question .bubble")).to_have_text([f"Asked early by {way}?"])
    expect(page.get_by_label("Your question")).to_be_focused()
    assert len(upstream_server.history) == 1


def test_what_is_pressed_and_clicked_before_the_scripts_have_come_happens_when_they_have(page: Page) -> None:  # noqa: F811
    ask(page, "The first question")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    held: list[Route] = []
    page.route("**/js/page.js", lambda route: held.append(route))
    page.goto(page.url, wait_until="commit")
    page.locator("[data-conversations] [data-menu]").first.click()
    page.get_by_role("button", name="Theme: as the system").click()
    until(page, lambda: held)
    held[0].continue_()
    expect(page.get_by_role("button", name="Theme: light")).to_be_visible()
    expect(page.get_by_role("menuitem", name="Rename")).to_be_visible()


@pytest.mark.parametrize("late", ["js/page.js", "js/palette.js", "css/sheets.css"])
def test_what_is_typed_behind_the_keys_of_the_palette_is_for_it_however_late_it_comes(page: Page, late: str) -> None:  # noqa: F811
    held: list[Route] = []
    page.route(f"**/{late}", lambda route: held.append(route))
    page.goto("/?project=support", wait_until="commit" if late == "js/page.js" else "load")
    page.get_by_label("Your question").press_sequentially("A question ")
    page.keyboard.press("Control+k")
    page.keyboard.type("shorter")
    page.keyboard.press("Backspace")
    until(page, lambda: held)
    held[0].continue_()
    box = page.get_by_role("dialog").get_by_role("combobox")
    expect(box).to_have_value("shorte")
    page.keyboard.type("st")
    expect(box).to_have_value("shortest")
    page.keyboard.press("Escape")
    expect(page.get_by_label("Your question")).to_be_focused()
    assert field(page) == "A question "


def test_where_the_script_never_comes_the_form_is_sent_as_it_is(page: Page, upstream_server: Upstream) -> None:  # noqa: F811
    page.route("**/js/chat.js", lambda route: route.abort())
    page.goto("/?project=support")
    ask(page, "Who needs a script?")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    expect(page.locator("article.question .bubble")).to_have_text(["Who needs a script?"])
    assert len(upstream_server.history) == 1


def test_what_was_asked_of_a_conversation_that_is_deleted_goes_into_a_new_chat(page: Page) -> None:  # noqa: F811
    ask(page, "The first question")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    other = page.context.new_page()
    other.goto(page.url)
    other.get_by_label("Options of this conversation").click()
    other.get_by_role("button", name="Delete", exact=True).click()
    expect(other.locator("[data-welcome]")).to_be_visible()
    ask(page, "And then?")
    expect(page.locator("[data-hint]")).to_contain_text("does not exist")
    expect(page.locator("article.question .bubble")).to_have_text(["The first question"])
    expect(page.locator("article.answer")).to_have_count(1)
    assert field(page) == "And then?"
    page.get_by_role("link", name="Ask in a new chat").click()
    expect(page.get_by_role("heading", name="Ask Support")).to_be_visible()
    assert field(page) == "And then?"


@pytest.mark.parametrize("hears_first", ["of the other question", "of the refusal"])
def test_of_two_tabs_that_ask_at_once_the_second_keeps_its_words(
    page: Page,  # noqa: F811
    upstream_server: Upstream,
    hears_first: str,
) -> None:
    heard: list[str | bytes] = []
    held: list[str | bytes] = []
    is_late = False

    def relay(socket: WebSocketRoute) -> None:
        def hear(message: str | bytes) -> None:
            heard.append(message)
            if is_late:
                held.append(message)
            else:
                socket.send(message)

        sockets.append(socket)
        socket.connect_to_server().on_message(hear)

    sockets: list[WebSocketRoute] = []
    ask(page, "The first question")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    second = page.context.new_page()
    second.route_web_socket("**/ws/**", relay)
    second.goto(page.url)
    wait_until_told(second, heard)
    is_late = True
    upstream_server.enqueue("Slowly [1].", first_delay=3.0)
    quicker = f"The quicker one, for who hears {hears_first}"  # no cache knows it
    ask(page, quicker)
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    ask(second, "The slower one")
    until(second, lambda: any('"refused"' in str(message) for message in held))
    is_late = False
    by_refusal = sorted(held, key=lambda message: "refused" not in str(message))
    for message in by_refusal if "refusal" in hears_first else held:
        sockets[-1].send(message)
    expect(second.locator("[data-hint]")).to_contain_text("What you typed is kept.")
    assert field(second) == "The slower one"
    for tab in (page, second):
        expect(tab.locator("article.answer[data-status=complete]")).to_have_count(2)
        expect(tab.locator("article.question .bubble")).to_have_text(["The first question", quicker])
    expect(second.locator("[data-hint]")).to_be_empty()
    assert field(second) == "The slower one"


def test_a_silent_model_is_told_of_until_it_answers(page: Page, upstream_server: Upstream) -> None:  # noqa: F811
    told = page.locator("[data-outage]")
    upstream_server.enqueue(status=503)
    ask(page, "Is anybody there?")
    expect(told).to_contain_text("does not answer")
    page.goto("/?project=support")
    expect(told).to_contain_text("does not answer")
    ask(page, "Is somebody there again?")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    expect(told).to_be_empty()


AT_ONCE = """([...keys]) => {
    const text = document.querySelector("[data-text]");
    for (const key of keys) text.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
}"""


def test_a_question_stopped_before_it_was_begun_is_in_the_field_again(page: Page) -> None:  # noqa: F811
    reload_and_follow(page)
    page.get_by_label("Your question").fill("Too soon")
    page.evaluate(AT_ONCE, ["Enter", "Escape"])
    expect(page.get_by_label("Your question")).to_have_value("Too soon")
    expect(page.locator("article")).to_have_count(0)
    page.keyboard.press("Enter")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    expect(page.locator("article.question .bubble")).to_have_text(["Too soon"])


def test_a_question_that_waits_for_a_connection_is_in_the_field_after_a_stop_and_after_a_reload(page: Page) -> None:  # noqa: F811
    page.add_init_script(
        "WebSocket = class extends EventTarget { static CONNECTING = 0; static OPEN = 1; readyState = 0; }"
    )
    page.reload()
    page.get_by_label("Your question").fill("Not sent yet")
    page.evaluate(AT_ONCE, ["Enter", "Escape"])
    expect(page.get_by_label("Your question")).to_have_value("Not sent yet")
    expect(page.locator("article")).to_have_count(0)
    page.keyboard.press("Enter")
    assert field(page) == ""
    page.reload()
    assert field(page) == "Not sent yet"


@pytest.mark.parametrize("is_first", [True, False])
def test_a_question_that_a_dying_connection_swallowed_is_sent_when_it_is_back(
    page: Page,  # noqa: F811
    upstream_server: Upstream,
    is_first: bool,
) -> None:
    heard: list[str | bytes] = []
    swallowed: list[str | bytes] = []

    def relay(socket: WebSocketRoute) -> None:
        server = socket.connect_to_server()

        def hear(message: str | bytes) -> None:
            heard.append(message)
            socket.send(message)

        def pass_on(message: str | bytes) -> None:
            if "The swallowed one" in str(message) and not swallowed:
                swallowed.append(message)
                socket.close(code=1012)
            else:
                server.send(message)

        socket.on_message(pass_on)
        server.on_message(hear)

    page.route_web_socket("**/ws/**", relay)
    page.reload()
    wait_until_told(page, heard)
    if not is_first:
        ask(page, "The first question")
        expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    asked = [] if is_first else ["The first question"]
    ask(page, "The swallowed one")
    expect(page.locator("article.answer[data-status=complete]")).to_have_count(len(asked) + 1)
    expect(page.locator("article.question .bubble")).to_have_text([*asked, "The swallowed one"])
    assert swallowed
    assert field(page) == ""


def test_of_two_tabs_that_edit_one_message_the_second_keeps_its_words(page: Page) -> None:  # noqa: F811
    ask(page, "The first question")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    second = page.context.new_page()
    second.goto(page.url)
    for tab, words in ((second, "The slower edit"), (page, "The quicker edit")):
        tab.get_by_role("button", name="Edit and ask again").click()
        tab.locator("article.question").get_by_label("Your question").fill(words)
    page.keyboard.press("Enter")
    for tab in (page, second):
        expect(tab.locator("article.question .bubble")).to_have_text(["The quicker edit"])
        expect(tab.locator("article.answer[data-status=complete]")).to_have_count(1)
    expect(second.locator("[data-composer] [data-text]")).to_have_value("The slower edit")
    expect(second.locator("[data-hint]")).to_contain_text("What you typed is kept.")
    expect(page.locator("[data-composer] [data-text]")).to_have_value("")


def test_an_edit_is_kept_when_the_answer_below_it_is_over(page: Page, upstream_server: Upstream) -> None:  # noqa: F811
    ask(page, "The first question")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    upstream_server.enqueue("Another answer, slowly [1].", delay=0.3)
    page.get_by_role("button", name="Another answer").click()
    expect(page.get_by_role("button", name="Stop")).to_be_visible()
    page.get_by_role("button", name="Edit and ask again").click()
    box = page.locator("article.question").get_by_label("Your question")
    box.fill("Not ready yet")
    expect(page.get_by_role("link", name="Version before")).to_be_visible()
    expect(box).to_have_value("Not ready yet")
    expect(box).to_be_focused()


def test_an_edit_that_is_sent_while_an_answer_is_written_stays_where_it_is(page: Page) -> None:  # noqa: F811
    ask(page, "The first question")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    page.evaluate(AT_ONCE, ["ArrowUp", "ArrowUp"])
    box = page.locator("form.edit textarea")
    box.fill("Edited meanwhile")
    page.locator("[data-composer] [data-text]").fill("The second question")
    page.evaluate(f"{{ ({AT_ONCE})(['Enter']); document.querySelector('form.edit').requestSubmit(); }}")
    expect(page.locator("article.answer[data-status=complete]")).to_have_count(2)
    expect(box).to_have_value("Edited meanwhile")
    expect(page.locator("article.question .bubble")).to_have_text(["The first question", "The second question"])


def test_what_is_asked_behind_an_arrow_that_is_slow_is_shown(page: Page) -> None:  # noqa: F811
    ask(page, "The first question")
    expect(page.locator("article.answer[data-status=complete]")).to_be_visible()
    page.evaluate(AT_ONCE, ["ArrowUp"])
    page.locator("form.edit textarea").fill("The edited question")
    page.keyboard.press("Enter")
    held: list[Route] = []
    page.route("**/chat/*/?message=*", lambda route: held.append(route))
    page.get_by_role("link", name="Version before").click()
    until(page, lambda: held)
    ask(page, "Asked meanwhile")
    expect(page.locator("article.answer[data-status=complete]")).to_have_count(2)
    held[0].continue_()
    page.wait_for_timeout(100)
    expect(page.locator("article.question .bubble")).to_have_text(["The edited question", "Asked meanwhile"])
