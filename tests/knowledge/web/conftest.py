"""A site on this machine, which the settings let through."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from pytest_django.fixtures import Settings

from tests.knowledge.web.site import Site


@pytest.fixture
def site(settings: Settings) -> Generator[Site, None, None]:
    settings.FETCH_ALLOW = ["127.0.0.0/8"]
    settings.CRAWL_PAUSE = 0.0
    server = Site()
    yield server
    server.close()
