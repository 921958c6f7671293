"""caching/verdict.py: a probability that may be trusted as one, and a project's own shift of it."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caching.likeness import FEATURES, features
from caching.verdict import FOLDER, PRIOR, Estimate, estimate, fit_offset, list_levels, load_verdict, slug
from caching.vetoes import find_veto
from providers.registry import get_embedder

BUNDLED = "local|all-MiniLM-L6-v2"
texts = st.text(st.characters(), max_size=60)
cosines = st.floats(-1, 1)
offsets = st.floats(-5, 5)
PAIRS = [
    ("How do I reset my password?", "How can I reset the password?"),
    ("How do I reset my password?", "Where is the nearest station?"),
    ("Is the fee refundable?", "is the fee refundable"),
    ("Why is the sky blue?", "How do planes fly?"),
    ("", "?"),
]


def judge(asked: str, known: str, similarity: float, offset: float = 0.0) -> Estimate:
    found = estimate(asked, known, similarity, identity=BUNDLED, offset=offset)
    assert found is not None
    return found


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


# --- what is shipped ------------------------------------------------------------------------------


def test_the_bundled_embedder_finds_what_was_fitted_for_it() -> None:
    assert get_embedder().identity == BUNDLED
    assert load_verdict(get_embedder().identity) is not None


def test_an_embedder_that_nothing_was_fitted_for_has_no_estimate() -> None:
    for identity in ("http://elsewhere/v1|all-MiniLM-L6-v2", "local/all MiniLM L6 v2", "", "../verdicts/x", "\x00"):
        assert estimate("a", "a", 1.0, identity=identity) is None


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_every_shipped_file_loads_fits_the_features_and_says_where_it_is_from(path: object) -> None:
    from pathlib import Path

    assert isinstance(path, Path)
    stored = json.loads(path.read_text(encoding="utf-8"))
    verdict = load_verdict(stored["identity"])
    assert path.stem == slug(stored["identity"])
    assert stored["features"] == list(FEATURES)
    assert verdict is not None
    assert {"data", "split", "pairs", "seed", "date", "scikit_learn", "model"} <= stored["provenance"].keys()
    assert path.stat().st_size < 200_000
    assert verdict.slope > 0
    assert list(verdict.edges) == sorted(verdict.edges)
    assert list(verdict.errors) == sorted(verdict.errors, reverse=True)
    assert all(0 <= low <= high <= 1 for low, high in verdict.intervals)
    assert all(wrong["wrong"] <= wrong["pairs"] for wrong in stored["bins"])


def test_a_row_of_features_is_as_long_as_their_names() -> None:
    for pair in PAIRS:
        assert features(*pair, 0.9).shape == (len(FEATURES),)


# --- the estimate ---------------------------------------------------------------------------------


def test_a_paraphrase_is_more_probable_than_another_question() -> None:
    paraphrase = judge("How do I reset my password?", "How can I reset my password?", 0.97)
    other = judge("How do I reset my password?", "How do I change my address?", 0.55)
    assert paraphrase.probability > 0.8
    assert paraphrase.error < 0.35
    assert other.probability < 0.2
    assert other.error > 0.8


@given(st.one_of(st.sampled_from(PAIRS), st.tuples(texts, texts)), cosines, offsets)
def test_an_estimate_is_one_of_probabilities(pair: tuple[str, str], cosine: float, offset: float) -> None:
    found = judge(*pair, cosine, offset)
    low, high = found.interval
    assert 0 <= found.probability <= 1
    assert 0 <= found.error <= 1
    assert 0 <= low <= high <= 1


@given(st.one_of(st.sampled_from(PAIRS), st.tuples(texts, texts)), cosines, cosines)
def test_nearer_vectors_are_never_less_probably_the_same(pair: tuple[str, str], one: float, two: float) -> None:
    far, near = judge(*pair, min(one, two)), judge(*pair, max(one, two))
    assert far.probability <= near.probability
    assert far.error >= near.error


@given(texts, texts, cosines)
def test_the_order_of_the_two_makes_no_difference(a: str, b: str, cosine: float) -> None:
    assert judge(a, b, cosine) == judge(b, a, cosine)


@given(st.sampled_from(PAIRS), cosines, st.floats(0.01, 5))
def test_an_offset_moves_probability_and_error_against_each_other(
    pair: tuple[str, str], cosine: float, offset: float
) -> None:
    before, after = judge(*pair, cosine), judge(*pair, cosine, offset)
    assert after.probability > before.probability
    assert after.error <= before.error
    assert logit(after.probability) - logit(before.probability) == pytest.approx(offset, abs=1e-6)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        estimate("a", "b", number, identity=BUNDLED)
    with pytest.raises(ValueError, match="finite"):
        estimate("a", "b", 0.9, identity=BUNDLED, offset=number)


@pytest.mark.parametrize("text", ["a" * 10_000, "word " * 2_000, "ab cd " * 1_700, "﷽" * 10_000, "\ud800\x00", ""])
def test_hostile_texts_are_estimated_like_others(text: str) -> None:
    for other in (text, "How do I enable 2FA?", text[::-1]):
        assert 0 <= judge(text, other, 0.95).probability <= 1
        assert judge(text, other, 0.95) == judge(other, text, 0.95)


def test_many_different_words_are_compared_in_time() -> None:
    a, b = (" ".join(f"{letter}word{n:x}z" for n in range(1_200)) for letter in "pq")
    assert find_veto(a, b) is not None
    assert judge(a, b, 0.95).probability < 0.9


# --- a project's offset ---------------------------------------------------------------------------


def test_nothing_judged_shifts_nothing() -> None:
    assert fit_offset([]) == 0


def test_one_click_moves_little_and_many_move_much() -> None:
    few, many = fit_offset([(0.9, True)] * 2), fit_offset([(0.9, True)] * 500)
    assert 0 < few < 0.3 < many
    few, many = fit_offset([(0.9, False)]), fit_offset([(0.9, False)] * 100)
    assert many < few < 0
    assert abs(few) < PRIOR


@pytest.mark.parametrize(("estimated", "true"), [(0.9, 0.98), (0.95, 0.7), (0.5, 0.9)])
def test_many_judgements_bring_the_estimate_to_their_own_share(estimated: float, true: float) -> None:
    right = round(5_000 * true)
    judged = [(estimated, True)] * right + [(estimated, False)] * (5_000 - right)
    assert logit(estimated) + fit_offset(judged) == pytest.approx(logit(true), abs=0.05)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60))
def test_an_offset_is_where_the_posterior_is_flat(judged: list[tuple[float, bool]]) -> None:
    offset = fit_offset(judged)
    logits = [logit(min(max(p, 1e-6), 1 - 1e-6)) for p, _ in judged]
    slope = sum(same - 1 / (1 + math.exp(-(at + offset))) for at, (_, same) in zip(logits, judged, strict=True))
    assert slope - offset / PRIOR**2 == pytest.approx(0, abs=1e-4)


def test_the_reachable_bounds_come_tightest_first_and_move_with_a_project() -> None:
    levels = list_levels(BUNDLED)
    errors = [level.error for level in levels]
    assert errors == sorted(set(errors))
    assert all(level.wrong[0] <= level.error for level in levels)
    assert list_levels(BUNDLED, 2.0)[0].error < errors[0] < list_levels(BUNDLED, -2.0)[0].error
    assert list_levels("unknown") == []
