"""caching/calculator.py: a month's bill."""

from __future__ import annotations

from dataclasses import replace

import pytest

from caching.calculator import Plan, calculate

PLAN = Plan(
    questions_a_day=1000,
    repeats=0.2,
    paraphrases=0.1,
    prompt_tokens=2000,
    completion_tokens=200,
    prompt_price=0.15,
    completion_price=0.60,
)


def test_a_month_is_thirty_days_of_answers_less_the_hits() -> None:
    bill = calculate(PLAN)
    assert bill.questions == 30_000
    assert bill.without == pytest.approx(30_000 * 0.00042)
    assert bill.answers == pytest.approx(0.7 * bill.without)
    assert bill.saved == pytest.approx(0.3 * bill.without)
    assert bill.tokens_avoided == 9_000 * 2200


def test_what_the_caches_cost_is_taken_off_and_may_be_more_than_they_save() -> None:
    bill = calculate(replace(PLAN, overhead=0.001))
    assert bill.caching == pytest.approx(30.0)
    assert bill.saved == pytest.approx(0.3 * 12.6 - 30.0)


def test_more_than_every_question_cannot_hit() -> None:
    bill = calculate(replace(PLAN, repeats=0.8, paraphrases=0.8))
    assert (bill.hits, bill.answers) == (1.0, 0.0)
