"""The documents page and a document's own page."""

from __future__ import annotations

from typing import TypedDict
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_POST

from accounts.authentication import actor_of
from accounts.models import Project, Role, User
from accounts.selectors import get_project, get_role
from core.errors import NotFound, PolyAIError
from knowledge import services
from knowledge.models import Chunk, Document
from knowledge.parsers import PARSERS
from knowledge.selectors import get_document, list_documents, list_live_chunks

SHOWN_CHUNKS = 200  # on a document's page
BEFORE_TARGET = 10


@require_GET
@login_required
def documents(request: HttpRequest, slug: str) -> HttpResponse:
    actor = actor_of(request)
    project = get_project(actor, slug)
    context = {
        "project": project,
        "room": "documents",
        "role": get_role(actor, project),
        "documents": list_documents(actor, project.id)[:200],
        "count": list_documents(actor, project.id).count(),
        "endings": ",".join(PARSERS),
    }
    return render(request, "knowledge/documents.html", context)


@require_POST
@login_required
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """Each file by itself: one that is refused does not hold up the others."""
    assert isinstance(request.user, User)
    project = get_project(actor_of(request), slug, Role.EDITOR)
    files = request.FILES.getlist("files")
    is_bulk = len(files) > services.BY_HAND
    results = [_upload_one(project, request.user, file, is_bulk) for file in files]
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"files": results}, status=200 if results else 400)
    for result in results:
        if result["error"]:
            messages.error(request, f"{result['name']}: {result['error']}")
        elif not result["is_new"]:
            messages.info(request, f"{result['name']}: the same file is here already.")
        elif result["same_as"]:
            messages.info(request, f"{result['name']}: the same content as {', '.join(result['same_as'])}.")
    if not results:
        messages.error(request, "Choose at least one file.")
    return redirect("documents", slug=slug)


class UploadResult(TypedDict):
    """What became of one file, as the page's script reads it."""

    name: str
    id: str | None
    error: str | None
    is_new: bool
    same_as: tuple[str, ...]


def _upload_one(project: Project, user: User, file: UploadedFile[bytes], is_bulk: bool) -> UploadResult:
    name = file.name or ""
    try:
        uploaded = services.upload(project=project, name=name, file=file, user=user, is_bulk=is_bulk)
    except PolyAIError as error:
        return {"name": name, "id": None, "error": error.message, "is_new": False, "same_as": ()}
    document = uploaded.document
    return {
        "name": document.name,
        "id": str(document.id),
        "error": None,
        "is_new": uploaded.is_new,
        "same_as": uploaded.same_as,
    }


@require_GET
@login_required
def document(request: HttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    found = _document(request, slug, document_id)
    actor = actor_of(request)
    chunks = list_live_chunks(found)
    count = chunks.count()
    first = _first_shown(request, chunks)
    context = {
        "count": count,
        "earlier": max(0, first - SHOWN_CHUNKS) if first else None,
        "later": first + SHOWN_CHUNKS if first + SHOWN_CHUNKS < count else None,
        "document": found,
        "project": found.project,
        "room": "documents",
        "role": get_role(actor, found.project),
        "chunks": chunks[first : first + SHOWN_CHUNKS],
    }
    return render(request, "knowledge/document.html", context)


def _first_shown(request: HttpRequest, chunks: QuerySet[Chunk]) -> int:
    """The place of the first chunk to show: as `?from=` says, or a little before the one that `?chunk=` names."""
    wanted, start = request.GET.get("chunk", ""), request.GET.get("from", "")
    try:
        position = chunks.filter(id=UUID(wanted)).values_list("position", flat=True).first() if wanted else None
    except ValueError:
        position = None
    if position is not None:
        return max(0, position - BEFORE_TARGET)
    return int(start) if start.isdecimal() and len(start) < 10 else 0


@require_GET
@login_required
def original(request: HttpRequest, slug: str, document_id: UUID) -> FileResponse:
    """The file as it was uploaded; always as a download, for what people upload is not to run in our pages."""
    found = _document(request, slug, document_id)
    try:
        return FileResponse(found.original.open("rb"), as_attachment=True, filename=found.name.rsplit("/", 1)[-1])
    except FileNotFoundError as error:
        raise NotFound("The original of this document is gone from the storage.") from error


@require_POST
@login_required
def delete(request: HttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    found = _document(request, slug, document_id, Role.EDITOR)
    services.delete(found)
    messages.info(request, f"{found.name} was deleted.")
    return redirect("documents", slug=slug)


@require_POST
@login_required
def retry(request: HttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    services.retry(_document(request, slug, document_id, Role.EDITOR))
    return redirect("documents", slug=slug)


def _document(request: HttpRequest, slug: str, document_id: UUID, role: Role = Role.VIEWER) -> Document:
    actor = actor_of(request)
    project = get_project(actor, slug, role)
    found = get_document(actor, document_id)
    if found.project_id != project.id:
        raise NotFound("There is no such document in this project.")
    return found
