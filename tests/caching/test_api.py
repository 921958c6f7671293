"""caching/api.py and chat/cache_api.py: the cache page over REST."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import Membership, Project, Role, User
from accounts.services import create_api_key
from caching.models import CacheEntry
from core.redis import sync_redis
from tests.caching.embedder import EmbedderServer
from tests.caching.test_ledger import make_lookup, row_of
from tests.caching.test_views import ask, make_entry
from tests.conftest import Cast, add_document, browser_of

CACHE = "/api/projects/support/cache/"
ENTRIES = f"{CACHE}entries/"


def send(user: User, method: str, path: str, body: object = None) -> Any:  # Any: a response
    return getattr(browser_of(user), method)(path, json.dumps(body), content_type="application/json")


# --- Who may --------------------------------------------------------------------------------------

NOBODYS = "0b2f7a1c-5f0e-4d0c-9a3e-2c1d3b4a5f6e"  # no entry has this id
DOORS = [
    ("get", ""),
    ("patch", ""),
    ("get", "entries/"),
    ("post", "entries/"),
    ("get", f"entries/{NOBODYS}/"),
    ("delete", f"entries/{NOBODYS}/"),
    ("post", f"entries/{NOBODYS}/approve/"),
    ("post", f"entries/{NOBODYS}/withdraw/"),
    ("post", "flush/"),
    ("get", "what-if/"),
    ("get", "calculator/"),
]


@pytest.mark.parametrize(("method", "door"), DOORS)
def test_viewers_may_not_and_for_strangers_there_is_no_such_project(cast: Cast, method: str, door: str) -> None:
    refused = getattr(browser_of(cast.bob), method)(CACHE + door)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "not_allowed")
    absent = getattr(browser_of(cast.mallory), method)(CACHE + door)
    assert (absent.status_code, absent.json()["error"]["code"]) == (404, "not_found")
    assert getattr(Client(), method)(CACHE + door).status_code == 401


def test_a_key_of_an_editor_may_and_only_in_its_project(cast: Cast) -> None:
    Membership.objects.filter(user=cast.bob).update(role=Role.EDITOR)
    program = Client(headers={"authorization": f"Bearer {create_api_key(user=cast.bob, project=cast.project)}"})
    assert program.get(CACHE).status_code == 200
    assert program.get("/api/projects/secret/cache/").status_code == 404


# --- Report and settings --------------------------------------------------------------------------


def test_the_report_tells_figures_with_their_intervals(cast: Cast) -> None:
    ask(cast, status="hit-exact", milliseconds=2.0)
    ask(cast, status="miss", veto="number")
    sync_redis().rpush("polyai:ledger:open", row_of(make_lookup(cast.project.id, asked_at=datetime.now(UTC))))
    body = browser_of(cast.alice).get(CACHE).json()
    report = body["report"]
    assert report["requests"] == 3
    assert report["hits"] == {"count": 1, "total": 3, "value": pytest.approx(1 / 3), **_ends(report["hits"])}
    assert report["vetoes"] == {"number": 1}
    assert [layer["status"] for layer in report["layers"]][:2] == ["hit-exact", "hit-semantic"]
    assert len(report["days"]) == 30
    assert report["days"][-1]["counts"]["miss"] == 2
    assert body["settings"]["cache_threshold"] == 0.95


def _ends(share: dict[str, float]) -> dict[str, float]:
    assert 0 < share["low"] < share["value"] < share["high"] < 1
    return {"low": share["low"], "high": share["high"]}


@pytest.mark.parametrize(
    ("days", "status"), [("7", 200), ("365", 200), ("0", 400), ("366", 400), ("x", 400), ("²", 400)]
)
def test_the_report_is_of_one_to_365_days(cast: Cast, days: str, status: int) -> None:
    response = browser_of(cast.alice).get(CACHE, {"days": days})
    assert response.status_code == status
    if status == 200:
        assert len(response.json()["report"]["days"]) == int(days)
    else:
        assert "from 1 to 365" in response.json()["error"]["message"]


def test_settings_are_changed_one_by_one(cast: Cast) -> None:
    changed = send(cast.alice, "patch", CACHE, {"cache_threshold": 0.9, "cache_error_bound": 0.02})
    assert (changed.status_code, changed.json()["cache_threshold"], changed.json()["cache_ttl"]) == (200, 0.9, 3600)
    cast.project.refresh_from_db()
    assert (cast.project.cache_threshold, cast.project.cache_error_bound) == (0.9, 0.02)
    assert send(cast.alice, "patch", CACHE, {"cache_error_bound": None}).json()["cache_error_bound"] is None


@pytest.mark.parametrize("value", ["high", 0.49, 1.01, -1, "NaN", "inf", None, [], 1e300])
def test_a_threshold_that_cannot_be_is_refused_with_the_range(cast: Cast, value: object) -> None:
    refused = send(cast.alice, "patch", CACHE, {"cache_threshold": value})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_input")
    if value is not None:
        assert "cache_threshold: Give a number from 0.5 to 1." in refused.json()["error"]["message"]
    cast.project.refresh_from_db()
    assert cast.project.cache_threshold == 0.95


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("cache_ttl", 604_801, "from 0 to 604,800"),
        ("cache_ttl", -1, "from 0 to 604,800"),
        ("cache_ttl", 1.5, "from 0 to 604,800"),
        ("stale_ttl", 2_592_001, "from 0 to 2,592,000"),
        ("cache_error_bound", 0.0001, "from 0.001 to 0.5"),
        ("cache_error_bound", 0.6, "from 0.001 to 0.5"),
        ("uses_exact_cache", "perhaps", "valid boolean"),
    ],
)
def test_other_settings_out_of_range_are_refused_too(cast: Cast, field: str, value: object, message: str) -> None:
    refused = send(cast.alice, "patch", CACHE, {field: value})
    assert refused.status_code == 400
    assert message in refused.json()["error"]["message"]


def test_what_is_no_setting_is_left_alone(cast: Cast) -> None:
    assert (
        send(cast.alice, "patch", CACHE, {"slug": "mine", "verdict_offset": 9, "visibility": "everyone"}).status_code
        == 200
    )
    project = Project.objects.get(id=cast.project.id)
    assert (project.slug, project.verdict_offset, project.visibility) == ("support", 0.0, "members")


# --- Entries --------------------------------------------------------------------------------------


def test_entries_are_listed_searched_and_ordered(cast: Cast) -> None:
    first, second = (
        make_entry(cast.project, "How many days?"),
        make_entry(cast.project, "Where to?", text="To Norway [1]."),
    )
    make_entry(cast.foreign, "How many secrets?")
    ask(cast, status="hit-exact", entry_id=first.id)
    browser = browser_of(cast.alice)
    page = browser.get(ENTRIES).json()
    assert (page["count"], [row["question"] for row in page["results"]]) == (2, ["Where to?", "How many days?"])
    assert [row["id"] for row in browser.get(ENTRIES, {"q": "NORWAY"}).json()["results"]] == [str(second.id)]
    assert [row["hits"] for row in browser.get(ENTRIES, {"order": "hits"}).json()["results"]] == [1, 0]
    assert browser.get(ENTRIES, {"state": "approved"}).json()["count"] == 0
    assert browser.get(ENTRIES, {"state": "lost"}).status_code == 400


def test_one_entry_tells_its_evidence_and_the_questions_it_answered(cast: Cast) -> None:
    entry = make_entry(cast.project)
    for question in ("How many days?", "what is the number of days", "what is the number of days"):
        ask(cast, status="hit-semantic", entry_id=entry.id, question=question, similarity=0.97)
    ask(cast, status="miss", entry_id=entry.id, question="refused")
    ask(cast, project_id=cast.foreign.id, status="hit-exact", entry_id=entry.id, question="a stranger's")
    body = browser_of(cast.alice).get(f"{ENTRIES}{entry.id}/").json()
    assert (body["answer"], body["hits"]) == ("Thirty days [1].", 3)
    assert [(row["question"], row["count"]) for row in body["matched"]] == [
        ("what is the number of days", 2),
        ("How many days?", 1),
    ]
    assert body["sources"][0]["document"] == "handbook.md"


def test_an_entry_is_approved_withdrawn_and_evicted(cast: Cast) -> None:
    entry = make_entry(cast.project)
    approved = send(cast.alice, "post", f"{ENTRIES}{entry.id}/approve/")
    assert (approved.status_code, approved.json()["approved_by"]) == (200, "alice@example.org")
    assert send(cast.alice, "post", f"{ENTRIES}{entry.id}/withdraw/").status_code == 204
    entry.refresh_from_db()
    assert entry.approved_at is None
    assert send(cast.alice, "delete", f"{ENTRIES}{entry.id}/").status_code == 204
    assert not CacheEntry.objects.exists()
    assert send(cast.alice, "delete", f"{ENTRIES}{entry.id}/").status_code == 404


def test_an_entry_of_another_project_is_not_there(cast: Cast) -> None:
    entry = make_entry(cast.foreign)
    assert browser_of(cast.alice).get(f"{ENTRIES}{entry.id}/").status_code == 404
    for method, end in (("delete", ""), ("post", "approve/"), ("post", "withdraw/")):
        assert send(cast.alice, method, f"{ENTRIES}{entry.id}/{end}").status_code == 404
    assert CacheEntry.objects.filter(id=entry.id, approved_at=None).exists()


def test_a_flush_takes_all_but_the_approved(cast: Cast) -> None:
    make_entry(cast.project)
    make_entry(cast.project, approved_at=timezone.now())
    make_entry(cast.foreign)
    assert send(cast.alice, "post", f"{CACHE}flush/").json() == {"evicted": 1}
    assert CacheEntry.objects.count() == 2


def test_an_answer_is_written_with_what_it_cites(cast: Cast) -> None:
    add_document(cast.project)
    question = "How many days to return goods?"
    found = send(cast.alice, "post", "/api/projects/support/search/", {"query": question}).json()
    body = {"question": question, "answer": "Thirty [1].", "passages": [passage["chunk_id"] for passage in found]}
    written = send(cast.alice, "post", ENTRIES, body)
    assert written.status_code == 201, written.json()
    assert written.json()["answer"] == "Thirty [1]."
    assert written.json()["approved_by"] == "alice@example.org"
    assert written.json()["sources"][0]["document"] == "handbook.md"


@pytest.mark.parametrize(
    "body", [{}, {"question": "How many days to return goods?"}, {"question": "How many days?", "answer": "No source."}]
)
def test_an_answer_that_stands_on_nothing_is_refused(cast: Cast, body: object) -> None:
    add_document(cast.project)
    refused = send(cast.alice, "post", ENTRIES, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_input")


# --- What if, and the calculator ------------------------------------------------------------------


def test_what_if_compares_with_today(cast: Cast, embedder: EmbedderServer) -> None:
    for _ in range(3):
        ask(cast, status="miss", question="How many days?")
    body = browser_of(cast.alice).get(f"{CACHE}what-if/", {"ttl": 0}).json()
    assert (body["tried"]["hits"]["count"], body["today"]["hits"]["count"], body["really"]["hits"]["count"]) == (
        0,
        2,
        0,
    )
    assert (body["considered"], body["is_capped"]) == (3, False)
    cast.project.refresh_from_db()
    assert cast.project.cache_ttl == 3600


@pytest.mark.parametrize("query", [{"threshold": "nan"}, {"threshold": 0.3}, {"ttl": "long"}, {"error_bound": 0.9}])
def test_what_if_refuses_what_cannot_be_set(cast: Cast, query: dict[str, str]) -> None:
    refused = browser_of(cast.alice).get(f"{CACHE}what-if/", query)
    assert refused.status_code == 400
    assert "Give a number from" in refused.json()["error"]["message"]


def test_what_if_tells_that_the_embedder_is_down(cast: Cast, embedder: EmbedderServer) -> None:
    ask(cast)
    embedder.fail(*[503] * 9)
    assert browser_of(cast.alice).get(f"{CACHE}what-if/").status_code == 503


def test_the_calculator_begins_with_the_projects_own_load(cast: Cast, settings: Settings) -> None:
    for status in ("hit-exact", "miss", "miss", "miss"):
        ask(cast, status=status)
    own = browser_of(cast.alice).get(f"{CACHE}calculator/").json()
    assert (own["questions"], own["hits"]) == (120, 0.25)
    assert own["without"] == pytest.approx(120 * 0.00021)
    planned = browser_of(cast.alice).get(f"{CACHE}calculator/", {"questions_a_day": "1000", "repeats": "0.5"}).json()
    assert (planned["questions"], planned["hits"]) == (30_000, 0.5)


@pytest.mark.parametrize(
    "query", [{"repeats": "nan"}, {"repeats": 1.5}, {"questions_a_day": -1}, {"prompt_price": "inf"}]
)
def test_the_calculator_refuses_what_no_plan_is(cast: Cast, query: dict[str, str]) -> None:
    assert browser_of(cast.alice).get(f"{CACHE}calculator/", query).status_code == 400


def test_the_schema_describes_the_cache(cast: Cast) -> None:
    paths = browser_of(cast.alice).get("/api/schema/", headers={"accept": "application/json"}).json()["paths"]
    ours = {path: set(methods) for path, methods in paths.items() if "/cache/" in path}
    assert ours == {
        "/api/projects/{slug}/cache/": {"get", "patch"},
        "/api/projects/{slug}/cache/entries/": {"get", "post"},
        "/api/projects/{slug}/cache/entries/{id}/": {"get", "delete"},
        "/api/projects/{slug}/cache/entries/{id}/approve/": {"post"},
        "/api/projects/{slug}/cache/entries/{id}/withdraw/": {"post"},
        "/api/projects/{slug}/cache/flush/": {"post"},
        "/api/projects/{slug}/cache/what-if/": {"get"},
        "/api/projects/{slug}/cache/calculator/": {"get"},
    }
