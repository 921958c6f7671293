"""The search playground."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect


def playground(request: HttpRequest, slug: str) -> HttpResponse:
    return redirect("documents", slug=slug)
