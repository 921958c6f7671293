"""What a run sends its followers: the pipeline's events as JSON, with the HTML that a page shows of them.

A frame is made once, where the answer is written, whoever follows: docs/protocol.md lists them all.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from django.template.loader import render_to_string

from chat.grounding import highest_number
from chat.presenting import sources_html
from chat.rendering import Rendered, StreamRenderer
from chat.types import (
    AnswerCompleted,
    AnswerFailed,
    AnswerRestarted,
    AnswerStarted,
    Event,
    SourcesFound,
    TextDelta,
)

LONG = 8_000  # characters of Markdown: up to 20 ms


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerStopped:
    """The run was stopped; what had come is kept."""

    answer_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """`id` grows by one from frame to frame of a run, and from run to run of a conversation. `text` is JSON."""

    id: int
    text: str


RunEvent: TypeAlias = Event | AnswerStopped


class Framer:
    """Makes the frames of one run. `after` is the last id that the conversation has had."""

    def __init__(self, project: str, after: int) -> None:
        self._project = project
        # Microseconds: a process that knows nothing of what another sent goes on behind it all the same.
        self._last, self._after = max(after, time.time_ns() // 1000), after
        self._renderer = StreamRenderer()

    def takes_long(self, event: RunEvent) -> bool:
        """Whether `frame` may hold the loop up, and belongs into a thread."""
        match event:
            case TextDelta():
                return self._renderer.unsettled + len(event.text) > LONG
            case AnswerCompleted():
                return len(event.text) > LONG
        return False

    def frame(self, event: RunEvent) -> Frame:
        """The next frame. The end of a run that has not begun leaves nothing, and has the id of what came before."""
        has_begun = not isinstance(event, AnswerFailed | AnswerStopped) or event.answer_id is not None
        if has_begun:
            self._last += 1
        identity = self._last if has_begun else self._after
        body = {"type": _type_name(event), "id": identity, **asdict(event), **self._shown(event)}
        return Frame(id=identity, text=json.dumps(body, default=_plain, ensure_ascii=False))

    def _shown(self, event: RunEvent) -> dict[str, object]:
        """What a page puts into place."""
        match event:
            case AnswerStarted():
                self._renderer.answer_id = str(event.answer_id)
            case SourcesFound():
                self._renderer.sources = highest_number(event.sources)
                return {"sources_html": self._sources_html(event, None)}
            case TextDelta():
                return {"html": _rendered(self._renderer.feed(event.text))}
            case AnswerCompleted():
                html = self._renderer.finish(event.text)
                return {
                    "html": html,
                    "sources_html": self._sources_html(event, event.text),
                    "facts_html": _facts_html(event),
                }
            case AnswerRestarted():
                self._renderer = StreamRenderer(self._renderer.sources, self._renderer.answer_id)
            case AnswerFailed() | AnswerStopped():
                pass
        return {}

    def _sources_html(self, event: SourcesFound | AnswerCompleted, text: str | None) -> str:
        rows = [asdict(source) for source in event.sources]
        return sources_html(self._renderer.answer_id, rows, text, self._project)


def _facts_html(event: AnswerCompleted) -> str:
    """The line under an answer, by the same template that the page uses."""
    message = {
        "id": event.answer_id,
        "cache": asdict(event.cache),
        "finish_reason": event.finish_reason,
        "model": event.model,
        "is_extractive": event.is_extractive,
        "stages": {stage.stage: stage.milliseconds for stage in event.stages},
        "usage": {"prompt_tokens": event.prompt_tokens, "completion_tokens": event.completion_tokens},
        "created_at": event.finished_at,
        "status": "complete",
        "error": event.fault,
    }
    return render_to_string("chat/_facts.html", {"message": message})


def _rendered(update: Rendered) -> dict[str, object]:
    return {"start": update.start, "blocks": list(update.blocks)}


def _type_name(event: object) -> str:
    """`TextDelta` → `text_delta`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} cannot be sent")
