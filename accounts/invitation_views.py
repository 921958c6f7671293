"""Where an invitation leads: to its project, or first to an account."""

from __future__ import annotations

from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from accounts import invitations
from accounts.models import Membership, User
from core.errors import Gone, NotAllowed, NotFound


@never_cache
@require_http_methods(["GET", "POST"])
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Who is not logged in chooses between an account of theirs and a new one, and comes back; who is, accepts."""
    user = request.user if isinstance(request.user, User) else None
    if user is not None and (joined := invitations.find_membership(token, user)):
        return _into(joined)
    try:
        found = invitations.get_invitation(token)
        if user is not None and request.method == "POST":
            joined = invitations.accept(token, user)
            messages.success(request, _("Welcome to %(project)s.") % {"project": joined.project.name})
            return _into(joined)
    except (NotFound, Gone, NotAllowed) as error:
        return render(request, "accounts/invitation.html", {"problem": error}, status=error.status)
    context = {
        "invitation": found,
        "is_for_another": user is not None and found.email not in ("", user.email.lower()),
        "after": urlencode({"next": request.path}),
        "may_sign_up": settings.SIGNUP != "closed",
        "waits": settings.SIGNUP == "approval" and not invitations.is_approval(found),
    }
    return render(request, "accounts/invitation.html", context)


def _into(membership: Membership) -> HttpResponse:
    return redirect(f"{reverse('home')}?{urlencode({'project': membership.project.slug})}")
