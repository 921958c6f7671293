"""The forms of the settings page."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy

from accounts.models import Project
from knowledge.chunking import SMALLEST_LIMIT
from knowledge.models import Document
from knowledge.policies import LARGEST_LIMIT, problems


class PolicyForm(forms.Form):
    """What a project wants done with its documents."""

    chunk_tokens = forms.IntegerField(
        label=gettext_lazy("Largest chunk, tokens"),
        help_text=gettext_lazy(
            "A token is three quarters of an English word. Smaller chunks are found more exactly, larger ones say more."
        ),
        widget=forms.NumberInput({"min": SMALLEST_LIMIT, "max": LARGEST_LIMIT}),
        error_messages={"invalid": gettext_lazy("Give a whole number.")},
    )
    chunk_overlap = forms.IntegerField(
        label=gettext_lazy("Overlap, tokens"),
        help_text=gettext_lazy(
            "Where a paragraph is cut, the next chunk repeats so much of it. Half of the largest chunk at most."
        ),
        widget=forms.NumberInput({"min": 0}),
        error_messages={"invalid": gettext_lazy("Give a whole number.")},
    )
    max_documents = forms.IntegerField(
        label=gettext_lazy("Documents"), help_text=gettext_lazy("0 for no limit."), widget=forms.NumberInput({"min": 0})
    )
    max_megabytes = forms.IntegerField(
        label=gettext_lazy("Megabytes"),
        help_text=gettext_lazy("Of all originals together; 0 for no limit."),
        widget=forms.NumberInput({"min": 0}),
    )

    def clean(self) -> dict[str, Any]:  # Any: Django's cleaned data
        typed = super().clean() or self.cleaned_data
        if not self.errors:
            for field, message in problems(**typed).items():
                self.add_error(field, message)
        return typed


class PreviewForm(forms.Form):
    """Sizes to be tried on one document."""

    document = forms.ModelChoiceField(
        Document.objects.none(), label=gettext_lazy("Document"), empty_label=gettext_lazy("Choose a document")
    )
    chunk_tokens = forms.IntegerField(label=gettext_lazy("Largest chunk"))
    chunk_overlap = forms.IntegerField(label=gettext_lazy("Overlap"))

    def __init__(self, project: Project, *args: Any, **kwargs: Any) -> None:  # Any: Django's
        super().__init__(*args, **kwargs)
        field = self.fields["document"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Document.objects.filter(project=project, attached_to=None, live_version__gt=0).order_by("name")
