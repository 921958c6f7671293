"""The product's settings with a second language, in which every string of a catalog stands in ⟦brackets⟧.

It is Esperanto to Django, and made while it is asked for: whatever a reader of it sees without brackets comes from no
catalog.
"""

from __future__ import annotations

from collections.abc import Callable

from django.utils.translation import trans_real

from polyai.settings import *  # noqa: F403  # all of them, and one more

LANGUAGES = [("en", "English"), ("eo", "⟦…⟧")]


def _bracketed(translate: Callable[..., str]) -> Callable[..., str]:
    def told(*arguments: object) -> str:
        text = translate(*arguments)
        return f"⟦{text}⟧" if trans_real.get_language() == "eo" and text.strip() else text

    return told


for name in ("gettext", "ngettext", "pgettext", "npgettext"):
    setattr(trans_real, name, _bracketed(getattr(trans_real, name)))
