"""Accounts that wait until an administrator approves of them: they were never let in."""

from __future__ import annotations

from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.selectors import is_administrator
from accounts.types import Actor
from core.errors import NotAllowed, NotFound

_WAITS = Q(is_active=False, last_login=None)


def list_waiting() -> QuerySet[User]:
    """Who has waited longest first."""
    return User.objects.filter(_WAITS).order_by("date_joined", "id")


def list_approvers() -> QuerySet[User]:
    """Who can let them in."""
    return User.objects.filter(is_active=True, is_superuser=True).order_by("date_joined", "id")


def approve(actor: Actor, user_id: UUID) -> User:
    """Let an account in that waits. Raises NotAllowed, and NotFound for one that does not wait (any more)."""
    if not is_administrator(actor):
        raise NotAllowed(_("Only administrators approve of new accounts."))
    user = User.objects.filter(id=user_id).first()
    if user is None or not User.objects.filter(_WAITS, id=user_id).update(is_active=True):
        raise NotFound(_("This account does not wait for approval (any more)."))
    return user
