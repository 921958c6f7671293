"""Who belongs to a project, and in which role: reads for its members, writes for its owners.

A project that has an owner never loses its last one here: every change of owners holds the project's row.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.db.models import Case, IntegerField, Q, QuerySet, Value, When
from django.db.models.functions import Coalesce, Lower, NullIf
from django.utils.translation import gettext as _

from accounts.models import Membership, Project, Role, User
from accounts.selectors import get_project, is_administrator
from accounts.types import Actor
from core.errors import InvalidInput, NotAllowed, NotFound

_BY_RANK = Case(
    When(role=Role.OWNER, then=Value(0)),
    When(role=Role.EDITOR, then=Value(1)),
    default=Value(2),
    output_field=IntegerField(),
)
_NAME = Lower(Coalesce(NullIf("user__name", Value("")), "user__email"))


def get_project_of_member(actor: Actor, slug: str) -> Project:
    """The project, for those who may see who belongs to it: its members and the administrators, not everyone with
    an account, even where everyone may read. Raises NotFound, NotAllowed."""
    project = get_project(actor, slug)
    is_member = actor.user_id is not None and project.memberships.filter(user_id=actor.user_id).exists()
    if not is_member and not is_administrator(actor):
        raise NotAllowed(_("Only members see who belongs to the project “%(name)s”.") % {"name": project.name})
    return project


def list_members(project: Project) -> QuerySet[Membership]:
    """Owners first, then editors, then viewers; each by name."""
    return project.memberships.select_related("user").order_by(_BY_RANK, _NAME, "user__email")


def get_member(project: Project, user_id: UUID) -> Membership:
    """Raises NotFound."""
    membership = project.memberships.select_related("user").filter(user_id=user_id).first()
    if membership is None:
        raise NotFound(_("This person does not belong to the project (any more)."))
    return membership


def add_member(project: Project, email: str, role: str) -> Membership:
    """Make somebody who has an account a member. Raises InvalidInput."""
    user = User.objects.filter(email__iexact=email.strip()).first() if "\x00" not in email else None
    if user is None:
        raise InvalidInput(_("Nobody here has this address. Invite them by a link instead."))
    membership, is_new = Membership.objects.get_or_create(project=project, user=user, defaults={"role": role_of(role)})
    if not is_new:
        raise InvalidInput(_("%(name)s is a member already.") % {"name": user})
    return membership


@transaction.atomic
def change_role(project: Project, user_id: UUID, role: str) -> Membership:
    """Raises InvalidInput for the last owner, NotFound."""
    _hold(project)
    membership, wanted = get_member(project, user_id), role_of(role)
    if wanted != Role.OWNER:
        _check_owner_remains(membership)
    membership.role = wanted
    membership.save(update_fields=["role"])
    return membership


@transaction.atomic
def remove_member(project: Project, user_id: UUID) -> Membership:
    """Take somebody out of a project, or leave it. What they asked there stays, and is shown to nobody.

    Raises InvalidInput for the last owner, NotFound.
    """
    _hold(project)
    membership = get_member(project, user_id)
    _check_owner_remains(membership)
    membership.delete()
    return membership


@transaction.atomic
def hand_over(project: Project, owner_id: UUID, heir_id: UUID) -> Membership:
    """Make a member the owner in one's own place: whoever hands over is an editor from then on.

    Raises InvalidInput for somebody who cannot log in, NotFound.
    """
    _hold(project)
    owner, heir = get_member(project, owner_id), get_member(project, heir_id)
    if owner.user_id == heir.user_id or owner.role != Role.OWNER:
        raise InvalidInput(_("Choose another member to hand the project to."))
    if not heir.user.is_active:
        raise InvalidInput(_("%(name)s cannot log in yet. Choose somebody who can.") % {"name": heir.user})
    for membership, role in ((heir, Role.OWNER), (owner, Role.EDITOR)):
        membership.role = role
        membership.save(update_fields=["role"])
    return heir


def role_of(name: str) -> Role:
    """Raises InvalidInput."""
    if name not in Role.values:
        raise InvalidInput(_("There is no such role."))
    return Role(name)


def _hold(project: Project) -> None:
    """Changes of owners come one after the other. Raises NotFound for a project that was deleted meanwhile."""
    if not Project.objects.select_for_update().filter(id=project.id, deleted_at=None).exists():
        raise NotFound(_("This project does not exist any more."))


def _check_owner_remains(leaving: Membership) -> None:
    """An owner who cannot log in is none to leave a project with."""
    if leaving.role != Role.OWNER:
        return
    others = Membership.objects.filter(~Q(id=leaving.id), project=leaving.project_id, role=Role.OWNER)
    if not others.filter(user__is_active=True).exists():
        raise InvalidInput(_("A project needs an owner. Make somebody else an owner first."))
