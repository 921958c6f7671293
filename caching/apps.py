from __future__ import annotations

from django.apps import AppConfig
from django.db import models
from django.db.models.signals import post_delete, post_save
from django.utils.translation import gettext_lazy


class CachingConfig(AppConfig):
    name = "caching"
    verbose_name = gettext_lazy("Cache")

    def ready(self) -> None:
        """Whoever loses or gains a right, in whichever way, breaks the seal of the projects that it concerns."""
        from caching.gate import break_seals

        for sender in ("accounts.Project", "accounts.Membership", "accounts.ApiKey", "accounts.User"):
            for signal in (post_save, post_delete):
                signal.connect(break_seals, sender=_model(sender), dispatch_uid=f"seal {sender}")


def _model(name: str) -> type[models.Model]:
    from django.apps import apps

    return apps.get_model(name)
