"""caching/ledger.py: every record counts once, whatever fails, is killed, or happens twice."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone as clock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from caching import ledger, posting, retention
from caching.models import CacheLookup, LedgerBatch, LedgerCount
from caching.posting import post
from caching.records import dump, record_of
from caching.types import Lookup
from core.database import in_db, release
from core.errors import StoreUnavailable
from core.redis import async_redis, sync_redis
from tests.conftest import Cast, eventually

ROOT = Path(__file__).resolve().parents[2]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = date(2026, 11, 20)


@pytest.fixture(autouse=True)
def nothing_pending() -> Generator[None, None, None]:
    ledger._pending.clear()
    yield
    ledger._pending.clear()


def make_lookup(project_id: UUID, **fields: Any) -> Lookup:  # Any: a lookup's fields
    lookup = Lookup(
        id=uuid4(),
        project_id=project_id,
        asked_at=NOON,
        status="miss",
        question="How many days?",
        question_key="a" * 64,
        is_standalone=True,
        milliseconds=12.5,
        model="gpt-4o-mini",
        prompt_tokens=1000,
        completion_tokens=100,
    )
    return replace(lookup, **fields)


def row_of(lookup: Lookup) -> bytes:
    return dump(record_of(lookup, {}))


def figure(name: str = "requests", project_id: UUID | None = None, day: date | None = None) -> int:
    rows = LedgerCount.objects.filter(name=name)
    rows = rows.filter(project_id=project_id) if project_id else rows
    rows = rows.filter(day=day) if day else rows
    return sum(rows.values_list("value", flat=True))


def waiting() -> int:
    return sync_redis().llen(ledger.OPEN)


# --- The plain way ------------------------------------------------------------------------------


async def test_a_lookup_waits_in_redis_and_is_in_postgresql_after_a_flush(cast: Cast) -> None:
    lookup = make_lookup(cast.project.id, status="hit-semantic", similarity=0.97, entry_id=uuid4(), veto="")
    await ledger.record(lookup)
    assert await async_redis().llen(ledger.OPEN) == 1
    assert await in_db(ledger.flush)() == 1
    stored = await in_db(CacheLookup.objects.get)(id=lookup.id)
    assert (stored.project_id, stored.asked_at, stored.status) == (cast.project.id, NOON, "hit-semantic")
    assert (stored.question, stored.question_key, stored.is_standalone) == ("How many days?", "a" * 64, True)
    assert (stored.entry_id, stored.similarity, stored.probability) == (lookup.entry_id, 0.97, None)
    assert (stored.milliseconds, stored.model, stored.prompt_tokens, stored.completion_tokens) == (
        *(12.5, "gpt-4o-mini"),
        *(1000, 100),
    )
    assert await in_db(figure)("requests") == await in_db(figure)("hit-semantic") == 1
    assert await in_db(figure)("tokens-avoided:prompt") == 1000
    assert await in_db(figure)("money-avoided") == 210_000
    assert sync_redis().keys("polyai:ledger:*") == []


async def test_recording_is_one_command(cast: Cast) -> None:
    mine = async_redis().connection_pool.connection_kwargs["db"]  # the server is shared with other workers' tests
    await async_redis().ping()
    async with async_redis().monitor() as seen:
        await ledger.record(make_lookup(cast.project.id))
        await async_redis().echo("done")
        commands: list[str] = []
        while not commands or "done" not in commands[-1]:
            told = await seen.next_command()
            if told["db"] == mine and not told["command"].startswith(("HELLO", "SELECT")):  # of a new connection
                commands.append(told["command"])
    assert [command.split()[0] for command in commands] == ["RPUSH", "ECHO"]


async def test_figures_without_a_lookup_count_from_both_kinds_of_code(cast: Cast) -> None:
    await ledger.acount(cast.project.id, "fault:audit")
    await in_db(ledger.count)(cast.project.id, {"tokens-spent:audit": 70, "fault:audit": 2})
    await in_db(ledger.flush)()
    assert await in_db(figure)("fault:audit") == 3
    assert await in_db(figure)("tokens-spent:audit") == 70


async def test_further_figures_belong_to_their_lookup(cast: Cast) -> None:
    lookup = make_lookup(cast.project.id)
    for _ in range(2):
        await ledger.record(lookup, {"tokens-spent:opinion": 90})
    await in_db(ledger.flush)()
    assert await in_db(figure)("tokens-spent:opinion") == 90


@pytest.mark.parametrize("name", ["hits", "requests|1", "veto:", "latency:miss:81", ""])
async def test_a_figure_without_a_name_in_the_ledger_is_refused(cast: Cast, name: str) -> None:
    with pytest.raises(ValueError, match="no figures of the ledger"):
        await ledger.acount(cast.project.id, name)
    with pytest.raises(ValueError, match="no figures of the ledger"):
        await ledger.record(make_lookup(cast.project.id), {name: 1})
    assert waiting() == 0


def test_flushing_nothing_is_no_error(cast: Cast) -> None:
    assert ledger.flush() == 0
    assert not LedgerBatch.objects.exists()


def test_projects_and_days_are_apart(cast: Cast) -> None:
    for project in (cast.project, cast.foreign, cast.foreign):
        post([row_of(make_lookup(project.id))])
    post([row_of(make_lookup(cast.project.id, asked_at=NOON + timedelta(days=1)))])
    assert figure(project_id=cast.project.id, day=DAY) == 1
    assert figure(project_id=cast.foreign.id, day=DAY) == 2
    assert figure(project_id=cast.project.id, day=DAY + timedelta(days=1)) == 1


@pytest.mark.parametrize(
    ("asked_at", "day"),
    [
        (datetime(2026, 11, 20, 23, 59, 59, 999_999, tzinfo=UTC), DAY),
        (datetime(2026, 11, 21, 0, 0, tzinfo=UTC), DAY + timedelta(days=1)),
        (datetime(2026, 11, 21, 1, 30, tzinfo=timezone(timedelta(hours=2))), DAY),
        (datetime(2026, 11, 20, 23, 30, tzinfo=timezone(timedelta(hours=-5))), DAY + timedelta(days=1)),
    ],
)
def test_days_are_those_of_utc(cast: Cast, asked_at: datetime, day: date) -> None:
    post([row_of(make_lookup(cast.project.id, asked_at=asked_at))])
    assert LedgerCount.objects.get(name="requests").day == day


async def test_a_clock_that_was_moved_backwards_changes_the_day_and_no_sum(cast: Cast) -> None:
    for hours in (0, -30, 5, -300):
        await ledger.record(make_lookup(cast.project.id, asked_at=NOON + timedelta(hours=hours)))
        await in_db(ledger.flush)()
    assert await in_db(figure)("requests") == 4
    assert await in_db(figure)("requests", None, DAY) == 2


# --- Twice --------------------------------------------------------------------------------------


async def test_a_lookup_that_is_told_twice_counts_once(cast: Cast) -> None:
    lookup = make_lookup(cast.project.id)
    await asyncio.gather(*(ledger.record(lookup) for _ in range(5)))
    assert await in_db(ledger.flush)() == 1
    await ledger.record(lookup)
    assert await in_db(ledger.flush)() == 0
    assert await in_db(figure)() == 1


def test_two_flushes_at_once_count_once(cast: Cast) -> None:
    lookups = [make_lookup(cast.project.id) for _ in range(500)]
    sync_redis().rpush(ledger.OPEN, *map(row_of, lookups[:250]))
    ledger.take()  # the batch of a flush that was killed: each flusher finds it
    sync_redis().rpush(ledger.OPEN, *map(row_of, lookups[250:]))
    problems: list[Exception] = []

    def run() -> None:
        try:
            ledger.flush()
        except Exception as problem:
            problems.append(problem)
        finally:
            release()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert figure() == CacheLookup.objects.count() == 500
    assert sync_redis().keys("polyai:ledger:*") == []


# --- Killed -------------------------------------------------------------------------------------


def test_killed_after_taking_a_batch(cast: Cast) -> None:
    sync_redis().rpush(ledger.OPEN, row_of(make_lookup(cast.project.id)))
    ledger.take()
    sync_redis().rpush(ledger.OPEN, row_of(make_lookup(cast.project.id)))
    assert ledger.flush() == 2
    assert figure() == 2


def test_killed_after_posting_and_before_forgetting(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    sync_redis().rpush(ledger.OPEN, row_of(make_lookup(cast.project.id)))
    with monkeypatch.context() as patch:
        patch.setattr(ledger, "forget", _killed)
        with pytest.raises(KeyboardInterrupt):
            ledger.flush()
    assert figure() == 1
    assert ledger.flush() == 0
    assert figure() == 1
    assert sync_redis().keys("polyai:ledger:*") == []


@pytest.mark.parametrize("step", ["_insert_lookups", "_add"])
def test_killed_in_the_middle_of_the_transaction(cast: Cast, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    sync_redis().rpush(ledger.OPEN, row_of(make_lookup(cast.project.id)))
    with monkeypatch.context() as patch:
        patch.setattr(posting, step, _killed)
        with pytest.raises(KeyboardInterrupt):
            ledger.flush()
    assert figure() == CacheLookup.objects.count() == LedgerBatch.objects.count() == 0
    assert ledger.flush() == 1
    assert figure() == 1


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


KILLED_AT = """
import os, signal, sys, django
django.setup()
from caching import ledger, posting
room = {"ledger": ledger, "posting": posting}[sys.argv[1]]
real = getattr(room, sys.argv[2])
def kill(*arguments):
    if sys.argv[3] == "after":
        real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)
setattr(room, sys.argv[2], kill)
ledger.flush()
"""


@pytest.mark.parametrize(
    ("room", "step", "moment"),
    [
        ("ledger", "take", "after"),
        ("posting", "_insert_lookups", "after"),
        ("posting", "_add", "after"),
        ("ledger", "forget", "before"),
    ],
)
def test_a_flush_that_is_really_killed_loses_nothing_and_doubles_nothing(
    cast: Cast, room: str, step: str, moment: str
) -> None:
    for _ in range(20):
        sync_redis().rpush(ledger.OPEN, row_of(make_lookup(cast.project.id)))
    database = connection.settings_dict
    address = f"postgres://postgres@{str(database['HOST']).replace('/', '%2F')}/{database['NAME']}"
    done = subprocess.run(
        [sys.executable, "-c", KILLED_AT, room, step, moment],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": address, "DJANGO_SETTINGS_MODULE": "polyai.settings"},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    sync_redis().rpush(ledger.OPEN, row_of(make_lookup(cast.project.id)))
    ledger.flush()
    assert figure() == CacheLookup.objects.count() == 21
    assert sync_redis().keys("polyai:ledger:*") == []


# --- A store is away ----------------------------------------------------------------------------


async def test_without_redis_a_record_goes_to_postgresql_at_once(cast: Cast, dead_redis: str) -> None:
    await ledger.record(make_lookup(cast.project.id))
    await ledger.acount(cast.project.id, "fault:audit")
    assert await in_db(figure)() == await in_db(figure)("fault:audit") == 1
    assert await in_db(figure)("fault:redis") == 1  # that no record could be left there


async def test_a_redis_that_is_full_is_as_good_as_none(cast: Cast) -> None:
    try:
        sync_redis().config_set("maxmemory", "1")
        await ledger.record(make_lookup(cast.project.id))
        assert await in_db(figure)() == 1
    finally:
        sync_redis().config_set("maxmemory", "0")


def test_a_redis_that_is_full_is_emptied_by_a_flush(cast: Cast) -> None:
    sync_redis().rpush(ledger.OPEN, *[row_of(make_lookup(cast.project.id)) for _ in range(20)])
    try:
        sync_redis().config_set("maxmemory", "1")
        assert ledger.flush() == 20
    finally:
        sync_redis().config_set("maxmemory", "0")
    assert waiting() == 0


async def test_a_list_that_holds_something_else_stops_no_record(cast: Cast) -> None:
    sync_redis().set(ledger.OPEN, "no list")
    await ledger.record(make_lookup(cast.project.id))
    assert await in_db(figure)() == 1


@pytest.fixture
def late_redis(settings: Settings, tmp_path: Path) -> Generator[None, None, None]:
    """A server that does what it is told and never says so."""
    real = settings.REDIS_URL.removeprefix("unix://").partition("?")[0]
    number = settings.REDIS_URL.rpartition("=")[2]
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "late.sock"))
        server.listen()

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=_half_a_proxy, args=(client, real), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        settings.REDIS_URL, settings.REDIS_TIMEOUT = f"unix://{tmp_path}/late.sock?db={number}", 0.2
        yield


def _half_a_proxy(client: socket.socket, real: str) -> None:
    """Passes everything on, and passes back what is not the answer to an RPUSH."""
    with client, socket.socket(socket.AF_UNIX) as upstream:
        upstream.connect(real)
        while sent := client.recv(65536):
            upstream.sendall(sent)
            answer = upstream.recv(65536)
            if b"RPUSH" not in sent:
                client.sendall(answer)


async def test_a_write_that_timed_out_and_worked_counts_once(cast: Cast, late_redis: None) -> None:
    lookup = make_lookup(cast.project.id)
    await ledger.record(lookup)
    await ledger.acount(cast.project.id, "fault:audit", 3)
    assert await in_db(figure)() == 1
    assert await in_db(figure)("fault:audit") == 3
    assert 1 <= waiting() <= 4  # it has worked, and may have been tried twice
    await in_db(ledger.flush)()
    assert await in_db(figure)() == 1
    assert await in_db(figure)("fault:audit") == 3


async def test_the_flush_may_come_before_the_direct_write_as_well(cast: Cast) -> None:
    lookup = make_lookup(cast.project.id)
    await ledger.record(lookup)
    await in_db(ledger.flush)()
    assert await in_db(post)([row_of(lookup)]) == 0
    assert await in_db(figure)() == 1


async def test_with_both_stores_away_a_record_waits_for_the_next(
    cast: Cast, monkeypatch: pytest.MonkeyPatch, settings: Settings, dead_redis: str, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(rows: object) -> int:
        raise StoreUnavailable("The database does not answer.")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "post", refuse)
        await asyncio.gather(*(ledger.record(make_lookup(cast.project.id)) for _ in range(3)))
    assert "no store takes records now" in caplog.text
    await ledger.record(make_lookup(cast.project.id))
    assert await in_db(figure)() == 4
    assert not ledger._pending


async def test_a_record_that_is_cancelled_in_the_middle_is_not_lost(cast: Cast, late_redis: None) -> None:
    task = asyncio.create_task(ledger.record(make_lookup(cast.project.id)))
    await eventually(waiting)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ledger.record(make_lookup(cast.project.id))
    await in_db(ledger.flush)()
    assert await in_db(figure)() == 2


async def test_a_redis_that_forgot_everything_costs_what_waited_and_nothing_else(cast: Cast) -> None:
    await ledger.record(make_lookup(cast.project.id))
    await in_db(ledger.flush)()
    await ledger.record(make_lookup(cast.project.id))
    await async_redis().flushdb()
    await ledger.record(make_lookup(cast.project.id))
    await in_db(ledger.flush)()
    assert await in_db(figure)() == 2


def test_nothing_of_the_ledger_can_be_evicted(cast: Cast) -> None:
    sync_redis().rpush(ledger.OPEN, row_of(make_lookup(cast.project.id)))
    ledger.take()
    sync_redis().rpush(ledger.OPEN, row_of(make_lookup(cast.project.id)))
    names = sync_redis().keys("polyai:ledger:*")
    assert len(names) == 2
    assert {sync_redis().ttl(name) for name in names} == {-1}


# --- What cannot be read or stored --------------------------------------------------------------


def test_a_project_that_was_deleted_meanwhile_takes_its_records_along(cast: Cast) -> None:
    rows = [row_of(make_lookup(project.id)) for project in (cast.project, cast.foreign)]
    cast.foreign.delete()
    assert post(rows) == 1
    assert figure() == 1


@pytest.mark.parametrize(
    "row", [b"", b"not json", b"\xff", b"null", b"[]", b"7", b"{}", b'{"id": 7}', b"[" * 100_000], ids=range(9)
)
def test_a_row_that_cannot_be_read_is_dropped_and_logged(
    cast: Cast, row: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    assert post([row_of(make_lookup(cast.project.id)), row, row_of(make_lookup(cast.project.id))]) == 2
    assert figure() == 2
    assert "cannot be read" in caplog.text


def _change(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields.update(changes)


def _change_lookup(**changes: object) -> Callable[[dict[str, Any]], None]:
    return lambda fields: fields["lookup"].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        _change(day="someday"),
        _change(day=None),
        _change(figures=None),
        _change(figures={"requests": "many"}),
        _change(figures={"unknown": 1}),
        _change(figures={"requests": 10**30}),
        _change(lookup=7),
        _change_lookup(asked_at="someday"),
        _change_lookup(asked_at=None),
        _change_lookup(question="\x00"),
        _change_lookup(question="x" * 501),
        _change_lookup(milliseconds=float("nan")),
        _change_lookup(prompt_tokens=-1),
        _change_lookup(prompt_tokens=10**12),
        lambda fields: fields["lookup"].pop("status"),
    ],
    ids=range(15),
)
def test_a_record_that_cannot_be_stored_costs_itself_and_is_counted(
    cast: Cast, change: Callable[[dict[str, Any]], None], caplog: pytest.LogCaptureFixture
) -> None:
    fields = json.loads(row_of(make_lookup(cast.project.id)))
    change(fields)
    rows = [row_of(make_lookup(cast.project.id)), json.dumps(fields).encode(), row_of(make_lookup(cast.project.id))]
    sync_redis().rpush(ledger.OPEN, *rows)
    ledger.flush()
    post(rows)
    assert figure() == CacheLookup.objects.count() == 2
    assert figure("fault:ledger") == 1
    assert "dropped record" in caplog.text
    assert sync_redis().keys("polyai:ledger:*") == []


async def test_hostile_texts_and_figures_are_made_storable(cast: Cast) -> None:
    lookup = make_lookup(
        cast.project.id,
        question="half \ud800 NUL \x00 " + "🙂" * 1000,
        model="m" * 500,
        prompt_tokens=10**15,
        milliseconds=1e12,
        veto="no such kind of veto at all",
        faults=("redis", "the roof"),
    )
    await ledger.record(lookup)
    assert await in_db(ledger.flush)() == 1
    assert await in_db(figure)("veto:other") == await in_db(figure)("fault:other") == 1
    stored = await in_db(CacheLookup.objects.get)()
    assert stored.question.startswith("half ? NUL  🙂")
    assert len(stored.question) == 500


# --- Any order ----------------------------------------------------------------------------------

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["record", "again", "direct", "both", "count", "flush", "take", "post-and-die"]),
        st.integers(0, 7),
    ),
    max_size=40,
)


@given(steps=STEPS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_order_of_records_failures_and_flushes_counts_each_once(cast: Cast, steps: list[tuple[str, int]]) -> None:
    LedgerCount.objects.all().delete()
    CacheLookup.objects.all().delete()
    sync_redis().flushdb()
    lookups: list[Lookup] = []
    faults = 0
    for step, n in steps:
        if step in ("record", "direct", "both") or (step == "again" and not lookups):
            lookups.append(make_lookup(cast.project.id))
        if step in ("record", "both"):
            sync_redis().rpush(ledger.OPEN, row_of(lookups[-1]))
        if step in ("direct", "both"):
            post([row_of(lookups[-1])])
        elif step == "again":
            sync_redis().rpush(ledger.OPEN, row_of(lookups[n % len(lookups)]))
        elif step == "count":
            faults += n
            ledger.count(cast.project.id, "fault:audit", n)
        elif step == "flush":
            ledger.flush()
        elif step == "take":
            ledger.take()
        elif step == "post-and-die" and ledger.take():
            post(sync_redis().lrange(ledger.BATCH, 0, -1))
    ledger.flush()
    assert figure() == CacheLookup.objects.count() == len(lookups)
    assert figure("fault:audit") == faults
    assert sync_redis().keys("polyai:ledger:*") == []


def test_more_than_one_transaction_takes_is_flushed_in_several(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "AT_ONCE", 10)
    sync_redis().rpush(ledger.OPEN, *[row_of(make_lookup(cast.project.id)) for _ in range(25)])
    assert ledger.flush() == 25
    assert waiting() == 0


def test_a_late_forgetting_spares_the_batch_that_another_flush_has_taken(cast: Cast) -> None:
    first, second = (row_of(make_lookup(cast.project.id)) for _ in range(2))
    sync_redis().rpush(ledger.OPEN, second)
    ledger.take()
    ledger.forget(first)
    assert ledger.flush() == 1


# --- What is kept -------------------------------------------------------------------------------


def test_details_are_kept_for_a_time_and_daily_figures_for_good(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    now = clock.now()
    for days in (0, 29, 31, 31, 31, 400):
        for project in (cast.project, cast.foreign):
            post([row_of(make_lookup(project.id, asked_at=now - timedelta(days=days)))])
            ledger.count(project.id, "fault:audit")
    ledger.flush()
    LedgerBatch.objects.filter(id__in=LedgerBatch.objects.values("id")[:5]).update(applied_at=now - timedelta(days=8))
    assert retention.purge() == 8 + 5
    assert CacheLookup.objects.count() == 4
    assert LedgerBatch.objects.count() == 7
    assert figure() == 12
