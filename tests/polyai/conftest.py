"""A running product for each module, and a real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.product import Product
from tests.upstream import MODEL, Upstream

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def product_settings() -> str:
    return "polyai.settings"


@pytest.fixture(scope="module")
def product(
    tmp_path_factory: pytest.TempPathFactory, upstream_server: Upstream, product_settings: str
) -> Generator[Product, None, None]:
    home = tmp_path_factory.mktemp("browser")
    for folder in (home, *home.parents[:3]):
        folder.chmod(0o755)
    model = {"OPENAI_BASE_URL": upstream_server.base_url, "OPENAI_API_KEY": "sk-test", "POLYAI_CHAT_MODEL": MODEL}
    started = Product(home, DJANGO_SETTINGS_MODULE=product_settings, **model)
    started.start()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    assert CHROMIUM, "no Chromium here, and CI=true: the browser test must run"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield opened
        opened.close()
