"""manage.py ask "…" --project SLUG [--fresh] [--json]"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from argparse import ArgumentParser
from contextlib import aclosing
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.types import OPERATOR
from chat.api import completed_body
from chat.pipeline import answer
from chat.types import AnswerCompleted, AnswerFailed, AnswerRestarted, Question, TextDelta


class Command(BaseCommand):
    help = "Asks a project's documents and prints the answer with its sources."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("question")
        parser.add_argument("--project", required=True, metavar="SLUG")
        parser.add_argument("--fresh", action="store_true", help="do not read the cache; the new answer replaces it")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:  # Any: Django's signature
        question = Question(
            actor=OPERATOR,
            project=options["project"],
            text=options["question"],
            conversation_id=uuid.uuid4(),
            fresh=options["fresh"],
            origin="terminal",
        )
        try:
            asyncio.run(self._ask(question, as_json=options["json"]))
        except KeyboardInterrupt:
            sys.exit(130)

    async def _ask(self, question: Question, *, as_json: bool) -> None:
        async with aclosing(answer(question)) as events:
            async for event in events:
                match event:
                    case TextDelta() if not as_json:
                        self.stdout.write(event.text, ending="")
                        self.stdout.flush()
                    case AnswerRestarted() if not as_json:
                        self.stdout.write("\n\nWho wrote this is gone. It comes anew:\n")
                    case AnswerCompleted():
                        self._finish(event, as_json)
                    case AnswerFailed():
                        self.stdout.write("" if as_json or not event.text else "\n")
                        raise CommandError(event.message)

    def _finish(self, event: AnswerCompleted, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(completed_body(event), ensure_ascii=False, indent=2))
            return
        self.stdout.write("\n")
        for source in event.sources:
            place = f" ({source.locator})" if source.locator else ""
            self.stdout.write(f"  [{source.n}] {source.document}{place}")
        total = sum(stage.milliseconds for stage in event.stages if stage.stage != "first token")
        self.stdout.write(f"  {event.model}, cache: {event.cache.status}, {total:.0f} ms")
