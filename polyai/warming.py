"""What the web process does once, beside its first requests."""

from __future__ import annotations

import gc
from importlib import import_module

from chat.markdown import markdown


def warm_up() -> None:
    """Import what the first question needs, which takes half a second. Then take all that is there out of the garbage
    collections: to go through it takes a quarter of a second, in which no word reaches any reader."""
    import_module("providers.openai_compatible")
    markdown()
    gc.collect()
    gc.freeze()
