"""providers/minilm.py: the graph that we build computes what the published model computes."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from providers.minilm import DIMENSIONS, MAX_TOKENS, WEIGHTS, WEIGHTS_SHA256, MiniLM, load_tokenizer
from providers.types import Vectors

DOGS, PUPPIES, REVENUE = "I love dogs", "Puppies are wonderful", "Quarterly revenue report"


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


def embed(model: MiniLM, *texts: str) -> Vectors:
    return model.embed(list(texts))[0]


def test_the_weights_are_the_published_ones() -> None:
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == WEIGHTS_SHA256


def test_similarities_are_those_of_the_published_model(model: MiniLM) -> None:
    dogs, puppies, revenue = embed(model, DOGS, PUPPIES, REVENUE)
    assert dogs @ puppies == pytest.approx(0.614, abs=0.01)
    assert dogs @ revenue == pytest.approx(0.059, abs=0.01)


def test_vectors_are_rows_of_384_numbers_and_of_length_one(model: MiniLM) -> None:
    vectors = embed(model, DOGS, PUPPIES, "x", "Grüße 東京 🦊", "word " * 1000)
    assert vectors.shape == (5, DIMENSIONS)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_the_company_that_a_text_keeps_does_not_change_its_vector(model: MiniLM) -> None:
    (alone,) = embed(model, DOGS)
    beside_longer, _ = embed(model, DOGS, "A much longer sentence about something else entirely. " * 20)
    assert np.allclose(alone, beside_longer, atol=1e-5)


def test_what_lies_past_256_tokens_is_not_seen(model: MiniLM) -> None:
    words = ["dog"] * (MAX_TOKENS - 2)  # with the marks of beginning and end
    seen, with_more, with_less = embed(
        model, " ".join(words), " ".join([*words, "revenue", "report"]), " ".join([*words[1:], "revenue"])
    )
    assert np.allclose(seen, with_more, atol=1e-5)
    assert not np.allclose(seen, with_less, atol=1e-3)


def test_tokens_are_counted_without_padding_and_up_to_the_limit(model: MiniLM) -> None:
    for texts, tokens in ((["dog"], 3), (["dog", "dog dog dog"], 3 + 5), (["dog " * 1000], MAX_TOKENS)):
        assert np.sum(model.embed(texts)[1]) == tokens


def test_capitals_and_accents_do_not_matter(model: MiniLM) -> None:
    plain, shouted, accented = embed(model, "cafe menu", "CAFE MENU", "café menü")
    assert np.allclose(plain, shouted, atol=1e-5)
    assert np.allclose(plain, accented, atol=1e-5)


def test_the_tokenizer_for_cutting_documents_sees_the_whole_text() -> None:
    encoded = load_tokenizer().encode("dog " * 1000, add_special_tokens=False)
    assert len(encoded.ids) == 1000
    assert load_tokenizer().encode("dog").ids == load_tokenizer().encode_batch(["dog", "a longer text"])[0].ids
