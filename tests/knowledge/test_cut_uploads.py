"""Uploads that break off: a file that did not come whole is no document."""

from __future__ import annotations

from pathlib import Path

import pytest
from channels.testing import ApplicationCommunicator

from accounts.services import create_api_key
from core.database import in_db
from knowledge import queue
from knowledge.models import Document
from polyai.asgi import application
from tests.conftest import Cast, browser_of

FILE = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\nGoods may be returned.'
END = b"\r\n--cut--\r\n"
TYPE = "multipart/form-data; boundary=cut"


def nothing_is_left(folder: Path) -> bool:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return not Document.objects.exists() and queue.length() == 0 and files == []


async def send(cast: Cast, *, is_cut: bool) -> None:
    """A program's upload, over the server's own protocol: whole, or gone after the first part of its body."""
    key = await in_db(create_api_key)(project=cast.project, user=cast.alice)
    headers = {
        "host": "localhost",
        "content-type": TYPE,
        "content-length": str(len(FILE + END)),
        "authorization": f"Bearer {key}",
    }
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/projects/support/documents/",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    request = ApplicationCommunicator(application, scope)
    await request.send_input({"type": "http.request", "body": FILE, "more_body": True})
    if is_cut:
        await request.send_input({"type": "http.disconnect"})
    else:
        await request.send_input({"type": "http.request", "body": END})
        assert (await request.receive_output(5))["status"] == 201
    await request.wait(5)


async def test_a_client_that_goes_away_in_the_middle_leaves_nothing(cast: Cast, tmp_path: Path) -> None:
    await send(cast, is_cut=True)
    assert await in_db(nothing_is_left)(tmp_path)
    await send(cast, is_cut=False)
    assert await in_db(Document.objects.count)() == 1


@pytest.mark.parametrize(("ending", "status"), [(b"", 400), (b" Within", 400), (b"\r\n--cu", 400), (END, 200)])
def test_a_body_without_its_end_is_refused(cast: Cast, tmp_path: Path, ending: bytes, status: int) -> None:
    """A proxy may pass on what it had got as if it were all."""
    page = "/projects/support/documents/upload/"
    body = FILE.replace(b'"file"', b'"files"') + ending
    response = browser_of(cast.alice).post(page, body, content_type=TYPE, headers={"accept": "application/json"})
    assert response.status_code == status
    assert nothing_is_left(tmp_path) == (status == 400)
