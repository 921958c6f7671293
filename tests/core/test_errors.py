"""core/errors.py: the tree that is drawn is the tree that is."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from core import errors
from core.errors import PolyAIError

LEVEL = 4  # columns of the drawing for each generation


def below(root: type[PolyAIError]) -> Iterator[type[PolyAIError]]:
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from below(child)


EVERY_ERROR: list[type[PolyAIError]] = [PolyAIError, *below(PolyAIError)]


def drawn() -> dict[str, tuple[str, int]]:
    """Name → parent and status, as the docstring draws them."""
    assert errors.__doc__ is not None
    above = ["PolyAIError"]
    tree = {}
    for line in errors.__doc__.splitlines():
        if match := re.match(r"    ([│ ]*)[├└]── (\w+) +(\d{3})  \S", line):
            generation = len(match[1]) // LEVEL
            above = [*above[: generation + 1], match[2]]
            tree[match[2]] = above[generation], int(match[3])
    return tree


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    assert drawn() == {error.__name__: (error.__bases__[0].__name__, error.status) for error in below(PolyAIError)}


def test_each_error_has_a_code_of_its_own() -> None:
    codes = [error.code for error in EVERY_ERROR]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("error", EVERY_ERROR)
def test_what_the_asker_has_to_change_is_not_worth_a_retry(error: type[PolyAIError]) -> None:
    assert not (error.retryable and error.status < 500)


def test_an_error_carries_its_message_for_the_reader() -> None:
    error = errors.TooLong("At most 2,000 characters.")
    assert (error.message, str(error)) == ("At most 2,000 characters.", "At most 2,000 characters.")


@pytest.mark.parametrize("error", EVERY_ERROR)
def test_an_error_is_told_to_another_process_by_its_code(error: type[PolyAIError]) -> None:
    told = errors.from_code(error.code, "What to do.", 7.5)
    assert (type(told), told.message) == (error, "What to do.")
    assert getattr(told, "retry_after", 7.5) == 7.5


def test_a_code_that_no_error_has_is_refused() -> None:
    with pytest.raises(LookupError):
        errors.from_code("no_such_code", "What to do.")
