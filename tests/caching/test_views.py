"""caching/views.py: the cache page, section by section."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Project, Role
from accounts.services import CACHING
from caching.models import CacheEntry, Judgement
from caching.posting import post
from caching.report import WHY_CLICKS_ARE_APART
from tests.caching.embedder import EmbedderServer
from tests.caching.test_ledger import make_lookup, row_of
from tests.conftest import Cast, browser_of

CACHE = "/projects/support/cache/"
SECTIONS = ("", "entries/", "review/", "what-if/", "calculator/", "settings/", "entries/write/")


def make_entry(project: Project, question: str = "How many days?", **fields: Any) -> CacheEntry:  # Any: an entry's
    now = timezone.now()
    source = {
        "n": 1,
        "chunk_id": str(uuid4()),
        "content_hash": "0" * 64,
        "document_id": str(uuid4()),
        "document": "handbook.md",
        "locator": "Refunds",
        "text": "Within 30 days.",
        "similarity": 0.7,
    }
    return CacheEntry.objects.create(
        **{
            "project": project,
            "scope_key": "s" * 64,
            "request_key": uuid4().hex * 2,
            "question_key": "k" * 64,
            "question": question,
            "embedding_identity": "local|test",
            "text": "Thirty days [1].",
            "sources": [source],
            "chunk_ids": [source["chunk_id"]],
            "model": "gpt-4o-mini",
            "corpus_version": 1,
            "created_at": now,
            "expires_at": now + timedelta(hours=1),
            **fields,
        }
    )


def ask(cast: Cast, **fields: Any) -> None:  # Any: a lookup's fields
    fields = {"asked_at": datetime.now(UTC), **fields}
    post([row_of(make_lookup(fields.pop("project_id", cast.project.id), **fields))])


def page_of(cast: Cast, section: str = "", **query: str) -> str:
    response = browser_of(cast.alice).get(CACHE + section, query)
    assert response.status_code == 200, response.content.decode()
    return unescape(response.content.decode())


# --- Who may --------------------------------------------------------------------------------------


@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_for_editors_and_owners(cast: Cast, section: str) -> None:
    assert browser_of(cast.alice).get(CACHE + section).status_code == 200
    refused = browser_of(cast.bob).get(CACHE + section)
    assert refused.status_code == 403
    assert "needs the role" in refused.content.decode()
    assert browser_of(cast.mallory).get(CACHE + section).status_code == 404
    Membership.objects.filter(user=cast.bob).update(role=Role.EDITOR)
    assert browser_of(cast.bob).get(CACHE + section).status_code == 200


def test_whoever_is_not_logged_in_is_sent_to_the_log_in(client: Client) -> None:
    assert all(client.get(CACHE + section).status_code == 302 for section in SECTIONS)


@pytest.mark.parametrize("end", ["evict/", "approve/", "withdraw/"])
def test_viewers_and_strangers_change_nothing(cast: Cast, end: str) -> None:
    entry = make_entry(cast.project)
    address = f"{CACHE}entries/{entry.id}/{end}"
    assert browser_of(cast.bob).post(address).status_code == 403
    assert browser_of(cast.mallory).post(address).status_code == 404
    assert browser_of(cast.alice).get(address).status_code == 405
    for door in ("flush/", "settings/", "entries/write/"):
        assert browser_of(cast.bob).post(CACHE + door).status_code == 403
        assert browser_of(cast.mallory).post(CACHE + door).status_code == 404
    assert CacheEntry.objects.get() == entry
    assert CacheEntry.objects.get().approved_at is None


def test_an_entry_of_another_project_is_not_found(cast: Cast) -> None:
    entry = make_entry(cast.foreign)
    browser = browser_of(cast.alice)
    assert browser.get(f"{CACHE}entries/{entry.id}/").status_code == 404
    assert browser.post(f"{CACHE}entries/{entry.id}/evict/").status_code == 404
    assert CacheEntry.objects.exists()


def test_the_side_bar_leads_editors_there_and_viewers_not(cast: Cast) -> None:
    assert f'href="{CACHE}"' in browser_of(cast.alice).get("/projects/support/documents/").content.decode()
    assert f'href="{CACHE}"' not in browser_of(cast.bob).get("/projects/support/documents/").content.decode()


# --- Overview -------------------------------------------------------------------------------------


def test_without_traffic_the_overview_says_what_will_be_there(cast: Cast) -> None:
    page = page_of(cast)
    assert "No question in the last 30 days" in page
    assert '<svg class="plot-area"' not in page


def test_the_overview_shows_the_key_figures_with_intervals(cast: Cast) -> None:
    ask(cast, status="hit-exact", milliseconds=2.0)
    ask(cast, status="miss", milliseconds=900.0, veto="number", faults=("redis",))
    page = page_of(cast)
    assert "50.0 %" in page
    assert "95 % interval 9.5 % to 90.5 %" in page
    assert "another number" in page
    assert "Redis 1×" in page
    assert "$0.00021" in page
    assert page.count('class="plot-area"') == 3
    assert page.count("As a table") == 3


def test_money_of_a_model_without_a_price_is_not_made_up(cast: Cast) -> None:
    ask(cast, status="hit-exact", model="llama3.2")
    page = page_of(cast)
    assert "Tokens saved" in page
    assert "POLYAI_PRICES" in page


@pytest.mark.parametrize(("days", "shown"), [("7", "7 days"), ("90", "90 days"), ("8", "30 days"), ("x", "30 days")])
def test_the_period_is_chosen_from_three(cast: Cast, days: str, shown: str) -> None:
    assert f"No question in the last {shown}" in page_of(cast, days=days)


def test_false_hits_are_audited_ones_and_clicks_stand_beside(cast: Cast) -> None:
    ask(cast, status="hit-semantic")
    for origin, is_right in (("audit", True), ("audit", False), ("click", False)):
        judge(cast, origin=origin, is_right=is_right)
    page = page_of(cast)
    assert "1 of 2 audited hits" in page
    assert str(WHY_CLICKS_ARE_APART) in page


def judge(cast: Cast, **fields: Any) -> Judgement:  # Any: a judgement's fields
    known = {"project": cast.project, "layer": "semantic", "asked": "Enable it?", "known": "Disable it?"}
    return Judgement.objects.create(**{**known, "origin": "audit", "is_right": False, **fields})


# --- Answers --------------------------------------------------------------------------------------


def test_an_empty_cache_says_how_answers_come_there(cast: Cast) -> None:
    assert "The cache is empty" in page_of(cast, "entries/")


def test_answers_are_listed_with_their_hits_and_found_by_their_words(cast: Cast) -> None:
    entry = make_entry(cast.project, "How many days?")
    make_entry(cast.project, "Where to?", text="To **Norway** [1].", approved_at=timezone.now())
    make_entry(cast.foreign, "A stranger's question?")
    for question in ("How many days?", "number of days"):
        ask(cast, status="hit-semantic", entry_id=entry.id, question=question)
    page = page_of(cast, "entries/")
    assert "2 answers" in page
    assert "2 hits in 2 wordings" in page
    assert "To Norway [1]." in page
    assert "Approved" in page
    assert "stranger" not in page
    assert "How many days?" not in page_of(cast, "entries/", q="norway")
    assert "No answer fits" in page_of(cast, "entries/", q="nowhere")
    assert "Where to?" in page_of(cast, "entries/", state="approved")
    assert "How many days?" not in page_of(cast, "entries/", state="approved")


@pytest.mark.parametrize("query", [{"page": "99"}, {"page": "x"}, {"state": "odd", "order": "odd"}, {"q": "\x00%_\\"}])
def test_an_address_that_makes_no_sense_shows_a_page_all_the_same(cast: Cast, query: dict[str, str]) -> None:
    make_entry(cast.project)
    assert browser_of(cast.alice).get(f"{CACHE}entries/", query).status_code == 200


def test_answers_come_in_pages_of_fifty(cast: Cast) -> None:
    for number in range(51):
        make_entry(cast.project, f"Question {number}?")
    assert "Page 1 of 2" in page_of(cast, "entries/", order="oldest")
    assert page_of(cast, "entries/", order="oldest", page="2").count('class="entry"') == 1
    assert "order=oldest&page=2" in page_of(cast, "entries/", order="oldest")


def test_an_answer_is_shown_with_its_evidence_and_what_it_answered(cast: Cast) -> None:
    entry = make_entry(cast.project, "How many <b>days</b>?", text="<script>attack()</script> Thirty [1].")
    ask(cast, status="hit-semantic", entry_id=entry.id, question="number of days", similarity=0.9712)
    judge(cast, entry=entry, note="Another number.")
    response = browser_of(cast.alice).get(f"{CACHE}entries/{entry.id}/")
    page = response.content.decode()
    assert "<script>attack" not in page
    assert "<b>days</b>" not in page
    assert "number of days" in page
    assert "0.971" in page
    assert "Another number." in page
    assert 'href="#source--1"' in page
    assert 'id="source--1"' in page
    assert "Within 30 days." in page


def test_an_answer_is_approved_withdrawn_and_evicted(cast: Cast) -> None:
    entry = make_entry(cast.project)
    browser, address = browser_of(cast.alice), f"{CACHE}entries/{entry.id}/"
    assert "Approved:" in browser.post(f"{address}approve/", follow=True).content.decode()
    entry.refresh_from_db()
    assert entry.approved_by == cast.alice
    browser.post(f"{address}withdraw/")
    entry.refresh_from_db()
    assert entry.approved_at is None
    assert "taken out" in browser.post(f"{address}evict/", follow=True).content.decode()
    assert not CacheEntry.objects.exists()
    assert browser.get(address).status_code == 404


def test_a_flush_takes_all_but_the_approved(cast: Cast) -> None:
    make_entry(cast.project)
    make_entry(cast.project, approved_at=timezone.now())
    assert "Taken out of the caches: 1." in browser_of(cast.alice).post(f"{CACHE}flush/", follow=True).content.decode()
    assert CacheEntry.objects.get().approved_at is not None


# --- Review ---------------------------------------------------------------------------------------


def test_suspended_answers_and_wrong_hits_wait_for_review(cast: Cast) -> None:
    assert "None waits." in page_of(cast, "review/")
    now = timezone.now()
    entry = make_entry(cast.project, approved_at=now, suspended_at=now, suspended_because="The passages have changed.")
    judge(cast, entry=entry)
    judge(cast, is_right=True, asked="A right one?")
    page = page_of(cast, "review/")
    assert "The passages have changed." in page
    assert "Disable it?" in page
    assert "A right one?" not in page
    assert '<span class="count">1' in page
    browser_of(cast.alice).post(f"{CACHE}entries/{entry.id}/evict/", {"from": "review"})
    assert "None waits." in page_of(cast, "review/")


# --- What if, calculator, settings ----------------------------------------------------------------


def test_what_if_begins_with_todays_settings_and_replays_others(cast: Cast, embedder: EmbedderServer) -> None:
    for _ in range(3):
        ask(cast, status="miss")
    assert 'value="0.95"' in page_of(cast, "what-if/")
    page = page_of(cast, "what-if/", threshold="0.9", ttl="86400", uses_exact="on")
    assert "66.7 %" in page
    assert "Replayed from 3 questions" in page
    assert embedder.texts == ["How many days?"]


def test_what_if_tells_what_is_wrong_beside_the_field(cast: Cast) -> None:
    page = page_of(cast, "what-if/", threshold="2", ttl="long")
    assert "Give a number from 0.5 to 1." in page
    assert "Give a number from 0 to 604,800." in page


def test_what_if_tells_that_the_embedder_is_down(cast: Cast, embedder: EmbedderServer) -> None:
    ask(cast)
    embedder.fail(*[503] * 9)
    page = page_of(cast, "what-if/", threshold="0.9", ttl="60", uses_semantic="on")
    assert "The embedding model" in page


def test_without_questions_there_is_nothing_to_replay(cast: Cast) -> None:
    assert "nothing to replay" in page_of(cast, "what-if/", threshold="0.9", ttl="60")


def test_the_calculator_works_out_a_month_without_a_script(cast: Cast) -> None:
    assert "Made up" in page_of(cast, "calculator/")
    query = {"questions": "1000", "repeats": "20", "paraphrases": "10", "prompt_tokens": "2000"}
    page = page_of(cast, "calculator/", **query, completion_tokens="200", prompt_price="0.15", completion_price="0.6")
    assert "$12.60" in page
    assert "$3.78" in page
    ask(cast, status="hit-exact")
    assert "Filled in from this project’s last 30 days" in page_of(cast, "calculator/")


@pytest.mark.parametrize("value", ["", "nan", "inf", "-1", "101", "many"])
def test_a_plan_that_cannot_be_is_told_beside_the_field(cast: Cast, value: str) -> None:
    page = page_of(cast, "calculator/", repeats=value)
    assert "Mend the fields" in page
    assert "field-error" in page


def test_settings_are_saved(cast: Cast) -> None:
    form = {
        "cache_ttl": "60",
        "cache_threshold": "0.9",
        "cache_error_bound": "0.02",
        "stale_ttl": "0",
        "is_stable": "on",
    }
    response = browser_of(cast.alice).post(f"{CACHE}settings/", {**form, "is_stable": "on"}, follow=True)
    assert "Saved." in response.content.decode()
    project = Project.objects.get(id=cast.project.id)
    assert (project.cache_ttl, project.cache_threshold, project.cache_error_bound) == (60, 0.9, 0.02)
    assert (project.uses_exact_cache, project.is_stable) == (False, True)


@pytest.mark.parametrize("value", ["", "nan", "inf", "0.4", "1.1", "high"])
def test_a_setting_that_cannot_be_is_told_beside_its_field_and_nothing_is_saved(cast: Cast, value: str) -> None:
    form = {"cache_ttl": "60", "cache_threshold": value, "cache_error_bound": "", "stale_ttl": "0"}
    response = browser_of(cast.alice).post(f"{CACHE}settings/", form)
    assert response.status_code == 400
    page = response.content.decode()
    assert "Nothing was saved" in page
    assert 'id="id_cache_threshold_error"' in page
    assert "required" in page if value == "" else "Give a number from 0.5 to 1." in page
    assert Project.objects.get(id=cast.project.id).cache_ttl == 3600


def test_every_setting_has_its_help(cast: Cast) -> None:
    page = page_of(cast, "settings/")
    fields = [field for field in Project._meta.fields if field.name in CACHING]
    assert len(fields) == 8
    assert all(str(field.help_text) in page for field in fields)
