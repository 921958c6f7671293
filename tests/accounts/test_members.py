"""accounts/members.py and the members page: who belongs to a project, and who may change that."""

from __future__ import annotations

import pytest
from django.test import Client

from accounts import members
from accounts.models import Membership, Project, Role, User
from accounts.selectors import get_project, list_projects
from accounts.services import create_api_key, create_project, delete_project
from core.database import in_db
from core.errors import InvalidInput, NotFound
from tests.accounts.conftest import race
from tests.conftest import PASSWORD, Cast, browser_of

PAGE = "/projects/support/members/"
BEFORE_A_PROJECT_IS_HELD = "LOCK TABLE accounts_project IN EXCLUSIVE MODE"


def role_of(cast: Cast, user: User) -> str | None:
    return Membership.objects.filter(project=cast.project, user=user).values_list("role", flat=True).first()


@pytest.fixture
def editor(cast: Cast) -> User:
    user = User.objects.create_user("erin@example.org", PASSWORD)
    Membership.objects.create(project=cast.project, user=user, role=Role.EDITOR)
    return user


def addresses(cast: Cast) -> list[tuple[str, dict[str, object]]]:
    """What changes a project, with a form that would work."""
    return [
        (f"{PAGE}add/", {"email": "mallory@example.org", "role": "owner"}),
        (f"{PAGE}invite/", {"role": "editor", "days": "7", "uses": "once"}),
        (f"{PAGE}{cast.bob.id}/role/", {"role": "owner"}),
        (f"{PAGE}{cast.bob.id}/remove/", {}),
        (f"{PAGE}invitations/{cast.bob.id}/revoke/", {}),
        ("/projects/support/settings/", {"name": "Mine", "visibility": "everyone"}),
        ("/projects/support/settings/hand-over/", {"member": str(cast.bob.id)}),
        ("/projects/support/settings/delete/", {"name": "Support"}),
    ]


def test_whoever_is_no_member_finds_nothing_and_changes_nothing(cast: Cast) -> None:
    browser = browser_of(cast.mallory)
    assert browser.get(PAGE).status_code == 404
    for address, form in addresses(cast):
        assert browser.post(address, form).status_code == 404, address
    assert Project.objects.get(slug="support").name == "Support"
    assert role_of(cast, cast.bob) == Role.VIEWER


def test_viewers_and_editors_see_the_list_and_change_nothing(cast: Cast, editor: User) -> None:
    carol = User.objects.create_user("carol@example.org", PASSWORD)
    Membership.objects.create(project=cast.project, user=carol, role=Role.VIEWER)
    for user in (carol, editor):
        browser = browser_of(user)
        page = browser.get(PAGE).content.decode()
        assert "alice@example.org" in page
        assert "Invite by a link" not in page
        assert browser.get("/projects/support/settings/").status_code == 403
        for address, form in addresses(cast):
            assert browser.post(address, form).status_code == 403, address
    assert role_of(cast, cast.bob) == Role.VIEWER
    assert not Membership.objects.filter(project=cast.project, user=cast.mallory).exists()


def test_a_visitor_is_led_to_the_log_in(cast: Cast) -> None:
    assert Client().get(PAGE).status_code == 302
    for address, form in addresses(cast):
        assert Client().post(address, form).status_code == 302
    assert role_of(cast, cast.bob) == Role.VIEWER


def test_what_changes_is_never_a_link(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    for address, _form in addresses(cast):
        assert browser.get(address).status_code == (200 if address.endswith("/settings/") else 405), address


def test_a_project_open_to_everyone_keeps_its_members_addresses_to_them(cast: Cast) -> None:
    Project.objects.filter(id=cast.project.id).update(visibility=Project.Visibility.EVERYONE)
    assert browser_of(cast.mallory).get(PAGE).status_code == 403
    assert browser_of(cast.bob).get(PAGE).status_code == 200
    documents = "/projects/support/documents/"
    assert PAGE not in browser_of(cast.mallory).get(documents).content.decode(), "and offers no door that is locked"
    assert PAGE in browser_of(cast.bob).get(documents).content.decode()


def test_an_owner_adds_somebody_by_their_address_in_any_case(cast: Cast) -> None:
    page = browser_of(cast.alice).post(f"{PAGE}add/", {"email": " Mallory@Example.org ", "role": "editor"}, follow=True)
    assert "is a member now" in page.content.decode()
    assert role_of(cast, cast.mallory) == Role.EDITOR
    assert browser_of(cast.mallory).get("/projects/support/cache/").status_code == 200


@pytest.mark.parametrize("email", ["nobody@example.org", "", "a\x00b@example.org", "<script>alert(1)</script>"])
def test_an_address_that_nobody_has_is_told_with_what_to_do(cast: Cast, email: str) -> None:
    answer = browser_of(cast.alice).post(f"{PAGE}add/", {"email": email, "role": "viewer"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "Invite them by a link instead" in page
    assert "<script>alert(1)" not in page


def test_a_member_is_not_added_twice(cast: Cast) -> None:
    with pytest.raises(InvalidInput, match="already"):
        members.add_member(cast.project, "bob@example.org", "owner")
    assert role_of(cast, cast.bob) == Role.VIEWER


@pytest.mark.parametrize("role", ["", "root", "Owner"])
def test_a_role_that_there_is_not_is_refused(cast: Cast, role: str) -> None:
    with pytest.raises(InvalidInput):
        members.change_role(cast.project, cast.bob.id, role)
    with pytest.raises(InvalidInput):
        members.add_member(cast.project, "mallory@example.org", role)


def test_a_role_changes_what_one_may_do_at_once(cast: Cast) -> None:
    browser, owner = browser_of(cast.bob), browser_of(cast.alice)
    assert browser.get("/projects/support/cache/").status_code == 403
    owner.post(f"{PAGE}{cast.bob.id}/role/", {"role": "editor"})
    assert browser.get("/projects/support/cache/").status_code == 200
    assert browser.get("/projects/support/settings/").status_code == 403
    owner.post(f"{PAGE}{cast.bob.id}/role/", {"role": "owner"})
    assert browser.get("/projects/support/settings/").status_code == 200


def test_removing_somebody_ends_their_access_and_their_keys_at_once(cast: Cast) -> None:
    key = create_api_key(user=cast.bob, project=cast.project)
    program = {"authorization": f"Bearer {key}"}
    browser = browser_of(cast.bob)
    assert Client().get("/api/projects/support/", headers=program).status_code == 200
    browser_of(cast.alice).post(f"{PAGE}{cast.bob.id}/remove/")
    assert browser.get("/projects/support/documents/").status_code == 404
    assert Client().get("/api/projects/support/", headers=program).status_code == 404


def test_one_may_leave_by_oneself(cast: Cast) -> None:
    page = browser_of(cast.bob).post(f"{PAGE}{cast.bob.id}/remove/", follow=True).content.decode()
    assert "You have left Support" in page
    assert role_of(cast, cast.bob) is None


def test_the_last_owner_neither_leaves_nor_steps_down(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    for address, form in ((f"{PAGE}{cast.alice.id}/remove/", {}), (f"{PAGE}{cast.alice.id}/role/", {"role": "viewer"})):
        assert "A project needs an owner" in browser.post(address, form, follow=True).content.decode()
    assert role_of(cast, cast.alice) == Role.OWNER


def test_an_owner_who_cannot_log_in_is_none_to_leave_a_project_with(cast: Cast) -> None:
    members.change_role(cast.project, cast.bob.id, "owner")
    cast.bob.is_active = False
    cast.bob.save()
    with pytest.raises(InvalidInput, match="needs an owner"):
        members.remove_member(cast.project, cast.alice.id)


async def test_of_two_owners_who_leave_at_once_one_stays(transactional_db: None, cast: Cast) -> None:
    await in_db(members.change_role)(cast.project, cast.bob.id, "owner")

    def leave(user: User) -> bool:
        try:
            members.remove_member(cast.project, user.id)
        except InvalidInput:
            return False
        return True

    left = await race(BEFORE_A_PROJECT_IS_HELD, lambda: leave(cast.alice), lambda: leave(cast.bob))
    assert sorted(left) == [False, True]


def test_a_project_is_handed_over(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    page = browser.post("/projects/support/settings/hand-over/", {"member": str(cast.bob.id)}, follow=True)
    assert "owns this project now" in page.content.decode()
    assert (role_of(cast, cast.bob), role_of(cast, cast.alice)) == (Role.OWNER, Role.EDITOR)


@pytest.mark.parametrize("member", ["", "x", "mallory", "alice"])
def test_it_is_handed_over_to_another_member_only(cast: Cast, member: str) -> None:
    user = {"mallory": cast.mallory, "alice": cast.alice}.get(member)
    form = {"member": str(user.id) if user else member}
    assert browser_of(cast.alice).post("/projects/support/settings/hand-over/", form).status_code in (400, 404)
    assert role_of(cast, cast.alice) == Role.OWNER


def test_somebody_who_cannot_log_in_gets_no_project(cast: Cast) -> None:
    User.objects.filter(id=cast.bob.id).update(is_active=False)
    with pytest.raises(InvalidInput, match="cannot log in"):
        members.hand_over(cast.project, cast.alice.id, cast.bob.id)


def test_names_are_text_and_never_markup(cast: Cast) -> None:
    cast.bob.name = "<img src=x onerror=alert(1)>"
    cast.bob.save()
    cast.project.name = "<script>alert(2)</script>"
    cast.project.save()
    for address in (PAGE, "/projects/support/settings/"):
        page = browser_of(cast.alice).get(address).content.decode()
        assert "<img src=x" not in page
        assert "<script>alert" not in page


def test_a_project_without_an_owner_gets_its_first_from_an_administrator(cast: Cast, root: User) -> None:
    create_project(name="Found", slug="found")
    browser = browser_of(root)
    assert "Nobody yet" in browser.get("/projects/found/members/").content.decode()
    browser.post("/projects/found/members/add/", {"email": "bob@example.org", "role": "owner"})
    assert browser_of(cast.bob).get("/projects/found/settings/").status_code == 200


def test_a_project_is_renamed_and_opened_to_everyone(cast: Cast) -> None:
    assert browser_of(cast.mallory).get("/projects/support/documents/").status_code == 404
    browser_of(cast.alice).post("/projects/support/settings/", {"name": "Help desk", "visibility": "everyone"})
    assert "Help desk" in browser_of(cast.mallory).get("/projects/support/documents/").content.decode()


@pytest.mark.parametrize("form", [{"name": "", "visibility": "members"}, {"name": "Fine", "visibility": "world"}])
def test_settings_that_are_no_good_are_told_and_not_kept(cast: Cast, form: dict[str, str]) -> None:
    assert browser_of(cast.alice).post("/projects/support/settings/", form).status_code == 400
    assert Project.objects.get(slug="support").name == "Support"


def test_a_project_is_deleted_only_by_its_typed_name(cast: Cast) -> None:
    browser = browser_of(cast.alice)
    assert browser.post("/projects/support/settings/delete/", {"name": "support"}).status_code == 400
    assert browser.get("/projects/support/documents/").status_code == 200
    browser.post("/projects/support/settings/delete/", {"name": "Support"})
    assert browser.get("/projects/support/documents/").status_code == 404


def test_a_deleted_project_is_gone_for_everyone_before_it_is_emptied(cast: Cast, root: User) -> None:
    key = create_api_key(user=cast.alice, project=cast.project)
    delete_project(cast.project)
    for user in (cast.alice, cast.bob, root):
        assert not list_projects(cast.actor(user)).filter(id=cast.project.id).exists()
    with pytest.raises(NotFound):
        get_project(cast.actor(root), f"deleted-{cast.project.id.hex}")
    assert Client().get("/api/projects/", headers={"authorization": f"Bearer {key}"}).status_code == 401
    assert create_project(name="Support", slug="support", owner=cast.bob).slug == "support"


def waiting_member(cast: Cast) -> User:
    user = User.objects.create_user("wanda@example.org", PASSWORD, is_active=False)
    Membership.objects.create(project=cast.project, user=user, role=Role.VIEWER)
    return user


def test_an_administrator_approves_of_a_member_who_waits_where_they_see_it(cast: Cast, root: User) -> None:
    wanda, browser = waiting_member(cast), browser_of(root)
    Membership.objects.create(project=cast.project, user=root, role=Role.VIEWER)
    page = browser.get(PAGE).text
    assert "waits for approval" in page
    assert "cannot log in" not in page
    answer = browser.post(f"/accounts/{wanda.id}/approve/", {"here": PAGE}, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert "wanda@example.org can log in now." in answer.text
    assert f"/accounts/{wanda.id}/approve/" not in answer.text
    assert User.objects.get(id=wanda.id).is_active


def test_an_owner_reads_that_a_member_waits_and_whom_to_ask(cast: Cast, root: User) -> None:
    wanda = waiting_member(cast)
    page = browser_of(cast.alice).get(PAGE).text
    assert "waits for approval" in page
    assert "An administrator can approve: root@example.org" in page
    assert "/approve/" not in page
    assert browser_of(cast.alice).post(f"/accounts/{wanda.id}/approve/").status_code == 403
    assert not User.objects.get(id=wanda.id).is_active
    assert "root@example.org" not in browser_of(cast.bob).get(PAGE).text, "who is no owner need not know"


def test_an_account_that_was_switched_off_is_no_account_that_waits(cast: Cast, root: User) -> None:
    User.objects.filter(id=cast.bob.id).update(is_active=False, last_login=cast.bob.date_joined)
    Membership.objects.create(project=cast.project, user=root, role=Role.VIEWER)
    browser = browser_of(root)
    assert "cannot log in" in browser.get(PAGE).text
    answer = browser.post(f"/accounts/{cast.bob.id}/approve/", {"here": "https://elsewhere.example/"}, follow=True)
    assert "does not wait for approval" in answer.text
    assert answer.redirect_chain == [("/projects/", 302)]
    assert not User.objects.get(id=cast.bob.id).is_active
