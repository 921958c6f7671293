from typing import Any

from django.apps import AppConfig
from django.db import transaction
from django.db.models.signals import post_delete
from django.utils.translation import gettext_lazy


class KnowledgeConfig(AppConfig):
    name = "knowledge"
    verbose_name = gettext_lazy("Knowledge")

    def ready(self) -> None:
        from accounts.models import Project
        from knowledge.models import Document

        post_delete.connect(forget_original, sender=Document)
        post_delete.connect(drop_vectors, sender=Project)


def forget_original(instance: Any, **_: Any) -> None:  # Any: Django's signature
    """A document's files go with its row. A signal, for only it hears of a project that takes its documents along."""
    from knowledge import originals

    for file in {instance.original, instance.live_original}:
        originals.forget(file)


def drop_vectors(instance: Any, **_: Any) -> None:  # Any: Django's signature
    """A deleted project's tables go too, whoever deleted it; what is in use then is left to the next repair."""
    from knowledge import partitions

    project_id = instance.pk
    transaction.on_commit(lambda: partitions.drop_project(project_id))
