"""Combinations of settings that cannot work, told at the start with what to do."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register


@register()
def check_settings(**_: Any) -> list[CheckMessage]:  # Any: Django's signature
    problems: list[CheckMessage] = []
    public = urlsplit(settings.PUBLIC_URL)
    if public.scheme not in ("http", "https") or not public.hostname:
        hint = "Set it to the address that people type, for example https://polyai.example.org"
        problems.append(Error(f"POLYAI_PUBLIC_URL is '{settings.PUBLIC_URL}'.", hint=hint, id="polyai.E001"))
    if settings.EMBEDDING_BASE_URL and not settings.EMBEDDING_MODEL:
        hint = "Set POLYAI_EMBEDDING_MODEL to a model that this address serves."
        problems.append(Error("POLYAI_EMBEDDING_BASE_URL is set without a model.", hint=hint, id="polyai.E002"))
    if settings.EMBEDDINGS_ARE_LOCAL and settings.EMBEDDING_MODEL != "all-MiniLM-L6-v2":
        hint = "Set POLYAI_EMBEDDING_BASE_URL to the endpoint that serves it, or unset POLYAI_EMBEDDING_MODEL."
        problems.append(
            Error(f"'{settings.EMBEDDING_MODEL}' is not the bundled embedder.", hint=hint, id="polyai.E003")
        )
    if settings.EMBEDDINGS_ARE_LOCAL and settings.EMBEDDING_DIMENSIONS:
        hint = "Unset it: the bundled embedder gives 384 numbers."
        problems.append(Error("POLYAI_EMBEDDING_DIMENSIONS is set without an endpoint.", hint=hint, id="polyai.E004"))
    return problems
