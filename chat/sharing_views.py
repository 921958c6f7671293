"""Sharing a conversation by link, and the page that a link opens."""

from __future__ import annotations

import re
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from accounts.authentication import actor_of
from chat.conversation_views import is_part, render_part, wants_json
from chat.models import Message
from chat.rendering import render as render_markdown
from chat.selectors import get_conversation
from chat.sharing import create_share, list_shares, open_share, revoke_share
from core.errors import InvalidInput, NotFound

HEADERS = {"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow", "Cache-Control": "private, no-store"}
_CITE = re.compile(r'<a (?=[^>]*class="cite")[^>]*>(\d+)</a>')


@require_http_methods(["GET", "POST"])
@login_required
def share(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """The conversation's links. POST makes one, or revokes the one of `revoke`, whose token no address has."""
    found = get_conversation(actor_of(request), conversation_id)
    if request.method == "POST":
        try:
            if "revoke" in request.POST:
                revoke_share(found, request.POST["revoke"])
            else:
                create_share(found, _days(request.POST.get("days", "0")))
        except InvalidInput as error:
            if wants_json(request):
                return JsonResponse({"error": error.message}, status=error.status)
            raise
        if not is_part(request):
            return redirect("share-conversation", conversation_id=found.id)
    shares = [
        {"share": share, "url": request.build_absolute_uri(f"/shared/{share.token}/")} for share in list_shares(found)
    ]
    response = render_part(request, "share", {"conversation": found, "project": found.project, "shares": shares})
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
def shared(request: HttpRequest, token: str) -> HttpResponse:
    """What a link shows: to anybody the text, to those who may read the project its sources too."""
    reader = actor_of(request) if request.user.is_authenticated else None
    try:
        opened = open_share(token, reader)
    except NotFound as error:
        response = _guarded(render(request, "chat/unshared.html", {"message": error.message}, status=404))
        response._has_been_logged = True  # type: ignore[attr-defined]  # Django's log of 404s would keep the token
        return response
    for message in opened.messages:
        _render(message, opened.sees_sources)
    context = {
        "conversation": opened.conversation,
        "shown": opened.messages,
        "sees_sources": opened.sees_sources,
        "has_sources": any(message.sources for message in opened.messages),
        "slug": opened.conversation.project.slug,
    }
    return _guarded(render(request, "chat/shared.html", context))


def _guarded(response: HttpResponse) -> HttpResponse:
    for name, value in HEADERS.items():
        response[name] = value
    return response


def _render(message: Message, sees_sources: bool) -> None:
    if message.role == Message.Role.ASSISTANT:
        highest = max((source["n"] for source in message.sources), default=0)
        html = render_markdown(message.content, highest, str(message.id))
        if not sees_sources:
            html = _CITE.sub(r'<span class="cite static">\1</span>', html)
        message.html = html  # type: ignore[attr-defined]  # for the template


def _days(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 4 else -1
