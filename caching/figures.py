"""The figures of the ledger: their names, a closed set, and what one lookup adds to them."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Mapping

from caching.types import Lookup
from providers.prices import Price, find_embedding_price, find_price

log = logging.getLogger(__name__)

STATUSES = ("hit-exact", "hit-semantic", "coalesced", "stale", "miss", "bypass")
SAVING = frozenset(
    {"hit-exact", "hit-semantic", "coalesced"}
)  # a stale answer stands for one that failed: it saved none
VETOES = (
    *("number", "unit", "negation", "antonym", "name", "role", "question", "language"),
    *("estimate", "threshold", "value", "other"),
)
FAULTS = ("redis", "embedder", "semantic", "value", "opinion", "reranker", "audit", "ledger", "other")
PURPOSES = ("embedding", "opinion", "audit")  # what the caches themselves spend on
TITLE = "title"  # what naming conversations costs: no cache is to blame for it

# Latency is counted in buckets whose bounds grow by a fourth root of two: a percentile read from them is at most
# 19 % off, and takes the same 81 figures for a hundred questions and a hundred million.
FINEST = 0.1  # milliseconds, the upper bound of bucket 0
PER_OCTAVE = 4
BUCKETS = 81  # up to 105 seconds; the last takes what is slower

NAMES = frozenset(
    [
        "requests",
        *STATUSES,
        *(f"veto:{kind}" for kind in VETOES),
        *(f"fault:{part}" for part in FAULTS),
        "tokens-avoided:prompt",
        "tokens-avoided:completion",
        "tokens-spent:prompt",  # on answers that were written
        "tokens-spent:completion",
        *(f"tokens-spent:{purpose}" for purpose in (*PURPOSES, TITLE)),
        "tokens-unpriced",  # avoided or spent with a model whose price nobody told us
        "money-avoided",  # billionths of a dollar, as all money here
        "money-spent:answers",
        *(f"money-spent:{purpose}" for purpose in (*PURPOSES, TITLE)),
        *(f"latency:{status}:{bucket}" for status in STATUSES for bucket in range(BUCKETS)),
    ]
)


def figures_of(lookup: Lookup) -> Counter[str]:
    """What one lookup adds to its day."""
    figures = Counter({"requests": 1, lookup.status: 1, f"latency:{lookup.status}:{bucket_of(lookup.milliseconds)}": 1})
    if lookup.veto:
        figures[f"veto:{_known(lookup.veto, VETOES)}"] += 1
    for part in lookup.faults:
        figures[f"fault:{_known(part, FAULTS)}"] += 1
    add_answer(figures, lookup.status, lookup.model, lookup.prompt_tokens, lookup.completion_tokens)
    _add_spent(figures, "embedding", find_embedding_price(), lookup.embedded_tokens)
    # Nearly all tokens of an opinion are its prompt's: the answer is yes or no.
    _add_spent(figures, "opinion", find_price(lookup.opinion_model or lookup.model), lookup.opinion_tokens)
    return +figures


def add_answer(figures: Counter[str], status: str, model: str, prompt_tokens: int, completion_tokens: int) -> None:
    """Add the tokens and the money of answers: spent where they were written, avoided where a cache had them."""
    if status == "stale":
        return
    avoided = status in SAVING
    tokens, money = ("tokens-avoided", "money-avoided") if avoided else ("tokens-spent", "money-spent:answers")
    figures[f"{tokens}:prompt"] += prompt_tokens
    figures[f"{tokens}:completion"] += completion_tokens
    _add_money(figures, money, find_price(model), prompt_tokens, completion_tokens)


def _add_spent(
    figures: Counter[str], purpose: str, price: Price | None, prompt_tokens: int, completion_tokens: int = 0
) -> None:
    figures[f"tokens-spent:{purpose}"] += prompt_tokens + completion_tokens
    _add_money(figures, f"money-spent:{purpose}", price, prompt_tokens, completion_tokens)


def _add_money(
    figures: Counter[str], name: str, price: Price | None, prompt_tokens: int, completion_tokens: int
) -> None:
    if price is None:
        figures["tokens-unpriced"] += prompt_tokens + completion_tokens
    else:
        figures[name] += price.nanodollars(prompt_tokens, completion_tokens)


def spent(purpose: str, model: str, prompt_tokens: int, completion_tokens: int = 0) -> dict[str, int]:
    """Figures of what an opinion, an audit or a title cost, as `ledger.record` and `ledger.count` take them."""
    figures: Counter[str] = Counter()
    _add_spent(figures, purpose, find_price(model), prompt_tokens, completion_tokens)
    return dict(+figures)


def _known(name: str, names: tuple[str, ...]) -> str:
    if name in names:
        return name
    log.warning("ledger: '%s' is counted as 'other'", name)
    return "other"


def bucket_of(milliseconds: float) -> int:
    """The bucket of a latency; of one that is no number, the first."""
    if not milliseconds > FINEST:
        return 0
    if milliseconds >= upper_bound(BUCKETS - 1):
        return BUCKETS - 1
    return math.ceil(math.log2(milliseconds / FINEST) * PER_OCTAVE)


def upper_bound(bucket: int) -> float:
    """Milliseconds."""
    return float(FINEST * 2 ** (bucket / PER_OCTAVE))


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """The latency, in milliseconds, that `share` of those counted did not exceed; None where nothing was counted.

    Within a bucket the logarithm is taken as evenly spread.
    """
    rank, below = share * sum(buckets.values()), 0
    for bucket in sorted(buckets):
        if buckets[bucket] and below + buckets[bucket] >= rank:
            within = (rank - below) / buckets[bucket]
            return upper_bound(bucket) * 2 ** ((within - 1) / PER_OCTAVE)
        below += buckets[bucket]
    return None
