"""The strings of our scripts, in the reader's language: `gettext`, `ngettext` and `interpolate` for the browser."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.cache import patch_cache_control
from django.utils.translation import get_language, override
from django.views.decorators.http import etag
from django.views.i18n import JavaScriptCatalog

YEAR = 31_536_000  # seconds
# The three that our scripts call, as Django's own catalog has them, in a fifth of its bytes.
SCRIPT = """{
  const catalog = %(catalog)s, plural = (n) => Number(%(plural)s);
  globalThis.gettext = (text) => [catalog[text] ?? text].flat()[0];
  globalThis.ngettext = (one, more, n) => catalog[one]?.[plural(n)] ?? (n === 1 ? one : more);
  globalThis.interpolate = (text, values, isNamed) => isNamed
    ? text.replace(/%%\\((\\w+)\\)s/g, (_, name) => String(values[name]))
    : values.reduce((told, value) => told.replace("%%s", () => String(value)), text);
}
"""


class Catalog(JavaScriptCatalog):
    packages = ["polyai"]  # and LOCALE_PATHS: ours, without the admin's

    def render_to_response(self, context: dict[str, Any], **kwargs: Any) -> HttpResponse:  # Any: Django's signature
        catalog = json.dumps(context["catalog"], ensure_ascii=False, sort_keys=True)
        script = SCRIPT % {"catalog": catalog, "plural": context["plural"] or "n != 1"}
        return HttpResponse(script, content_type="text/javascript; charset=utf-8")


_view = Catalog.as_view()


def _catalog(request: HttpRequest) -> HttpResponse:
    response = _view(request)
    assert isinstance(response, HttpResponse)
    return response


@cache
def version(language: str) -> str:
    """Names the catalog of a language: another text, another version."""
    request = HttpRequest()
    request.method = "GET"
    with override(language):
        return hashlib.sha256(_catalog(request).content).hexdigest()[:16]


@etag(lambda request: f'"{version(get_language() or "en")}"')
def script(request: HttpRequest) -> HttpResponse:
    """The catalog as a script, for everybody: no session is read and no database asked.

    Under the address of its version it is kept for good; otherwise it is asked for again each time.
    """
    response = _catalog(request)
    if request.GET.get("v") == version(get_language() or "en"):
        patch_cache_control(response, public=True, max_age=YEAR, immutable=True)
    else:
        patch_cache_control(response, no_cache=True)
    return response


def catalog_address(request: HttpRequest) -> dict[str, str]:
    """For every template: where the catalog of the page's language is."""
    return {"catalog_address": f"{reverse('script-catalog')}?v={version(get_language() or 'en')}"}
