"""What the caches keep in PostgreSQL: answers with their evidence, how they were asked for, and the ledger."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy
from pgvector.django import VectorField

from accounts.models import Project


class CacheEntry(models.Model):
    """A cached answer with its evidence. The copy in Redis answers the same question again; this row answers
    it in other words, outlives a lost Redis, and is what curators see."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="cache_entries")
    scope_key = models.CharField(max_length=64, help_text=gettext_lazy("SHA-256 of the walls around the answer."))
    request_key = models.CharField(max_length=64, help_text=gettext_lazy("SHA-256 of question, history and walls."))
    question_key = models.CharField(max_length=64, help_text=gettext_lazy("SHA-256 of the canonical question alone."))
    question = models.TextField()
    # None for a question that is understood from its history only: it is never matched by meaning.
    embedding = VectorField(null=True)
    dimensions = models.PositiveIntegerField(null=True)
    embedding_identity = models.CharField(max_length=300)
    text = models.TextField(gettext_lazy("answer"))
    sources = models.JSONField(
        default=list, help_text=gettext_lazy("Numbered passages: n, chunk_id, content_hash, document, text …")
    )
    chunk_ids = ArrayField(models.UUIDField(), default=list)
    model = models.CharField(max_length=200)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)
    corpus_version = models.PositiveBigIntegerField(
        help_text=gettext_lazy("The last under which the evidence was seen.")
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="approved_answers"
    )
    suspended_at = models.DateTimeField(null=True, blank=True)
    suspended_because = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = gettext_lazy("cached answer")
        constraints = [
            models.UniqueConstraint(fields=["project", "request_key"], name="cache_entry_once_per_request"),
            models.CheckConstraint(
                condition=Q(embedding=None, dimensions=None) | Q(embedding__isnull=False, dimensions__isnull=False),
                name="cache_entry_dimensions_with_vector",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "scope_key", "expires_at"], name="cache_entry_in_scope"),
            models.Index(
                fields=["project", "question_key"], condition=Q(approved_at__isnull=False), name="cache_entry_approved"
            ),
            models.Index(fields=["expires_at"], condition=Q(approved_at=None), name="cache_entry_expiry"),
            models.Index(fields=["project", "-created_at"], name="cache_entry_newest"),
            models.Index(fields=["dimensions"], name="cache_entry_sizes"),
            GinIndex(fields=["chunk_ids"], name="cache_entry_chunks"),
        ]

    def __str__(self) -> str:
        return self.question[:80]


class CacheLookup(models.Model):
    """How one question went through the caches; kept for 30 days, for plots, matched questions and what-if."""

    id = models.UUIDField(primary_key=True, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="cache_lookups")
    asked_at = models.DateTimeField()
    status = models.CharField(max_length=12)
    question = models.CharField(max_length=500)
    question_key = models.CharField(max_length=64)
    is_standalone = models.BooleanField()
    entry_id = models.UUIDField(null=True)
    similarity = models.FloatField(null=True)
    probability = models.FloatField(null=True)
    veto = models.CharField(max_length=20, blank=True)
    milliseconds = models.FloatField()
    model = models.CharField(max_length=200, blank=True)
    prompt_tokens = models.PositiveIntegerField(default=0)
    completion_tokens = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-asked_at"]
        indexes = [
            models.Index(fields=["project", "asked_at"], name="cache_lookup_in_time"),
            models.Index(fields=["entry_id"], name="cache_lookup_of_entry"),
        ]

    def __str__(self) -> str:
        return f"{self.status}: {self.question[:60]}"


class LedgerCount(models.Model):
    """One figure of one project and day (UTC), such as `hit-exact` or `tokens-avoided`."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="ledger")
    day = models.DateField()
    name = models.CharField(max_length=80)
    value = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["-day", "name"]
        constraints = [models.UniqueConstraint(fields=["project", "day", "name"], name="ledger_count_once_per_day")]

    def __str__(self) -> str:
        return f"{self.day} {self.name}: {self.value}"


class LedgerBatch(models.Model):
    """A batch of counts that Redis handed over: one that is here has been added, and is not added again."""

    id = models.UUIDField(primary_key=True, editable=False)
    applied_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return str(self.id)


class Judgement(models.Model):
    """Whether a hit really answered the question: by a reader's click or by an audit."""

    class Origin(models.TextChoices):
        CLICK = "click", gettext_lazy("A reader said so")
        AUDIT = "audit", gettext_lazy("Answered again and compared")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="judgements")
    entry = models.ForeignKey(CacheEntry, null=True, on_delete=models.SET_NULL, related_name="judgements")
    origin = models.CharField(max_length=10, choices=Origin)
    layer = models.CharField(max_length=10)
    asked = models.TextField()
    known = models.TextField()
    similarity = models.FloatField(null=True)
    probability = models.FloatField(null=True)
    is_right = models.BooleanField()
    note = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["project", "-created_at"], name="judgement_newest")]
        constraints = [
            models.CheckConstraint(condition=Q(origin__in=["click", "audit"]), name="judgement_origin_known"),
            models.CheckConstraint(condition=Q(layer__in=["exact", "semantic"]), name="judgement_layer_known"),
        ]

    def __str__(self) -> str:
        return f"{'right' if self.is_right else 'wrong'}: {self.asked[:60]}"
