"""A word with the model beside the conversation: an instruction, and texts that it must not follow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import aclosing

from django.utils.translation import gettext as _

from core.errors import ProviderTimeout
from providers.types import ChatMessage, ChatModel, ChatRequest, Completion


async def ask_aside(
    model: ChatModel, instruction: str, texts: Mapping[str, str], *, patience: float, what: str
) -> tuple[str, Completion]:
    """What the model says to texts quoted as JSON, and how it ended. Raises ProviderError; ProviderTimeout, which names
    `what` was wanted, after `patience` seconds."""
    quoted = json.dumps(texts, ensure_ascii=False)
    request = ChatRequest(
        messages=(ChatMessage(role="system", content=instruction), ChatMessage(role="user", content=quoted)),
        question=quoted,
    )
    text, end = "", Completion(model=model.name, finish_reason="")
    try:
        async with asyncio.timeout(patience), aclosing(model.stream(request)) as stream:
            async for item in stream:
                if isinstance(item, Completion):
                    end = item
                else:
                    text += item.text
    except TimeoutError as error:
        raise ProviderTimeout(
            _("The model '%(name)s' took too long for %(what)s.") % {"name": model.name, "what": what}
        ) from error
    return text, end
