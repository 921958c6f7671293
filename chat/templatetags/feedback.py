"""The number beside the team's navigation entry."""

from __future__ import annotations

from django import template

from accounts.models import Project, Role
from chat.feedback import count_open

register = template.Library()


@register.simple_tag
def open_feedback(project: Project | str, role: str) -> int:
    """How much feedback waits for those who may review it; 0 for others, and on pages of no project."""
    if not isinstance(project, Project) or role not in (Role.EDITOR, Role.OWNER):
        return 0
    return count_open(project)
