from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command

from tests.conftest import Cast, add_document
from tests.upstream import Upstream

REFUND = "How many days do customers have to return goods?"


@pytest.fixture(autouse=True)
def document(cast: Cast) -> None:
    add_document(cast.project)


def test_ask_prints_the_answer_and_its_sources(capsys: pytest.CaptureFixture[str], upstream: Upstream) -> None:
    call_command("ask", REFUND, "--project", "support")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "The documents say so [1]."
    assert lines[1] == "  [1] handbook.md (Refunds)"
    assert lines[-1].startswith("  test-model, cache: miss, ")


def test_ask_json_prints_one_object(capsys: pytest.CaptureFixture[str], upstream: Upstream) -> None:
    call_command("ask", REFUND, "--project", "support", "--json")
    printed = json.loads(capsys.readouterr().out)
    assert printed["answer"] == "The documents say so [1]."
    assert set(printed["sources"][0]) >= {"n", "document", "locator", "text"}
    assert set(printed["cache"]) >= {"status", "similarity", "age"}
    assert printed["model"] == "test-model"
    assert all(milliseconds >= 0 for milliseconds in printed["stages"].values())


def test_ask_fresh_passes_the_cache_by(capsys: pytest.CaptureFixture[str], upstream: Upstream) -> None:
    call_command("ask", REFUND, "--project", "support")
    call_command("ask", REFUND, "--project", "support", "--fresh")
    assert "cache: bypass" in capsys.readouterr().out


def test_a_failing_model_ends_with_its_reason_after_what_had_come(
    capsys: pytest.CaptureFixture[str], upstream: Upstream
) -> None:
    upstream.enqueue("one two three", cut_after=2)
    with pytest.raises(CommandError, match="broke off in the middle of its answer"):
        call_command("ask", REFUND, "--project", "support")
    assert capsys.readouterr().out == "one two\n"


@pytest.mark.parametrize(("text", "project"), [("", "support"), ("x" * 20_000, "support"), (REFUND, "nowhere")])
def test_what_cannot_be_asked_is_one_clear_line(text: str, project: str) -> None:
    with pytest.raises(CommandError):
        call_command("ask", text, "--project", project)
