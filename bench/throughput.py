"""Exact hits a second: the product, a bare view with one Redis GET and LiteLLM's proxy, in turn on one machine.

`python -m bench.throughput`, or a part of `make bench`. Every response of every side is checked to be a hit, and
that no model was asked: otherwise the run fails.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack

from bench.figures import row
from bench.latency import PROJECT, QUESTION, Chat
from bench.load import CONNECTIONS, Door, Load, NotAHit, WrkMissing, find_wrk, load
from bench.peers import LITELLM, PeerMissing, bare_view, litellm_proxy
from bench.stage import Stage, on_stage
from tests.upstream import MODEL

ROUNDS, SECONDS = 5, 5.0
NOTE = f"Exact hits a second: {CONNECTIONS} connections, {ROUNDS} rounds of {SECONDS:g} s in turn; median (min, max)."


def main() -> None:
    with on_stage() as here:
        here.product.start()
        import django

        django.setup()
        here.product.manage("ingest", "docs", "--project", PROJECT)
        row("what", "figure", "ratio", "wanted")
        row("---", "---", "---", "---")
        measure(here)
    print(f"\n{NOTE}")


def measure(here: Stage) -> None:
    """Print the rows. The product is running and its project has documents. Raises NotAHit."""
    try:
        find_wrk()
    except WrkMissing as missing:
        row("exact hits a second", f"left out: {missing}", "", "")
        return
    with ExitStack() as servers:
        bare = Door(
            name="bare async view, one Redis GET",
            url=servers.enter_context(bare_view(here.product)),
            expect=("Server", "daphne"),  # it has no cache to hit: any of its answers will do
        )
        doors = [bare, product_door(here)]
        try:
            doors.append(_litellm_door(*servers.enter_context(litellm_proxy(here))))
        except PeerMissing as missing:
            row("exact hits: LiteLLM's proxy", f"left out: {missing}", "", "")
        told = in_turn(here, doors)
    bare_loads, ours, *peers = told
    row(f"exact hits: {bare.name}", _figure(bare_loads), "", "")
    row(f"exact hits: {doors[1].name}", _figure(ours), f"{_times(ours, bare_loads):.2f}x of it", ">= 0.7x")
    for door, loads in zip(doors[2:], peers, strict=True):
        row(f"exact hits: {door.name}", _figure(loads), f"ours is {_times(ours, loads):.1f}x", ">= 5x")


def in_turn(here: Stage, doors: Sequence[Door]) -> list[list[Load]]:
    """A B C A B C …, one list of loads for each door."""
    for door in doors:
        door.warm()
    told: list[list[Load]] = [[] for _ in doors]
    asked = len(here.upstream.history)
    for _ in range(ROUNDS):
        for door, loads in zip(doors, told, strict=True):
            door.check()
            loads.append(load(door, SECONDS))
            door.check()
    if len(here.upstream.history) != asked:
        raise NotAHit(f"the model was asked {len(here.upstream.history) - asked} times during the run")
    return told


def product_door(here: Stage) -> Door:
    """The fastest JSON door that answers from the cache, with an API key as a program has one."""
    from accounts.models import Project
    from accounts.services import create_api_key

    key = create_api_key(user=Chat(here.product).user, project=Project.objects.get(slug=PROJECT))
    return Door(
        name="POST /api/ask/",
        url=f"http://127.0.0.1:{here.product.port}/api/ask/",
        headers={"Authorization": f"Bearer {key}"},
        body={"project": PROJECT, "question": QUESTION, "store": False},
        expect=("X-PolyAI-Cache", "hit-exact"),
    )


def _litellm_door(address: str, key: str) -> Door:
    return Door(
        name=LITELLM[0],
        url=f"{address}/v1/chat/completions",
        headers={"Authorization": f"Bearer {key}"},
        body={"model": MODEL, "messages": [{"role": "user", "content": QUESTION}]},
        expect=("x-litellm-cache-key", ""),  # sent with hits only
    )


def _figure(loads: Sequence[Load]) -> str:
    rates = sorted(load.rate for load in loads)
    p50, p99 = (statistics.median(values) for values in zip(*((load.p50, load.p99) for load in loads), strict=True))
    rate = f"{statistics.median(rates):.0f}/s (min {rates[0]:.0f}, max {rates[-1]:.0f})"
    return f"{rate}; p50 {p50:.1f}, p99 {p99:.1f} ms"


def _times(ours: Sequence[Load], theirs: Sequence[Load]) -> float:
    """The median of the rounds' ratios: the two of one round had the same machine."""
    return statistics.median(one.rate / other.rate for one, other in zip(ours, theirs, strict=True))


if __name__ == "__main__":
    main()
