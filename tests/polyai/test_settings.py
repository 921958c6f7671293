"""Settings, `.env.example` and docs/configuration.md say the same."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings

from polyai.checks import check_settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "polyai" / "settings.py").read_text()
READ = set(re.findall(r'(?:env\.\w+|environ\.get)\(\s*"([A-Z_]+)"', SETTINGS))


def test_every_setting_is_in_the_example_and_in_the_docs() -> None:
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", (ROOT / "docs" / "configuration.md").read_text()))
    example = set(re.findall(r"^# ([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert READ - {"OPENAI_API_BASE_URL"} == example
    assert documented >= READ
    assert {name for name in documented if name.startswith("POLYAI_")} <= READ


def test_the_environment_is_read_in_the_settings_alone() -> None:
    readers = [
        path.relative_to(ROOT).as_posix()
        for room in ("polyai", "chat", "knowledge", "caching", "providers", "accounts", "core")
        for path in (ROOT / room).rglob("*.py")
        if re.search(r"os\.environ(\.get|\[[^]]+\](?! = ))|getenv", path.read_text()) and path.name != "settings.py"
    ]
    assert readers == []


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"PUBLIC_URL": "polyai.example.org"}, "polyai.E001"),
        (
            {"EMBEDDING_BASE_URL": "http://localhost:1/v1", "EMBEDDING_MODEL": "", "EMBEDDINGS_ARE_LOCAL": False},
            "polyai.E002",
        ),
        ({"EMBEDDING_MODEL": "another-model"}, "polyai.E003"),
        ({"EMBEDDING_DIMENSIONS": 256}, "polyai.E004"),
    ],
)
def test_a_combination_that_cannot_work_says_what_to_do(values: dict[str, object], code: str) -> None:
    with override_settings(**values):
        problems = check_settings()
    assert [problem.id for problem in problems] == [code]
    assert all(problem.hint for problem in problems)


def test_the_settings_as_they_are_have_no_problem() -> None:
    assert check_settings() == []


def test_light_paths_never_import_heavy_libraries() -> None:
    """The web process and the worker's parent stay small: the model's runtime is the embedding server's alone."""
    code = (
        "import django, sys; django.setup(); import polyai.asgi; "
        "print([m for m in ('onnxruntime', 'onnx', 'torch', 'pandas', 'boto3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_change_of_a_model_has_its_migration(db: None) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "99999"),
        ("PORT", "many"),
        ("POLYAI_SIGNUP", "maybe"),
        ("POLYAI_LOG_LEVEL", "loud"),
        ("DATABASE_URL", "mysql://host/name"),
        ("REDIS_URL", "http://host"),
        ("POLYAI_MAX_UPLOAD_MB", "-3"),
        ("POLYAI_CHAT_TIMEOUT", "-1"),
        ("OPENAI_BASE_URL", "not-a-url"),
        ("POLYAI_SECRET_KEY", "a"),
        ("POLYAI_STORAGE", "gs://bucket"),
        ("POLYAI_STORAGE", "s3://"),
        ("POLYAI_STORAGE", "s3://bucket?endpoint=http://localhost:9000"),
        ("POLYAI_FETCH_ALLOW", "10.0.0.1/8"),
        ("POLYAI_FETCH_ALLOW", "http://wiki.internal"),
        ("POLYAI_PRICES", "cheap"),
        ("POLYAI_PRICES", "[0.15, 0.60]"),
        ("POLYAI_PRICES", '{"model": 0.15}'),
        ("POLYAI_PRICES", '{"model": [0.15]}'),
        ("POLYAI_PRICES", '{"model": [0.15, -0.60]}'),
        ("POLYAI_PRICES", '{"model": [0.15, NaN]}'),
        ("POLYAI_PRICES", '{"model": [0.15, true]}'),
    ],
)
def test_a_value_that_cannot_work_stops_the_start_with_one_line_that_names_it(name: str, value: str) -> None:
    code = "from django.conf import settings; settings.DEBUG"
    environment = {**os.environ, name: value}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("polyai: ")
    assert name in line
    assert line.endswith("see docs/configuration.md")


def test_a_bucket_is_one_setting() -> None:
    code = "from django.conf import settings; print(settings.STORAGES['default'])"
    environment = {
        **os.environ,
        "POLYAI_STORAGE": "s3://bucket/some/prefix/?endpoint_url=http://minio:9000&region_name=eu",
        "POLYAI_S3_ACCESS_KEY": "key",
        "POLYAI_S3_SECRET_KEY": "secret",
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=environment)
    assert ast.literal_eval(done.stdout) == {
        "BACKEND": "knowledge.storage.Bucket",
        "OPTIONS": {
            "bucket_name": "bucket",
            "location": "some/prefix",
            "endpoint_url": "http://minio:9000",
            "region_name": "eu",
            "access_key": "key",
            "secret_key": "secret",
        },
    }
