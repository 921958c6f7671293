"""How the admin looks: django-unfold in our colours (static/css/polyai.css has the same)."""

from __future__ import annotations

from django.templatetags.static import static

UNFOLD = {
    "SITE_TITLE": "PolyAI",
    "SITE_HEADER": "PolyAI",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/polyai.svg")}],
    "SITE_SYMBOL": "quick_reference_all",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": True,
    "COLORS": {
        "primary": {
            "50": "240 250 248",
            "100": "217 241 237",
            "200": "178 226 219",
            "300": "127 203 193",
            "400": "67 173 161",
            "500": "30 143 131",
            "600": "15 111 102",
            "700": "14 92 85",
            "800": "15 74 69",
            "900": "16 62 58",
            "950": "4 37 34",
        },
    },
    "SIDEBAR": {"show_search": True, "show_all_applications": False},
}
