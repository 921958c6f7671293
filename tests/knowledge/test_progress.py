"""knowledge/progress.py: telling the pages, as far as Redis lets us."""

from __future__ import annotations

from uuid import uuid4

import pytest
from channels.layers import get_channel_layer

from core.database import in_db
from knowledge import progress
from knowledge.progress import announce, group_name


async def test_news_are_always_told_and_mere_progress_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    project_id, document_id, other = uuid4(), uuid4(), uuid4()
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(group_name(project_id), channel)
    told = [
        *[(document_id, True), (document_id, False), (document_id, False), (other, False)],
        *[(document_id, True), (document_id, True), (document_id, False)],
    ]
    for about, is_news in told:
        await in_db(announce)(project_id, about, is_news=is_news)
    heard = [(await layer.receive(channel))["document_id"] for _ in range(4)]
    assert heard == [str(document_id), str(other), str(document_id), str(document_id)]
    monkeypatch.setattr(progress, "QUIET", 0.0)
    await in_db(announce)(project_id, document_id, is_news=False)
    assert (await layer.receive(channel))["document_id"] == str(document_id)
    await layer.group_discard(group_name(project_id), channel)


async def test_whoever_watches_a_project_hears_which_document_moved_on() -> None:
    project_id, document_id = uuid4(), uuid4()
    layer = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(group_name(project_id), channel)
    await in_db(announce)(uuid4(), uuid4())  # in another project
    await in_db(announce)(project_id, document_id)
    assert await layer.receive(channel) == {"type": "document.changed", "document_id": str(document_id)}
    await layer.group_discard(group_name(project_id), channel)


def test_without_redis_nobody_hears_and_nothing_breaks(dead_redis: str, caplog: pytest.LogCaptureFixture) -> None:
    announce(uuid4(), uuid4())
    assert "progress was not announced" in caplog.text
