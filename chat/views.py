"""The chat page."""

from __future__ import annotations

import uuid
from contextlib import aclosing
from dataclasses import dataclass
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.authentication import actor_of
from accounts.models import Role
from accounts.selectors import get_role, list_projects
from accounts.types import Actor
from chat import mirror, services
from chat.conversation_views import listing
from chat.models import Conversation, Feedback, Message
from chat.pipeline import answer
from chat.rendering import render as render_markdown
from chat.selectors import get_conversation, get_message, is_unfinished, list_conversations, list_page
from chat.types import AnswerFailed, Question
from core.database import release
from core.errors import InvalidInput, NotFound
from knowledge.selectors import get_progress, has_attached
from knowledge.types import Filters
from providers import outages
from providers.registry import get_chat_model, list_chat_models

BLANK_QUESTION = {"role": "user", "id": ""}
BLANK_ANSWER = {"role": "assistant", "id": "", "status": "streaming", "rating": None}
SUGGESTIONS = {
    "polyai-handbook": [
        gettext_lazy("How does PolyAI decide that a cached answer may be served?"),
        gettext_lazy("Which environment variables configure the language model?"),
        gettext_lazy("Where does PolyAI keep its data?"),
    ]
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A question that was not answered, as it stands in the field again."""

    text: str
    model: str
    reason: str


@require_safe
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """A new conversation, in the project of `?project=`, of the last conversation, or the first there is."""
    return _new_chat(request, request.GET.get("project", ""))


def _new_chat(
    request: HttpRequest, wanted: str, conversation_id: UUID | None = None, refused: Refused | None = None
) -> HttpResponse:
    actor = actor_of(request)
    projects = list(list_projects(actor))
    if not projects:
        return render(request, "chat/first_run.html", {"room": "chat", "refused": refused})
    last = list_conversations(actor).select_related("project").first()
    project = next((p for p in projects if p.slug == wanted), last.project if last else projects[0])
    context = {
        "project": project,
        "conversation_id": conversation_id or uuid.uuid4(),
        "suggestions": SUGGESTIONS.get(project.slug, []),
        "progress": get_progress(actor, project.id),
        "role": get_role(actor, project),
        "roles": Role,
        "refused": refused,
    }
    return render(request, "chat/chat.html", {**_frame(actor), **context})


@require_safe
@login_required
def conversation(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    return _conversation(request, get_conversation(actor_of(request), conversation_id))


def _conversation(request: HttpRequest, found: Conversation, refused: Refused | None = None) -> HttpResponse:
    actor = actor_of(request)
    services.interrupt_abandoned(found.id)
    shown, has_earlier = list_page(found, message_id=_uuid(request, "message"), before=_uuid(request, "before"))
    for message in shown:
        _render(message)
    context = {
        "conversation": found,
        "has_earlier": has_earlier,
        "conversation_id": found.id,
        "project": found.project,
        "shown": shown,
        "has_files": has_attached(found.id),
        "role": get_role(actor, found.project),
        "refused": refused,
    }
    return render(request, "chat/chat.html", {**_frame(actor, found.id), **context})


@require_safe
@login_required
def message(request: HttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    """One message as HTML: what a page shows that was opened while the answer was being written."""
    found = get_conversation(actor_of(request), conversation_id)
    services.interrupt_abandoned(found.id)
    shown = get_message(found, message_id)
    _render(shown)
    context = {"message": shown, "slug": found.project.slug, "models": list_chat_models()}
    return render(request, "chat/_message.html", context)


@require_safe
@login_required
def markdown(request: HttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    """A message as it was written."""
    shown = get_message(get_conversation(actor_of(request), conversation_id), message_id)
    return HttpResponse(shown.content, content_type="text/plain; charset=utf-8")


@require_POST
@login_required
def delete_message(request: HttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    """Delete a message with all that follows it."""
    actor = actor_of(request)
    found = get_conversation(actor, conversation_id)
    shown = get_message(found, message_id)
    async_to_sync(mirror.stop)((actor, conversation_id), None)
    services.delete_message(shown)
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"deleted": True})
    return redirect("conversation", conversation_id=conversation_id)


@require_http_methods(["GET", "POST"])
def ask(request: HttpRequest) -> HttpResponse:
    """Asking without JavaScript: the page comes back with the whole answer, or with the question in its field again and
    the reason. After a log-in on the way there is none."""
    if request.method == "GET":
        return redirect("home")
    if not request.user.is_authenticated:
        context = {"title": _("You are logged out"), "message": _("Log in, and ask again.")}
        return render(request, "error.html", context, status=403)
    try:
        conversation_id = UUID(request.POST.get("conversation", ""))
    except ValueError as error:
        raise InvalidInput(_("The form has lost its conversation. Reload the page and ask again.")) from error
    question = Question(
        actor=actor_of(request),
        project=request.POST.get("project", ""),
        text=request.POST.get("suggestion") or request.POST.get("text", ""),
        conversation_id=conversation_id,
        model=request.POST.get("model", ""),
        filters=_filters(request),
    )
    release()  # nothing is held while the model writes
    failure = async_to_sync(_to_the_end)(question)
    if failure is None:
        return redirect("conversation", conversation_id=conversation_id)
    refused = Refused(text=question.text, model=question.model, reason=failure.message)
    try:
        return _conversation(request, get_conversation(question.actor, conversation_id), refused)
    except NotFound:
        # A new chat goes on under the id that its files have already, but not under that of one that was deleted.
        place = None if failure.code == NotFound.code else conversation_id
        return _new_chat(request, question.project, place, refused)


@require_POST
@login_required
def report_wrong(request: HttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    """A cached answer is wrong: it leaves the cache. The button says so, or the page comes back."""
    found = get_conversation(actor_of(request), conversation_id)
    message = found.messages.select_related("conversation__project", "parent").filter(id=message_id).first()
    if message is None:
        raise NotFound(_("This answer does not exist, or is not yours."))
    services.report_wrong(message)
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"evicted": True})
    messages.success(request, _("Thank you. This answer has left the cache."))
    return redirect("conversation", conversation_id=conversation_id)


def _uuid(request: HttpRequest, name: str) -> UUID | None:
    """An id in the address. Raises NotFound for what is none."""
    value = request.GET.get(name)
    try:
        return UUID(value) if value else None
    except ValueError as error:
        raise NotFound(_("This message does not exist any more.")) from error


def _filters(request: HttpRequest) -> Filters:
    """What the form restricts its question to: `document` and `tag`, each any number of times. Raises InvalidInput."""
    try:
        documents = tuple(UUID(value) for value in request.POST.getlist("document"))
    except ValueError as error:
        raise InvalidInput(_("The form names a document that is none. Reload the page and ask again.")) from error
    return Filters(documents=documents, tags=tuple(request.POST.getlist("tag")))


async def _to_the_end(question: Question) -> AnswerFailed | None:
    last = None
    async with aclosing(answer(question)) as events:
        async for event in events:
            last = event
    return last if isinstance(last, AnswerFailed) else None


def _frame(actor: Actor, current: UUID | None = None) -> dict[str, object]:
    """What every chat page has around its conversation."""
    return {
        "projects": list_projects(actor),
        "listing": listing(actor, current=current),
        "is_extractive": get_chat_model().is_extractive,
        "models": list_chat_models(),
        "is_model_silent": outages.is_known(),
        "reasons": Feedback.Reason.choices,
        "blank_question": BLANK_QUESTION,
        "blank_answer": BLANK_ANSWER,
        "room": "chat",
    }


def _render(message: Message) -> None:
    """Give a message what the template shows of it."""
    if message.role == Message.Role.ASSISTANT:
        highest = max((source["n"] for source in message.sources), default=0)
        feedback = getattr(message, "feedback", None)
        message.html = render_markdown(message.content, highest, str(message.id))  # type: ignore[attr-defined]  # for the template
        message.rating = feedback.is_good if feedback else None  # type: ignore[attr-defined]  # likewise
        message.is_unfinished = is_unfinished(message)  # type: ignore[attr-defined]  # likewise
