"""Documents for the curator: their state and chunks, upload, retry and delete."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AllValuesFieldListFilter
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import UploadedFile
from django.db.models import CharField, F, Func, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from accounts.models import Project, User
from core.errors import PolyAIError
from knowledge import archives, services
from knowledge.bulk import Change, carry_out
from knowledge.listing import FACETS
from knowledge.models import Chunk, Document, KnowledgePolicy, SyncedFile
from knowledge.parsers import PARSERS
from knowledge.places import shown_place
from knowledge.space_admin import EmbeddingSpaceAdmin as EmbeddingSpaceAdmin
from knowledge.web import admin as web_admin  # noqa: F401  # registers itself


class ReadOnly:
    """Mixed into an admin whose rows are made and changed elsewhere."""

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class ManyFiles(UnfoldAdminFileFieldWidget):
    allow_multiple_selected = True


class ManyFilesField(forms.FileField):
    """One field, any number of files; services.upload checks each by itself."""

    def clean(self, data: Any, initial: Any = None) -> list[Any]:  # Any: Django's uploaded files
        if not data:
            raise forms.ValidationError(_("Choose at least one file."))
        return list(data)


class UploadForm(forms.Form):
    project = forms.ModelChoiceField(
        Project.objects.all(), label=gettext_lazy("Project"), widget=UnfoldAdminSelectWidget
    )
    files = ManyFilesField(  # type: ignore[assignment]  # a form has an attribute of that name, a field may too
        label=gettext_lazy("Files"),
        widget=ManyFiles(attrs={"multiple": True, "accept": ",".join([*PARSERS, archives.ENDING])}),
        help_text=gettext_lazy("A file whose name is in the project already becomes that document's next version."),
    )


class ChunkInline(ReadOnly, TabularInline):
    model = Chunk
    fields = ("position", "place", "text")
    readonly_fields = ("place",)
    ordering = ("version", "position")
    per_page = 20
    tab = True
    show_change_link = True

    @display(description=gettext_lazy("Place"))
    def place(self, chunk: Chunk) -> str:
        return shown_place(chunk.locator, chunk.document.name)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


class TagFilter(admin.SimpleListFilter):
    title = gettext_lazy("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        tag = Func(F("tags"), function="unnest", output_field=CharField())
        tags = (
            Document.objects.filter(attached_to=None)
            .order_by()
            .annotate(tag=tag)
            .values_list("tag", flat=True)
            .distinct()
        )
        return [(name, name) for name in sorted(tags)[:FACETS]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> QuerySet[Document]:
        return queryset.filter(tags__contains=[self.value()]) if self.value() else queryset


@admin.register(Document)
class DocumentAdmin(ModelAdmin):
    list_display = ("name", "project", "shown_state", "reason", "progress", "size", "uploaded_by", "created_at")
    list_filter = ("state", "project", ("kind", AllValuesFieldListFilter), TagFilter)
    list_select_related = ("project", "uploaded_by")
    search_fields = ("name", "error")
    fields = (
        ("name", "project"),
        ("shown_state", "progress"),
        ("error", "error_code"),
        "notes",
        ("kind", "language"),
        ("tags", "metadata"),
        ("size", "uploaded_by"),
        ("version", "live_version"),
        ("created_at", "updated_at"),
        "source_url",
        "content_hash",
    )
    readonly_fields = (*[f for row in fields for f in (row if isinstance(row, tuple) else (row,))],)
    inlines = (ChunkInline,)
    actions = ("retry_selected", "cancel_selected")
    actions_detail = ("open_document", "open_playground")
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[Document]:
        """The projects' own: what somebody attached to a conversation is nobody else's to see."""
        documents: QuerySet[Document] = super().get_queryset(request)
        return documents.filter(attached_to=None)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @display(
        description=gettext_lazy("State"),
        ordering="state",
        label={
            "ready": "success",
            "failed": "danger",
            "queued": "info",
            "parsing": "warning",
            "embedding": "warning",
            "cancelled": "",
        },
    )
    def shown_state(self, document: Document) -> tuple[str, str]:
        return document.state, document.get_state_display()

    @display(description=gettext_lazy("Reason"), ordering="error_code")
    def reason(self, document: Document) -> str:
        return Truncator(document.error or document.notes).chars(120)

    @display(description=gettext_lazy("Chunks"))
    def progress(self, document: Document) -> str:
        return _("%(done)s of %(total)s") % {"done": document.chunks_embedded, "total": document.chunks_total}

    def has_retry_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return bool(self.has_add_permission(request))

    @action(description=gettext_lazy("Try again"), permissions=["retry"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        self.message_user(request, carry_out(Change(action="retry"), list(queryset)).message)

    @action(description=gettext_lazy("Cancel"), permissions=["retry"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        self.message_user(request, carry_out(Change(action="cancel"), list(queryset)).message)

    @action(description=gettext_lazy("Read it"), url_path="read")
    def open_document(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._lead(object_id, "document")

    @action(description=gettext_lazy("Search playground"), url_path="playground")
    def open_playground(self, request: HttpRequest, object_id: str) -> HttpResponse:
        return self._lead(object_id, "playground")

    def _lead(self, object_id: str, name: str) -> HttpResponse:
        """To a page outside of the admin, which has access rules of its own."""
        document = get_object_or_404(Document.objects.select_related("project"), id=object_id)
        slug = document.project.slug
        if name == "document":
            return redirect(name, slug=slug, document_id=document.id)
        return redirect(f"{reverse(name, args=[slug])}?{urlencode({'document': document.name})}")

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:  # Any: a template's context
        """Adding is uploading."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        if form.is_valid():
            files = form.cleaned_data["files"]
            for file in files:
                self._upload(request, form.cleaned_data["project"], file, len(files) > services.BY_HAND)
            return redirect("admin:knowledge_document_changelist")
        context = {
            **self.admin_site.each_context(request),
            "form": form,
            "opts": self.opts,
            "title": _("Upload documents"),
        }
        return render(request, "admin/knowledge/upload.html", context)

    def _upload(self, request: HttpRequest, project: Project, file: UploadedFile[bytes], is_bulk: bool) -> None:
        assert isinstance(request.user, User)
        try:
            if archives.is_archive(file.name or ""):
                self._upload_archive(request, project, file)
                return
            uploaded = services.upload(
                project=project, name=file.name or "", file=file, user=request.user, is_bulk=is_bulk
            )
            self.message_user(request, _("%(name)s was queued.") % {"name": uploaded.document.name})
        except PolyAIError as error:
            self.message_user(request, f"{file.name}: {error.message}", messages.ERROR)

    def _upload_archive(self, request: HttpRequest, project: Project, file: UploadedFile[bytes]) -> None:
        assert isinstance(request.user, User)
        unpacked = archives.upload_archive(project=project, name=file.name or "", file=file, user=request.user)
        count = len(unpacked.documents)
        told = ngettext("%(count)s file of %(name)s was queued.", "%(count)s files of %(name)s were queued.", count)
        self.message_user(request, told % {"count": count, "name": file.name})
        for refused in unpacked.refused:
            self.message_user(request, f"{file.name}/{refused.name}: {refused.error.message}", messages.ERROR)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:  # Any: Django's
        """Without the chunks and vectors, which go with their document and which nobody may delete by themselves."""
        return [str(document) for document in objs], {"documents": len(objs)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Document) -> None:
        services.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Document]) -> None:
        services.delete_many(list(queryset))


@admin.register(Chunk)
class ChunkAdmin(ReadOnly, ModelAdmin):
    list_display = ("document", "position", "version", "place", "beginning")
    search_fields = ("id", "text", "document__name")
    list_filter = ("document__project", "document__kind")
    list_select_related = ("document",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Chunk]:
        chunks: QuerySet[Chunk] = super().get_queryset(request)
        return chunks.filter(document__attached_to=None)

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    @display(description=gettext_lazy("Place"))
    def place(self, chunk: Chunk) -> str:
        return shown_place(chunk.locator, chunk.document.name)

    @display(description=gettext_lazy("Text"))
    def beginning(self, chunk: Chunk) -> str:
        return chunk.text[:120]


@admin.register(KnowledgePolicy)
class KnowledgePolicyAdmin(ReadOnly, ModelAdmin):
    """To look at: they are changed on the project's settings page, which says what a change takes."""

    list_display = ("project", "chunk_tokens", "chunk_overlap", "max_documents", "max_megabytes")
    list_select_related = ("project",)
    search_fields = ("project__name", "project__slug")

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(SyncedFile)
class SyncedFileAdmin(ReadOnly, ModelAdmin):
    """To look at, and to delete where a folder has moved: the document stays, and may come from another then."""

    list_display = ("document", "folder", "size")
    list_select_related = ("document",)
    list_filter = ("document__project",)
    search_fields = ("document__name", "folder")
