"""The documents page: what is there, uploads, and what is done to one document or to many."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TypedDict
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.authentication import actor_of
from accounts.models import Project, Role, User
from accounts.selectors import get_project, get_role
from core.errors import InvalidInput, NotFound, PolyAIError
from core.text import nfc, storable
from knowledge import archives, services
from knowledge.bulk import Change, carry_out, change_of
from knowledge.listing import SORTS, Listing, get_page, list_kinds, list_matching, list_tags, listing_of
from knowledge.models import Document
from knowledge.parsers import PARSERS
from knowledge.picking import list_picks
from knowledge.selectors import get_document, get_progress, list_documents

NAMED = 10  # documents that a confirmation names
PICKED_BY = 100  # characters of a name


@require_safe
@login_required
def documents(request: HttpRequest, slug: str) -> HttpResponse:
    actor = actor_of(request)
    project = get_project(actor, slug)
    listing = listing_of(request.GET.dict())
    context = {
        "project": project,
        "room": "documents",
        "section": "documents",
        "role": get_role(actor, project),
        "listing": listing,
        "documents": get_page(actor, project.id, listing),
        "progress": get_progress(actor, project.id),
        "kinds": list_kinds(actor, project.id),
        "tags": list_tags(actor, project.id),
        "sorts": SORTS,
        "endings": ",".join([*PARSERS, archives.ENDING]),
        "readable": ", ".join(dict.fromkeys(ending.lstrip(".").upper() for ending in [*PARSERS, archives.ENDING])),
    }
    return render(request, "knowledge/documents.html", context)


@require_POST
@login_required
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """Each file by itself: one that is refused does not hold up the others."""
    assert isinstance(request.user, User)
    project = get_project(actor_of(request), slug, Role.EDITOR)
    files = request.FILES.getlist("files")
    # A browser's file has no folder in its name; the page's script sends the paths beside, in the same order.
    paths = request.POST.getlist("paths")
    names = paths if len(paths) == len(files) else [file.name or "" for file in files]
    # It sends many files a few at a time, and says how many they are altogether.
    together = request.POST.get("together", "")
    is_bulk = max(len(files), int(together) if together.isdecimal() else 0) > services.BY_HAND
    results = [_upload_one(project, request.user, *pair, is_bulk) for pair in zip(names, files, strict=True)]
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"files": results}, status=200 if results else 400)
    for result in results:
        if result["error"]:
            messages.error(request, _("%(name)s: %(error)s") % {"name": result["name"], "error": result["error"]})
        elif result["note"]:
            messages.info(request, _("%(name)s: %(note)s") % {"name": result["name"], "note": result["note"]})
    if not results:
        messages.error(request, _("Choose at least one file."))
    return redirect("documents", slug=slug)


@require_safe
@login_required
def pick(request: HttpRequest, slug: str) -> JsonResponse:
    """What a question can be restricted to: `?q=` is typed behind a `#`, `?conversation=` adds what is attached."""
    actor = actor_of(request)
    project = get_project(actor, slug)
    try:
        conversation = UUID(request.GET.get("conversation", ""))
    except ValueError:
        conversation = None  # a program that only wants the project's
    text = nfc(storable(request.GET.get("q", "")))[:PICKED_BY]
    picks = list_picks(actor, project.id, text, conversation)
    return JsonResponse({"picks": [asdict(found) for found in picks]})


class UploadResult(TypedDict):
    """What became of one file, as the page's script reads it. `note`: what people should know of an accepted one."""

    name: str
    id: str | None
    error: str | None
    is_new: bool
    same_as: tuple[str, ...]
    note: str
    retryable: bool


def _upload_one(project: Project, user: User, name: str, file: UploadedFile[bytes], is_bulk: bool) -> UploadResult:
    if archives.is_archive(name):
        return _upload_archive(project, user, name, file)
    try:
        uploaded = services.upload(project=project, name=name, file=file, user=user, is_bulk=is_bulk)
    except PolyAIError as error:
        return _refused(name, error)
    document, note = uploaded.document, ""
    if not uploaded.is_new:
        note = _("the same file is here already.")
    elif uploaded.same_as:
        note = _("the same content as %(names)s.") % {"names": ", ".join(uploaded.same_as)}
    return {
        "name": document.name,
        "id": str(document.id),
        "error": None,
        "is_new": uploaded.is_new,
        "same_as": uploaded.same_as,
        "note": note,
        "retryable": False,
    }


def _refused(name: str, error: PolyAIError) -> UploadResult:
    return {
        "name": name,
        "id": None,
        "error": error.message,
        "is_new": False,
        "same_as": (),
        "note": "",
        "retryable": error.retryable,
    }


def _upload_archive(project: Project, user: User, name: str, file: UploadedFile[bytes]) -> UploadResult:
    """One result for an archive as a whole; its note names what was refused of it."""
    try:
        unpacked = archives.upload_archive(project=project, name=name, file=file, user=user)
    except PolyAIError as error:
        return _refused(name, error)
    refused = [f"{refused.name}: {refused.error.message}" for refused in unpacked.refused]
    note = _("%(taken)s of its files were taken, %(new)s of them new.") % {
        "taken": len(unpacked.documents),
        "new": len(unpacked.new),
    }
    if refused:
        told = _("%(count)s were refused: %(names)s") % {"count": len(refused), "names": " ".join(refused[:NAMED])}
        more = _("And %(count)s more.") % {"count": len(refused) - NAMED} if len(refused) > NAMED else ""
        note = " ".join(filter(None, [note, told, more]))
    return {
        "name": name,
        "id": None,
        "error": None,
        "is_new": bool(unpacked.new),
        "same_as": (),
        "note": note,
        "retryable": False,
    }


@require_POST
@login_required
def delete(request: HttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    found = find(request, slug, document_id, Role.EDITOR)
    services.delete(found)
    return _tell(request, slug, _("%(name)s was deleted.") % {"name": found.name})


@require_POST
@login_required
def retry(request: HttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    found = find(request, slug, document_id, Role.EDITOR)
    services.retry(found)
    return _tell(request, slug, _("%(name)s is queued again.") % {"name": found.name})


@require_POST
@login_required
def cancel(request: HttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    found = find(request, slug, document_id, Role.EDITOR)
    told = _("%(name)s was cancelled.") if services.cancel(found) else _("%(name)s was finished already.")
    return _tell(request, slug, told % {"name": found.name})


def _tell(request: HttpRequest, slug: str, message: str) -> HttpResponse:
    """To the page's script, or to a browser without one, what was done."""
    if request.headers.get("Accept") == "application/json":
        return JsonResponse({"message": message})
    messages.info(request, message)
    return redirect("documents", slug=slug)


@require_POST
@login_required
def bulk(request: HttpRequest, slug: str) -> HttpResponse:
    """One change of many documents: those that were ticked, or all that the address's filter lets through.

    Deleting asks first, with the number; what is confirmed is carried out only if it is still that number.
    """
    project = get_project(actor_of(request), slug, Role.EDITOR)
    wants_json = request.headers.get("Accept") == "application/json"
    listing = listing_of(request.GET.dict())
    try:
        chosen = _chosen(request, project, listing)
        change = change_of(request.POST.get("action", ""), request.POST.get("tags", "").split(","))
        count = chosen.count()
        if change.needs_confirmation and request.POST.get("confirmed") != str(count):
            return _ask(request, project, chosen, change, wants_json=wants_json)
        told = carry_out(change, list(chosen)).message
    except InvalidInput as error:
        if wants_json:
            return JsonResponse({"error": error.message}, status=error.status)
        messages.error(request, error.message)
    else:
        if wants_json:
            return JsonResponse({"message": told})
        messages.info(request, told)
    response = redirect("documents", slug=slug)
    if listing.query:
        response["Location"] += f"?{listing.query}"
    return response


def _chosen(request: HttpRequest, project: Project, listing: Listing) -> QuerySet[Document]:
    """Raises InvalidInput when nothing is."""
    actor = actor_of(request)
    if "all" in request.POST or "all" in request.GET:
        chosen = list_matching(actor, project.id, replace(listing, page=1))
    else:
        try:
            ids = [UUID(written) for written in request.POST.getlist("documents")]
        except ValueError as error:
            raise InvalidInput(_("That is no list of documents. Reload the page and try again.")) from error
        chosen = list_documents(actor, project.id).filter(id__in=ids)
    if not chosen.exists():
        raise InvalidInput(_("Tick at least one document first."))
    return chosen


def _ask(
    request: HttpRequest, project: Project, chosen: QuerySet[Document], change: Change, *, wants_json: bool
) -> HttpResponse:
    count = chosen.count()
    if wants_json:
        return JsonResponse({"confirm": change.question(count), "count": count})
    context = {
        "project": project,
        "room": "documents",
        "section": "documents",
        "role": get_role(actor_of(request), project),
        "question": change.question(count),
        "count": count,
        "named": chosen[:NAMED],
        "more": max(0, count - NAMED),
        "fields": [(name, value) for name in ("documents", "all", "action") for value in request.POST.getlist(name)],
    }
    return render(request, "knowledge/confirm.html", context)


def find(request: HttpRequest, slug: str, document_id: UUID, role: Role = Role.VIEWER) -> Document:
    """The document at an address. Raises NotFound, NotAllowed."""
    actor = actor_of(request)
    project = get_project(actor, slug, role)
    found = get_document(actor, document_id)
    if found.project_id != project.id:
        raise NotFound(_("There is no such document in this project."))
    return found
