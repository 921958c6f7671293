"""accounts/admin.py: the administrator approves, adds, renames and revokes."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts.models import ApiKey, Membership, User
from accounts.services import create_api_key
from tests.accounts.conftest import can_log_in, sign_up
from tests.conftest import PASSWORD, Cast, browser_of

USERS, PROJECTS, KEYS = (f"/admin/accounts/{name}/" for name in ("user", "project", "apikey"))
NO_MEMBERS = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}


@pytest.fixture
def admin(cast: Cast, root: User) -> Client:
    return browser_of(root)


def choose(admin: Client, page: str, action: str, *chosen: object) -> str:
    """Run an action on the chosen rows; the page that is shown after."""
    asked = {"action": action, "_selected_action": [str(pk) for pk in chosen]}
    return admin.post(page, asked, follow=True).content.decode()


@pytest.mark.parametrize("page", ["/admin/", USERS, f"{USERS}add/", PROJECTS, f"{PROJECTS}add/", KEYS])
def test_each_page_opens_for_the_administrator_and_for_nobody_else(cast: Cast, admin: Client, page: str) -> None:
    assert admin.get(page).status_code == 200
    for browser in (browser_of(cast.alice), Client()):
        assert browser.get(page).status_code == 302


def test_each_account_project_and_key_has_a_page(cast: Cast, admin: Client) -> None:
    create_api_key(user=cast.alice, project=cast.project)
    for page, pk in ((USERS, cast.alice.pk), (PROJECTS, cast.project.pk), (KEYS, ApiKey.objects.get().pk)):
        assert admin.get(f"{page}{pk}/change/").status_code == 200
    assert admin.get(f"{USERS}{cast.alice.pk}/password/").status_code == 200


@pytest.mark.parametrize("words", ["alice", "ALICE@example"])
def test_accounts_are_found_by_their_address(cast: Cast, admin: Client, words: str) -> None:
    shown = admin.get(USERS, {"q": words}).content.decode()
    assert "alice@example.org" in shown
    assert "bob@example.org" not in shown


def test_the_list_tells_who_waits_and_who_was_switched_off(cast: Cast, admin: Client) -> None:
    sign_up("carol@example.org")
    assert "waits for approval" in admin.get(USERS).content.decode()
    browser_of(cast.bob)  # a login
    User.objects.filter(id=cast.bob.id).update(is_active=False)
    assert "switched off" in admin.get(USERS).content.decode()


def test_approving_lets_in_those_who_were_chosen(cast: Cast, admin: Client) -> None:
    for name in ("carol", "dave", "erin"):
        sign_up(f"{name}@example.org")
    chosen = User.objects.filter(email__in=["carol@example.org", "dave@example.org"])
    assert "2 approved." in choose(admin, USERS, "approve", *chosen.values_list("pk", flat=True))
    assert can_log_in("carol@example.org")
    assert can_log_in("dave@example.org")
    assert not can_log_in("erin@example.org")


@pytest.mark.parametrize("address", ["carol@example.org", "Carol@Example.ORG"])
def test_an_account_that_the_administrator_adds_can_log_in(admin: Client, address: str) -> None:
    asked = {"email": address, "name": "Carol", "usable_password": "true", "password1": PASSWORD, "password2": PASSWORD}
    answer = admin.post(f"{USERS}add/", {**asked, **NO_MEMBERS})
    assert answer.status_code == 302, answer.context["errors"]
    assert can_log_in("carol@example.org")
    assert can_log_in("Carol@Example.ORG")


def test_an_address_that_the_administrator_changes_is_the_only_one_that_logs_in(admin: Client) -> None:
    sign_up("carol@example.org")
    carol = User.objects.get(email="carol@example.org")
    asked = {"email": "caroline@example.org", "name": "", "is_active": "on"}
    answer = admin.post(f"{USERS}{carol.pk}/change/", {**asked, **NO_MEMBERS})
    assert answer.status_code == 302, answer.context["errors"]
    assert can_log_in("caroline@example.org")
    assert not can_log_in("carol@example.org")


def test_an_address_that_was_given_up_is_free_again(cast: Cast, admin: Client) -> None:
    sign_up("carol@example.org")
    User.objects.filter(email="carol@example.org").delete()
    sign_up("carol@example.org", "another password 5")
    assert User.objects.filter(email="carol@example.org").exists()


def test_the_administrator_gives_a_project_its_owner(cast: Cast, admin: Client) -> None:
    asked = {
        "name": "Support",
        "slug": "support",
        "visibility": "members",
        "cache_ttl": "60",
        "cache_threshold": "0.95",
        "stale_ttl": "0",
        "memberships-TOTAL_FORMS": "1",
        "memberships-INITIAL_FORMS": "0",
        "memberships-0-user": str(cast.mallory.pk),
        "memberships-0-role": "owner",
        "memberships-0-project": str(cast.project.pk),
    }
    answer = admin.post(f"{PROJECTS}{cast.project.pk}/change/", asked)
    assert answer.status_code == 302, answer.context["errors"]
    assert Membership.objects.get(project=cast.project, user=cast.mallory).role == "owner"


def test_a_life_of_more_than_a_week_is_told_on_the_page(cast: Cast, admin: Client) -> None:
    asked = {"name": "Support", "slug": "support", "visibility": "members", "cache_ttl": "604801", **NO_MEMBERS}
    answer = admin.post(f"{PROJECTS}{cast.project.pk}/change/", asked)
    assert answer.status_code == 200
    assert "less than or equal to 604800" in answer.content.decode()


def test_a_key_is_revoked_here_and_never_made_or_shown(cast: Cast, admin: Client) -> None:
    key = create_api_key(user=cast.alice, project=cast.project)
    stored = ApiKey.objects.get()
    assert admin.get(f"{KEYS}add/").status_code == 403
    for page in (KEYS, f"{KEYS}{stored.pk}/change/"):
        shown = admin.get(page).content.decode()
        assert stored.prefix in shown
        assert key not in shown
        assert stored.digest not in shown
    program = Client(headers={"authorization": f"Bearer {key}"})
    assert program.get("/api/projects/").status_code == 200
    assert "1 revoked." in choose(admin, KEYS, "revoke", stored.pk)
    assert program.get("/api/projects/").status_code == 401


def test_revoking_twice_keeps_the_first_moment(cast: Cast, admin: Client) -> None:
    create_api_key(user=cast.alice, project=cast.project)
    pk = ApiKey.objects.get().pk
    choose(admin, KEYS, "revoke", pk)
    first = ApiKey.objects.get().revoked_at
    assert "0 revoked." in choose(admin, KEYS, "revoke", pk)
    assert ApiKey.objects.get().revoked_at == first


@pytest.mark.parametrize("page", ["/admin/auth/group/", "/admin/account/emailaddress/"])
def test_what_has_no_meaning_here_is_not_in_the_admin(admin: Client, page: str) -> None:
    assert admin.get(page).status_code == 404
