"""Whether the session with which a socket was opened has ended: a socket outlives a log-out, a password change, and an
account that is switched off."""

from __future__ import annotations

from typing import Any

from channels.auth import get_user
from django.contrib.sessions.backends.db import SessionStore

LOGGED_OUT = 4401  # the close code that tells a page to ask for a log-in


async def has_ended(scope: Any) -> bool:  # Any: what channels knows of a connection
    """Two queries."""
    user = await get_user({"session": SessionStore(scope["session"].session_key)})
    return not user.is_authenticated or user.pk != scope["user"].pk
