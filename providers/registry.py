"""Which model and which embedder the environment asks for.

The SDK is imported when it is first used: it takes 25 MB, which three of our processes never need.
"""

from __future__ import annotations

from functools import cache

from django.conf import settings

from providers.extractive import ExtractiveModel
from providers.types import ChatModel, Embedder


@cache
def get_chat_model() -> ChatModel:
    if not settings.CHAT_CONFIGURED:
        return ExtractiveModel()
    from providers.openai_compatible import OpenAIChatModel

    return OpenAIChatModel(
        model=settings.CHAT_MODEL,
        base_url=settings.OPENAI_BASE_URL,
        api_key=settings.OPENAI_API_KEY,
        timeout=settings.CHAT_TIMEOUT,
    )


@cache
def get_embedder() -> Embedder:
    from providers.openai_compatible import OpenAIEmbedder

    return OpenAIEmbedder(
        model=settings.EMBEDDING_MODEL,
        base_url=settings.EMBEDDING_BASE_URL,
        api_key=settings.EMBEDDING_API_KEY,
        socket=str(settings.EMBEDDING_SOCKET) if settings.EMBEDDINGS_ARE_LOCAL else "",
    )
