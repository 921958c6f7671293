"""What a token costs, by model: so that the ledger can tell tokens in money."""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings

from providers.extractive import NAME as EXTRACTIVE

AS_OF = "March 2026"

# US dollars for a million prompt and completion tokens, list prices of OpenAI's own endpoint as of AS_OF.
# POLYAI_PRICES adds to them and wins over them.
PUBLIC: dict[str, tuple[float, float]] = {
    "gpt-5.4": (2.50, 15.00),
    "gpt-5.4-mini": (0.75, 4.50),
    "gpt-5.4-nano": (0.20, 1.25),
    "gpt-5.1": (1.25, 10.00),
    "gpt-5": (1.25, 10.00),
    "gpt-5-mini": (0.25, 2.00),
    "gpt-5-nano": (0.05, 0.40),
    "gpt-4.1": (2.00, 8.00),
    "gpt-4.1-mini": (0.40, 1.60),
    "gpt-4.1-nano": (0.10, 0.40),
    "gpt-4o": (2.50, 10.00),
    "gpt-4o-mini": (0.15, 0.60),
    "gpt-3.5-turbo": (0.50, 1.50),
    "o3": (2.00, 8.00),
    "o3-mini": (1.10, 4.40),
    "o4-mini": (1.10, 4.40),
    "text-embedding-3-small": (0.02, 0.0),
    "text-embedding-3-large": (0.13, 0.0),
    "text-embedding-ada-002": (0.10, 0.0),
    EXTRACTIVE: (0.0, 0.0),
}
_VERSION = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4}|\d{8}|latest)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """US dollars for a million tokens; of an embedding model `completion` is 0."""

    prompt: float
    completion: float

    def nanodollars(self, prompt_tokens: int, completion_tokens: int = 0) -> int:
        """The price of some tokens in billionths of a dollar: a question's embedding costs 400 of them, which
        whole millionths would round to nothing."""
        return round(1000 * (prompt_tokens * self.prompt + completion_tokens * self.completion))


def find_price(model: str) -> Price | None:
    """The price of a model by its name, or by its name without a version (`gpt-4o-mini-2024-07-18`).

    None where nobody told us: its tokens are counted, and no money is made up for them.
    """
    known = {**PUBLIC, **settings.PRICES}
    found = known.get(model) or known.get(_VERSION.sub("", model))
    return Price(prompt=found[0], completion=found[1]) if found is not None else None


def find_embedding_price() -> Price | None:
    """The price of the configured embedder; the bundled one costs nothing."""
    if settings.EMBEDDINGS_ARE_LOCAL:
        return Price(prompt=0.0, completion=0.0)
    return find_price(settings.EMBEDDING_MODEL)
