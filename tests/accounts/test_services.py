"""accounts/services.py: accounts, projects, keys."""

from __future__ import annotations

import hashlib

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import ApiKey, Membership, Project, Role, User
from accounts.services import SIGNUP_LOCK, change_caching, create_api_key, create_project, digest, register
from core.database import in_db
from core.errors import InvalidInput
from tests.accounts.conftest import race, sign_up
from tests.conftest import Cast

MODES = ["open", "approval", "closed"]
AT_THE_SIGNUP_LOCK = f"SELECT pg_advisory_xact_lock({SIGNUP_LOCK})"
BEFORE_A_PROJECT_IS_WRITTEN = "LOCK TABLE accounts_project IN SHARE MODE"


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("mode", MODES)
def test_the_first_account_is_the_administrator(settings: Settings, mode: str) -> None:
    settings.SIGNUP = mode
    first = register(User(email="alice@example.org"))
    first.refresh_from_db()
    assert (first.is_superuser, first.is_staff, first.is_active) == (True, True, True)


@pytest.mark.parametrize(("mode", "is_active"), [("open", True), ("approval", False)])
def test_later_accounts_have_no_rights_and_wait_where_that_is_asked(
    cast: Cast, settings: Settings, mode: str, is_active: bool
) -> None:
    settings.SIGNUP = mode
    carol = register(User(email="carol@example.org"))
    carol.refresh_from_db()
    assert (carol.is_superuser, carol.is_staff, carol.is_active) == (False, False, is_active)


def test_where_sign_up_is_closed_no_account_is_made(cast: Cast, settings: Settings) -> None:
    settings.SIGNUP = "closed"
    with pytest.raises(InvalidInput, match="Ask the administrator"):
        register(User(email="carol@example.org"))
    assert not User.objects.filter(email="carol@example.org").exists()


@pytest.mark.parametrize("mode", MODES)
async def test_of_two_who_sign_up_at_the_same_time_one_becomes_administrator(
    transactional_db: None, settings: Settings, mode: str
) -> None:
    settings.SIGNUP = mode
    first, second = await race(
        AT_THE_SIGNUP_LOCK, lambda: sign_up("alice@example.org"), lambda: sign_up("bob@example.org")
    )
    assert await in_db(User.objects.filter(is_superuser=True).count)() == 1
    assert await in_db(User.objects.count)() == (1 if mode == "closed" else 2)
    assert max(first.status_code, second.status_code) < 500


async def test_a_double_click_on_sign_up_makes_one_account_and_no_error_page(
    transactional_db: None, settings: Settings
) -> None:
    settings.SIGNUP = "open"
    browser = Client(raise_request_exception=False)
    answers = await race(AT_THE_SIGNUP_LOCK, *[lambda: sign_up("alice@example.org", client=browser)] * 2)
    assert await in_db(User.objects.count)() == 1
    assert max(answer.status_code for answer in answers) < 500


def test_whoever_makes_a_project_owns_it(cast: Cast) -> None:
    project = create_project(name="  Field notes  ", owner=cast.bob)
    assert (project.name, project.slug, project.visibility) == ("Field notes", "field-notes", "members")
    assert project.memberships.get().role == Role.OWNER


@pytest.mark.usefixtures("db")
def test_a_project_may_be_made_without_an_owner_and_for_everyone() -> None:
    project = create_project(name="Handbook", visibility=Project.Visibility.EVERYONE)
    project.refresh_from_db()
    assert project.visibility == "everyone"
    assert not project.memberships.exists()


def test_a_name_that_is_taken_gets_an_address_of_its_own(cast: Cast) -> None:
    other = create_project(name="Support", owner=cast.mallory)
    assert other.slug.startswith("support-")


def test_a_slug_that_is_taken_is_refused(cast: Cast) -> None:
    with pytest.raises(InvalidInput, match="There is a project 'support' already"):
        create_project(name="Ours", slug="support")
    assert not Project.objects.filter(name="Ours").exists()


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("name", ["", "   ", "\u202e", "x" * 101], ids=["empty", "blank", "turned", "101 characters"])
def test_a_project_needs_a_name_of_a_fair_length(name: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 100 characters"):
        create_project(name=name)
    assert not Project.objects.exists()


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("name", ["nul\x00byte", "lone \ud800 surrogate"], ids=["NUL", "surrogate"])
def test_a_name_that_postgresql_cannot_keep_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        create_project(name=name)


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize(
    "name",
    ["🦊", "👩\u200d💻", "…", "日本語", "x" * 100],
    ids=["emoji", "joined emoji", "dots", "Japanese", "100 characters"],
)
def test_any_name_has_an_address_twice_over(name: str) -> None:
    first, second = create_project(name=name), create_project(name=name)
    for project in (first, second):
        project.full_clean()
    assert first.slug != second.slug


async def test_a_double_click_on_create_is_no_error(transactional_db: None) -> None:
    alice = await in_db(User.objects.create_user)("alice@example.org")
    first, second = await race(
        BEFORE_A_PROJECT_IS_WRITTEN, *[lambda: create_project(name="Field notes", owner=alice)] * 2
    )
    assert first.slug != second.slug
    assert await in_db(Membership.objects.filter(user=alice, project__name="Field notes").count)() == 2


def test_of_a_key_nothing_is_kept_but_its_digest_and_its_first_characters(cast: Cast) -> None:
    key = create_api_key(user=cast.alice, project=cast.project, name="nightly")
    assert key.startswith("sk-")
    assert len(key) >= 40
    kept = ApiKey.objects.values().get()
    assert kept["digest"] == digest(key) == hashlib.sha256(key.encode()).hexdigest()
    assert (kept["name"], kept["prefix"]) == ("nightly", key[:10])
    assert not [column for column, value in kept.items() if key in str(value)]


def test_two_keys_are_never_the_same(cast: Cast) -> None:
    keys = {create_api_key(user=cast.alice, project=cast.project) for _ in range(20)}
    assert len(keys) == 20


# --- Caching --------------------------------------------------------------------------------------


def test_only_the_named_settings_change(cast: Cast) -> None:
    other = Project.objects.get(id=cast.project.id)
    other.name = "Renamed meanwhile"
    other.save()
    change_caching(cast.project, {"cache_threshold": 0.9, "is_stable": True})
    stored = Project.objects.get(id=cast.project.id)
    assert (stored.name, stored.cache_threshold, stored.is_stable) == ("Renamed meanwhile", 0.9, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cache_threshold", 0.4),
        ("cache_error_bound", 0.9),
        ("cache_ttl", -1),
        ("cache_ttl", 604_801),
        ("stale_ttl", "x"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(cast: Cast, name: str, value: object) -> None:
    with pytest.raises(InvalidInput):
        change_caching(cast.project, {name: value})
    stored = Project.objects.get(id=cast.project.id)
    assert (stored.cache_threshold, stored.cache_error_bound, stored.cache_ttl) == (0.95, None, 3600)
