"""What the pages about people have in common: the frame around them, and the invitation that a log-in began from."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import Resolver404, resolve

from accounts.authentication import actor_of
from accounts.models import Project
from accounts.selectors import get_role


def render_team(
    request: HttpRequest, template: str, project: Project, context: Mapping[str, object], status: int = 200
) -> HttpResponse:
    """A page of a project's team: members, feedback, usage or settings, each by its template's name."""
    frame = {
        "project": project,
        "room": "team",
        "section": template.rpartition("/")[2].removesuffix(".html"),
        "role": get_role(actor_of(request), project),
    }
    return render(request, template, {**frame, **context}, status=status)


def invitation_token(request: HttpRequest) -> str:
    """The token of the invitation to which a log-in or sign-up leads back, as its `next` tells; empty for none."""
    path = request.POST.get("next") or request.GET.get("next") or ""
    try:
        match = resolve(path.partition("?")[0])
    except Resolver404:
        return ""
    return str(match.kwargs["token"]) if match.url_name == "invitation" else ""
