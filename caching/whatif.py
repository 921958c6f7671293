"""What if the settings were others: a project's own questions, asked again of caches that are only imagined.

The log tells when which question was asked, and what its answer cost; the replay goes through it in time and keeps
an entry of each question that was answered anew. It assumes that documents stayed as they are and that every answer
was good enough to be kept, so it shows more hits than there would be: hold it against the same replay under today's
settings, which has the same fault, and not against what really happened alone. No second opinion is asked: what is in
doubt counts as a miss.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from accounts.models import Project
from caching.canonical import canonical_text
from caching.embeddings import embed_texts
from caching.figures import SAVING
from caching.intervals import Share, share
from caching.models import CacheLookup
from caching.policy import policy_of
from caching.semantic import CANDIDATES
from caching.types import Policy
from caching.verdict import Estimate, estimate
from caching.vetoes import find_veto
from providers.prices import find_price
from providers.types import Embedder, Vectors

DAYS = 30
MAX_LOOKUPS = 2_000  # the most recent: their questions have to be embedded
AT_ONCE = 128  # texts in one request to the embedder

Judge = Callable[[str, str, float], Estimate | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Settings to be tried: those of a policy that a replay can tell apart."""

    threshold: float
    error_bound: float | None
    ttl: int  # seconds
    uses_exact: bool
    uses_semantic: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a log of questions went. Hits are shares of the questions that asked the caches; follow-ups, whose history
    the log does not hold, went as they really did."""

    exact: Share | None
    semantic: Share | None
    hits: Share | None
    wrong: float | None  # semantic hits expected to be wrong: the sum of 1 - P where a verdict exists
    judged: int  # semantic hits that a verdict exists for
    tokens_avoided: int
    dollars_avoided: float  # of models whose price is known


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    tried: Outcome
    today: Outcome
    really: Outcome
    considered: int  # lookups
    is_capped: bool  # there were more
    since: datetime | None


@dataclass(slots=True)
class _Tally:
    """Counts while a log is gone through."""

    asked: int = 0
    exact: int = 0
    semantic: int = 0
    other: int = 0
    wrong: float = 0.0
    judged: int = 0
    tokens: int = 0
    nanodollars: int = 0

    def add(self, lookup: CacheLookup, status: str, probability: float | None = None) -> None:
        self.asked += 1
        if status not in SAVING:
            return
        self.exact += status == "hit-exact"
        self.semantic += status == "hit-semantic"
        self.other += status == "coalesced"
        if status == "hit-semantic" and probability is not None:
            self.wrong += 1 - probability
            self.judged += 1
        self.tokens += lookup.prompt_tokens + lookup.completion_tokens
        price = find_price(lookup.model)
        if price is not None:
            self.nanodollars += price.nanodollars(lookup.prompt_tokens, lookup.completion_tokens)

    @property
    def outcome(self) -> Outcome:
        return Outcome(
            exact=share(self.exact, self.asked),
            semantic=share(self.semantic, self.asked),
            hits=share(self.exact + self.semantic + self.other, self.asked),
            wrong=self.wrong if self.judged else None,
            judged=self.judged,
            tokens_avoided=self.tokens,
            dollars_avoided=self.nanodollars / 1e9,
        )


def trial_of(project: Project) -> Trial:
    """Today's settings."""
    policy = policy_of(project)
    return Trial(**{field.name: getattr(policy, field.name) for field in fields(Trial)})


def compare(project: Project, trial: Trial, embedder: Embedder) -> Comparison:
    """The last 30 days of a project, at most its 2,000 most recent questions, under other settings and under its own.

    Raises ProviderError where questions have to be embedded and the embedder is down.
    """
    since = datetime.now(UTC) - timedelta(days=DAYS)
    rows = CacheLookup.objects.filter(project_id=project.id, asked_at__gte=since).order_by("-asked_at")
    newest = list(rows[: MAX_LOOKUPS + 1])
    log = newest[:MAX_LOOKUPS][::-1]
    vectors = embed_questions(log, embedder)
    today = policy_of(project)
    known: dict[tuple[str, str], Estimate | None] = {}

    def judge(asked: str, stored: str, similarity: float) -> Estimate | None:
        if (asked, stored) not in known:
            known[asked, stored] = estimate(asked, stored, similarity, identity=embedder.identity, offset=today.offset)
        return known[asked, stored]

    return Comparison(
        tried=replay(log, vectors, replace(today, **asdict(trial)), judge),
        today=replay(log, vectors, today, judge),
        really=as_it_was(log),
        considered=len(log),
        is_capped=len(newest) > MAX_LOOKUPS,
        since=log[0].asked_at if log else None,
    )


def embed_questions(log: Sequence[CacheLookup], embedder: Embedder) -> Vectors:
    """A row for each lookup, shape (len(log), dimensions); zeros for one that is never matched by meaning."""
    texts = [canonical_text(lookup.question) if lookup.is_standalone else "" for lookup in log]
    places = {text: n for n, text in enumerate(dict.fromkeys(filter(None, texts)))}
    if not places:
        return np.zeros((len(log), 1), dtype=np.float32)
    unique = list(places)
    rows = np.vstack(
        [embed_texts(embedder, unique[n : n + AT_ONCE], is_awaited=True) for n in range(0, len(unique), AT_ONCE)]
    )
    nothing = np.zeros((1, rows.shape[1]), dtype=np.float32)
    padded = np.vstack([rows, nothing])
    return np.asarray(padded[[places.get(text, len(places)) for text in texts]], dtype=np.float32)


def replay(log: Sequence[CacheLookup], vectors: Vectors, policy: Policy, judge: Judge) -> Outcome:
    """Go through a log, oldest first, with a cache that is empty at its beginning. `vectors` has a row for each."""
    tally, cache = _Tally(), _ImaginedCache(log, vectors, policy, judge)
    for place, lookup in enumerate(log):
        if lookup.status == "bypass":  # asked for a fresh answer, which is kept all the same
            cache.keep(place)
        elif not lookup.is_standalone:
            tally.add(lookup, lookup.status if policy.ttl and policy.uses_exact else "miss")
        else:
            status, probability = cache.ask(place)
            tally.add(lookup, status, probability)
            if status == "miss":
                cache.keep(place)
    return tally.outcome


def as_it_was(log: Sequence[CacheLookup]) -> Outcome:
    tally = _Tally()
    for lookup in log:
        if lookup.status != "bypass":
            tally.add(lookup, lookup.status, lookup.probability)
    return tally.outcome


class _ImaginedCache:
    """Entries are places in the log: that of the question that was answered anew."""

    def __init__(self, log: Sequence[CacheLookup], vectors: Vectors, policy: Policy, judge: Judge) -> None:
        self._log, self._vectors, self._policy, self._judge = log, vectors, policy, judge
        self._asked_at = np.array([lookup.asked_at.timestamp() for lookup in log])
        self._ends = np.zeros(len(log))  # 0 for a place that is no entry
        self._places: dict[str, int] = {}  # by the key of their question

    def keep(self, place: int) -> None:
        """Instead of what was kept for the same question."""
        lookup = self._log[place]
        if lookup.is_standalone and self._policy.ttl:
            before = self._places.get(lookup.question_key)
            if before is not None:
                self._ends[before] = 0
            self._places[lookup.question_key] = place
            self._ends[place] = self._asked_at[place] + self._policy.ttl

    def ask(self, place: int) -> tuple[str, float | None]:
        """The status of a question, and of a semantic hit the probability that it is right."""
        policy, lookup = self._policy, self._log[place]
        same = self._places.get(lookup.question_key)
        is_there = same is not None and self._ends[same] > self._asked_at[place]
        if is_there and (policy.uses_exact or policy.uses_semantic):
            return "hit-exact", None
        live = np.flatnonzero(self._ends[:place] > self._asked_at[place])
        if not policy.uses_semantic or not len(live):
            return "miss", None
        similarities = self._vectors[live] @ self._vectors[place]
        for nearest in np.argsort(-similarities)[:CANDIDATES]:
            known, similarity = self._log[live[nearest]].question, round(float(similarities[nearest]), 6)
            if policy.error_bound is None and similarity < policy.threshold:
                break
            verdict = self._judge(lookup.question, known, similarity)
            is_sure = policy.error_bound is None or (verdict is not None and verdict.error <= policy.error_bound)
            if is_sure and find_veto(lookup.question, known) is None:
                return "hit-semantic", verdict.probability if verdict else None
        return "miss", None
