"""accounts/invitations.py and its pages: links that make members, once or often, and never more than they should."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts import invitations, members
from accounts.models import Invitation, Membership, User
from accounts.services import delete_project, digest
from core.database import in_db
from core.errors import Gone, InvalidInput, NotAllowed, NotFound
from tests.accounts.conftest import SIGNUP, is_logged_in, log_in, race, sign_up
from tests.conftest import PASSWORD, Cast, browser_of

if TYPE_CHECKING:
    from django.test.client import _MonkeyPatchedWSGIResponse as Page

INVITE = "/projects/support/members/invite/"
BEFORE_IT_IS_HELD = "LOCK TABLE accounts_invitation IN EXCLUSIVE MODE"


def link(cast: Cast, maker: User | None = None, **wishes: object) -> str:
    """The path of a new invitation."""
    _made, token = invitations.invite(cast.project, maker or cast.alice, **wishes)  # type: ignore[arg-type]  # a test's shorthand
    return f"/invitations/{token}/"


def sign_up_by(path: str, email: str, client: Client | None = None) -> Page:
    return (client or Client()).post(SIGNUP, {"email": email, "password1": PASSWORD, "next": path})


def role_of(cast: Cast, email: str) -> str | None:
    return Membership.objects.filter(project=cast.project, user__email=email).values_list("role", flat=True).first()


def test_a_link_is_shown_once_and_stored_only_as_its_digest(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    answer = browser.post(INVITE, {"role": "editor", "days": "7", "uses": "once"})
    shown = re.search(r'value="(http://testserver/invitations/([\w-]{43})/)"', answer.content.decode())
    assert shown
    assert answer["Cache-Control"] == "no-store"
    made = Invitation.objects.get()
    assert made.digest == digest(shown[2])
    assert shown[2] not in str(Invitation.objects.values())
    assert shown[2] not in browser.get("/projects/support/members/").content.decode()
    assert abs(made.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)


def test_whoever_is_logged_in_accepts_with_one_click(cast: Cast) -> None:
    path, browser = link(cast, role="editor"), browser_of(cast.mallory)
    assert "Join “Support”" in browser.get(path).content.decode()
    assert role_of(cast, "mallory@example.org") is None, "opening a link changes nothing"
    answer = browser.post(path)
    assert answer.headers["Location"] == "/?project=support"
    assert role_of(cast, "mallory@example.org") == "editor"
    assert browser.get(path).headers["Location"] == "/?project=support"


def test_a_new_account_comes_back_as_a_member(cast: Cast, settings: Settings) -> None:
    settings.SIGNUP = "open"
    path, browser = link(cast), Client()
    page = browser.get(path).content.decode()
    assert f"{SIGNUP}?next=" in page
    assert "alice" in browser.get(f"{SIGNUP}?next={path}").content.decode()
    assert sign_up_by(path, "carol@example.org", browser).headers["Location"] == path
    assert browser.get(path).headers["Location"] == "/?project=support"
    assert role_of(cast, "carol@example.org") == "viewer"


def test_whoever_logs_in_comes_back_to_accept(cast: Cast) -> None:
    path, browser = link(cast), Client()
    answer = browser.post("/accounts/login/", {"login": "mallory@example.org", "password": PASSWORD, "next": path})
    assert answer.headers["Location"] == path
    assert "Join as mallory" in browser.get(path).content.decode()


def test_an_owners_invitation_keeps_the_place_but_approves_of_nobody(cast: Cast, settings: Settings) -> None:
    settings.SIGNUP = "approval"
    path, browser = link(cast), Client()
    assert "waits until an administrator" in browser.get(path).content.decode()
    sign_up_by(path, "carol@example.org", browser)
    assert not is_logged_in(browser)
    carol = User.objects.get(email="carol@example.org")
    assert not carol.is_active
    assert role_of(cast, carol.email) == "viewer"
    carol.is_active = True
    carol.save()
    log_in(carol.email, client=browser)
    assert browser.get("/projects/support/documents/").status_code == 200


def test_an_administrators_invitation_is_an_approval(cast: Cast, root: User, settings: Settings) -> None:
    settings.SIGNUP = "approval"
    members.add_member(cast.project, root.email, "owner")
    path, browser = link(cast, root), Client()
    assert "waits until" not in browser.get(path).content.decode()
    sign_up_by(path, "carol@example.org", browser)
    assert is_logged_in(browser)
    assert browser.get("/projects/support/documents/").status_code == 200


def test_no_invitation_opens_a_closed_server(cast: Cast, root: User, settings: Settings) -> None:
    settings.SIGNUP = "closed"
    members.add_member(cast.project, root.email, "owner")
    path = link(cast, root)
    page = Client().get(path).content.decode()
    assert "New accounts are not made here" in page
    assert SIGNUP not in page
    sign_up_by(path, "carol@example.org")
    assert not User.objects.filter(email="carol@example.org").exists()
    assert browser_of(cast.mallory).post(path).status_code == 302, "accounts that are there may use it"


def test_a_sign_up_without_the_link_waits_as_ever(cast: Cast, root: User, settings: Settings) -> None:
    settings.SIGNUP = "approval"
    members.add_member(cast.project, root.email, "owner")
    path, browser = link(cast, root), Client()
    browser.get(path)
    sign_up("carol@example.org", client=browser)
    assert not User.objects.get(email="carol@example.org").is_active
    for next_page in ("/invitations/guessed/", "https://example.org" + path, "//x" + path, "/projects/"):
        sign_up_by(next_page, f"x{len(next_page)}@example.org")
        assert not User.objects.get(email=f"x{len(next_page)}@example.org").is_active, next_page


def test_one_for_an_address_is_for_that_address(cast: Cast, settings: Settings) -> None:
    settings.SIGNUP = "open"
    path = link(cast, email="Carol@Example.org", is_reusable=True)
    browser = browser_of(cast.mallory)
    assert "You are logged in as mallory@example.org" in browser.get(path).content.decode()
    assert browser.post(path).status_code == 403
    assert "Your invitation is for carol@example.org" in sign_up_by(path, "dave@example.org").content.decode()
    assert not User.objects.filter(email="dave@example.org").exists()
    sign_up_by(path, "carol@example.org")
    assert role_of(cast, "carol@example.org") == "viewer"
    assert role_of(cast, "mallory@example.org") is None


def test_one_use_is_one_member(cast: Cast, root: User) -> None:
    path = link(cast)
    assert browser_of(cast.mallory).post(path).status_code == 302
    answer = browser_of(root).post(path)
    assert answer.status_code == 410
    assert "was used already" in answer.content.decode()
    assert role_of(cast, root.email) is None


def test_a_member_uses_nothing_up_and_keeps_the_role(cast: Cast) -> None:
    path = link(cast, role="editor")
    assert browser_of(cast.bob).post(path).status_code == 302
    invitations.accept(path.split("/")[2], cast.bob)
    assert role_of(cast, "bob@example.org") == "viewer"
    assert Invitation.objects.get().uses == 0


def test_one_for_many_counts_its_uses(cast: Cast, root: User) -> None:
    path = link(cast, is_reusable=True)
    for user in (cast.mallory, root):
        browser_of(user).post(path)
    assert Invitation.objects.get().uses == 2
    assert "used 2 times" in browser_of(cast.alice).get("/projects/support/members/").content.decode()


async def test_of_two_who_take_the_last_use_at_once_one_does(transactional_db: None, cast: Cast) -> None:
    token = (await in_db(link)(cast)).split("/")[2]
    carol = await in_db(User.objects.create_user)("carol@example.org")

    def take(user: User) -> bool:
        try:
            invitations.accept(token, user)
        except Gone:
            return False
        return True

    took = await race(BEFORE_IT_IS_HELD, lambda: take(cast.mallory), lambda: take(carol))
    assert sorted(took) == [False, True]
    assert await in_db(Membership.objects.filter(project=cast.project).count)() == 3


def test_removing_somebody_tells_of_a_link_by_which_they_could_come_back(cast: Cast) -> None:
    remove = f"/projects/support/members/{cast.bob.id}/remove/"
    link(cast)
    assert "can come back" not in browser_of(cast.alice).post(remove, follow=True).content.decode()
    Membership.objects.create(project=cast.project, user=cast.bob)
    link(cast, is_reusable=True)
    assert "can come back" in browser_of(cast.alice).post(remove, follow=True).content.decode()


def test_a_token_that_nobody_was_given_leads_nowhere(cast: Cast) -> None:
    link(cast)
    for token in ("x", Invitation.objects.get().digest, "%00", "a" * 5000):
        for browser in (Client(), browser_of(cast.mallory)):
            assert browser.get(f"/invitations/{token}/").status_code == 404
    with pytest.raises(NotFound):
        invitations.accept("guessed", cast.mallory)


def end(cast: Cast, how: str) -> None:
    invitation = Invitation.objects.get()
    if how == "revoked":
        browser_of(cast.alice).post(f"/projects/support/members/invitations/{invitation.id}/revoke/")
    elif how == "expired":
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif how == "switched off":
        User.objects.filter(id=cast.alice.id).update(is_active=False)
    elif how == "demoted":
        Membership.objects.create(project=cast.project, user=cast.mallory, role="owner")
        members.change_role(cast.project, cast.alice.id, "editor")
    else:
        delete_project(cast.project)


@pytest.mark.parametrize(
    ("how", "status", "words"),
    [
        ("revoked", 410, "was revoked"),
        ("expired", 410, "has expired"),
        ("switched off", 410, "does not own the project any more"),
        ("demoted", 410, "does not own the project any more"),
        ("deleted", 404, "no such invitation"),
    ],
)
def test_an_invitation_that_has_ended_says_so_and_makes_nobody_a_member(
    cast: Cast, how: str, status: int, words: str
) -> None:
    path = link(cast, is_reusable=True)
    carol = User.objects.create_user("carol@example.org", PASSWORD)
    end(cast, how)
    for browser in (Client(), browser_of(carol)):
        answer = browser.get(path)
        assert (answer.status_code, words in answer.content.decode()) == (status, True)
    assert browser_of(carol).post(path).status_code == status
    assert role_of(cast, carol.email) is None


@pytest.mark.parametrize(
    "form",
    [
        {"role": "owner", "days": "7"},
        {"role": "root", "days": "7"},
        {"role": "viewer", "days": "0"},
        {"role": "viewer", "days": "91"},
        {"role": "viewer", "days": "-1"},
        {"role": "viewer", "days": "a"},
        {"role": "viewer", "days": "9" * 5000},
        {"role": "viewer", "days": "7", "email": "<script>"},
        {"role": "viewer", "days": "7", "email": "a\x00@example.org"},
    ],
)
def test_what_no_link_may_be_is_refused(cast: Cast, form: dict[str, str]) -> None:
    assert browser_of(cast.alice).post(INVITE, form).status_code == 400
    assert not Invitation.objects.exists()


def test_there_are_not_more_open_links_than_one_can_look_after(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(invitations, "MAX_OPEN", 1)
    path = link(cast)
    with pytest.raises(InvalidInput, match="Revoke some first"):
        link(cast)
    browser_of(cast.mallory).post(path)
    link(cast)


def test_another_projects_owner_revokes_nothing_here(cast: Cast) -> None:
    link(cast)
    invitation = Invitation.objects.get()
    browser_of(cast.mallory).post(f"/projects/secret/members/invitations/{invitation.id}/revoke/")
    invitation.refresh_from_db()
    assert invitation.revoked_at is None


def test_accepting_for_another_address_is_not_allowed(cast: Cast) -> None:
    token = link(cast, email="carol@example.org").split("/")[2]
    with pytest.raises(NotAllowed):
        invitations.accept(token, cast.mallory)


def test_names_are_text_on_the_page_of_an_invitation(cast: Cast) -> None:
    cast.project.name = cast.alice.name = "<script>alert(1)</script>"
    cast.project.save()
    cast.alice.save()
    path = link(cast)
    for address in (path, f"{SIGNUP}?next={path}"):
        assert "<script>alert" not in Client().get(address).content.decode()


def test_the_first_visitor_is_told_what_the_first_account_becomes(db: None) -> None:
    assert "becomes the administrator of this server" in Client().get(SIGNUP).content.decode()
    User.objects.create_superuser("root@example.org", PASSWORD)
    page = Client().get(SIGNUP).content.decode()
    assert "becomes the administrator" not in page
    assert "has to approve of your account" in page
