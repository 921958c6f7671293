"""A process of its own that asks: `python -m tests.chat.asker USER PROJECT QUESTION`; its events go out as JSON lines.

It uses the stores that the environment names, as a second server of the product would.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import aclosing
from dataclasses import asdict
from uuid import UUID, uuid4

import django

django.setup()

from accounts.types import Actor  # noqa: E402  # Django first
from caching import lease  # noqa: E402
from chat.pipeline import answer  # noqa: E402
from chat.types import Question  # noqa: E402

lease.TAKE_BUDGET = lease.WRITE_BUDGET = lease.READ_BUDGET = 3.0  # a busy machine is not what is tested


async def main(user: str, project: str, text: str) -> None:
    question = Question(actor=Actor(user_id=UUID(user)), project=project, text=text, conversation_id=uuid4())
    async with aclosing(answer(question)) as events:
        async for event in events:
            print(json.dumps([type(event).__name__, asdict(event)], default=str), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
