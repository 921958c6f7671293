"""Load on one door with `wrk`, which costs little of the processors that the server needs."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

CONNECTIONS = 16
SCRIPT = Path(__file__).with_name("load.lua")


class WrkMissing(Exception):
    """No wrk on this machine, and how to get it."""


class NotAHit(Exception):
    """A response that the cache did not give: the run says nothing about hits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A request and the header by which its response is known for a hit; an empty value is any."""

    name: str
    url: str
    expect: tuple[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, object] | None = None  # None: a GET

    def knock(self) -> httpx2.Response:
        method = "GET" if self.body is None else "POST"
        return httpx2.request(method, self.url, headers=dict(self.headers), json=self.body, timeout=60)

    def is_hit(self, response: httpx2.Response) -> bool:
        name, value = self.expect
        return response.status_code == 200 and value in (response.headers.get(name), "") and name in response.headers

    def check(self) -> None:
        """Raises NotAHit."""
        response = self.knock()
        if not self.is_hit(response):
            raise NotAHit(f"{self.name}: {response.status_code} {dict(response.headers)} {response.text[:300]}")

    def warm(self) -> None:
        """Ask until the cache answers, a few times at most. Raises NotAHit."""
        for _ in range(5):
            if self.is_hit(self.knock()):
                break
        self.check()


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a door bore: requests a second, and milliseconds."""

    rate: float
    p50: float
    p99: float


def find_wrk() -> str:
    """Where wrk is. Raises WrkMissing."""
    program = shutil.which("wrk")
    if program is None:
        raise WrkMissing("`wrk` makes the load and is not here; on Debian and Ubuntu: apt install wrk")
    return program


def load(door: Door, seconds: float, connections: int = CONNECTIONS) -> Load:
    """Ask as fast as the door answers. Raises NotAHit if a single response was no hit or none came, WrkMissing."""
    wrk = find_wrk()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as body:
        json.dump(door.body, body)
        body.flush()
        headers = {"Content-Type": "application/json", **door.headers} if door.body is not None else door.headers
        method, file = ("GET", "") if door.body is None else ("POST", body.name)
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "30s", "-s", str(SCRIPT)]
        command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        command += [door.url, "--", method, file, *door.expect]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    told = json.loads(done.stdout.strip().splitlines()[-1])
    if told["wrong"] or told["broken"] or not told["requests"]:
        raise NotAHit(f"{door.name}: {told}")
    return Load(rate=told["requests"] / told["microseconds"] * 1e6, p50=told["p50"] / 1000, p99=told["p99"] / 1000)
