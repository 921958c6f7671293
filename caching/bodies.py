"""What the REST API of the caches takes and gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from accounts.models import Project
from accounts.services import CACHING
from caching.figures import STATUSES
from caching.models import CacheEntry
from caching.ranges import RANGES, sentence
from caching.selectors import ORDERS, STATES


class FiniteFloat(serializers.FloatField):
    """Not NaN, which is neither less than the least nor more than the most."""

    def to_internal_value(self, data: Any) -> float:  # Any: JSON
        value = super().to_internal_value(data)
        if not math.isfinite(value):
            self.fail("invalid")
        return value


class RangedFloat(FiniteFloat):
    """A number within the range of a setting; whoever sends another is told the range."""

    def __init__(self, setting: str, **kwargs: Any) -> None:  # Any: REST framework's
        low, high = RANGES[setting]
        messages: Any = dict.fromkeys(("invalid", "min_value", "max_value"), sentence(setting))  # Any: REST framework's
        super().__init__(min_value=low, max_value=high, error_messages=messages, **kwargs)


class RangedInteger(serializers.IntegerField):
    def __init__(self, setting: str, **kwargs: Any) -> None:  # Any: REST framework's
        low, high = (int(end) for end in RANGES[setting])
        messages: Any = dict.fromkeys(("invalid", "min_value", "max_value"), sentence(setting))  # Any: REST framework's
        super().__init__(min_value=low, max_value=high, error_messages=messages, **kwargs)


class CachingBody(serializers.ModelSerializer[Project]):
    """What a project wants of its caches."""

    cache_ttl = RangedInteger("cache_ttl", help_text="Seconds that an answer lives. 0: nothing is cached.")
    cache_threshold = RangedFloat("cache_threshold", help_text="Cosine.")
    cache_error_bound = RangedFloat(
        "cache_error_bound", allow_null=True, help_text="Of one semantic hit; instead of the threshold."
    )
    stale_ttl = RangedInteger("stale_ttl", help_text="Seconds after its end, for when every model is down.")

    class Meta:
        model = Project
        fields = CACHING


class ShareBody(serializers.Serializer[None]):
    """A share of cases with its 95 % interval (Wilson)."""

    count = serializers.IntegerField()
    total = serializers.IntegerField()
    value = serializers.FloatField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class LayerBody(serializers.Serializer[None]):
    status = serializers.ChoiceField(STATUSES)
    count = serializers.IntegerField()
    share = ShareBody(allow_null=True)
    p50 = serializers.FloatField(allow_null=True, help_text="Milliseconds until the first words.")
    p95 = serializers.FloatField(allow_null=True)


class SpendingBody(serializers.Serializer[None]):
    purpose = serializers.CharField(help_text="embedding, opinion or audit.")
    tokens = serializers.IntegerField()
    dollars = serializers.FloatField()


class FalseHitsBody(serializers.Serializer[None]):
    layer = serializers.CharField(help_text="exact or semantic.")
    audited = ShareBody(allow_null=True, help_text="Wrong ones among hits that were drawn by chance.")
    clicks = serializers.IntegerField(help_text="Readers who said “wrong”: no sample, and in no estimate.")


class DayBody(serializers.Serializer[None]):
    day = serializers.DateField()
    requests = serializers.IntegerField()
    counts = serializers.DictField(child=serializers.IntegerField(), help_text="By status.")
    hit_p50 = serializers.FloatField(allow_null=True)
    miss_p50 = serializers.FloatField(allow_null=True)
    tokens_avoided = serializers.IntegerField()
    dollars_avoided = serializers.FloatField()
    dollars_spent = serializers.FloatField(help_text="By the caches themselves.")


class ReportBody(serializers.Serializer[None]):
    first = serializers.DateField()
    last = serializers.DateField()
    requests = serializers.IntegerField()
    hits = ShareBody(allow_null=True)
    hit_p50 = serializers.FloatField(allow_null=True)
    miss_p50 = serializers.FloatField(allow_null=True)
    layers = LayerBody(many=True)
    vetoes = serializers.DictField(child=serializers.IntegerField(), help_text="Refused matches by kind.")
    faults = serializers.DictField(child=serializers.IntegerField(), help_text="Parts that were done without.")
    tokens_avoided = serializers.IntegerField()
    tokens_spent = serializers.IntegerField(help_text="On answers that were written.")
    tokens_unpriced = serializers.IntegerField(help_text="Of models without a known price: in no sum of money.")
    dollars_avoided = serializers.FloatField()
    dollars_spent_on_answers = serializers.FloatField()
    spending = SpendingBody(many=True)
    dollars_net = serializers.FloatField(help_text="Avoided, minus what the caches cost.")
    false_hits = FalseHitsBody(many=True)
    days = DayBody(many=True)


class CacheReportBody(serializers.Serializer[None]):
    settings = CachingBody()
    report = ReportBody()


class EntryBody(serializers.ModelSerializer[CacheEntry]):
    answer = serializers.CharField(source="text", read_only=True)
    hits = serializers.IntegerField(read_only=True, help_text="In the last 30 days.")
    approved_by = serializers.StringRelatedField(read_only=True)  # type: ignore[var-annotated]  # generic in the stubs only

    class Meta:
        model = CacheEntry
        fields: tuple[str, ...] = (
            *("id", "question", "answer", "model", "hits", "created_at", "expires_at"),
            *("approved_at", "approved_by", "suspended_at", "suspended_because"),
        )
        read_only_fields: tuple[str, ...] = fields


class MatchedBody(serializers.Serializer[None]):
    question = serializers.CharField()
    count = serializers.IntegerField()
    last = serializers.DateTimeField()
    similarity = serializers.FloatField(allow_null=True, help_text="null for the same words.")


class EvidenceBody(serializers.Serializer[None]):
    n = serializers.IntegerField()
    document = serializers.CharField()
    document_id = serializers.UUIDField()
    locator = serializers.CharField()
    text = serializers.CharField()


class EntryDetailBody(EntryBody):
    sources = EvidenceBody(many=True, read_only=True)
    matched = MatchedBody(many=True, read_only=True, help_text="The questions that it answered.")

    class Meta(EntryBody.Meta):
        fields = (*EntryBody.Meta.fields, "sources", "matched")
        read_only_fields = fields


class EntriesQuery(serializers.Serializer[None]):
    q = serializers.CharField(required=False, allow_blank=True, default="", help_text="In question or answer.")
    state = serializers.ChoiceField(STATES, required=False, default="all")
    order = serializers.ChoiceField(list(ORDERS), required=False, default="newest")


class FlushBody(serializers.Serializer[None]):
    evicted = serializers.IntegerField(help_text="Approved answers stay.")


class TrialQuery(serializers.Serializer[None]):
    """What is left out is as the project has it."""

    threshold = RangedFloat("cache_threshold", required=False)
    error_bound = RangedFloat("cache_error_bound", required=False)
    ttl = RangedInteger("cache_ttl", required=False)
    uses_exact = serializers.BooleanField(required=False)
    uses_semantic = serializers.BooleanField(required=False)


class OutcomeBody(serializers.Serializer[None]):
    exact = ShareBody(allow_null=True)
    semantic = ShareBody(allow_null=True)
    hits = ShareBody(allow_null=True)
    wrong = serializers.FloatField(allow_null=True, help_text="Semantic hits expected to be wrong, of `judged`.")
    judged = serializers.IntegerField()
    tokens_avoided = serializers.IntegerField()
    dollars_avoided = serializers.FloatField()


class ComparisonBody(serializers.Serializer[None]):
    tried = OutcomeBody()
    today = OutcomeBody(help_text="The same replay under the project's settings: compare with this.")
    really = OutcomeBody()
    considered = serializers.IntegerField(help_text="Questions of the last 30 days, 2,000 at most.")
    is_capped = serializers.BooleanField()
    since = serializers.DateTimeField(allow_null=True)


class PlanQuery(serializers.Serializer[None]):
    """A planned load. What is left out is as the project's last 30 days were; shares from 0 to 1."""

    questions_a_day = serializers.IntegerField(required=False, min_value=0, max_value=1_000_000_000)
    repeats = FiniteFloat(required=False, min_value=0, max_value=1)
    paraphrases = FiniteFloat(required=False, min_value=0, max_value=1)
    prompt_tokens = serializers.IntegerField(required=False, min_value=0, max_value=10_000_000)
    completion_tokens = serializers.IntegerField(required=False, min_value=0, max_value=10_000_000)
    prompt_price = FiniteFloat(required=False, min_value=0, max_value=1_000_000)
    completion_price = FiniteFloat(required=False, min_value=0, max_value=1_000_000)

    def validate(self, attrs: Mapping[str, float]) -> Mapping[str, float]:
        if attrs.get("repeats", 0) + attrs.get("paraphrases", 0) > 1:
            raise serializers.ValidationError(_("repeats and paraphrases together are 1 at most."))
        return attrs


class BillBody(serializers.Serializer[None]):
    """Of a month of 30 days, in US dollars."""

    questions = serializers.IntegerField()
    hits = serializers.FloatField()
    tokens_avoided = serializers.IntegerField()
    without = serializers.FloatField()
    answers = serializers.FloatField()
    caching = serializers.FloatField()
    saved = serializers.FloatField()
