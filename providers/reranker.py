"""A cross-encoder at a `/rerank` endpoint, as Jina, Cohere and vLLM speak it: which passages answer a question best."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from functools import cached_property

import httpx2
from django.utils.translation import gettext as _

from core.errors import ProviderError, ProviderTimeout, ProviderUnreachable
from core.loops import PerLoop

log = logging.getLogger(__name__)


class Reranker:
    """`identity` tells its rankings from those of another model or address."""

    def __init__(self, *, base_url: str, model: str, api_key: str, timeout: float) -> None:
        self._url = f"{base_url.rstrip('/')}/rerank"
        self._model, self._timeout = model, timeout
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = PerLoop(
            lambda: httpx2.AsyncClient(timeout=timeout, headers=self._headers), lambda client: client.aclose()
        )
        self.identity = f"{base_url.rstrip('/')}|{model}"

    async def rerank(self, query: str, documents: Sequence[str]) -> list[float]:
        """How well each document answers the query, the more the better, in their order. Raises ProviderError."""
        if not documents:
            return []
        try:
            response = await self._client().post(self._url, json=self._body(query, documents))
            return _scores(response, len(documents))
        except (httpx2.HTTPError, ValueError, TypeError, KeyError) as error:
            raise _translated(error) from error

    def rerank_sync(self, query: str, documents: Sequence[str]) -> list[float]:
        """The same from synchronous code. Raises ProviderError."""
        if not documents:
            return []
        try:
            return _scores(self._sync_client.post(self._url, json=self._body(query, documents)), len(documents))
        except (httpx2.HTTPError, ValueError, TypeError, KeyError) as error:
            raise _translated(error) from error

    @cached_property
    def _sync_client(self) -> httpx2.Client:
        return httpx2.Client(timeout=self._timeout, headers=self._headers)

    def _body(self, query: str, documents: Sequence[str]) -> dict[str, object]:
        return {"model": self._model, "query": query, "documents": list(documents), "top_n": len(documents)}


def _scores(response: httpx2.Response, count: int) -> list[float]:
    response.raise_for_status()
    scores = {int(item["index"]): float(item["relevance_score"]) for item in response.json()["results"]}
    if set(scores) != set(range(count)) or not all(map(math.isfinite, scores.values())):
        raise ValueError(f"scores for {len(scores)} of {count} documents")
    return [scores[index] for index in range(count)]


def _translated(error: Exception) -> ProviderError:
    log.warning("reranker: %s: %s", type(error).__name__, error)
    if isinstance(error, httpx2.TimeoutException):
        return ProviderTimeout(_("The reranker does not answer in time. Look at POLYAI_RERANK_BASE_URL."))
    if isinstance(error, httpx2.TransportError):
        return ProviderUnreachable(_("The reranker cannot be reached. Look at POLYAI_RERANK_BASE_URL."))
    return ProviderError(_("The reranker failed. Look at POLYAI_RERANK_MODEL and POLYAI_RERANK_API_KEY."))
