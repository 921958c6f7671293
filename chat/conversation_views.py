"""One's conversations: the list, what can be done to each, and the palette's search."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.formats import date_format
from django.utils.http import content_disposition_header, url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.authentication import actor_of
from accounts.selectors import list_projects
from accounts.types import Actor
from chat import filing, mirror
from chat.catalogue import Filter, list_page, list_tags
from chat.export import file_name, to_json, to_markdown
from chat.models import Conversation
from chat.search import Hit, search_conversations
from chat.selectors import get_conversation, list_conversations, list_messages
from chat.sharing import list_branch
from core.errors import InvalidInput
from core.text import storable
from knowledge.selectors import list_documents

PART = "X-Part"  # of a request: the page's script wants the piece without the page around it
MOST_FOUND = 5  # documents, and projects, in the palette


def listing(actor: Actor, show: str = "", after: str = "", current: UUID | None = None) -> dict[str, object]:
    """What the list of conversations is rendered from."""
    return {
        "page": list_page(actor, Filter.parse(show), after),
        "show": show,
        "tags": list_tags(actor),
        "current": current,
    }


def is_part(request: HttpRequest) -> bool:
    return PART in request.headers


def render_part(request: HttpRequest, name: str, context: dict[str, object]) -> HttpResponse:
    """`_name.html` for the page's script, `name.html` around it for everybody else."""
    template = f"chat/_{name}.html" if is_part(request) else f"chat/{name}.html"
    response = render(request, template, context)
    patch_vary_headers(response, [PART])
    return response


@require_safe
@login_required
def conversations(request: HttpRequest) -> HttpResponse:
    """All conversations, as pages; `?show=` filters, `?after=` goes on, `?q=` searches."""
    actor = actor_of(request)
    asked = _text(request, "q")
    context = listing(actor, _text(request, "show"), _text(request, "after"), _uuid(request, "current"))
    found = search_conversations(actor, asked) if asked else []
    return render_part(request, "conversation_list", {**context, "q": asked, "found": found, "room": "conversations"})


@require_safe
@login_required
def options(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """What can be done to a conversation, as a form."""
    found = get_conversation(actor_of(request), conversation_id)
    return render_part(request, "options", {"conversation": found, "project": found.project})


@require_POST
@login_required
def edit(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Rename, tag, pin, archive: the fields that are sent."""
    found = get_conversation(actor_of(request), conversation_id)
    sent = request.POST
    try:
        filing.edit(
            found,
            title=sent.get("title"),
            tags=sent["tags"].split(",") if "tags" in sent else None,
            pinned=sent["pinned"] == "1" if "pinned" in sent else None,
            archived=sent["archived"] == "1" if "archived" in sent else None,
        )
    except InvalidInput as error:
        if wants_json(request):
            return JsonResponse({"error": error.message}, status=error.status)
        raise
    if wants_json(request):
        return JsonResponse({"title": found.title, "tags": found.tags})
    return _back(request, reverse("conversation", args=[found.id]))


@require_POST
@login_required
def delete(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Delete a conversation; for an hour it can be brought back."""
    actor = actor_of(request)
    found = get_conversation(actor, conversation_id)
    async_to_sync(mirror.stop)((actor, conversation_id), None)
    filing.put_away(found)
    if wants_json(request):
        return JsonResponse({"restore": reverse("restore-conversation", args=[found.id])})
    told = _("“%(title)s” is deleted. For an hour it is among the conversations under “Recently deleted”.")
    messages.success(request, told % {"title": found.title})
    return redirect("home")


@require_POST
@login_required
def restore(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """Undo the deletion of a conversation. One that is not deleted stays as it is."""
    actor = actor_of(request)
    found = list_conversations(actor, deleted=True).filter(id=conversation_id).first()
    if found is None:
        found = get_conversation(actor, conversation_id)
    filing.bring_back(found)
    if wants_json(request):
        return JsonResponse({"title": found.title})
    return _back(request, reverse("conversation", args=[found.id]))


@require_safe
@login_required
def title(request: HttpRequest, conversation_id: UUID) -> JsonResponse:
    """The title as it is now: some seconds after the first answer the model may have given one."""
    return JsonResponse({"title": get_conversation(actor_of(request), conversation_id).title})


@require_safe
@login_required
def export(request: HttpRequest, conversation_id: UUID, kind: str) -> HttpResponse:
    """A download: Markdown of the branch that is shown, or JSON of all."""
    found = get_conversation(actor_of(request), conversation_id)
    shown = list_messages(found)
    if kind == "json":
        pretty = {"ensure_ascii": False, "indent": 2}
        response: HttpResponse = JsonResponse(to_json(found, shown), json_dumps_params=pretty)
    else:
        text = "".join(to_markdown(found, list_branch(shown, found.tip_id)))
        response = HttpResponse(text, content_type="text/markdown; charset=utf-8")
    disposition = content_disposition_header(as_attachment=True, filename=file_name(found, kind))
    response["Content-Disposition"] = disposition or "attachment"
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
@login_required
def palette(request: HttpRequest) -> JsonResponse:
    """What the palette finds for `?q=`; without it, the conversations that were last in use."""
    actor = actor_of(request)
    asked = _text(request, "q")
    if not asked:
        last = list_page(actor, Filter(), size=8)
        recent = [_line(entry.conversation) for entry in last.entries[:8]]
        return JsonResponse({"groups": [{"label": _("Recent conversations"), "items": recent}]})
    groups = [
        (_("Conversations"), [_found(hit) for hit in search_conversations(actor, asked)]),
        (_("Documents"), _documents(actor, asked)),
        (_("Projects"), _projects(actor, asked)),
    ]
    return JsonResponse({"groups": [{"label": label, "items": items} for label, items in groups if items]})


def wants_json(request: HttpRequest) -> bool:
    return request.headers.get("Accept") == "application/json"


def _text(request: HttpRequest, name: str) -> str:
    return storable(request.GET.get(name, "")).strip()


def _uuid(request: HttpRequest, name: str) -> UUID | None:
    try:
        return UUID(request.GET.get(name, ""))
    except ValueError:
        return None


def _back(request: HttpRequest, otherwise: str) -> HttpResponse:
    target = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(target, {request.get_host()}, request.is_secure())
    return redirect(target if is_ours else otherwise)


def _line(conversation: Conversation) -> dict[str, object]:
    return {"title": [[conversation.title, False]], "href": reverse("conversation", args=[conversation.id])}


def _found(hit: Hit) -> dict[str, object]:
    return {
        "title": [[piece.text, piece.is_marked] for piece in hit.title],
        "detail": [[piece.text, piece.is_marked] for piece in hit.snippet],
        "at": date_format(hit.at, "DATE_FORMAT"),
        "href": hit.path,
    }


def _documents(actor: Actor, asked: str) -> list[dict[str, object]]:
    named = list_documents(actor).filter(name__icontains=asked[:200])
    return [
        {
            "title": [[document.name, False]],
            "detail": [[document.project.name, False]],
            "href": reverse("document", args=[document.project.slug, document.id]),
        }
        for document in named.select_related("project").order_by("name", "id")[:MOST_FOUND]
    ]


def _projects(actor: Actor, asked: str) -> list[dict[str, object]]:
    named = list_projects(actor).filter(name__icontains=asked[:200]).order_by("name", "id")[:MOST_FOUND]
    return [
        {"title": [[project.name, False]], "href": f"{reverse('home')}?project={project.slug}"} for project in named
    ]
