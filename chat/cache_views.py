"""The part of the cache page that needs the documents: writing an answer. The rest is in caching.views."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.authentication import actor_of
from accounts.models import Project, Role, User
from accounts.selectors import get_project, get_role
from caching.entries import get_entry
from caching.models import CacheEntry
from caching.selectors import list_suspended
from chat.curation import MAX_ANSWER, find_passages, write_answer
from chat.lookup import numbered
from chat.pipeline import MAX_QUESTION
from core.errors import InvalidInput, PolyAIError


@require_http_methods(["GET", "POST"])
@login_required
def write(request: HttpRequest, slug: str) -> HttpResponse:
    """Write an answer: first the question, then, beside the passages that may be cited, the answer.

    `?entry=` begins with a cached answer, to write it anew from what the documents say now.
    """
    assert isinstance(request.user, User)
    actor = actor_of(request)
    project = get_project(actor, slug, Role.EDITOR)
    typed = request.POST if request.method == "POST" else request.GET
    entry = _entry(project, typed.get("entry", ""))
    question = typed.get("question", entry.question if entry else "")
    text = typed.get("text", entry.text if entry else "")
    problem = None
    if request.method == "POST":
        try:
            entry_id = write_answer(actor, project, question, text, _seen(request), request.user)
            messages.info(request, _("Approved: whoever asks this now gets your answer."))
            return redirect("cache-entry", slug=slug, entry_id=entry_id)
        except PolyAIError as error:
            problem = error
    sources = None
    if question:
        try:
            sources = numbered(find_passages(actor, project, question))
        except PolyAIError as error:
            problem = problem or error
    context = {
        "project": project,
        "room": "cache",
        "section": "write",
        "role": get_role(actor, project),
        "waiting": list_suspended(project.id).count(),
        "entry": entry,
        "question": question,
        "text": text,
        "sources": sources,
        "problem": problem,
        "longest_question": MAX_QUESTION,
        "longest_answer": MAX_ANSWER,
    }
    return render(request, "caching/write.html", context, status=problem.status if problem else 200)


def _seen(request: HttpRequest) -> list[UUID]:
    """The passages that stood beside the form, in the order of their numbers."""
    try:
        return [UUID(chunk_id) for chunk_id in request.POST.getlist("passage")]
    except ValueError as error:
        raise InvalidInput(_("The form has lost its passages. Find them again.")) from error


def _entry(project: Project, wanted: str) -> CacheEntry | None:
    try:
        return get_entry(project.id, UUID(wanted)) if wanted else None
    except ValueError:
        return None
