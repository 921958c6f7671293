"""The description of the REST API."""

from __future__ import annotations

from pathlib import Path

from django.core.management import call_command


def test_the_description_is_valid_and_names_everything(tmp_path: Path) -> None:
    call_command("spectacular", file=str(tmp_path / "schema.yml"), validate=True, fail_on_warn=True)
    text = (tmp_path / "schema.yml").read_text()
    assert {"DocumentState:", "WebSourceState:", "WebPageState:"} <= set(text.split())
