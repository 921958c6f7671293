"""chat/usage.py and its pages: who asks how much, and what it costs."""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta

import pytest
from asgiref.sync import async_to_sync
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Membership, Project, User
from caching.report import report
from chat.models import Conversation, Message
from chat.usage import usage
from chat.usage_views import safe_cell
from tests.chat.asking import AGAIN, EXPRESS, ask
from tests.conftest import PASSWORD, Cast, browser_of
from tests.upstream import MODEL, Upstream

PAGE = "/projects/support/usage/"
ALL = "/usage/"


@pytest.fixture(autouse=True)
def prices(settings: Settings) -> None:
    settings.PRICES = {MODEL: [2.5, 10.0]}


@pytest.fixture
def root(cast: Cast) -> User:
    return User.objects.create_superuser("root@example.org", PASSWORD)


def make_answer(
    cast: Cast, user: User | None = None, *, days_ago: int = 0, project: Project | None = None, **fields: object
) -> Message:
    """An answer that no pipeline wrote: 100 + 10 tokens, the first words after 250 ms."""
    conversation = Conversation.objects.create(
        project=project or cast.project, user=user, title="Q", origin="web" if user else "terminal"
    )
    made = {
        "role": "assistant",
        "content": "A",
        "model": MODEL,
        "usage": {"prompt_tokens": 100, "completion_tokens": 10},
        "stages": {"history": 50.0, "first token": 200.0, "generate": 900.0, "finish": 5.0},
        "cache": {"status": "miss"},
        "created_at": timezone.now() - timedelta(days=days_ago),
    }
    return Message.objects.create(conversation=conversation, **{**made, **fields})


def test_usage_is_for_owners(cast: Cast) -> None:
    erin = User.objects.create_user("erin@example.org", PASSWORD)
    Membership.objects.create(project=cast.project, user=erin, role="editor")
    for user, expected in ((cast.mallory, 404), (cast.bob, 403), (erin, 403), (cast.alice, 200)):
        assert browser_of(user).get(PAGE).status_code == expected
        assert browser_of(user).get(f"{PAGE}?format=csv").status_code == expected
    assert Client().get(PAGE).status_code == 302


def test_usage_of_all_projects_is_for_administrators(cast: Cast, root: User) -> None:
    for user, expected in ((cast.alice, 403), (cast.bob, 403), (root, 200)):
        assert browser_of(user).get(ALL).status_code == expected
        assert browser_of(user).get(f"{ALL}?format=csv").status_code == expected
    assert Client().get(ALL).status_code == 302


def test_people_are_counted_by_what_answered_them(cast: Cast) -> None:
    make_answer(cast, cast.alice)
    make_answer(cast, cast.alice, cache={"status": "hit-exact"}, usage={}, stages={"exact cache": 4.0})
    make_answer(cast, cast.alice, cache={"status": "hit-semantic"}, usage={}, stages={"exact cache": 6.0})
    make_answer(cast, cast.bob, cache={"status": "bypass"})
    make_answer(cast, None)
    found = usage(7, cast.project)
    assert [(use.name, use.answers) for use in found.people] == [("alice", 3), ("bob", 1), ("operator", 1)]
    alice, bob, _operator = found.people
    assert (alice.hits, alice.hit_wait, alice.written_wait) == (2, 5.0, 250.0)
    assert alice.hit_rate == pytest.approx(2 / 3)
    assert (bob.hit_rate, bob.prompt_tokens, bob.completion_tokens, bob.written_wait) == (None, 100, 10, 250.0)
    assert (found.total.answers, found.total.hit_wait, found.total.written_wait) == (5, 5.0, 250.0)
    assert found.total.dollars == pytest.approx(3 * (100 * 2.5 + 10 * 10) / 1e6)


def test_the_money_is_the_ledgers(cast: Cast, project: Project, upstream: Upstream) -> None:
    upstream.enqueue("They have 30 days [1].")
    upstream.enqueue("Express costs 12 euros [1].")
    for question in (None, AGAIN, EXPRESS):
        async_to_sync(ask)(cast, question) if question else async_to_sync(ask)(cast)
    ours, ledgers = usage(7, project), report(project.id, 7)
    assert ours.total.dollars > 0
    assert ours.total.dollars == pytest.approx(ledgers.dollars_spent_on_answers)
    assert ours.total.prompt_tokens + ours.total.completion_tokens == ledgers.tokens_spent
    assert ours.total.answers == ledgers.requests == 3
    assert ours.total.counts["hit-semantic"] == 1


def test_a_model_without_a_price_makes_up_no_money(cast: Cast) -> None:
    make_answer(cast, cast.alice, model="homemade")
    total = usage(7, cast.project).total
    assert (total.dollars, total.tokens_unpriced) == (0, 110)
    assert "have no known price" in browser_of(cast.alice).get(PAGE).content.decode()


def test_a_period_begins_with_its_first_day_in_utc(cast: Cast) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    make_answer(cast, cast.alice, created_at=today - timedelta(days=6))
    make_answer(cast, cast.alice, created_at=today - timedelta(days=6, microseconds=1))
    found = usage(7, cast.project)
    assert len(found.days) == 7
    assert [day.requests for day in found.days] == [1, 0, 0, 0, 0, 0, 0]
    assert usage(30, cast.project).total.answers == 2


def test_what_programs_ask_and_what_ended_early_counts(cast: Cast) -> None:
    answer = make_answer(cast, cast.bob, cache={}, status="stopped")
    Conversation.objects.filter(id=answer.conversation_id).update(origin="api", deleted_at=timezone.now())
    bob = usage(7, cast.project).people[0]
    assert (bob.name, bob.answers, bob.prompt_tokens, bob.hit_rate, bob.written_wait) == ("bob", 1, 100, None, None)


def test_another_projects_answers_are_not_counted_here(cast: Cast) -> None:
    make_answer(cast, cast.mallory, project=cast.foreign)
    make_answer(cast, cast.alice)
    assert usage(7, cast.project).total.answers == 1
    assert [(use.name, use.answers) for use in usage(7).projects] == [("Secret", 1), ("Support", 1)]
    assert "mallory" not in browser_of(cast.alice).get(PAGE).content.decode()


def test_however_many_answers_the_statements_are_four(cast: Cast) -> None:
    for n in range(3):
        make_answer(cast, cast.alice, days_ago=n)
    with CaptureQueriesContext(
        connection,
    ) as few:
        usage(90, cast.project)
    for n in range(40):
        make_answer(cast, cast.bob if n % 2 else None, days_ago=n, model=f"model-{n}", project=cast.foreign)
    with CaptureQueriesContext(connection) as many:
        usage(90)
    assert (len(few), len(many)) == (4, 4)


def test_the_page_has_its_figures_as_tables_too(cast: Cast) -> None:
    make_answer(cast, cast.alice)
    page = browser_of(cast.alice).get(f"{PAGE}?days=90").content.decode()
    assert page.count('role="img"') == page.count('class="plot"') == 3
    assert page.count("As a table") == 3
    assert "alice@example.org" in page
    assert 'href="?days=90" aria-current="true"' in page


@pytest.mark.parametrize("days", ["", "0", "31", "-1", "x", "9" * 5000])
def test_a_period_that_there_is_not_is_thirty_days(cast: Cast, days: str) -> None:
    page = browser_of(cast.alice).get(PAGE, {"days": days}).content.decode()
    assert 'href="?days=30" aria-current="true"' in page


def test_the_file_has_a_line_for_each_person_and_day(cast: Cast, root: User) -> None:
    make_answer(cast, cast.alice)
    make_answer(cast, cast.alice, days_ago=1)
    make_answer(cast, cast.bob, days_ago=1)
    make_answer(cast, cast.mallory, project=cast.foreign)
    answer = browser_of(cast.alice).get(f"{PAGE}?days=7&format=csv")
    assert answer["Content-Disposition"] == 'attachment; filename="usage-support-7-days.csv"'
    rows = list(csv.DictReader(answer.content.decode().splitlines()))
    assert [row["person"] for row in rows] == ["alice", "alice", "bob"]
    assert (rows[0]["answers"], rows[0]["Written anew"], rows[0]["prompt tokens"]) == ("1", "1", "100")
    assert (rows[0]["dollars"], rows[0]["first words of written answers, median ms"]) == ("0.000350000", "250.0")
    everything = browser_of(root).get(f"{ALL}?days=7&format=csv").content.decode()
    assert {row["project"] for row in csv.DictReader(everything.splitlines())} == {"Support", "Secret"}


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_of_the_file_is_a_formula(cast: Cast, name: str) -> None:
    assert safe_cell(name) == f"'{name}"
    assert safe_cell("a=b") == "a=b"
    cast.alice.name = cast.project.name = name
    cast.alice.save()
    cast.project.save()
    make_answer(cast, cast.alice)
    rows = list(csv.reader(browser_of(cast.alice).get(f"{PAGE}?format=csv").content.decode().splitlines(keepends=True)))
    assert rows[1][1].startswith("'")
    assert rows[1][2].startswith("'")


def test_names_are_text_on_the_page(cast: Cast, root: User) -> None:
    cast.alice.name = cast.project.name = "<script>alert(1)</script>"
    cast.alice.save()
    cast.project.save()
    make_answer(cast, cast.alice)
    assert "<script>alert" not in browser_of(cast.alice).get(PAGE).content.decode()
    assert "<script>alert" not in browser_of(root).get(ALL).content.decode()


def test_a_project_that_nobody_asked_says_so(cast: Cast) -> None:
    assert "No question in the last 30 days" in browser_of(cast.alice).get(PAGE).content.decode()
