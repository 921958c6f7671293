from typing import Any

from django.apps import AppConfig
from django.db import transaction
from django.db.models.signals import post_delete


class KnowledgeConfig(AppConfig):
    name = "knowledge"
    verbose_name = "Knowledge"

    def ready(self) -> None:
        from knowledge.models import Document

        post_delete.connect(forget_original, sender=Document)


def forget_original(instance: Any, **_: Any) -> None:  # Any: Django's signature
    """A document's file goes with its row. A signal, for only it hears of a project that takes its documents along."""
    storage, path = instance.original.storage, instance.original.name
    if path:
        transaction.on_commit(lambda: storage.delete(path), robust=True)  # the row is gone in any case
