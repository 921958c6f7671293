"""What a planned load would cost, with the caches and without."""

from __future__ import annotations

from dataclasses import dataclass

from caching.report import Report
from providers.prices import Price

DAYS = 30  # in a month


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Shares from 0 to 1; prices in US dollars for a million tokens."""

    questions_a_day: int
    repeats: float  # asked in the same words while the answer lives
    paraphrases: float  # asked in other words, and recognised
    prompt_tokens: int  # of one answer
    completion_tokens: int
    prompt_price: float
    completion_price: float
    overhead: float = 0.0  # dollars a question that the caches themselves cost: embedding, opinions, audits


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """Of a month of 30 days, in US dollars; `hits` is the share of questions that no model is asked for."""

    questions: int
    hits: float
    tokens_avoided: int
    without: float
    answers: float  # with the caches: the answers that are still written
    caching: float  # what the caches themselves cost
    saved: float  # may be negative


def calculate(plan: Plan) -> Bill:
    """The bill of a plan. Repeats and paraphrases together are all questions at most."""
    questions = plan.questions_a_day * DAYS
    hits = min(1.0, plan.repeats + plan.paraphrases)
    tokens = plan.prompt_tokens + plan.completion_tokens
    answer = (plan.prompt_tokens * plan.prompt_price + plan.completion_tokens * plan.completion_price) / 1_000_000
    without, caching = questions * answer, questions * plan.overhead
    return Bill(
        questions=questions,
        hits=hits,
        tokens_avoided=round(questions * hits * tokens),
        without=without,
        answers=without * (1 - hits),
        caching=caching,
        saved=without * hits - caching,
    )


def plan_of(report: Report, price: Price | None) -> Plan:
    """The load that a project has had, as a plan to begin with; a made-up one where it has had none."""
    active = [day for day in report.days if day.requests]
    asked = report.hits.total if report.hits else 0
    shares = {layer.status: layer.share.value for layer in report.layers if layer.share}
    if not active or not asked:
        questions, repeats, paraphrases, overhead = 1000, 0.2, 0.05, 0.0
    else:
        questions = max(1, round(report.requests / ((report.last - active[0].day).days + 1)))
        repeats, paraphrases = shares["hit-exact"] + shares["coalesced"], shares["hit-semantic"]
        overhead = sum(item.dollars for item in report.spending) / asked
    return Plan(
        questions_a_day=questions,
        repeats=repeats,
        paraphrases=paraphrases,
        overhead=overhead,
        prompt_tokens=round(report.prompt_tokens_each or 2000),
        completion_tokens=round(report.completion_tokens_each or 200),
        prompt_price=price.prompt if price else 0.0,
        completion_price=price.completion if price else 0.0,
    )
