"""caching/admin.py: the curator approves and evicts; the ledger is to be read."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import timezone

from accounts.models import User
from caching.models import CacheEntry, CacheLookup, LedgerCount
from tests.caching.test_views import ask, judge, make_entry
from tests.conftest import PASSWORD, Cast, browser_of

ADMIN = "/admin/caching/"
LISTS = ("cacheentry", "cachelookup", "ledgercount", "judgement")


@pytest.fixture
def curator(cast: Cast) -> Client:
    return browser_of(User.objects.create_superuser("curator@example.org", PASSWORD))


def staff(*codenames: str) -> Client:
    user = User.objects.create_user("staff@example.org", PASSWORD, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return browser_of(user)


def choose(browser: Client, action: str, *entries: CacheEntry) -> str:
    asked = {"action": action, "_selected_action": [str(entry.id) for entry in entries]}
    return browser.post(f"{ADMIN}cacheentry/", asked, follow=True).content.decode()


@pytest.mark.parametrize("name", LISTS)
def test_every_list_opens_with_rows_in_it_and_for_administrators_alone(cast: Cast, curator: Client, name: str) -> None:
    make_entry(cast.project)
    ask(cast, status="hit-exact")
    judge(cast)
    assert curator.get(f"{ADMIN}{name}/").status_code == 200
    assert curator.get(f"{ADMIN}{name}/", {"q": "days"}).status_code == 200
    assert browser_of(cast.alice).get(f"{ADMIN}{name}/").status_code == 302


@pytest.mark.parametrize("name", LISTS)
def test_nothing_is_added_changed_or_deleted_by_hand(cast: Cast, curator: Client, name: str) -> None:
    rows = {
        "cacheentry": make_entry(cast.project),
        "judgement": judge(cast),
    }
    ask(cast, status="hit-exact")
    rows |= {"cachelookup": CacheLookup.objects.get(), "ledgercount": LedgerCount.objects.first()}  # type: ignore[dict-item]  # there are some
    address = f"{ADMIN}{name}/{rows[name].pk}"
    assert curator.get(f"{ADMIN}{name}/add/").status_code == 403
    assert curator.get(f"{address}/change/").status_code == 200
    assert curator.post(f"{address}/change/", {}).status_code == 403
    assert curator.post(f"{address}/delete/", {"post": "yes"}).status_code == 403


def test_entries_are_filtered_by_their_state(cast: Cast, curator: Client) -> None:
    now = timezone.now()
    make_entry(cast.project, "A live one?")
    make_entry(cast.project, "An expired one?", expires_at=now - timedelta(hours=1))
    make_entry(cast.project, "An approved one?", approved_at=now, expires_at=now - timedelta(hours=1))
    make_entry(cast.project, "A suspended one?", approved_at=now, suspended_at=now)
    for state in ("live", "expired", "approved", "suspended"):
        page = curator.get(f"{ADMIN}cacheentry/", {"state": state}).content.decode()
        shown = [word for word in ("live", "expired", "approved", "suspended") if f"{word} one?" in page]
        assert shown == [state]


def test_chosen_entries_are_approved_and_evicted(cast: Cast, curator: Client) -> None:
    first, second, third = (make_entry(cast.project, f"Question {n}?") for n in range(3))
    assert "2 approved." in choose(curator, "approve", first, second)
    first.refresh_from_db()
    assert first.approved_by is not None
    assert first.approved_by.email == "curator@example.org"
    assert "2 evicted." in choose(curator, "evict", second, third)
    assert list(CacheEntry.objects.values_list("id", flat=True)) == [first.id]


def test_who_may_only_look_cannot_curate(cast: Cast) -> None:
    entry = make_entry(cast.project)
    onlooker = staff("view_cacheentry")
    assert onlooker.get(f"{ADMIN}cacheentry/").status_code == 200
    choose(onlooker, "evict", entry)
    choose(onlooker, "approve", entry)
    assert CacheEntry.objects.get().approved_at is None


def test_a_projects_page_has_its_cache_settings(cast: Cast, curator: Client) -> None:
    page = curator.get(f"/admin/accounts/project/{cast.project.id}/change/").content.decode()
    for name in ("cache_threshold", "cache_error_bound", "uses_semantic_cache", "stale_ttl", "is_stable"):
        assert f'name="{name}"' in page
    assert 'name="verdict_offset"' not in page
