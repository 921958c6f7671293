"""A second server process that runs an answer: `python -m tests.chat.runner USER PROJECT CONVERSATION QUESTION`."""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

import django

django.setup()

from accounts.types import Actor  # noqa: E402  # Django first
from chat import runs  # noqa: E402
from chat.channels import join  # noqa: E402
from chat.types import Question  # noqa: E402


async def main(user: str, project: str, conversation: str, text: str) -> None:
    actor = Actor(user_id=UUID(user))
    place = (actor, UUID(conversation))
    channel = join(place)
    runs.start(Question(actor=actor, project=project, text=text, conversation_id=place[1]))
    while channel.led_by is not None:
        await channel.news.wait()
    await asyncio.sleep(1)  # its last frames are on their way


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
