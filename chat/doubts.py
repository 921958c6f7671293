"""Word that somebody may have lost a right: their sockets, in whichever process, look again before they tell more.

    polyai:doubts   stream: ids of users; an empty one is for everybody. Read by the reader of chat.mirror

A change that goes past the models, or while Redis is away, is noticed when a socket looks by itself (chat.consumers).
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Model

from accounts.models import Membership, User
from chat.channels import KEPT
from core.redis import PREFIX, RedisError, sync_redis

log = logging.getLogger(__name__)
NAME = f"{PREFIX}doubts"
MOST = 1000  # entries; who reads, reads them at once


def doubt(user_id: str) -> None:
    """Call it when the change is committed."""
    try:
        pipeline = sync_redis().pipeline(transaction=False)
        pipeline.xadd(NAME, {"user": user_id}, maxlen=MOST)
        pipeline.expire(NAME, int(KEPT))
        pipeline.execute()
    except (RedisError, OSError) as error:
        log.warning("redis: a doubt was not told (%s); sockets notice within 30 s", type(error).__name__)


def doubt_rights(sender: type[Model], instance: Model, **_: Any) -> None:  # Any: Django's signals
    """Of whom a session has ended, an account or a membership has changed, and of everybody with a project's, on
    commit."""
    match instance:
        case Session():
            concerned = str(instance.get_decoded().get("_auth_user_id", ""))
            if not concerned:
                return  # a visitor's
        case Membership():
            concerned = str(instance.user_id)
        case User():
            concerned = str(instance.pk)
        case _:
            concerned = ""
    transaction.on_commit(partial(doubt, concerned))
