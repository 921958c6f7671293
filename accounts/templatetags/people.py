"""What the sign-up page says of itself, and who waits after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template
from django.conf import settings
from django.db.models import QuerySet
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from accounts.invitations import find_invitation, is_approval
from accounts.models import Invitation, Project, Role, User
from accounts.pages import invitation_token
from accounts.waiting import list_approvers, list_waiting

register = template.Library()
ROLES: dict[str, str | Promise] = {
    Role.VIEWER: gettext_lazy("viewer"),
    Role.EDITOR: gettext_lazy("editor"),
    Role.OWNER: gettext_lazy("owner"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpRules:
    """What becomes of an account that is made now."""

    is_first: bool  # it becomes the administrator's
    waits: bool  # for an administrator's approval
    invitation: Invitation | None


@register.simple_tag(takes_context=True)
def sign_up_rules(context: dict[str, Any]) -> SignUpRules:  # Any: a template's context
    invitation = find_invitation(invitation_token(context["request"]))
    is_first = not User.objects.exists()
    is_approved = invitation is not None and is_approval(invitation)
    waits = settings.SIGNUP == "approval" and not is_first and not is_approved
    return SignUpRules(is_first=is_first, waits=waits, invitation=invitation)


@register.simple_tag
def waiting_accounts(user: User) -> QuerySet[User]:
    """Whom an administrator may let in; nobody for anybody else."""
    return list_waiting() if user.is_superuser else User.objects.none()


@register.simple_tag
def approvers() -> str:
    """Whom to ask for an approval, by name."""
    return ", ".join(map(str, list_approvers()[:3]))


@register.filter
def role_name(role: str) -> str:
    """One word for a role."""
    return str(ROLES.get(role, role))


@register.simple_tag
def has_team(project: Project | str, role: str, user: User) -> bool:
    """Whether the project's team is anything to this reader: not to those who read it only because everyone may."""
    if not isinstance(project, Project):
        return False
    if project.visibility == Project.Visibility.MEMBERS or role != Role.VIEWER or user.is_superuser:
        return True
    return project.memberships.filter(user=user).exists()
