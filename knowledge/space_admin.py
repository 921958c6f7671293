"""Embedding spaces for the operator: how far each is, and the way to another model and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.defaultfilters import filesizeformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.admin import ModelAdmin
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from core.errors import PolyAIError
from core.languages import localized
from knowledge import estimates, partitions, reembedding
from knowledge.models import ChunkEmbedding, EmbeddingSpace
from knowledge.spaces import switch
from providers.registry import get_embedder, make_embedder

LIST = "admin:knowledge_embeddingspace_changelist"


class ReembedForm(forms.Form):
    """Which embedder; as the environment has it, unless somebody writes something else."""

    model = forms.CharField(label=gettext_lazy("Model"), max_length=200, widget=UnfoldAdminTextInputWidget)
    base_url = forms.CharField(
        label=gettext_lazy("Address"),
        max_length=200,
        widget=UnfoldAdminTextInputWidget,
        help_text=gettext_lazy("Of its OpenAI-compatible endpoint, or 'local'. Keys are in the environment."),
    )
    dimensions = forms.IntegerField(
        label=gettext_lazy("Shortened to"),
        min_value=0,
        max_value=16_000,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text=gettext_lazy("Numbers to ask for, of a model that can give fewer; 0 for its own size."),
    )
    precision = forms.ChoiceField(
        label=gettext_lazy("Precision"),
        choices=EmbeddingSpace.Precision.choices,
        initial=EmbeddingSpace.Precision.FULL,
        widget=UnfoldAdminSelectWidget,
    )


@admin.register(EmbeddingSpace)
class EmbeddingSpaceAdmin(ModelAdmin):
    list_display = ("model", "provider", "dimensions", "precision", "shown_status", "progress", "vectors", "disk")
    fields = (
        ("model", "provider"),
        ("dimensions", "shortened_to", "precision"),
        ("shown_status", "progress"),
        ("vectors", "disk"),
        "error",
        "chosen_over",
        ("created_at", "completed_at", "retry_at"),
        "preprocessing",
    )
    readonly_fields = (*[f for row in fields for f in (row if isinstance(row, tuple) else (row,))],)
    actions = ("switch_to", "drop_vectors")
    ordering = ("created_at",)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False  # a space goes with its tables: by its action

    def has_operate_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("knowledge.change_embeddingspace")

    @display(
        description=gettext_lazy("Status"),
        ordering="status",
        label={"active": "success", "building": "warning", "retired": ""},
    )
    def shown_status(self, space: EmbeddingSpace) -> tuple[str, str]:
        return space.status, space.get_status_display()

    @display(description=gettext_lazy("Progress"))
    def progress(self, space: EmbeddingSpace) -> str:
        if space.status != EmbeddingSpace.Status.BUILDING:
            return ""
        done = _("%(done)s of %(total)s (%(percent)s %%)") % {
            "done": localized(space.chunks_embedded),
            "total": localized(space.chunks_total),
            "percent": space.percent,
        }
        return f"{done}: {space.error}" if space.error else done

    @display(description=gettext_lazy("Vectors"))
    def vectors(self, space: EmbeddingSpace) -> str:
        return localized(ChunkEmbedding.objects.filter(space_id=space.id).count())

    @display(description=gettext_lazy("On disk"))
    def disk(self, space: EmbeddingSpace) -> str:
        return filesizeformat(partitions.size(space.id))

    @action(
        description=gettext_lazy("Switch to it: questions are asked of this space from now on"), permissions=["operate"]
    )
    def switch_to(self, request: HttpRequest, queryset: QuerySet[EmbeddingSpace]) -> None:
        self._each(request, queryset, switch, _("%(space)s answers from now on."))

    @action(description=gettext_lazy("Drop its vectors"), permissions=["operate"])
    def drop_vectors(self, request: HttpRequest, queryset: QuerySet[EmbeddingSpace]) -> None:
        self._each(request, queryset, reembedding.drop, _("%(space)s and its vectors are gone."))

    def _each(
        self, request: HttpRequest, spaces: QuerySet[EmbeddingSpace], step: Callable[[EmbeddingSpace], None], told: str
    ) -> None:
        for space in spaces:
            try:
                step(space)
                self.message_user(request, told % {"space": space})
            except PolyAIError as error:
                self.message_user(request, error.message, messages.ERROR)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:  # Any: a template's context
        """Adding a space is re-embedding: first what it would take, then the start."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        own = get_embedder()
        asked = {"model": own.model, "base_url": own.provider, "dimensions": own.shortened_to}
        form = ReembedForm(request.POST or None, initial=asked)
        estimate = ""
        if form.is_valid():
            wanted = form.cleaned_data
            embedder = make_embedder(wanted["base_url"], wanted["model"], wanted["dimensions"])
            try:
                if "_start" in request.POST:
                    space = reembedding.start(embedder, wanted["precision"])
                    self.message_user(request, _("%(space)s is being built in the background.") % {"space": space})
                    return redirect(LIST)
                estimate = estimates.told(reembedding.estimate(embedder))
            except PolyAIError as error:
                form.add_error(None, error.message)
        context = {
            **self.admin_site.each_context(request),
            "form": form,
            "estimate": estimate,
            "opts": self.opts,
            "title": _("Re-embed all documents"),
        }
        return render(request, "admin/knowledge/reembed.html", context)
