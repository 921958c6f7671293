"""What the composer asks the server for: its files and how far they are, and how far the project is."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.authentication import actor_of
from accounts.models import User
from accounts.selectors import get_project
from chat import attaching
from core.database import release
from core.errors import InvalidInput, PolyAIError, TooSlowToRead, UnreadableFile, UnsupportedFile
from knowledge import services
from knowledge.models import Document
from knowledge.picking import list_named
from knowledge.selectors import get_progress, list_attached
from providers import outages

MOST = 50  # documents of the project that a page follows
# What is wrong with the file itself: reading it again changes nothing.
_UNREADABLE: tuple[type[PolyAIError], ...] = (UnsupportedFile, UnreadableFile, *UnreadableFile.__subclasses__())
HOPELESS = {kind.code for kind in _UNREADABLE if kind is not TooSlowToRead}


@require_http_methods(["GET", "POST"])
@login_required
def files(request: HttpRequest, conversation_id: UUID) -> JsonResponse:
    """The files of a conversation, and those of the project that `?project=` and `?document=` name; or one more."""
    assert isinstance(request.user, User)
    try:
        if request.method == "POST":
            return _attach(request, request.user, conversation_id)
        actor = actor_of(request)
        found = list(list_attached(actor, conversation_id))
        if named := _ids(request.GET.getlist("document")[:MOST]):
            project = get_project(actor, request.GET.get("project", ""))
            found += list_named(actor, project.id, named)
    except PolyAIError as error:
        return _refused(error)
    return JsonResponse({"files": [_state(document) for document in found]})


def _attach(request: HttpRequest, user: User, conversation_id: UUID) -> JsonResponse:
    file = request.FILES.get("file")
    if file is None:
        raise InvalidInput(_("Choose a file first."))
    slug = request.POST.get("project", "")
    document = attaching.attach(user, conversation_id, slug, file.name or "", file)
    return JsonResponse(_state(document), status=201)


@require_POST
@login_required
def remove(request: HttpRequest, conversation_id: UUID, document_id: UUID) -> JsonResponse:
    """Take a file out of the conversation: it is deleted."""
    try:
        services.delete(attaching.get_attached(actor_of(request), conversation_id, document_id))
    except PolyAIError as error:
        return _refused(error)
    return JsonResponse({})


@require_POST
@login_required
def retry(request: HttpRequest, conversation_id: UUID, document_id: UUID) -> JsonResponse:
    """Read a file again that could not be read."""
    try:
        document = attaching.get_attached(actor_of(request), conversation_id, document_id)
        services.retry(document)
        document.refresh_from_db()
    except PolyAIError as error:
        return _refused(error)
    return JsonResponse(_state(document))


@require_safe
@login_required
def reading(request: HttpRequest, slug: str) -> JsonResponse:
    """How many of the project's documents there are, and how many are still being read."""
    actor = actor_of(request)
    progress = get_progress(actor, get_project(actor, slug).id)
    return JsonResponse({"documents": progress.documents, "unfinished": progress.unfinished})


@require_safe
@login_required
def model(request: HttpRequest) -> JsonResponse:
    """Whether the language model is silent, for a page that says so."""
    release()  # nothing is held during a look
    return JsonResponse({"is_silent": async_to_sync(outages.lasts)()})


def _state(document: Document) -> dict[str, object]:
    return {
        "id": str(document.id),
        "name": document.name,
        "state": document.state,
        "percent": document.percent,
        "error": document.error,
        "retryable": document.error_code not in HOPELESS,
        "is_finished": document.is_finished,
        "is_attached": document.attached_to is not None,
    }


def _ids(written: list[str]) -> list[UUID]:
    try:
        return [UUID(one) for one in written]
    except ValueError as error:
        raise InvalidInput(_("That is no list of documents. Reload the page and try again.")) from error


def _refused(error: PolyAIError) -> JsonResponse:
    body = {"error": error.message, "code": error.code, "retryable": error.retryable}
    return JsonResponse(body, status=error.status)
