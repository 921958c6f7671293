"""What workers do for conversations."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import async_to_sync
from celery import shared_task

from chat.attaching import forget_unsent
from chat.audits import audit
from chat.services import interrupt_abandoned


@shared_task
def interrupt_abandoned_answers() -> None:
    interrupt_abandoned()


@shared_task
def forget_unsent_files() -> None:
    forget_unsent()


@shared_task(time_limit=300)
def audit_hit(answer_id: str, corpus_version: int) -> None:
    async_to_sync(audit)(UUID(answer_id), corpus_version)
