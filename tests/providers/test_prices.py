"""providers/prices.py: what tokens cost, and no money made up where nobody told us."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from providers.prices import Price, find_embedding_price, find_price


@pytest.mark.parametrize(
    ("model", "prompt"),
    [
        ("gpt-4o-mini", 0.15),
        ("gpt-4o-mini-2024-07-18", 0.15),
        ("gpt-4o", 2.50),
        ("gpt-4o-2024-08-06", 2.50),
        ("gpt-3.5-turbo-0125", 0.50),
        ("gpt-4.1-nano-latest", 0.10),
        ("extractive", 0.0),
    ],
)
def test_a_model_has_the_price_of_its_name_with_or_without_a_version(model: str, prompt: float) -> None:
    price = find_price(model)
    assert price is not None
    assert price.prompt == prompt


@pytest.mark.parametrize("model", ["", "llama3.2", "gpt-4o-audio-preview", "gpt-4o-mini-tts", "my-gpt-4o", "-2024"])
def test_a_model_that_nobody_told_the_price_of_has_none(model: str) -> None:
    assert find_price(model) is None


def test_the_operators_prices_add_to_the_public_ones_and_win(settings: Settings) -> None:
    settings.PRICES = {"llama3.2": [0.01, 0.02], "gpt-4o-mini": [1, 2], "gpt-4o-2024-08-06": [9, 9]}
    assert find_price("llama3.2") == Price(prompt=0.01, completion=0.02)
    assert find_price("gpt-4o-mini-2024-07-18") == Price(prompt=1, completion=2)
    assert find_price("gpt-4o-2024-08-06") == Price(prompt=9, completion=9)
    assert find_price("gpt-4o") == Price(prompt=2.5, completion=10)


def test_money_is_counted_in_billionths_so_that_small_sums_do_not_vanish() -> None:
    assert Price(prompt=0.15, completion=0.60).nanodollars(1000, 100) == 210_000
    assert Price(prompt=0.02, completion=0).nanodollars(20) == 400


def test_the_bundled_embedder_costs_nothing_and_another_what_its_name_costs(settings: Settings) -> None:
    assert find_embedding_price() == Price(prompt=0.0, completion=0.0)
    settings.EMBEDDINGS_ARE_LOCAL, settings.EMBEDDING_MODEL = False, "text-embedding-3-small"
    assert find_embedding_price() == Price(prompt=0.02, completion=0.0)
    settings.EMBEDDING_MODEL = "another"
    assert find_embedding_price() is None
