"""What the admin shows of the caches."""

from __future__ import annotations

from django.db import models


class ExactEntry(models.Model):
    """One entry of the exact cache. It lies in Redis: there is no table behind it."""

    id = models.CharField(primary_key=True, max_length=120)
    project = models.CharField(max_length=100)
    question = models.TextField()
    answer = models.TextField()
    model = models.CharField(max_length=100)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    class Meta:
        managed = False
        default_permissions = ("view", "delete")
        verbose_name = "exact-cache entry"
        verbose_name_plural = "exact-cache entries"

    def __str__(self) -> str:
        return self.question[:80]
