"""Who asks how much, and what it costs: by person, project and day, from the stored answers.

Every answer counts that is stored, also those of programs, of the terminal, and of conversations that were deleted but
can still be restored; what was asked with `"store": false` is not stored and so not here, though the cache page, which
counts in the ledger, has it. Days are UTC's. Tokens and money are what was spent on answers that were written, by the
rule and the prices of `caching.figures`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeAlias, TypeVar
from uuid import UUID

from django.db import connection
from django.utils.translation import gettext as _

from accounts.models import Project, User
from caching.figures import SAVING, STATUSES, add_answer
from caching.report import Day

SPANS = (7, 30, 90)  # days
K = TypeVar("K")
Waits: TypeAlias = tuple[float | None, float | None]  # milliseconds: of hits, of written answers

# What passes until the first words. An answer that has none of them begun counts, and has no wait.
_UNTIL_FIRST_WORDS = ("history", "exact cache", "embed", "semantic cache", "store", "retrieve", "first token")
_WAIT = " + ".join(f"COALESCE((m.stages->>'{stage}')::float8, 0)" for stage in _UNTIL_FIRST_WORDS)
_ANSWERS = f"""
    SELECT (m.created_at AT TIME ZONE 'UTC')::date AS day, c.project_id, c.user_id, m.model,
           COALESCE(m.cache->>'status', '') AS status,
           COALESCE((m.usage->>'prompt_tokens')::bigint, 0) AS prompt,
           COALESCE((m.usage->>'completion_tokens')::bigint, 0) AS completion,
           CASE WHEN m.status = 'complete' AND m.stages <> '{{}}' THEN {_WAIT} END AS wait
    FROM chat_message m JOIN chat_conversation c ON c.id = m.conversation_id
    WHERE m.role = 'assistant' AND m.created_at >= %(since)s
      AND (%(project)s::uuid IS NULL OR c.project_id = %(project)s)
"""  # noqa: S608  # names of stages, from above
_COUNTS = f"""
    SELECT day, project_id, user_id, status, model, count(*), sum(prompt)::bigint, sum(completion)::bigint
    FROM ({_ANSWERS}) answers GROUP BY day, project_id, user_id, status, model
"""  # noqa: S608
_WAITS = f"""
    SELECT GROUPING(day, project_id, user_id), day, project_id, user_id,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY wait) FILTER (WHERE status = ANY(%(saving)s)),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY wait) FILTER (WHERE status <> ALL(%(saving)s))
    FROM ({_ANSWERS}) answers WHERE wait IS NOT NULL
    GROUP BY GROUPING SETS ((day, project_id, user_id), (user_id), (project_id), (day), ())
"""  # noqa: S608


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What some answers have in common: a person's, a project's, a day's. The waits are median times to the first
    words in milliseconds, of cached and of written answers; None where nothing was timed."""

    name: str
    detail: str = ""
    answers: int
    counts: Counter[str]  # by status, as X-PolyAI-Cache tells it; what ended before it was known has none
    prompt_tokens: int
    completion_tokens: int
    dollars: float
    tokens_unpriced: int
    hit_wait: float | None
    written_wait: float | None

    @property
    def hits(self) -> int:
        return sum(self.counts[status] for status in SAVING)

    @property
    def hit_rate(self) -> float | None:
        """The share of the questions that asked the caches at all."""
        asked = sum(self.counts[status] for status in STATUSES if status != "bypass")
        return self.hits / asked if asked else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One person's day in one project."""

    day: date
    project: str
    use: Use


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    total: Use
    people: tuple[Use, ...]  # who asked most first, as in all of these
    projects: tuple[Use, ...]
    days: tuple[Day, ...]  # all of them, oldest first
    lines: tuple[Line, ...]  # newest first


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    day: date
    project_id: UUID
    user_id: UUID | None
    status: str
    model: str
    answers: int
    prompt_tokens: int
    completion_tokens: int


def usage(days: int, project: Project | None = None) -> Usage:
    """The last days, today (UTC) included, of one project or of all. Four statements, however many answers:
    100,000 within 90 days, among 200,000 messages, take 0.7 s on two busy cores."""
    last = datetime.now(UTC).date()
    first = last - timedelta(days=days - 1)
    parameters = {
        "since": datetime.combine(first, time.min, UTC),
        "project": project.id if project else None,
        "saving": list(SAVING),
    }
    rows = [_Row(**dict(zip(_Row.__slots__, found, strict=True))) for found in _read(_COUNTS, parameters)]
    waits = {_key(*found[:4]): (found[4], found[5]) for found in _read(_WAITS, parameters)}
    users = {user.id: user for user in User.objects.filter(id__in={row.user_id for row in rows})}
    projects = {found.id: found for found in Project.objects.filter(id__in={row.project_id for row in rows})}

    def person(user_id: UUID | None) -> tuple[str, str]:
        user = users.get(user_id) if user_id else None
        return (user.get_short_name(), user.email) if user else (_("operator"), "")

    def title(project_id: UUID) -> str:
        return projects[project_id].name if project_id in projects else "–"

    by_person = _grouped(rows, lambda row: row.user_id)
    by_day = _grouped(rows, lambda row: row.day)
    by_project = _grouped(rows, lambda row: row.project_id)
    by_line = _grouped(rows, lambda row: (row.day, row.project_id, row.user_id))
    lines = [
        Line(day=day, project=title(where), use=_use(some, *person(who), waits.get((day, where, who))))
        for (day, where, who), some in by_line.items()
    ]
    return Usage(
        total=_use(rows, "", "", waits.get(())),
        people=_most(_use(some, *person(who), waits.get(("user", who))) for who, some in by_person.items()),
        projects=_most(_use(some, title(it), "", waits.get(("project", it))) for it, some in by_project.items()),
        days=tuple(
            _day(day, by_day.get(day, []), waits.get(("day", day)))
            for day in (first + timedelta(days=n) for n in range(days))
        ),
        lines=tuple(sorted(lines, key=_newest_first)),
    )


def _read(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:  # Any: columns
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())


def _key(grouping: int, day: date, project_id: UUID, user_id: UUID | None) -> tuple[object, ...]:
    """Of which group a median is: bit by bit, PostgreSQL tells which columns were left out."""
    return {
        0b000: (day, project_id, user_id),
        0b110: ("user", user_id),
        0b101: ("project", project_id),
        0b011: ("day", day),
        0b111: (),
    }[grouping]


def _grouped(rows: Iterable[_Row], key: Callable[[_Row], K]) -> dict[K, list[_Row]]:
    groups: dict[K, list[_Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _newest_first(line: Line) -> tuple[object, ...]:
    return (-line.day.toordinal(), line.project, -line.use.answers, line.use.detail)


def _most(uses: Iterable[Use]) -> tuple[Use, ...]:
    return tuple(sorted(uses, key=lambda use: (-use.answers, use.name)))


def _figures(rows: Iterable[_Row]) -> Counter[str]:
    figures: Counter[str] = Counter()
    for row in rows:
        add_answer(figures, row.status, row.model, row.prompt_tokens, row.completion_tokens)
    return figures


def _use(rows: Sequence[_Row], name: str, detail: str, waits: Waits | None) -> Use:
    figures, counts = _figures(rows), Counter[str]()
    for row in rows:
        counts[row.status] += row.answers
    return Use(
        name=name,
        detail=detail,
        answers=sum(counts.values()),
        counts=counts,
        prompt_tokens=figures["tokens-spent:prompt"],
        completion_tokens=figures["tokens-spent:completion"],
        dollars=figures["money-spent:answers"] / 1e9,
        tokens_unpriced=figures["tokens-unpriced"],
        hit_wait=waits[0] if waits else None,
        written_wait=waits[1] if waits else None,
    )


def _day(day: date, rows: Sequence[_Row], waits: Waits | None) -> Day:
    use = _use(rows, "", "", waits)
    return Day(
        day=day,
        requests=use.answers,
        counts={status: use.counts[status] for status in STATUSES},
        hit_p50=use.hit_wait,
        miss_p50=use.written_wait,
        tokens_avoided=0,
        dollars_avoided=0.0,
        dollars_spent=use.dollars,
    )
