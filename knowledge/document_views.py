"""A document's own page: its text with a passage marked in it, the original beside it, and what is known of it."""

from __future__ import annotations

from pathlib import PurePath
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.authentication import actor_of
from accounts.models import Role
from accounts.selectors import get_role
from core.errors import InvalidInput, NotFound
from knowledge import describing
from knowledge.models import Chunk, Document
from knowledge.reading import render_page
from knowledge.screens import get_screen
from knowledge.selectors import list_live_chunks
from knowledge.tokens import count_tokens
from knowledge.views import find

AS_TEXT = {"txt", "text", "md", "markdown", "csv", "tsv", "json", "log"}  # originals a browser may show as plain text
INLINE_POLICY = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
PAGE_KEPT = 3600  # seconds that a browser keeps the picture of a page


@require_safe
@login_required
def document(request: HttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    """`?chunk=<id>` opens on a passage, `?from=<position>` on a chunk's place, `?view=chunks` shows what was cut."""
    found = find(request, slug, document_id)
    wanted = request.GET.get("chunk", "")
    screen = get_screen(found, chunk=wanted, start=request.GET.get("from", ""))
    has_parts = bool(screen.stretches)
    shows_chunks = request.GET.get("view") == "chunks" or not has_parts
    context = {
        "document": found,
        "project": found.project,
        "room": "documents",
        "role": get_role(actor_of(request), found.project),
        "screen": screen,
        "anchor": f"chunk-{screen.target.id}" if screen.target else "",
        "shows_chunks": shows_chunks,
        "has_parts": has_parts,
        "chunks": [(chunk, count_tokens(chunk.text)) for chunk in screen.chunks] if shows_chunks else [],
        "picture": _picture(found, screen.page, screen.target),
        "view_query": "&view=chunks" if shows_chunks and has_parts else "",
        "metadata": describing.written(found.metadata),
        "shown_inline": found.kind == "pdf" or found.kind in AS_TEXT,
    }
    return render(request, "knowledge/document.html", context)


def _picture(found: Document, page: int | None, target: Chunk | None) -> str:
    """The address of a page's picture, with the passage framed in it where it stands there; empty where there is none.

    It changes with the file: a browser never shows the page of an earlier version.
    """
    if found.kind != "pdf" or page is None:
        return ""
    address = reverse("document-page", args=[found.project.slug, found.id, page])
    chunk = f"&chunk={target.id}" if target is not None and target.metadata.get("page") == page else ""
    return f"{address}?of={PurePath(str(found.shown_original.name)).name[:12]}{chunk}"


@require_safe
@login_required
def page(request: HttpRequest, slug: str, document_id: UUID, number: int) -> HttpResponse:
    """One page of a PDF as a picture; `?chunk=<id>` frames that passage. For whoever may read the document only."""
    found = find(request, slug, document_id)
    if found.kind != "pdf":
        raise NotFound(_("Only PDF files have pages that can be drawn."))
    text = ""
    if wanted := request.GET.get("chunk", ""):
        try:
            text = list_live_chunks(found).filter(id=UUID(wanted)).values_list("text", flat=True).first() or ""
        except ValueError as error:
            raise NotFound(_("There is no such passage in this document.")) from error
    tag = f'"{found.shown_original.name}-{number}-{wanted}"'
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers={"ETag": tag})
    try:
        with found.shown_original.open("rb") as file:
            picture = render_page(file, number, text)
    except FileNotFoundError as error:
        raise NotFound(_("The original of this document is gone from the storage.")) from error
    headers = {
        "Cache-Control": f"private, max-age={PAGE_KEPT}",
        "ETag": tag,
        "Vary": "Cookie",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'",
    }
    return HttpResponse(picture, content_type="image/png", headers=headers)


@require_safe
@login_required
def original(request: HttpRequest, slug: str, document_id: UUID) -> FileResponse:
    """The file as it was uploaded, as a download: what people upload is not to run in our pages.

    `?inline` shows a PDF in the browser's own viewer, and plain text as plain text; nothing else.
    """
    found = find(request, slug, document_id)
    name = found.name.rsplit("/", 1)[-1]
    kind = ""
    if "inline" in request.GET:
        kind = "application/pdf" if found.kind == "pdf" else "text/plain" if found.kind in AS_TEXT else ""
    try:
        file = found.shown_original.open("rb")
    except FileNotFoundError as error:
        raise NotFound(_("The original of this document is gone from the storage.")) from error
    response = FileResponse(file, as_attachment=not kind, filename=name, content_type=kind or None)
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = INLINE_POLICY if kind == "application/pdf" else "default-src 'none'; sandbox"
    response["Cache-Control"] = "private, no-cache"
    return response


@require_POST
@login_required
def describe(request: HttpRequest, slug: str, document_id: UUID) -> HttpResponse:
    """Change a document's tags and metadata to what its form says."""
    found = find(request, slug, document_id, Role.EDITOR)
    pairs = zip(request.POST.getlist("key"), request.POST.getlist("value"), strict=False)
    try:
        describing.describe(
            found, tags=request.POST.get("tags", "").split(","), metadata=describing.read(found.metadata, pairs)
        )
    except InvalidInput as error:
        messages.error(request, error.message)
    else:
        messages.info(request, _("Saved."))
    return redirect("document", slug=slug, document_id=document_id)
