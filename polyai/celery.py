"""The Celery application, and the signs of life that /health/ready reads."""

from __future__ import annotations

import os
import resource
import socket

from billiard import current_process
from celery import Celery, shared_task
from celery.signals import heartbeat_sent, setup_logging, worker_process_init
from kombu.utils.scheduling import priority_cycle

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "polyai.settings")

app = Celery("polyai")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["knowledge.web"])

# Beat only sends names on time. Without Django's apps it takes 50 MB instead of 140.
beat = Celery("polyai-beat", fixups=[], set_as_current=False)
beat.config_from_object("django.conf:settings", namespace="CELERY")

LIFE = 60  # seconds
MAX_ADDRESS_SPACE = 3 * 1024**3  # bytes


class InOrder(priority_cycle):
    """A worker's queues in the order of the settings, each time it looks for the next task.

    kombu's own "priority" takes them in the order of a set of strings: in another one at each start.
    """

    def consume(self, n: int) -> list[str]:
        ranks = {name: rank for rank, name in enumerate(app.conf.task_queues)}
        return sorted(self.items[:n], key=lambda name: ranks.get(name, len(ranks)))


def sign_of_life(part: str) -> str:
    return f"polyai:alive:{part}"


@setup_logging.connect
def use_our_logging(**_: object) -> None:
    """Django's LOGGING is enough: Celery would install handlers of its own beside it."""


@heartbeat_sent.connect
def tell_that_worker_lives(**_: object) -> None:
    from core.redis import sync_redis

    sync_redis().set(sign_of_life("worker"), socket.gethostname(), ex=LIFE)


@worker_process_init.connect
def limit_memory(**_: object) -> None:
    """A file that wants more fails by itself ("too much memory") and takes neither the worker nor the machine along."""
    if current_process().name != "MainProcess":  # a child of the pool, that is, whose death costs one task
        resource.setrlimit(resource.RLIMIT_AS, (MAX_ADDRESS_SPACE, MAX_ADDRESS_SPACE))


@shared_task
def tell_that_beat_lives() -> None:
    from core.redis import sync_redis

    sync_redis().set(sign_of_life("beat"), socket.gethostname(), ex=LIFE)
