"""What browsers are told that our pages may do: load from this server, and nothing else."""

from __future__ import annotations

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

PAGES: dict[str, Any] = {  # Any: django-csp's own type
    "default-src": [NONE],
    "script-src": [SELF],
    "style-src": [SELF],
    "img-src": [SELF],
    "font-src": [SELF],
    "connect-src": [SELF],  # and the WebSockets of this server
    "manifest-src": [SELF],
    "form-action": [SELF],
    "base-uri": [NONE],
    "frame-ancestors": [NONE],
    "object-src": [NONE],
}
# The admin is django-unfold's: Alpine makes functions of its attributes, and its colours are in a <style>.
ADMIN = PAGES | {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE], "img-src": [SELF, "data:"]}
# The API's own page is Swagger's, whose icons are in its style sheet.
API_PAGE = PAGES | {"img-src": [SELF, "data:"]}

HEADERS = {
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Resource-Policy": "same-origin",
}
