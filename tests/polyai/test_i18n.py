"""Strings of pages and scripts come from catalogs; another language is a folder more."""

from __future__ import annotations

import struct
from collections.abc import Generator
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from polyai import i18n


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
    write_catalog(folder / "djangojs.mo", {"Stop": "Anhalten"})
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
    assert "Anhalten" in german.text
    assert "Anhalten" not in english.text
    assert german.headers["ETag"] != english.headers["ETag"]
    page = client.get("/accounts/login/", headers={"Accept-Language": "de-CH"})
    assert '<html lang="de"' in page.text
    assert german.headers["ETag"].strip('"') in page.text
