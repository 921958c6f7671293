"""What the sign-up page says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template
from django.conf import settings

from accounts.invitations import find_invitation, is_approval
from accounts.models import Invitation, User
from accounts.pages import invitation_token

register = template.Library()


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
