"""knowledge/storage.py: originals in a bucket, on a real server of S3's protocol, by the doors that a folder has."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Generator

import boto3
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import AsyncClient
from django.urls import reverse
from moto.server import ThreadedMotoServer
from pytest_django.fixtures import Settings

from core.errors import StorageUnavailable
from knowledge import ingestion, services
from knowledge.models import Document
from knowledge.storage import IN_MEMORY
from tests.conftest import Cast, add_document, browser_of
from tests.knowledge.conftest import found, upload

KEYS = {"access_key": "test", "secret_key": "test", "region_name": "us-east-1"}


@pytest.fixture(scope="module")
def server() -> Generator[str, None, None]:
    running = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture
def bucket(server: str, settings: Settings) -> object:
    """The storage of originals is a new, empty bucket; returns boto3's own view of it."""
    client = boto3.resource(
        "s3", endpoint_url=server, aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
    )
    name = f"originals-{os.urandom(4).hex()}"
    client.create_bucket(Bucket=name)
    use(settings, server, name)
    return client.Bucket(name)


def use(settings: Settings, address: str, bucket: str) -> None:
    options = {"bucket_name": bucket, "location": "polyai", "endpoint_url": address, **KEYS}
    settings.STORAGES = {**settings.STORAGES, "default": {"BACKEND": "knowledge.storage.Bucket", "OPTIONS": options}}


def keys(bucket: object) -> list[str]:
    return [entry.key for entry in bucket.objects.all()]  # type: ignore[attr-defined]  # boto3 makes its classes at run time


@pytest.fixture
def away(settings: Settings) -> None:
    """A bucket at an address where nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        use(settings, f"http://127.0.0.1:{unused.getsockname()[1]}", "originals")


def test_a_document_lives_in_the_bucket_from_its_upload_to_its_end(cast: Cast, bucket: object) -> None:
    document = add_document(cast.project)
    assert (document.state, "30 days" in found(cast.project)) == ("ready", True)
    assert keys(bucket) == [f"polyai/{document.original.name}"]
    document = add_document(cast.project, "# New\n\nNothing is as it was.")
    assert keys(bucket) == [f"polyai/{document.original.name}"], "the old version's file has gone"
    services.delete(document)
    assert keys(bucket) == []


def test_the_original_comes_back_byte_by_byte(cast: Cast, bucket: object) -> None:
    content = os.urandom(IN_MEMORY + 1)
    document = Document.objects.create(
        project=cast.project, name="big.pdf", size=len(content), content_hash="x", original=ContentFile(content, "x")
    )
    response = browser_of(cast.alice).get(reverse("original", args=["support", document.id]))
    assert response.streaming
    assert b"".join(response) == content


def test_files_are_listed_and_dated_for_those_who_tidy_up(cast: Cast, bucket: object) -> None:
    document = add_document(cast.project)
    path = str(document.original.name)
    folder, name = path.rsplit("/", 1)
    assert default_storage.listdir(folder) == ([], [name])
    assert default_storage.listdir("documents") == ([str(cast.project.id)], [])
    assert default_storage.get_modified_time(path).tzinfo is not None
    assert (default_storage.size(path), default_storage.exists("nowhere")) == (document.size, False)


def test_an_original_that_is_gone_is_told(cast: Cast, bucket: object) -> None:
    document = add_document(cast.project)
    default_storage.delete(str(document.original.name))
    assert browser_of(cast.alice).get(reverse("original", args=["support", document.id])).status_code == 404


def test_an_upload_while_the_storage_is_away_is_refused_whole(cast: Cast, away: None) -> None:
    with pytest.raises(StorageUnavailable, match="Try again"):
        upload(cast.project)
    assert not Document.objects.exists()


def test_a_worker_that_cannot_reach_the_storage_tries_again_later(
    cast: Cast, bucket: object, settings: Settings, request: pytest.FixtureRequest
) -> None:
    upload(cast.project)
    before = settings.STORAGES
    request.getfixturevalue("away")
    document = Document.objects.get()
    ingestion.ingest(document.id)
    document.refresh_from_db()
    assert document.state == "queued"
    assert "storage" in document.error
    settings.STORAGES = before
    Document.objects.update(retry_at=None)
    ingestion.ingest(document.id)
    assert Document.objects.get().state == "ready"


def test_a_delete_goes_through_though_the_storage_is_away(
    cast: Cast, bucket: object, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    add_document(cast.project)
    request.getfixturevalue("away")
    with caplog.at_level(logging.CRITICAL, "django.db.backends.base"):
        services.delete(Document.objects.get())
    assert not Document.objects.exists()


async def test_health_names_the_storage(transactional_db: None, bucket: object) -> None:
    for _ in range(10):  # the first look makes the client, which a busy machine may not do in time
        parts = (await AsyncClient().get("/health/ready")).json()["parts"]
        if parts["storage"] == "ok":
            return
    pytest.fail(f"{parts}")


async def test_health_says_that_the_storage_is_away(transactional_db: None, away: None) -> None:
    response = await AsyncClient().get("/health/ready")
    assert (response.status_code, response.json()["parts"]["storage"]) == (200, "down")


def test_a_bucket_that_is_not_there_is_the_operators_matter(cast: Cast, bucket: object, settings: Settings) -> None:
    options = settings.STORAGES["default"]["OPTIONS"]
    use(settings, options["endpoint_url"], "no-such-bucket")
    with pytest.raises(StorageUnavailable, match="POLYAI_STORAGE"):
        upload(cast.project)
