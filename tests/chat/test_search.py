"""Search in one's own conversations."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync
from django.core.files.base import ContentFile
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Membership
from accounts.services import create_api_key
from chat.models import Conversation, Message, MessageWords
from chat.search import Hit, search_conversations
from chat.services import interrupt_abandoned
from chat.words import index_messages
from knowledge import services
from tests.chat.test_conversations import REFUND, make, say
from tests.conftest import Cast, add_document, browser_of, complete, make_question


def write(cast: Cast, text: str, *, title: str = "A talk", **fields: Any) -> Message:  # Any: columns
    message = say(make(cast, title, **fields), text)
    index_messages([message.id])
    return message


def found(cast: Cast, text: str) -> list[str]:
    """The whole texts that are found, and titles in brackets."""
    return [
        Message.objects.get(id=hit.message_id).content if hit.message_id else f"[{plain(hit.title)}]"
        for hit in search_conversations(cast.actor(cast.alice), text)
    ]


def plain(pieces: tuple[object, ...]) -> str:
    return "".join(piece.text for piece in pieces)  # type: ignore[attr-defined]  # pieces of a hit


def marked(hit: Hit) -> list[str]:
    return [piece.text for piece in hit.snippet if piece.is_marked]


def test_a_question_and_its_answer_are_found_as_soon_as_they_are_stored(cast: Cast) -> None:
    add_document(cast.project)
    async_to_sync(complete)(make_question(cast, REFUND))
    hits = search_conversations(cast.actor(cast.alice), "goods")
    assert [hit.role for hit in hits] == ["", "assistant", "user"]  # the title first
    assert MessageWords.objects.count() == 2
    conversation = Conversation.objects.get()
    assert hits[1].path == f"/chat/{conversation.id}/?message={hits[1].message_id}#message-{hits[1].message_id}"


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("The refunds are paid to the card", "ref"),
        ("The refunds are paid to the card", "REFUND paid"),
        ("One refund per order", "refunds"),
        ("Our policies say no", "policy"),
        ("Crème brûlée für Gäste", "creme gaste"),
        ("Crème brûlée für Gäste", "brûl"),
        ("Возврат товара за 30 дней", "возврат"),
        ("客户可以在三十天内退款。", "退款"),
        ("客户可以在三十天内退款。", "退"),
        ("客户可以在三十天内退款。", "款"),
        ("客户可以在三十天内退款。", "三十天内"),
        ("See ERR-4012 in the log", "err-4012"),
        ("See ERR-4012 in the log", "4012"),
        ("Set POLYAI_HOME first", "polyai_home"),
        ("full width ＡＢＣ", "abc"),
        ("to be or not to be", "to be"),
    ],
)
def test_words_are_found_as_they_are_typed(cast: Cast, text: str, asked: str) -> None:
    write(cast, text)
    write(cast, "Nothing of that kind 无关")
    assert found(cast, asked) == [text]


@pytest.mark.parametrize(
    "asked", ["", " ", "!!! ???", "\x00", "' | 'x", "refund & !card", "(((", "\\", "x" * 5_000, "%", "_"]
)
def test_nothing_that_is_typed_breaks_the_search(cast: Cast, asked: str) -> None:
    write(cast, "Quite another text")
    assert found(cast, asked) == []
    assert browser_of(cast.alice).get("/palette/", {"q": asked}).status_code == 200
    assert browser_of(cast.alice).get("/conversations/", {"q": asked}).status_code == 200


def test_all_words_must_be_there_and_the_newest_message_comes_first(cast: Cast) -> None:
    old = write(cast, "shipping to Norway, years ago")
    Message.objects.filter(id=old.id).update(created_at=timezone.now() - timedelta(days=700))
    write(cast, "shipping to Norway now")
    write(cast, "shipping elsewhere")
    assert found(cast, "norw ship") == ["shipping to Norway now", "shipping to Norway, years ago"]


def test_a_renamed_title_is_found_by_its_words(cast: Cast) -> None:
    make(cast, "Quarterly figures 100%")
    assert found(cast, "figur quart") == ["[Quarterly figures 100%]"]
    assert found(cast, "figures other") == []


def test_the_words_are_marked_in_a_snippet_that_cannot_become_html(cast: Cast) -> None:
    write(cast, "x " * 200 + "<b>the **refund</b> of refunds** [1] <script>alert(1)</script>")
    hit = search_conversations(cast.actor(cast.alice), "refund")[0]
    assert marked(hit) == ["refund", "refund"]
    assert "**" not in plain(hit.snippet)
    assert len(plain(hit.snippet)) < 300
    page = browser_of(cast.alice).get("/conversations/", {"q": "refund"}).text
    assert "<mark>refund</mark>" in page
    assert "<script>alert" not in page
    assert "&lt;script" in page


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Set `POLYAI_HOME` to *zebra* a_b_c", "Set POLYAI_HOME to zebra a_b_c"),
        ("zebra if a > b, x -> y, 2 * 3, C# and ~/files", "zebra if a > b, x -> y, 2 * 3, C# and ~/files"),
        ("# Title\n\n> zebra **bold** ~~old~~ __loud__", "Title zebra bold old loud"),
        ("|zebra|b|\n|--|:-:|\n|1|2|", "zebra b 1 2"),
        ("- zebra [1], then [2, 3].\n```sh\nls\n```", "- zebra, then. sh ls"),
        ("zebra <script>", "zebra <script>"),
    ],
)
def test_a_snippet_leaves_out_the_signs_of_markdown_alone(cast: Cast, text: str, shown: str) -> None:
    write(cast, text)
    assert plain(search_conversations(cast.actor(cast.alice), "zebra")[0].snippet) == shown


def test_only_ones_own_readable_and_living_messages_are_found(cast: Cast) -> None:
    write(cast, "zebra of bob", user=cast.bob)
    write(cast, "zebra elsewhere", project=cast.foreign)
    write(cast, "zebra gone", deleted_at=timezone.now())
    write(cast, "zebra archived", archived_at=timezone.now())
    assert found(cast, "zebra") == ["zebra archived"]
    for person in (cast.bob, cast.mallory):
        for path in ("/palette/", "/conversations/", "/api/conversations/search/"):
            page = browser_of(person).get(path, {"q": "zebra"}).text
            assert "archived" not in page.replace('value="archived"', ""), path
            assert "elsewhere" not in page
    Membership.objects.filter(user=cast.alice).delete()
    assert found(cast, "zebra") == []


def test_a_key_searches_in_its_project_alone(cast: Cast) -> None:
    Membership.objects.create(project=cast.foreign, user=cast.alice, role="viewer")
    write(cast, "zebra here")
    write(cast, "zebra there", project=cast.foreign)
    key = create_api_key(user=cast.alice, project=cast.project)
    client = Client(headers={"Authorization": f"Bearer {key}"})
    results = client.get("/api/conversations/search/", {"q": "zeb"}).json()["results"]
    assert [hit["snippet"] for hit in results] == ["zebra here"]
    assert client.get("/api/conversations/search/").status_code == 400
    assert client.get("/api/conversations/search/", {"q": "x" * 201}).status_code == 400


def test_what_was_written_before_the_server_died_is_found(cast: Cast) -> None:
    talk = make(cast)
    long_ago = timezone.now() - timedelta(hours=1)
    say(talk, "half a zebra", "assistant", status="streaming", updated_at=long_ago)
    assert found(cast, "zebra") == []
    interrupt_abandoned()
    assert found(cast, "zebra") == ["half a zebra"]


def test_a_message_of_any_size_has_words(cast: Cast) -> None:
    write(cast, "needle " + "x" * 1_000_000)
    write(cast, "needle " + "".join(chr(0x4E00 + (n * 7919) % 20_000) for n in range(300_000)))
    assert len(found(cast, "needle")) == 2


def test_rare_and_common_words_each_have_their_index_and_the_newest_hits_first(cast: Cast) -> None:
    talk, now = make(cast), timezone.now()
    messages = Message.objects.bulk_create(
        [
            Message(
                conversation=talk, role="user", content=f"word{n} zebra", created_at=now - timedelta(seconds=n % 1_000)
            )
            for n in range(3_000)
        ]
    )
    index_messages([message.id for message in messages])
    with CaptureQueriesContext(connection) as rare:
        assert found(cast, "word1234") == ["word1234 zebra"]
    with CaptureQueriesContext(connection) as common:
        hits = search_conversations(cast.actor(cast.alice), "zebr")
    assert [hit.at for hit in hits] == sorted([hit.at for hit in hits], reverse=True)
    assert {hit.at for hit in hits[:3]} == {now}
    assert "message_words" in plan(rare, "FROM chat_messagewords", without="seqscan")
    assert "message_newest" in plan(common, "LIMIT 20", without="bitmapscan")


def plan(queries: CaptureQueriesContext, part: str, *, without: str) -> str:
    """How PostgreSQL reads for the statement with `part`, in the way that the search asks for."""
    statement = next(query["sql"] for query in queries if part in query["sql"])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE chat_message, chat_messagewords, chat_conversation")
        cursor.execute(f"SET LOCAL enable_{without} = off")
        cursor.execute(f"EXPLAIN (FORMAT JSON) {statement}")
        return json.dumps(cursor.fetchone()[0])


def test_the_palette_finds_no_file_that_is_attached_to_a_conversation(cast: Cast) -> None:
    file = ContentFile(b"Secret.", name="layoffs.md")
    services.upload(project=cast.project, name="layoffs.md", file=file, user=cast.alice, attached_to=uuid4())
    for person in (cast.alice, cast.bob):
        assert browser_of(person).get("/palette/", {"q": "layoffs"}).json()["groups"] == []


def test_the_palette_finds_conversations_documents_and_projects(cast: Cast) -> None:
    add_document(cast.project, name="support-rules.md")
    write(cast, "ask support for help", title="Support <b>")
    groups = browser_of(cast.alice).get("/palette/", {"q": "support"}).json()["groups"]
    assert [group["label"] for group in groups] == ["Conversations", "Documents", "Projects"]
    assert groups[0]["items"][0]["title"] == [["Support", True], [" <b>", False]]
    assert groups[1]["items"][0]["title"] == [["support-rules.md", False]]
    assert groups[2]["items"][0]["href"] == "/?project=support"
    recent = browser_of(cast.alice).get("/palette/").json()["groups"]
    assert [item["title"] for item in recent[0]["items"]] == [[["Support <b>", False]]]
    strange = browser_of(cast.mallory).get("/palette/", {"q": "support"}).json()["groups"]
    assert strange == []
