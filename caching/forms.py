"""The forms of the cache page."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import WEEK, Project
from accounts.services import CACHING
from caching.calculator import Plan
from caching.ranges import RANGES, sentence


def _messages(field: str) -> dict[str, Any]:  # Any: Django's
    return dict.fromkeys(("min_value", "max_value", "invalid"), sentence(field))


class CachingForm(forms.ModelForm):  # type: ignore[type-arg]  # cannot be subscripted at run time
    """What a project wants of its caches."""

    class Meta:
        model = Project
        fields = CACHING
        error_messages: ClassVar[dict[str, Any]] = {field: _messages(field) for field in RANGES}  # Any: Django's

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: Django's
        super().__init__(*args, **kwargs)
        for name, step in {"cache_threshold": "0.01", "cache_error_bound": "0.001"}.items():
            self.fields[name].widget.attrs["step"] = step


class WhatIfForm(forms.Form):
    """Settings to be tried; whoever makes it sets today's as the initial ones."""

    threshold = forms.FloatField(
        label=gettext_lazy("Similarity threshold"),
        min_value=RANGES["cache_threshold"][0],
        max_value=RANGES["cache_threshold"][1],
        error_messages=_messages("cache_threshold"),
        widget=forms.NumberInput(attrs={"step": "0.01"}),
    )
    error_bound = forms.FloatField(
        label=gettext_lazy("Error bound"),
        required=False,
        min_value=RANGES["cache_error_bound"][0],
        max_value=RANGES["cache_error_bound"][1],
        error_messages=_messages("cache_error_bound"),
        widget=forms.NumberInput(attrs={"step": "0.001"}),
        help_text=gettext_lazy("Replaces the threshold. Empty: none."),
    )
    ttl = forms.IntegerField(
        label=gettext_lazy("Answers live, seconds"),
        min_value=0,
        max_value=WEEK,
        error_messages=_messages("cache_ttl"),
    )
    uses_exact = forms.BooleanField(label=gettext_lazy("Exact cache"), required=False)
    uses_semantic = forms.BooleanField(label=gettext_lazy("Semantic cache"), required=False)


class CalculatorForm(forms.Form):
    """A planned load. Shares in percent."""

    questions = forms.IntegerField(label=gettext_lazy("Questions a day"), min_value=0, max_value=1_000_000_000)
    repeats = forms.FloatField(
        label=gettext_lazy("Asked again in the same words, %"),
        min_value=0,
        max_value=100,
        widget=forms.NumberInput({"step": "0.1"}),
    )
    paraphrases = forms.FloatField(
        label=gettext_lazy("Asked again in other words, %"),
        min_value=0,
        max_value=100,
        widget=forms.NumberInput({"step": "0.1"}),
    )
    prompt_tokens = forms.IntegerField(
        label=gettext_lazy("Prompt tokens of an answer"), min_value=0, max_value=10_000_000
    )
    completion_tokens = forms.IntegerField(
        label=gettext_lazy("Tokens it is written with"), min_value=0, max_value=10_000_000
    )
    prompt_price = forms.FloatField(
        label=gettext_lazy("$ for a million prompt tokens"),
        min_value=0,
        max_value=1_000_000,
        widget=forms.NumberInput({"step": "any"}),
    )
    completion_price = forms.FloatField(
        label=gettext_lazy("$ for a million written tokens"),
        min_value=0,
        max_value=1_000_000,
        widget=forms.NumberInput({"step": "any"}),
    )

    def clean(self) -> dict[str, Any]:  # Any: Django's cleaned data
        typed = super().clean() or self.cleaned_data
        if typed.get("repeats", 0) + typed.get("paraphrases", 0) > 100:
            self.add_error("paraphrases", _("Both shares together are 100 % at most."))
        return typed

    def plan(self, overhead: float) -> Plan:
        """The plan that was typed. `overhead`: dollars a question that the caches themselves cost."""
        typed = self.cleaned_data
        return Plan(
            questions_a_day=typed["questions"],
            repeats=typed["repeats"] / 100,
            paraphrases=typed["paraphrases"] / 100,
            prompt_tokens=typed["prompt_tokens"],
            completion_tokens=typed["completion_tokens"],
            prompt_price=typed["prompt_price"],
            completion_price=typed["completion_price"],
            overhead=overhead,
        )
