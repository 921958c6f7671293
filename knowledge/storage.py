"""Originals in a bucket: S3 or anything that speaks its protocol, behind Django's storage API."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files import File
from django.utils.translation import gettext as _
from storages.backends.s3 import S3Storage

from core.errors import StorageUnavailable

log = logging.getLogger(__name__)
IN_MEMORY = 1024 * 1024  # bytes of a file that is read; the rest of it is on the disk
_MISSING = ("404", "NoSuchKey")


class Bucket(S3Storage):
    """Every method raises StorageUnavailable while the bucket does not answer or does not let us in.

    A file that is opened has been fetched whole: reading it cannot fail half-way, and can be done in any order.
    """

    def __init__(self, **options: Any) -> None:  # Any: django-storages' own options
        own_server = bool(options.get("endpoint_url"))
        config = Config(
            connect_timeout=5,
            read_timeout=30,
            retries={"total_max_attempts": 3, "mode": "standard"},
            # Servers other than Amazon's know buckets by their path, and do not all know its newer checksums.
            s3={"addressing_style": "path"} if own_server else None,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        transfer = TransferConfig(use_threads=False)  # ten threads would hold 80 MB of one file
        super().__init__(max_memory_size=IN_MEMORY, client_config=config, transfer_config=transfer, **options)

    def _open(self, name: str, mode: str = "rb") -> File[bytes]:
        with _told(name):
            file: File[bytes] = super()._open(name, mode)
            if "r" in mode:
                file.open()
            return file

    def _save(self, name: str, content: File[bytes]) -> str:
        with _told(name):
            return str(super()._save(name, content))

    def delete(self, name: str) -> None:
        with _told(name):
            super().delete(name)

    def exists(self, name: str) -> bool:
        with _told(name):
            return bool(super().exists(name))

    def listdir(self, path: str) -> tuple[list[str], list[str]]:
        with _told(path):
            folders, files = super().listdir(path)
            return folders, files

    def size(self, name: str) -> int:
        with _told(name):
            return int(super().size(name))

    def get_modified_time(self, name: str) -> datetime:
        with _told(name):
            modified: datetime = super().get_modified_time(name)
            return modified


@contextmanager
def _told(name: str) -> Iterator[None]:
    """The SDK's errors by our names; their text goes to the log."""
    try:
        yield
    except (ClientError, BotoCoreError, Boto3Error) as error:
        code = error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
        if code in _MISSING:
            raise FileNotFoundError(name) from error
        log.warning("storage: %s: %s", name, error)
        if code in ("NoSuchBucket", "403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"):
            message = _("The storage of originals lets nobody in: POLYAI_STORAGE or its keys are wrong.")
        else:
            message = _("The storage of originals does not answer. Try again in a moment.")
        raise StorageUnavailable(message) from error
