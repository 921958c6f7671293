"""Giving feedback in the chat, and the page on which editors and owners review it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.authentication import actor_of
from accounts.models import Project, Role, User
from accounts.pages import render_team
from accounts.selectors import get_project
from chat import feedback as opinions
from chat.models import Feedback, Message
from chat.rendering import render as render_markdown
from chat.selectors import get_conversation, hide_closed, hide_gone
from core.errors import InvalidInput, NotFound, PolyAIError


@require_POST
@login_required
def give(request: HttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    """`rating` good, bad or none, with `reason` and `comment`: JSON for a script, else the conversation again."""
    is_script = request.headers.get("Accept") == "application/json"
    try:
        rating = _give(request, conversation_id, message_id)
    except PolyAIError as error:
        if not is_script:
            raise
        return JsonResponse({"error": {"code": error.code, "message": error.message}}, status=error.status)
    if is_script:
        return JsonResponse({"rating": rating})
    messages.success(request, _("Thank you."))
    return redirect("conversation", conversation_id=conversation_id)


def _give(request: HttpRequest, conversation_id: UUID, message_id: UUID) -> str:
    found = get_conversation(actor_of(request), conversation_id)
    message = found.messages.select_related("conversation__project", "parent").filter(id=message_id).first()
    if message is None:
        raise NotFound(_("This answer does not exist, or is not yours."))
    rating = request.POST.get("rating", "")
    if rating == "none":
        opinions.withdraw(message)
    elif rating in opinions.RATINGS:
        opinions.give(message, rating == "good", request.POST.get("reason", ""), request.POST.get("comment", ""))
    else:
        raise InvalidInput(_("Say whether the answer is good or bad."))
    return rating


@require_safe
@login_required
def feedback(request: HttpRequest, slug: str) -> HttpResponse:
    project = _project(request, slug)
    wanted = opinions.Filter(
        state=_one_of(request.GET.get("state", ""), opinions.STATES) or "open",
        rating=_one_of(request.GET.get("rating", ""), opinions.RATINGS),
        reason=_one_of(request.GET.get("reason", ""), Feedback.Reason.values),
        is_cached=request.GET.get("cached") == "1",
    )
    shown, following = opinions.page_of(opinions.list_feedback(project, wanted), request.GET.get("after", ""))
    judged = [item.message for item in shown]
    entries = opinions.find_entries(project, judged)
    hide_gone(judged)
    hide_closed(judged, actor_of(request))
    for message in judged:
        _show(message, entries.get(message.id))
    query = request.GET.copy()
    query["after"] = following
    context = {
        "shown": shown,
        "wanted": wanted,
        "states": opinions.STATES,
        "reasons": Feedback.Reason.choices,
        "is_filtered": wanted != opinions.Filter(),
        "next_page": query.urlencode() if following else "",
        "is_first": not request.GET.get("after"),
        "here": request.get_full_path(),
    }
    return render_team(request, "chat/feedback.html", project, context)


@require_POST
@login_required
def review(request: HttpRequest, slug: str, message_id: UUID) -> HttpResponse:
    assert isinstance(request.user, User)
    found = opinions.get_feedback(_project(request, slug), message_id)
    opinions.review(found, request.user, is_done=request.POST.get("open") != "1")
    return _back(request, slug)


@require_POST
@login_required
def evict(request: HttpRequest, slug: str, message_id: UUID) -> HttpResponse:
    opinions.evict(opinions.get_feedback(_project(request, slug), message_id))
    messages.success(request, _("The answer has left the caches. The question is answered anew next time."))
    return _back(request, slug)


def _back(request: HttpRequest, slug: str) -> HttpResponse:
    """To the page that one was on, with its filters."""
    here = request.POST.get("here", "")
    if url_has_allowed_host_and_scheme(here, allowed_hosts=None):
        return redirect(here)
    return redirect("feedback", slug=slug)


def _project(request: HttpRequest, slug: str) -> Project:
    """Feedback shows what others have asked: it is for those who answer for the project's documents."""
    return get_project(actor_of(request), slug, Role.EDITOR)


def _one_of(word: str, words: object) -> str:
    return word if isinstance(words, tuple | list) and word in words else ""


def _show(message: Message, entry: UUID | None) -> None:
    highest = max((source["n"] for source in message.sources), default=0)
    message.html = render_markdown(message.content, highest, str(message.id))  # type: ignore[attr-defined]  # for the template
    message.entry_id = entry  # type: ignore[attr-defined]  # for the template
