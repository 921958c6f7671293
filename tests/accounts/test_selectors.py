"""accounts/selectors.py: a project that is not yours does not exist."""

from __future__ import annotations

from uuid import uuid4

import pytest

from accounts.models import Membership, Project, Role, User
from accounts.selectors import get_project, get_role, is_readable, list_projects
from accounts.services import create_project
from accounts.types import OPERATOR, Actor
from core.errors import NotAllowed, NotFound
from tests.conftest import Cast


def slugs(actor: Actor) -> list[str]:
    return [project.slug for project in list_projects(actor)]


def actor(user: User) -> Actor:
    return Actor(user_id=user.id)


@pytest.fixture
def ownerless(cast: Cast) -> Project:
    """As `manage.py ingest` makes it."""
    return create_project(name="Archive", slug="archive")


def test_members_see_their_projects_and_nobody_else_does(cast: Cast) -> None:
    assert (slugs(actor(cast.alice)), slugs(actor(cast.bob))) == (["support"], ["support"])
    assert slugs(actor(cast.mallory)) == ["secret"]


def test_a_member_of_several_projects_sees_each_once_by_name(cast: Cast) -> None:
    for name in ("Zoo", "Attic"):
        create_project(name=name, owner=cast.bob, visibility=Project.Visibility.EVERYONE)
    assert slugs(actor(cast.bob)) == ["attic", "support", "zoo"]


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize("needed", list(Role))
def test_a_role_opens_what_it_covers_and_no_more(cast: Cast, role: Role, needed: Role) -> None:
    Membership.objects.filter(user=cast.bob).update(role=role)
    order = [Role.VIEWER, Role.EDITOR, Role.OWNER]
    if order.index(role) >= order.index(needed):
        assert get_project(actor(cast.bob), "support", needed) == cast.project
    else:
        with pytest.raises(NotAllowed, match=f"needs the role '{needed.value}' in the project 'Support'"):
            get_project(actor(cast.bob), "support", needed)


@pytest.mark.parametrize("needed", list(Role))
def test_another_users_project_looks_like_one_that_is_not_there(cast: Cast, needed: Role) -> None:
    with pytest.raises(NotFound) as foreign:
        get_project(actor(cast.alice), "secret", needed)
    with pytest.raises(NotFound) as unknown:
        get_project(actor(cast.alice), "nowhere", needed)
    assert foreign.value.message.replace("secret", "nowhere") == unknown.value.message


def test_a_project_for_everyone_is_read_by_everyone_and_changed_by_members(cast: Cast) -> None:
    Project.objects.filter(slug="secret").update(visibility=Project.Visibility.EVERYONE)
    assert slugs(actor(cast.alice)) == ["secret", "support"]
    assert get_role(actor(cast.alice), cast.foreign) == Role.VIEWER
    with pytest.raises(NotAllowed):
        get_project(actor(cast.alice), "secret", Role.EDITOR)
    assert get_project(actor(cast.mallory), "secret", Role.OWNER)


def test_nothing_is_open_to_an_account_that_is_not_there_or_switched_off(cast: Cast, ownerless: Project) -> None:
    Project.objects.update(visibility=Project.Visibility.EVERYONE)
    assert slugs(Actor(user_id=uuid4())) == []
    User.objects.update(is_active=False, is_superuser=True)
    for user in (cast.alice, cast.bob, cast.mallory):
        assert slugs(actor(user)) == []


def test_a_project_without_an_owner_is_the_administrators(cast: Cast, ownerless: Project, root: User) -> None:
    assert slugs(actor(root)) == ["archive"]
    assert get_project(actor(root), "archive", Role.OWNER) == ownerless
    assert "archive" not in slugs(actor(cast.alice))


def test_an_editor_does_not_make_a_project_owned(cast: Cast, ownerless: Project, root: User) -> None:
    Membership.objects.create(project=ownerless, user=cast.bob, role=Role.EDITOR)
    assert get_project(actor(root), "archive", Role.OWNER) == ownerless


def test_an_administrator_loses_nothing_by_joining_a_project_without_an_owner(ownerless: Project, root: User) -> None:
    Membership.objects.create(project=ownerless, user=root, role=Role.VIEWER)
    assert get_project(actor(root), "archive", Role.OWNER) == ownerless


def test_an_owner_ends_the_administrators_claim(cast: Cast, ownerless: Project, root: User) -> None:
    Membership.objects.create(project=ownerless, user=cast.alice, role=Role.OWNER)
    assert slugs(actor(root)) == []
    assert slugs(actor(cast.alice)) == ["archive", "support"]


def test_an_administrator_is_a_stranger_in_projects_of_others(cast: Cast, root: User) -> None:
    with pytest.raises(NotFound):
        get_project(actor(root), "support")
    Project.objects.filter(slug="secret").update(visibility=Project.Visibility.EVERYONE)
    assert get_role(actor(root), cast.foreign) == Role.VIEWER


def test_for_a_key_its_project_is_all_there_is(cast: Cast) -> None:
    create_project(name="Second", owner=cast.alice)
    create_project(name="Open", visibility=Project.Visibility.EVERYONE)
    key = Actor(user_id=cast.alice.id, project_id=cast.project.id)
    assert slugs(key) == ["support"]
    with pytest.raises(NotFound):
        get_project(key, "second")
    assert get_role(key, cast.project) == Role.OWNER


def test_a_key_opens_no_more_than_its_user_may_open(cast: Cast) -> None:
    stolen = Actor(user_id=cast.bob.id, project_id=cast.foreign.id)
    assert slugs(stolen) == []
    key = Actor(user_id=cast.bob.id, project_id=cast.project.id)
    with pytest.raises(NotAllowed):
        get_project(key, "support", Role.EDITOR)
    Membership.objects.filter(user=cast.bob).delete()
    assert slugs(key) == []


def test_the_operator_has_the_machine_and_so_every_project(cast: Cast, ownerless: Project) -> None:
    assert slugs(OPERATOR) == ["archive", "secret", "support"]
    assert get_project(OPERATOR, "secret", Role.OWNER) == cast.foreign


def test_readable_is_what_is_listed(cast: Cast) -> None:
    assert is_readable(actor(cast.bob), cast.project.id)
    assert not is_readable(actor(cast.bob), cast.foreign.id)
    assert not is_readable(actor(cast.bob), uuid4())
    assert not is_readable(Actor(user_id=cast.alice.id, project_id=cast.project.id), cast.foreign.id)


@pytest.mark.parametrize("slug", ["a\x00b", "a\ud800b"])
def test_a_name_that_is_no_text_is_of_no_project(cast: Cast, slug: str) -> None:
    with pytest.raises(NotFound) as error:
        get_project(actor(cast.alice), slug)
    assert error.value.message.isascii()
