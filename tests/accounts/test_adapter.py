"""accounts/adapter.py and the pages of an account: who may sign up, and what a browser then sees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from accounts import members
from accounts.models import User
from tests.accounts.conftest import INACTIVE, LOGIN, LOGOUT, SIGNUP, can_log_in, is_logged_in, log_in, sign_up
from tests.accounts.test_invitations import link, role_of
from tests.conftest import PASSWORD, Cast, browser_of

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Page

NEW_PASSWORD = "battery staple 7"
CHANGE = "/accounts/password/change/"


# --- Signing up ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("db")
@pytest.mark.parametrize("mode", ["open", "approval", "closed"])
def test_whoever_signs_up_first_is_let_in_as_administrator(settings: Settings, mode: str) -> None:
    settings.SIGNUP = mode
    browser = Client()
    assert browser.get(SIGNUP).status_code == 200
    answer = sign_up("alice@example.org", client=browser)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/")
    assert is_logged_in(browser)
    assert browser.get("/admin/").status_code == 200


def test_where_sign_up_is_open_one_is_let_in_without_rights(cast: Cast, settings: Settings) -> None:
    settings.SIGNUP = "open"
    browser = Client()
    sign_up("carol@example.org", client=browser)
    assert is_logged_in(browser)
    assert browser.get("/admin/").status_code == 302
    assert "No project yet" in browser.get("/projects/").content.decode()


def test_where_sign_ups_wait_one_is_told_so_and_gets_in_after_the_approval(
    cast: Cast, root: User, settings: Settings
) -> None:
    settings.SIGNUP = "approval"
    browser = Client()
    answer = sign_up("carol@example.org", client=browser)
    assert (answer.status_code, answer.headers["Location"]) == (302, INACTIVE)
    assert "Your account waits for approval" in browser.get(INACTIVE).content.decode()
    assert not is_logged_in(browser)
    assert log_in("carol@example.org", client=browser).headers["Location"] == INACTIVE
    assert not is_logged_in(browser)

    carol = User.objects.get(email="carol@example.org")
    chosen = {"action": "approve", "_selected_action": [str(carol.pk)]}
    shown = browser_of(root).post("/admin/accounts/user/", chosen, follow=True)
    assert "1 approved." in shown.content.decode()
    log_in("carol@example.org", client=browser)
    assert is_logged_in(browser)


def test_where_sign_up_is_closed_the_page_says_so_and_makes_nothing(cast: Cast, settings: Settings) -> None:
    settings.SIGNUP = "closed"
    browser = Client()
    for answer in (browser.get(SIGNUP), sign_up("carol@example.org", client=browser)):
        assert "Sign-up is closed" in answer.content.decode()
    assert not is_logged_in(browser)
    assert not User.objects.filter(email="carol@example.org").exists()


@pytest.mark.parametrize("address", ["alice@example.org", "Alice@Example.ORG"])
def test_an_address_is_taken_in_any_case(cast: Cast, settings: Settings, address: str) -> None:
    settings.SIGNUP = "open"
    answer = sign_up(address)
    assert answer.status_code == 200
    assert "already registered" in answer.content.decode()
    assert User.objects.count() == 3


@pytest.mark.parametrize(
    ("email", "password"),
    [
        ("", PASSWORD),
        ("carol", PASSWORD),
        ("carol@example.org", ""),
        ("carol@example.org", "short1"),
        ("carol@example.org", "password123"),
        ("carol@example.org", "carol@example.org"),
    ],
    ids=["no address", "no real address", "no password", "short", "common", "the address again"],
)
def test_a_sign_up_that_is_no_good_is_shown_again_with_the_reason(
    cast: Cast, settings: Settings, email: str, password: str
) -> None:
    settings.SIGNUP = "open"
    answer = sign_up(email, password)
    assert answer.status_code == 200
    assert "field-error" in answer.content.decode()
    assert User.objects.count() == 3


def test_whoever_is_logged_in_is_not_asked_to_sign_up(cast: Cast) -> None:
    for page in (SIGNUP, LOGIN):
        answer = browser_of(cast.alice).get(page)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/")


# --- Logging in and out -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address", ["alice@example.org", "ALICE@EXAMPLE.ORG", "Alice@Example.org", " alice@example.org "]
)
def test_one_logs_in_by_address_in_any_case(cast: Cast, address: str) -> None:
    assert can_log_in(address)


def test_an_address_that_was_signed_up_in_capitals_logs_in_in_any_case(cast: Cast, settings: Settings) -> None:
    settings.SIGNUP = "open"
    sign_up("Carol@Example.ORG")
    assert User.objects.filter(email="carol@example.org").exists()
    for address in ("carol@example.org", "Carol@Example.ORG"):
        assert can_log_in(address)


def test_a_wrong_password_and_an_unknown_address_look_the_same(cast: Cast) -> None:
    wrong, unknown = log_in("alice@example.org", "wrong horse 1"), log_in("nobody@example.org", "wrong horse 1")
    assert wrong.status_code == unknown.status_code == 200
    (told,) = {tuple(answer.context["form"].non_field_errors()) for answer in (wrong, unknown)}
    assert "not correct" in told[0]


def test_guessing_passwords_is_stopped(cast: Cast) -> None:
    for guess in range(5):
        log_in("alice@example.org", f"wrong horse {guess}")
    assert not can_log_in("alice@example.org")
    assert can_log_in("bob@example.org")


def test_one_can_log_in_while_redis_is_away(cast: Cast, settings: Settings, tmp_path: Path) -> None:
    away = {**settings.CACHES["default"], "LOCATION": f"unix://{tmp_path}/away.sock?db=0"}
    settings.CACHES = {"default": away}
    assert can_log_in("alice@example.org")


def test_after_logging_in_one_is_where_one_wanted_to_go_and_never_elsewhere(cast: Cast) -> None:
    login = {"login": "alice@example.org", "password": PASSWORD}
    wanted = Client().get("/projects/").headers["Location"]
    assert wanted == f"{LOGIN}?next=/projects/"
    assert Client().post(wanted, login).headers["Location"] == "/projects/"
    assert Client().post(f"{LOGIN}?next=https://evil.example/", login).headers["Location"] == "/"


def test_logging_out_takes_a_click_and_not_a_link(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    assert browser.get(LOGOUT).status_code == 200
    assert is_logged_in(browser)
    assert browser.post(LOGOUT).status_code == 302
    assert not is_logged_in(browser)


def test_forms_of_other_sites_are_refused(cast: Cast) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert log_in("alice@example.org", client=strict).status_code == 403
    assert not is_logged_in(strict)


def test_an_account_that_is_switched_off_is_out_at_once_and_stays_out(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    assert is_logged_in(browser)
    User.objects.filter(id=cast.alice.id).update(is_active=False)
    assert not is_logged_in(browser)
    assert log_in("alice@example.org").headers["Location"] == INACTIVE
    assert not can_log_in("alice@example.org")


# --- Logging in through an invitation ------------------------------------------------------------


def log_in_by(path: str, email: str) -> Client:
    browser = Client()
    browser.post(f"{LOGIN}?next={path}", {"login": email, "password": PASSWORD, "next": path})
    return browser


def test_who_waits_already_is_approved_of_by_an_administrators_invitation_and_no_other(
    cast: Cast, root: User, settings: Settings
) -> None:
    settings.SIGNUP = "approval"
    members.add_member(cast.project, root.email, "owner")
    for email in ("carol@example.org", "dave@example.org"):
        sign_up(email)
    owners, for_dave, once = link(cast), link(cast, root, email="dave@example.org"), link(cast, root)
    assert not is_logged_in(log_in_by(owners, "carol@example.org"))
    assert not is_logged_in(log_in_by(for_dave, "carol@example.org"))
    browser = log_in_by(once, "carol@example.org")
    assert browser.get("/projects/support/documents/").status_code == 200
    assert role_of(cast, "carol@example.org") == "viewer"
    assert not is_logged_in(log_in_by(once, "dave@example.org")), "it is used up"
    assert is_logged_in(log_in_by(for_dave, "dave@example.org"))


def test_no_invitation_lets_in_who_was_switched_off(cast: Cast, root: User, settings: Settings) -> None:
    settings.SIGNUP = "approval"
    members.add_member(cast.project, root.email, "owner")
    log_in("mallory@example.org")
    User.objects.filter(email="mallory@example.org").update(is_active=False)
    assert not is_logged_in(log_in_by(link(cast, root), "mallory@example.org"))
    assert role_of(cast, "mallory@example.org") is None


# --- The password -------------------------------------------------------------------------------


def test_one_changes_the_password_with_the_old_one_and_other_browsers_are_logged_out(cast: Cast) -> None:
    mine, another = browser_of(cast.alice), browser_of(cast.alice)
    answer = mine.post(CHANGE, {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert answer.status_code == 302
    assert is_logged_in(mine)
    assert not is_logged_in(another)
    assert not can_log_in("alice@example.org", PASSWORD)
    assert can_log_in("alice@example.org", NEW_PASSWORD)


@pytest.mark.parametrize(
    ("old", "new", "again"),
    [
        ("wrong horse 1", NEW_PASSWORD, NEW_PASSWORD),
        (PASSWORD, NEW_PASSWORD, "something else 3"),
        (PASSWORD, "short1", "short1"),
    ],
    ids=["wrong old one", "not the same twice", "too short"],
)
def test_a_password_is_not_changed_by_mistake(cast: Cast, old: str, new: str, again: str) -> None:
    answer = browser_of(cast.alice).post(CHANGE, {"oldpassword": old, "password1": new, "password2": again})
    assert answer.status_code == 200
    assert "field-error" in answer.content.decode()
    assert can_log_in("alice@example.org", PASSWORD)


# --- The pages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [SIGNUP, LOGIN, INACTIVE])
def test_a_visitor_can_open_the_page(cast: Cast, page: str) -> None:
    answer = Client().get(page)
    assert answer.status_code == 200
    assert "PolyAI" in answer.content.decode()


@pytest.mark.parametrize("page", [LOGOUT, CHANGE, reverse("account_reauthenticate")])
def test_a_user_can_open_the_page(cast: Cast, page: str) -> None:
    browser = Client()
    log_in("alice@example.org", client=browser)
    assert browser.get(page).status_code == 200


@pytest.mark.parametrize("page", ["password/reset/", "email/", "confirm-email/"])
def test_what_needs_mail_is_not_there(cast: Cast, page: str) -> None:
    assert browser_of(cast.alice).get(f"/accounts/{page}").status_code == 404


# --- Limits -------------------------------------------------------------------------------------


def try_in_vain(times: int, network: str) -> Page:
    return [
        Client().post(LOGIN, {"login": f"nobody{n}@example.org", "password": "x"}, headers={"X-Forwarded-For": network})
        for n in range(times)
    ][-1]


def test_behind_a_trusted_proxy_one_network_does_not_lock_out_another(cast: Cast, settings: Settings) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    assert "Too many failed login attempts" in try_in_vain(12, "198.51.100.7").content.decode()
    assert "Too many failed login attempts" not in try_in_vain(1, "203.0.113.9").content.decode()
    assert "Too many failed login attempts" in try_in_vain(1, "203.0.113.9, 198.51.100.7").content.decode(), "made up"


def test_without_a_proxy_nobody_chooses_their_address(cast: Cast) -> None:
    assert "Too many failed login attempts" not in try_in_vain(10, "198.51.100.7").content.decode()
    assert "Too many failed login attempts" in try_in_vain(1, "203.0.113.9").content.decode()


def test_too_many_tries_are_told_on_a_page_of_ours(cast: Cast, settings: Settings) -> None:
    settings.SIGNUP = "open"
    answers = [sign_up(f"carol{number}@example.org") for number in range(21)]
    assert [answer.status_code for answer in answers] == [302] * 20 + [429]
    assert "Wait a minute, go back, and try again" in answers[-1].content.decode()
