"""Which model and which embedder the environment asks for.

The SDK is imported when it is first used: it takes 25 MB, which three of our processes never need.
"""

from __future__ import annotations

from functools import cache

from django.conf import settings
from django.utils.translation import gettext as _

from core.errors import InvalidInput
from providers.extractive import ExtractiveModel
from providers.reranker import Reranker
from providers.types import LOCAL, ChatModel, Embedder


def list_chat_models() -> tuple[str, ...]:
    """The names of the configured models, the usual one first; none without a configuration."""
    if not settings.CHAT_CONFIGURED:
        return ()
    return tuple(dict.fromkeys([settings.CHAT_MODEL, *settings.CHAT_MODELS]))


@cache
def get_chat_model(name: str = "") -> ChatModel:
    """The model of this name, or the usual one. Raises InvalidInput for a name that is not configured."""
    if name and name not in list_chat_models():
        raise InvalidInput(_("There is no model '%(name)s' here. Choose another.") % {"name": name[:100]})
    if not settings.CHAT_CONFIGURED:
        return ExtractiveModel()
    from providers.openai_compatible import OpenAIChatModel

    return OpenAIChatModel(
        model=name or settings.CHAT_MODEL,
        base_url=settings.OPENAI_BASE_URL,
        api_key=settings.OPENAI_API_KEY,
        timeout=settings.CHAT_TIMEOUT,
    )


@cache
def get_embedder() -> Embedder:
    """The embedder that the environment names. What answers may be another for a while (knowledge.spaces)."""
    from providers.openai_compatible import OpenAIEmbedder

    return OpenAIEmbedder(
        model=settings.EMBEDDING_MODEL,
        base_url=settings.EMBEDDING_BASE_URL,
        api_key=settings.EMBEDDING_API_KEY,
        socket=str(settings.EMBEDDING_SOCKET) if settings.EMBEDDINGS_ARE_LOCAL else "",
        shortened_to=settings.EMBEDDING_DIMENSIONS,
    )


def make_embedder(provider: str, model: str, shortened_to: int = 0) -> Embedder:
    """Any embedder, by what is stored of it: its address or `local`, its model, and the size asked for.

    The environment's key goes to the environment's address alone; others are in POLYAI_EMBEDDING_API_KEYS.
    """
    own = get_embedder()
    if (provider, model, shortened_to) == (own.provider, own.model, own.shortened_to):
        return own
    is_own_address = provider == own.provider
    key = settings.EMBEDDING_API_KEY if is_own_address else settings.EMBEDDING_API_KEYS.get(provider, "")
    return _make_embedder(provider, model, shortened_to, key)


@cache
def _make_embedder(provider: str, model: str, shortened_to: int, key: str) -> Embedder:
    from providers.openai_compatible import OpenAIEmbedder

    is_local = provider == LOCAL
    return OpenAIEmbedder(
        model=model,
        base_url="" if is_local else provider,
        api_key=key,
        socket=str(settings.EMBEDDING_SOCKET) if is_local else "",
        shortened_to=shortened_to,
    )


@cache
def get_reranker() -> Reranker | None:
    """None where none is configured."""
    if not settings.RERANK_BASE_URL:
        return None
    return Reranker(
        base_url=settings.RERANK_BASE_URL,
        model=settings.RERANK_MODEL,
        api_key=settings.RERANK_API_KEY,
        timeout=settings.RERANK_TIMEOUT,
    )
