"""What the web process does once, beside its first requests."""

from __future__ import annotations

import gc
from importlib import import_module

from django.urls import get_resolver

from chat.markdown import markdown


def warm_up() -> None:
    """Import what the first page and the first question need, which takes a second. Then take all that is there out of
    the garbage collections: to go through it takes a quarter of a second, in which no word reaches any reader."""
    import_module("providers.openai_compatible")
    get_resolver().url_patterns  # noqa: B018  # read to be there
    markdown()
    gc.collect()
    gc.freeze()
