"""Strings of pages and scripts come from catalogs; another language is a folder more."""

from __future__ import annotations

import re
import struct
from collections.abc import Generator
from pathlib import Path

import pytest
from django.template.base import Lexer, TokenType
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from polyai import i18n

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
NAMES = re.compile(r"PolyAI|API|UTC|\bms\b|Ctrl|Shift|https?://\S+")
READ_OUT = re.compile(r"""\s(?:title|placeholder|alt|aria-label|aria-description|data-confirm)=("[^"]*"|'[^']*')""")


def write_catalog(path: Path, strings: dict[str, str]) -> None:
    """A compiled catalog (.mo), as msgfmt writes it."""
    strings = {"": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n != 1;\n", **strings}
    pairs = sorted((key.encode(), value.encode()) for key, value in strings.items())
    start = 28 + 16 * len(pairs)
    tables: list[bytes] = []
    texts = b""
    for column in (0, 1):
        for pair in pairs:
            tables.append(struct.pack("<II", len(pair[column]), start + len(texts)))
            texts += pair[column] + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + b"".join(tables) + texts)


@pytest.fixture
def two_languages(settings: Settings, tmp_path: Path) -> Generator[None, None, None]:
    folder = tmp_path / "de" / "LC_MESSAGES"
    write_catalog(folder / "django.mo", {"Not found": "Nicht gefunden", "There is no such page here.": "Nichts hier."})
    write_catalog(folder / "djangojs.mo", {"Stop": "Anhalten", "%s file\0%s files": "%s Datei\0%s Dateien"})
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    settings.LOCALE_PATHS = [tmp_path]
    i18n.version.cache_clear()
    yield
    i18n.version.cache_clear()


def test_the_catalog_of_the_scripts_costs_no_query_and_is_kept_under_its_version(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, db: None
) -> None:
    address = i18n.catalog_address(None)["catalog_address"]  # type: ignore[arg-type]  # it looks at no request
    with django_assert_num_queries(0):
        response = client.get(address)
    assert response.headers["Content-Type"].startswith("text/javascript")
    assert "immutable" in response.headers["Cache-Control"]
    assert "ngettext" in response.text
    assert client.get(address, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304
    assert client.get("/jsi18n/").headers["Cache-Control"] == "no-cache"


def test_another_language_shows_in_the_scripts_catalog_and_has_an_address_of_its_own(
    client: Client, two_languages: None
) -> None:
    english, german = (client.get("/jsi18n/", headers={"Accept-Language": language}) for language in ("en", "de"))
    assert '"Stop": "Anhalten"' in german.text
    assert '"%s file": ["%s Datei", "%s Dateien"]' in german.text
    assert "Anhalten" not in english.text
    assert german.headers["ETag"] != english.headers["ETag"]
    page = client.get("/accounts/login/", headers={"Accept-Language": "de-CH"})
    assert '<html lang="de"' in page.text
    assert german.headers["ETag"].strip('"') in page.text
    assert "Nichts hier." in client.get("/nowhere/", headers={"Accept-Language": "de"}).text
    assert "There is no such page here." in client.get("/nowhere/", headers={"Accept-Language": "fr"}).text


def untranslated(source: str) -> list[str]:
    """What a reader sees of a template, or hears of its attributes, that comes from no catalog."""
    shown = ""
    inside = ""
    for token in Lexer(source).tokenize():
        word = token.contents.split()[0] if token.token_type == TokenType.BLOCK else ""
        if word in ("blocktranslate", "comment") or (word == "block" and token.contents.endswith("_class")):
            inside = word
        elif word == f"end{inside}":
            inside = ""
        elif not inside and token.token_type == TokenType.TEXT:
            shown += token.contents
        else:
            shown += "\N{OBJECT REPLACEMENT CHARACTER}"
    shown = re.sub(r"<(code|script|style|svg|symbol)\b.*?</\1>", "", shown, flags=re.DOTALL)
    pieces = READ_OUT.findall(shown) + re.split(r"<[^>]*>", shown)
    return [piece.strip() for piece in pieces if re.search(r"[^\W\d_]{2}", NAMES.sub("", re.sub(r"&\w+;", "", piece)))]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('<p title="{% translate "One" %}">{% translate "Two" %}</p>', []),
        ("<p>{% blocktranslate %}Three <b>more</b>{% endblocktranslate %} <code>x = yes</code></p>", []),
        ("<p>Four</p>", ["Four"]),
        ('<button aria-label="Five">{% if x %}Six{% endif %}</button>', ['"Five"', "\ufffcSix\ufffc"]),
    ],
)
def test_strings_outside_the_catalogs_are_seen(source: str, found: list[str]) -> None:
    assert untranslated(source) == found


def test_every_string_of_every_template_comes_from_a_catalog() -> None:
    found = {
        name: strings
        for path in sorted(TEMPLATES.rglob("*.html"))
        if not (name := path.relative_to(TEMPLATES).as_posix()).startswith("drf_spectacular/")
        if (strings := untranslated(path.read_text()))
    }
    assert found == {}
