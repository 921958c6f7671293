"""The chat page."""

from __future__ import annotations

import uuid
from contextlib import aclosing
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.authentication import actor_of
from accounts.models import Role
from accounts.selectors import get_role, list_projects
from accounts.types import Actor
from chat import services
from chat.conversation_views import listing
from chat.models import Message
from chat.pipeline import answer
from chat.rendering import render as render_markdown
from chat.selectors import get_conversation, list_conversations, list_messages
from chat.types import AnswerFailed, Question
from core.database import release
from core.errors import InvalidInput, NotFound
from knowledge.selectors import list_documents
from providers.registry import get_chat_model

SUGGESTIONS = {
    "polyai-handbook": [
        "How does PolyAI decide that a cached answer may be served?",
        "Which environment variables configure the language model?",
        "Where does PolyAI keep its data?",
    ]
}


@require_GET
@login_required
def home(request: HttpRequest) -> HttpResponse:
    """A new conversation, in the project of `?project=`, of the last conversation, or the first there is."""
    actor = actor_of(request)
    projects = list(list_projects(actor))
    if not projects:
        return redirect("projects")
    wanted = request.GET.get("project", "")
    last = list_conversations(actor).select_related("project").first()
    project = next((p for p in projects if p.slug == wanted), last.project if last else projects[0])
    context = {
        "project": project,
        "conversation_id": uuid.uuid4(),
        "suggestions": SUGGESTIONS.get(project.slug, []),
        "has_documents": list_documents(actor, project.id).exists(),
        "role": get_role(actor, project),
        "roles": Role,
    }
    return render(request, "chat/chat.html", {**_frame(actor), **context})


@require_GET
@login_required
def conversation(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    actor = actor_of(request)
    found = get_conversation(actor, conversation_id)
    shown = list_messages(found)
    for message in shown:
        _render(message)
    context = {
        "conversation": found,
        "conversation_id": found.id,
        "project": found.project,
        "shown": shown,
        "role": get_role(actor, found.project),
    }
    return render(request, "chat/chat.html", {**_frame(actor, found.id), **context})


@require_GET
@login_required
def message(request: HttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    """One message as HTML: what a page shows that was opened while the answer was being written."""
    found = get_conversation(actor_of(request), conversation_id)
    for shown in list_messages(found):
        if shown.id == message_id:
            _render(shown)
            return render(request, "chat/_message.html", {"message": shown, "slug": found.project.slug})
    return HttpResponse(status=404)


@require_POST
@login_required
def ask(request: HttpRequest) -> HttpResponse:
    """Asking without JavaScript: the page comes back with the whole answer."""
    try:
        conversation_id = UUID(request.POST.get("conversation", ""))
    except ValueError as error:
        raise InvalidInput("The form has lost its conversation. Reload the page and ask again.") from error
    question = Question(
        actor=actor_of(request),
        project=request.POST.get("project", ""),
        text=request.POST.get("text", ""),
        conversation_id=conversation_id,
    )
    release()  # nothing is held while the model writes
    failure = async_to_sync(_to_the_end)(question)
    if failure is not None:
        messages.error(request, failure.message)
        if failure.answer_id is None:
            return redirect("home")
    return redirect("conversation", conversation_id=conversation_id)


@require_POST
@login_required
def report_wrong(request: HttpRequest, conversation_id: UUID, message_id: UUID) -> HttpResponse:
    """A cached answer is wrong: it leaves the cache. The button says so, or the page comes back."""
    found = get_conversation(actor_of(request), conversation_id)
    message = found.messages.select_related("conversation__project", "parent").filter(id=message_id).first()
    if message is None:
        raise NotFound("This answer does not exist, or is not yours.")
    services.report_wrong(message)
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"evicted": True})
    messages.success(request, "Thank you. This answer has left the cache.")
    return redirect("conversation", conversation_id=conversation_id)


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
        "room": "chat",
    }


def _render(message: Message) -> None:
    if message.role == Message.Role.ASSISTANT:
        highest = max((source["n"] for source in message.sources), default=0)
        message.html = render_markdown(message.content, highest, str(message.id))  # type: ignore[attr-defined]  # for the template
