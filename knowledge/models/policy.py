"""What a project wants done with its documents."""

from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy

from accounts.models import Project


class KnowledgePolicy(models.Model):
    """A project without a row of its own has the defaults (policies.get_policy)."""

    project = models.OneToOneField(Project, on_delete=models.CASCADE, related_name="knowledge", primary_key=True)
    chunk_tokens = models.PositiveIntegerField(
        default=220,
        validators=[MinValueValidator(50), MaxValueValidator(2000)],
        help_text=gettext_lazy("The largest chunk."),
    )
    chunk_overlap = models.PositiveIntegerField(
        default=24,
        validators=[MaxValueValidator(500)],
        help_text=gettext_lazy("Tokens that a chunk repeats of the one before."),
    )
    max_documents = models.PositiveIntegerField(default=0, help_text=gettext_lazy("0 for no limit."))
    max_megabytes = models.PositiveIntegerField(default=0, help_text=gettext_lazy("Of originals; 0 for no limit."))

    class Meta:
        verbose_name_plural = gettext_lazy("knowledge policies")
        constraints = [
            models.CheckConstraint(
                condition=Q(chunk_overlap__lte=F("chunk_tokens") / 2), name="chunk_overlap_at_most_half"
            )
        ]

    def __str__(self) -> str:
        return f"Knowledge of {self.project_id}"
