"""Small words for the chat's templates."""

from __future__ import annotations

from django import template

register = template.Library()


@register.filter
def age(seconds: int | None) -> str:
    """`75` → `1 min`."""
    if seconds is None:
        return ""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


@register.filter
def total(stages: dict[str, float]) -> float:
    """Milliseconds of all stages; the wait for the first token is a part of generating."""
    return sum(value for name, value in stages.items() if name != "first token")
