"""The list of one's conversations, what can be done to each, titles, export, and REST."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from markdown_it import MarkdownIt
from pytest_django.fixtures import Settings

from accounts.models import Membership
from accounts.services import create_api_key
from accounts.types import Actor
from caching import ledger
from caching.models import LedgerCount
from chat import filing
from chat.catalogue import Filter, Page, list_page, list_tags
from chat.export import file_name, to_markdown
from chat.models import Conversation, Message
from chat.tasks import purge_deleted_conversations, title_conversation
from chat.titles import clean_title
from core.errors import InvalidInput
from core.redis import sync_redis
from tests.conftest import Cast, add_document, browser_of, complete, make_question
from tests.upstream import Reply, Upstream

REFUND = "How many days do customers have to return goods?"
PART = {"X-Part": "1"}
JSON = {"Accept": "application/json"}


def make(cast: Cast, title: str = "A talk", *, days: float = 0, **fields: Any) -> Conversation:  # Any: columns
    when = timezone.now() - timedelta(days=days)
    values = {"user": cast.alice, "project": cast.project, "updated_at": when, **fields}
    return Conversation.objects.create(title=title, **values)


def say(conversation: Conversation, text: str, role: str = "user", **fields: object) -> Message:
    return Message.objects.create(conversation=conversation, role=role, content=text, **fields)


def titles(page: Page) -> list[str]:
    return [entry.conversation.title for entry in page.entries]


@pytest.fixture
def alice(cast: Cast) -> Actor:
    return cast.actor(cast.alice)


# --- The list --------------------------------------------------------------------------------------


def test_the_list_is_grouped_with_the_pinned_ones_first(cast: Cast, alice: Actor) -> None:
    for title, days in (("now", 0), ("week", 4), ("old", 400)):
        make(cast, title, days=days)
    make(cast, "kept", days=900, pinned_at=timezone.now())
    page = list_page(alice, Filter())
    assert titles(page) == ["kept", "now", "week", "old"]
    groups = [entry.group for entry in page.entries]
    assert groups[:3] == ["Pinned", "Today", "Previous 7 days"]
    assert groups[3].endswith(str((timezone.now() - timedelta(days=400)).year))


def test_every_conversation_is_listed_once_over_all_pages_even_at_equal_times(cast: Cast, alice: Actor) -> None:
    moment = timezone.now()
    for number in range(23):
        make(cast, f"{number}", updated_at=moment - timedelta(seconds=number // 5))
    shown: list[str] = []
    after, groups = "", []
    while True:
        page = list_page(alice, Filter(), after, size=4)
        shown += titles(page)
        groups += [entry.group for entry in page.entries if entry.group]
        after = page.after
        if not after:
            break
    assert sorted(shown, key=int) == [str(number) for number in range(23)]
    assert len(groups) <= 2  # a page goes on within the group of the one before it


def test_ten_thousand_conversations_cost_a_page_no_more_than_ten(cast: Cast, alice: Actor) -> None:
    now = timezone.now()
    Conversation.objects.bulk_create(
        [
            Conversation(
                user=cast.alice, project=cast.project, title=f"Talk {n}", updated_at=now - timedelta(minutes=n)
            )
            for n in range(10_000)
        ],
        batch_size=2_000,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_conversation")
    after = f"{(now - timedelta(minutes=9_000)).timestamp():.6f}_{uuid4()}"
    client = browser_of(cast.alice)
    with CaptureQueriesContext(connection) as queries:
        page = client.get("/conversations/", {"after": after}, headers=PART).text
    assert page.count('class="item"') == 40
    assert len(queries) <= 5  # session, user, list, tags, and what the middleware asks
    statement = next(
        query["sql"] for query in queries if 'FROM "chat_conversation"' in query["sql"] and "LIMIT 41" in query["sql"]
    )
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        plan = json.dumps(cursor.fetchone()[0])
    assert "conversation_newest_of_user" in plan
    assert "Seq Scan on chat_conversation" not in plan


def test_a_page_goes_on_where_the_last_one_ended_without_the_page_around_it(cast: Cast) -> None:
    for number in range(45):
        make(cast, f"Talk {number:02}", days=number / 1000)
    client = browser_of(cast.alice)
    first = client.get("/conversations/").text
    assert first.count('class="item"') == 40
    address = first.split("data-next")[0].rsplit('href="', 1)[1].split('"')[0].replace("&amp;", "&")
    rest = client.get(address, headers=PART)
    assert rest.text.count('class="item"') == 5
    assert "<html" not in rest.text
    assert "X-Part" in rest.headers["Vary"]
    assert "<html" in client.get(address).text  # a plain link works as well


@pytest.mark.parametrize("after", ["x", "1_2", "nan_" + str(UUID(int=0)), "1e400_" + str(UUID(int=0)), "_"])
def test_a_place_that_is_none_is_refused(cast: Cast, alice: Actor, after: str) -> None:
    with pytest.raises(InvalidInput):
        list_page(alice, Filter(), after)


def test_archived_deleted_and_tagged_ones_each_have_their_filter(cast: Cast, alice: Actor) -> None:
    make(cast, "plain", tags=["billing"])
    make(cast, "archived", archived_at=timezone.now())
    make(cast, "deleted", deleted_at=timezone.now())
    make(cast, "by a program", origin="api")
    assert titles(list_page(alice, Filter())) == ["plain"]
    assert titles(list_page(alice, Filter.parse("archived"))) == ["archived"]
    assert titles(list_page(alice, Filter.parse("deleted"))) == ["deleted"]
    assert titles(list_page(alice, Filter.parse("tag:billing"))) == ["plain"]
    assert titles(list_page(alice, Filter.parse("tag:other"))) == []
    assert list_tags(alice) == ["billing"]
    assert list_tags(cast.actor(cast.bob)) == []


# --- Filing ----------------------------------------------------------------------------------------


def test_a_title_is_escaped_wherever_it_shows(cast: Cast) -> None:
    evil = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'
    found = make(cast)
    client = browser_of(cast.alice)
    response = client.post(f"/chat/{found.id}/edit/", {"title": evil, "tags": "<i>x</i>"}, headers=JSON)
    assert response.json()["title"] == evil
    say(found, "hello there")
    for path in (f"/chat/{found.id}/", "/conversations/", f"/chat/{found.id}/options/", "/conversations/?q=script"):
        page = client.get(path).text
        assert "<img src=x" not in page, path
        assert "<script>alert" not in page, path
        assert "<i>x" not in page, path


@pytest.mark.parametrize("title", ["", "  \n ", "x" * 121, "x" * 10_000, "\x00"])
def test_a_title_that_is_none_is_refused_with_the_reason(cast: Cast, title: str) -> None:
    found = make(cast)
    client = browser_of(cast.alice)
    response = client.post(f"/chat/{found.id}/edit/", {"title": title}, headers=JSON)
    assert response.status_code == 400
    assert response.json()["error"].startswith("A title")
    assert client.post(f"/chat/{found.id}/edit/", {"title": title}).status_code == 400
    found.refresh_from_db()
    assert found.title == "A talk"


def test_a_title_does_not_turn_the_direction_of_what_stands_behind_it(cast: Cast, upstream: Upstream) -> None:
    found = make(cast)
    browser_of(cast.alice).post(f"/chat/{found.id}/edit/", {"title": "Refunds \u202egpj.exe\u2067"}, headers=JSON)
    found.refresh_from_db()
    assert found.title == "Refunds gpj.exe"
    add_document(cast.project)
    async_to_sync(complete)(make_question(cast, f"\u202e{REFUND}"))
    assert Conversation.objects.latest("created_at").title == REFUND


def test_tags_are_cleaned_and_kept_once(cast: Cast) -> None:
    found = make(cast)
    filing.edit(found, tags=["  billing ", "Billing", "", "a\x00b", "客户"])
    assert found.tags == ["billing", "ab", "客户"]
    with pytest.raises(InvalidInput):
        filing.edit(found, tags=["x" * 41])
    with pytest.raises(InvalidInput):
        filing.edit(found, tags=[str(n) for n in range(21)])


def test_of_two_tabs_that_rename_the_later_one_counts_and_nothing_else_is_lost(cast: Cast) -> None:
    found = make(cast)
    one, other = Conversation.objects.get(id=found.id), Conversation.objects.get(id=found.id)
    filing.edit(one, title="One", pinned=True)
    filing.edit(other, title="Other")
    found.refresh_from_db()
    assert (found.title, found.pinned_at is not None, found.is_renamed) == ("Other", True, True)


def test_a_deleted_conversation_is_nowhere_and_comes_back_with_undo(cast: Cast) -> None:
    found = make(cast, "Refunds")
    say(found, REFUND)
    client = browser_of(cast.alice)
    assert client.post(f"/chat/{found.id}/delete/", headers=JSON).json() == {"restore": f"/chat/{found.id}/restore/"}
    for path in (
        f"/chat/{found.id}/",
        f"/chat/{found.id}/options/",
        f"/chat/{found.id}/export.md",
        f"/chat/{found.id}/share/",
    ):
        assert client.get(path).status_code == 404, path
    assert "Refunds" not in client.get("/conversations/").text
    assert "Refunds" in client.get("/conversations/?show=deleted").text
    body = {"conversation": str(found.id), "project": "support", "text": "Is this still here?"}
    assert "does not exist" in client.post("/ask/", body, follow=True).text
    assert client.post(f"/chat/{found.id}/restore/", headers=JSON).status_code == 200
    assert client.get(f"/chat/{found.id}/").status_code == 200


def test_what_was_deleted_an_hour_ago_goes_for_good_and_nothing_else(cast: Cast) -> None:
    make(cast, "long ago", deleted_at=timezone.now() - timedelta(minutes=61))
    make(cast, "just now", deleted_at=timezone.now() - timedelta(minutes=59))
    make(cast, "alive", days=3)
    purge_deleted_conversations()
    purge_deleted_conversations()
    assert sorted(Conversation.objects.values_list("title", flat=True)) == ["alive", "just now"]


def test_beat_removes_deleted_conversations(settings: Settings) -> None:
    tasks = [entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()]
    assert "chat.tasks.purge_deleted_conversations" in tasks


DOORS: list[Callable[[Client, Conversation], object]] = [
    lambda c, t: c.get(f"/chat/{t.id}/options/"),
    lambda c, t: c.post(f"/chat/{t.id}/edit/", {"title": "Mine"}),
    lambda c, t: c.post(f"/chat/{t.id}/delete/"),
    lambda c, t: c.post(f"/chat/{t.id}/restore/"),
    lambda c, t: c.get(f"/chat/{t.id}/title/"),
    lambda c, t: c.get(f"/chat/{t.id}/export.md"),
    lambda c, t: c.get(f"/chat/{t.id}/export.json"),
    lambda c, t: c.get(f"/chat/{t.id}/share/"),
    lambda c, t: c.post(f"/chat/{t.id}/share/", {"days": "0"}),
    lambda c, t: c.get(f"/api/conversations/{t.id}/"),
    lambda c, t: c.patch(f"/api/conversations/{t.id}/", {"title": "Mine"}, "application/json"),
    lambda c, t: c.delete(f"/api/conversations/{t.id}/"),
]


@pytest.mark.parametrize("door", range(len(DOORS)))
@pytest.mark.parametrize("who", ["bob", "mallory"])
def test_somebody_elses_conversation_is_404_at_every_door(cast: Cast, who: str, door: int) -> None:
    found = make(cast, "Hers", deleted_at=timezone.now() if door == 3 else None)
    say(found, "the secret word")
    response = DOORS[door](browser_of(getattr(cast, who)), found)
    assert response.status_code == 404  # type: ignore[attr-defined]  # a response of the test client
    assert "Hers" not in response.content.decode()  # type: ignore[attr-defined]
    found.refresh_from_db()
    assert found.title == "Hers"
    assert not found.shares.exists()


def test_a_stranger_is_asked_to_log_in_at_every_door(cast: Cast) -> None:
    found = make(cast)
    for door in DOORS[:9]:
        assert door(Client(), found).status_code == 302  # type: ignore[attr-defined]
    assert Client().get("/conversations/").status_code == 302
    assert Client().get("/palette/").status_code == 302


def test_a_redirect_after_filing_stays_on_this_server(cast: Cast) -> None:
    found = make(cast)
    body = {"pinned": "1", "next": "https://evil.example/"}
    assert browser_of(cast.alice).post(f"/chat/{found.id}/edit/", body)["Location"] == f"/chat/{found.id}/"
    body = {"pinned": "0", "next": "/conversations/"}
    assert browser_of(cast.alice).post(f"/chat/{found.id}/edit/", body)["Location"] == "/conversations/"


# --- Titles ----------------------------------------------------------------------------------------


def queued() -> list[str]:
    tasks = sync_redis().lrange("polyai:celery:celery", 0, -1)
    return [json.loads(task)["headers"]["task"] for task in tasks]


def test_after_the_first_answer_the_model_is_asked_for_a_title_and_its_tokens_are_counted(
    cast: Cast, upstream: Upstream
) -> None:
    add_document(cast.project)
    question = make_question(cast, REFUND)
    async_to_sync(complete)(question)
    assert queued().count("chat.tasks.title_conversation") == 1
    upstream.naming = Reply(text='**Title:** "Return period for goods."\nMore words')
    title_conversation(str(question.conversation_id))
    assert Conversation.objects.get().title == "Return period for goods"
    assert browser_of(cast.alice).get(f"/chat/{question.conversation_id}/title/").json() == {
        "title": "Return period for goods"
    }
    asked = json.loads(upstream.named[0]["messages"][1]["content"])
    assert asked["question"] == REFUND
    ledger.flush()
    assert LedgerCount.objects.get(name="tokens-spent:title").value == 100 + len(upstream.naming.text.split(" "))
    async_to_sync(complete)(make_question(cast, "And shipping?", conversation_id=question.conversation_id))
    assert queued().count("chat.tasks.title_conversation") == 1  # a second answer asks for none


def test_what_programs_ask_and_what_is_quoted_without_a_model_gets_no_title(cast: Cast) -> None:
    add_document(cast.project)
    async_to_sync(complete)(make_question(cast, REFUND))
    async_to_sync(complete)(make_question(cast, REFUND, origin="api"))
    assert "chat.tasks.title_conversation" not in queued()
    assert set(Conversation.objects.values_list("title", flat=True)) == {REFUND}


def test_a_title_of_ones_own_is_never_written_over(cast: Cast, upstream: Upstream) -> None:
    found = make(cast)
    say(found, REFUND)
    filing.edit(found, title="Mine")
    title_conversation(str(found.id))
    found.refresh_from_db()
    assert found.title == "Mine"
    assert upstream.named == []


@pytest.mark.parametrize(
    "reply", [Reply(text=" "), Reply(text='""\n'), Reply(status=500), Reply(text="Half a", finish_reason="length")]
)
def test_a_model_that_says_nothing_of_use_leaves_the_questions_words(
    cast: Cast, upstream: Upstream, reply: Reply, settings: Settings
) -> None:
    found = make(cast, "How many days")
    say(found, REFUND)
    upstream.naming = reply
    title_conversation(str(found.id))
    found.refresh_from_db()
    assert (found.title, found.is_renamed) == ("How many days", False)


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ('"Refunds within 30 days."', "Refunds within 30 days"),
        ("## **Refunds** `now` [1]", "Refunds now"),
        ("\n\nTitle: Refunds\nand more", "Refunds"),
        ("“退款期限”。", "退款期限"),
        ("> _[Refunds](javascript:alert)_ of POLYAI_HOME", "Refunds of POLYAI_HOME"),
        ("<b>Refunds</b>", "<b>Refunds</b>"),
        ("\x00\x1b[31m\u202e", "[31m"),
        ("", ""),
    ],
)
def test_a_title_by_a_model_is_one_plain_line(said: str, title: str) -> None:
    assert clean_title(said) == title


def test_a_title_by_a_model_has_80_characters_at_most() -> None:
    assert len(clean_title("word " * 100)) <= 80
    assert len(clean_title("x" * 1000)) <= 80


# --- Export ----------------------------------------------------------------------------------------


@pytest.fixture
def talk(cast: Cast) -> Conversation:
    add_document(cast.project)
    async_to_sync(complete)(make_question(cast, REFUND))
    return Conversation.objects.get()


def test_markdown_has_the_answer_and_its_sources_as_a_numbered_list(cast: Cast, talk: Conversation) -> None:
    response = browser_of(cast.alice).get(f"/chat/{talk.id}/export.md")
    assert (
        response["Content-Disposition"] == 'attachment; filename="How many days do customers have to return goods.md"'
    )
    text = response.content.decode()
    assert f"> {REFUND}" in text
    assert "1. **handbook.md**" in text
    assert "within 30 days of delivery" in text


def test_an_open_fence_in_an_answer_takes_nothing_of_what_follows(cast: Cast) -> None:
    found = make(cast, "# no *heading*")
    say(found, "```\nopen", "user")
    source = {"n": 1, "chunk_id": str(uuid4()), "document": "a_b.md", "text": "```\npassage", "locator": ""}
    say(found, "Look:\n~~~~\ncode\n~~~", "assistant", sources=[source])
    text = "".join(to_markdown(found, found.messages.all()))
    assert "\n~~~\n~~~~\n" in text  # closed with the fence that opened it
    assert "> ```\n> open" in text
    assert "1. **a\\_b.md**" in text
    assert text.startswith("# \\# no \\*heading\\*\n")


def test_html_in_an_answer_takes_nothing_of_what_follows_and_code_stays_code(cast: Cast) -> None:
    found = make(cast)
    html = "Note:\n\n<!-- open\n  <script>\n<https://example.org> and a < b\n```\n<pre>\n```\n<div"
    say(found, html, "assistant")
    say(found, "The next question")
    shown = MarkdownIt().render("".join(to_markdown(found, found.messages.all())))
    assert "&lt;!-- open" in shown
    assert "&lt;script&gt;" in shown
    assert '<a href="https://example.org">' in shown
    assert "<pre><code>&lt;pre&gt;\n</code></pre>" in shown
    assert "<p>The next question</p>" in shown


@pytest.mark.parametrize("title", ["-rf", "CON", "nul", "lpt1", "– -"])
def test_a_file_name_is_no_option_and_no_device(cast: Cast, title: str) -> None:
    name = file_name(make(cast, title), "md")
    assert name in ("rf.md", "conversation.md")


@pytest.mark.parametrize("title", ["../../etc/passwd", 'a"b\r\nSet-Cookie: x=1', "客户 / 退款", "...", "x" * 120])
def test_a_file_name_is_safe_whatever_the_title(cast: Cast, title: str) -> None:
    found = make(cast, title)
    header = browser_of(cast.alice).get(f"/chat/{found.id}/export.json")["Content-Disposition"]
    assert "/" not in header.partition("''")[2]
    assert ".." not in header
    assert "\n" not in header
    assert header.startswith("attachment; filename")


def test_json_has_all_branches_and_markdown_the_one_that_is_shown(cast: Cast, talk: Conversation) -> None:
    question = talk.messages.get(role="user")
    other = say(talk, "The other answer", "assistant", parent=question)
    Conversation.objects.filter(id=talk.id).update(tip=other)
    client = browser_of(cast.alice)
    body = client.get(f"/chat/{talk.id}/export.json").json()
    assert (body["format"], body["version"], body["tip"]) == ("polyai-conversation", 1, str(other.id))
    assert len(body["messages"]) == 3
    first = body["messages"][1]
    assert first["parent"] == str(question.id)
    assert first["sources"][0]["document"] == "handbook.md"
    assert first["cache"]["status"] == "miss"
    text = client.get(f"/chat/{talk.id}/export.md").content.decode()
    assert "The other answer" in text
    assert "1. **handbook.md**" not in text


# --- REST ------------------------------------------------------------------------------------------


def test_programs_list_read_file_and_delete(cast: Cast, talk: Conversation) -> None:
    client = browser_of(cast.alice)
    for number in range(3):
        make(cast, f"Older {number}", days=1 + number, origin="api")
    page = client.get("/api/conversations/", {"limit": 2}).json()
    assert [found["title"] for found in page["results"]] == [REFUND, "Older 0"]
    rest = client.get("/api/conversations/", {"limit": 2, "after": page["next"]}).json()
    assert ([found["title"] for found in rest["results"]], rest["next"]) == (["Older 1", "Older 2"], "")
    path = f"/api/conversations/{talk.id}/"
    assert len(client.get(path).json()["messages"]) == 2
    changed = client.patch(path, {"title": "New", "tags": ["a"], "pinned": True}, "application/json").json()
    assert (changed["title"], changed["tags"], changed["pinned"], changed["archived"]) == ("New", ["a"], True, False)
    for wrong in ({"title": " "}, {"titel": "x"}, {"tags": "x"}, {"tags": ["x" * 41]}):
        response = client.patch(path, wrong, "application/json")
        assert response.status_code == 400
        assert response.json()["error"]["code"] == "invalid_input"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert client.get("/api/conversations/", {"limit": 0}).status_code == 400


def test_a_key_sees_the_conversations_of_its_project_alone(cast: Cast, talk: Conversation) -> None:
    elsewhere = make(cast, "Elsewhere", project=cast.foreign)
    Membership.objects.create(project=cast.foreign, user=cast.alice, role="viewer")
    say(elsewhere, "goods elsewhere")
    key = create_api_key(user=cast.alice, project=cast.project)
    client = Client(headers={"Authorization": f"Bearer {key}"})
    assert [found["title"] for found in client.get("/api/conversations/").json()["results"]] == [REFUND]
    assert client.get(f"/api/conversations/{elsewhere.id}/").status_code == 404
    assert browser_of(cast.alice).get(f"/api/conversations/{elsewhere.id}/").status_code == 200
    assert Client().get("/api/conversations/").status_code == 401
