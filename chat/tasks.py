"""What workers do for conversations."""

from __future__ import annotations

from uuid import UUID

from asgiref.sync import async_to_sync
from celery import shared_task

from chat.attaching import forget_unsent
from chat.audits import audit
from chat.filing import purge_deleted
from chat.services import interrupt_abandoned
from chat.titles import give_title


@shared_task
def interrupt_abandoned_answers() -> None:
    interrupt_abandoned()


@shared_task
def forget_unsent_files() -> None:
    forget_unsent()


@shared_task(time_limit=300)
def audit_hit(answer_id: str, corpus_version: int) -> None:
    async_to_sync(audit)(UUID(answer_id), corpus_version)


@shared_task(time_limit=60)
def title_conversation(conversation_id: str) -> None:
    async_to_sync(give_title)(UUID(conversation_id))


@shared_task
def purge_deleted_conversations() -> None:
    purge_deleted()
