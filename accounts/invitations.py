"""Links that make people members: for those without an account too.

An invitation is as good as whoever made it: it counts while its maker is an active owner of the project, or an
administrator. One that an administrator made is also an approval: where accounts wait for one, an account that is
made through it does not, nor does one that logs in through it. No invitation opens a server whose sign-up is closed.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.members import role_of
from accounts.models import Invitation, Membership, Project, Role, User
from accounts.services import digest, register
from core.errors import Gone, InvalidInput, NotAllowed, NotFound

DAYS = 7
MAX_DAYS = 90
MAX_OPEN = 200  # in one project at a time
TOKEN_BYTES = 32


def invite(
    project: Project,
    maker: User,
    *,
    role: str = Role.VIEWER,
    email: str = "",
    days: int = DAYS,
    is_reusable: bool = False,
) -> tuple[Invitation, str]:
    """A new invitation and its token, which cannot be read again. One for an address is used once.

    Raises InvalidInput.
    """
    wanted, email = role_of(role), email.strip().lower()
    if wanted == Role.OWNER:
        raise InvalidInput(_("A link makes viewers and editors. Make somebody an owner once they are a member."))
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(_("A link holds for 1 to %(days)s days.") % {"days": MAX_DAYS})
    if email:
        try:
            validate_email(email)
        except ValidationError as error:
            raise InvalidInput(_("This is no e-mail address.")) from error
    if list_open(project).count() >= MAX_OPEN:
        raise InvalidInput(_("There are many open invitations here already. Revoke some first."))
    token = secrets.token_urlsafe(TOKEN_BYTES)
    invitation = Invitation.objects.create(
        project=project,
        role=wanted,
        email=email,
        digest=digest(token),
        created_by=maker,
        expires_at=timezone.now() + timedelta(days=days),
        max_uses=None if is_reusable and not email else 1,
    )
    return invitation, token


def list_open(project: Project) -> QuerySet[Invitation]:
    """Those that still make members, newest first."""
    return _counting(project.invitations.select_related("created_by"))


def revoke(project: Project, invitation_id: UUID) -> None:
    """From now on the link makes nobody a member. Those it made stay."""
    project.invitations.filter(id=invitation_id, revoked_at=None).update(revoked_at=timezone.now())


def get_invitation(token: str) -> Invitation:
    """The invitation, if it still counts. Raises NotFound for a token that nobody was given, and Gone with the reason
    for one that counts no more."""
    invitation = _find(token).select_related("project", "created_by").first()
    if invitation is None or invitation.project.deleted_at is not None:
        raise NotFound(_("There is no such invitation. Ask for a new link."))
    if invitation.revoked_at is not None:
        raise Gone(_("This invitation was revoked. Ask for a new link."))
    if invitation.max_uses is not None and invitation.uses >= invitation.max_uses:
        raise Gone(_("This invitation was used already. Ask for a new link."))
    if invitation.expires_at <= timezone.now():
        raise Gone(_("This invitation has expired. Ask for a new link."))
    if not _counting(_find(token)).exists():
        raise Gone(_("Whoever sent this invitation does not own the project any more. Ask for a new link."))
    return invitation


def find_invitation(token: str) -> Invitation | None:
    """The invitation, if it still counts."""
    try:
        return get_invitation(token)
    except (NotFound, Gone):
        return None


def find_membership(token: str, user: User) -> Membership | None:
    """What somebody is already in the project of an invitation, whether or not it still counts: they signed up with
    it, or open it again."""
    memberships = Membership.objects.filter(user=user, project__deleted_at=None, project__invitations__in=_find(token))
    return memberships.select_related("project").first()


@transaction.atomic
def accept(token: str, user: User) -> Membership:
    """Become a member, or stay what one is: an invitation takes no role away, gives no second one, and is not used up
    by a member. Of two who take the last use at once, one does. Raises NotFound, Gone, NotAllowed."""
    list(_find(token).select_for_update())  # whoever comes second reads what the first has left
    invitation = get_invitation(token)
    if invitation.email and invitation.email != user.email.lower():
        raise NotAllowed(_("This invitation is for %(email)s. Log in with that address.") % {"email": invitation.email})
    membership, is_new = Membership.objects.get_or_create(
        project=invitation.project, user=user, defaults={"role": invitation.role}
    )
    if is_new:
        Invitation.objects.filter(id=invitation.id).update(uses=F("uses") + 1)
    return membership


@transaction.atomic
def sign_up(user: User, token: str) -> User:
    """Save a new account, which is a member from its first day if the token's invitation counts and is for it.

    It may log in at once if the server is open or an administrator made the invitation; else it waits, as others do.
    Raises InvalidInput where `register` does.
    """
    invitation = _take(token, user)
    if invitation is None:
        return register(user)
    register(user, is_approved=is_approval(invitation))
    accept(token, user)
    return user


@transaction.atomic
def approve_waiting(user: User, token: str) -> None:
    """Let an account in that waits for approval, as a member, if it comes with an administrator's invitation that
    counts and is for it. One that was switched off after it had been let in stays out."""
    invitation = _take(token, user)
    if not user.is_waiting or invitation is None or not is_approval(invitation):
        return
    user.is_active = True
    user.save(update_fields=["is_active"])
    accept(token, user)


def is_approval(invitation: Invitation) -> bool:
    """Whether an account that is made through it need not wait for an administrator."""
    return invitation.created_by.is_superuser


def _take(token: str, user: User) -> Invitation | None:
    """The invitation, held until the transaction ends, if it counts and is for this user."""
    list(_find(token).select_for_update())
    invitation = find_invitation(token)
    return invitation if invitation is not None and invitation.email in ("", user.email.lower()) else None


def _find(token: str) -> QuerySet[Invitation]:
    return Invitation.objects.filter(digest=digest(token))


def _counting(invitations: QuerySet[Invitation]) -> QuerySet[Invitation]:
    owner = Membership.objects.filter(project=OuterRef("project"), user=OuterRef("created_by"), role=Role.OWNER)
    return invitations.filter(
        Q(max_uses=None) | Q(uses__lt=F("max_uses")),
        Q(created_by__is_superuser=True) | Exists(owner),
        created_by__is_active=True,
        revoked_at=None,
        expires_at__gt=timezone.now(),
    )
