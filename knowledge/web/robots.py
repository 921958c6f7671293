"""Manners on other people's servers: what their robots.txt asks for, and a pause between two requests."""

from __future__ import annotations

import time
from dataclasses import dataclass
from urllib.robotparser import RobotFileParser

from django.conf import settings

from core.errors import FetchError, PolyAIError
from core.redis import PREFIX, RedisError, sync_redis
from knowledge.web.addresses import host_of, origin_of
from knowledge.web.fetching import AGENT, fetch

MAX_BYTES = 500_000  # of a robots.txt that are read (RFC 9309)
MAX_PAUSE = 30.0  # seconds; a longer Crawl-delay is cut to this


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one host lets us fetch, and how fast."""

    parser: RobotFileParser
    pause: float

    def allow(self, url: str) -> bool:
        return self.parser.can_fetch(AGENT, url)


def read_rules(url: str) -> Rules:
    """The rules of an address's host (RFC 9309): none where there is no robots.txt.

    Raises FetchUnreachable and FetchTimeout: a host whose rules cannot be read is not crawled.
    """
    text = ""
    try:
        with fetch(f"{origin_of(url)}/robots.txt") as page:
            text = page.file.read(MAX_BYTES).decode("utf-8", "replace")
    except PolyAIError as error:
        if isinstance(error, FetchError) and error.retryable:
            raise
    parser = RobotFileParser()
    parser.parse(text.splitlines())
    asked = parser.crawl_delay(AGENT)
    return Rules(parser=parser, pause=max(settings.CRAWL_PAUSE, min(float(asked or 0), MAX_PAUSE)))


def wait_turn(url: str, pause: float) -> None:
    """Wait until nobody has asked this host for `pause` seconds. Redis knows of all workers; without it we wait."""
    if not pause:
        return
    key = f"{PREFIX}fetch:{host_of(url)}"
    until = time.monotonic() + 4 * pause  # others may keep taking the turn
    try:
        while not sync_redis().set(key, 1, nx=True, px=int(pause * 1000)) and time.monotonic() < until:
            time.sleep(pause / 10)
    except RedisError:
        time.sleep(pause)
