"""What Celery beat runs for conversations."""

from __future__ import annotations

from celery import shared_task

from chat.services import interrupt_abandoned


@shared_task
def interrupt_abandoned_answers() -> None:
    interrupt_abandoned()
