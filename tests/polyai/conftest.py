"""A running product, as new for each module, and a real Chromium."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.chromium import CHROMIUM, FLAGS
from tests.pristine import Pristine, wait_until_read
from tests.product import Product
from tests.upstream import MODEL, Upstream


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory, upstream_server: Upstream) -> Generator[Pristine, None, None]:
    """One product for all modules that do not start their own; its handbook has been read, nobody has signed up."""
    home = tmp_path_factory.mktemp("product")
    for folder in (home, *home.parents[:3]):
        folder.chmod(0o755)  # pytest makes them 0700; PostgreSQL, as a user of its own, has to pass
    started = Product(
        home,
        DJANGO_SETTINGS_MODULE="tests.pseudo",  # as it is, but for readers of Esperanto
        OPENAI_BASE_URL=upstream_server.base_url,
        OPENAI_API_KEY="sk-test",
        POLYAI_CHAT_MODEL=MODEL,
        POLYAI_AUDIT_SHARE="0",
    )
    started.start()
    wait_until_read(started)
    yield Pristine(started)
    started.kill_everything()


@pytest.fixture(scope="module")
def product(pristine: Pristine, upstream_server: Upstream) -> Product:
    """The product as after its first start."""
    upstream_server.reset()
    pristine.restore()
    return pristine.product


@pytest.fixture(scope="module")
def browser() -> Generator[Browser, None, None]:
    assert CHROMIUM, "no Chromium here, and CI=true: the browser test must run"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield opened
        opened.close()
