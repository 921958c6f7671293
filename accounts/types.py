"""Who is asking, as a value that can cross threads and processes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Whoever acts: a user, a user's API key for one project, or the operator at the terminal.

    `user_id` is None for the operator alone, who has the machine and so every project.
    `project_id` is set for an API key: nothing outside that project exists for it.
    """

    user_id: UUID | None
    project_id: UUID | None = None


OPERATOR = Actor(user_id=None)
