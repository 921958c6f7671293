"""Any OpenAI-compatible endpoint, through OpenAI's own SDK. SDK errors become ours here and nowhere else."""

from __future__ import annotations

import base64
import logging
import math
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict
from email.utils import parsedate_to_datetime
from functools import cached_property, partial
from typing import Any, cast

import httpx2
import numpy as np
import openai
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from openai.types import CreateEmbeddingResponse
from openai.types.chat import ChatCompletionMessageParam

from core.errors import (
    ProviderError,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnreachable,
    StreamCut,
)
from core.loops import PerLoop
from core.text import storable
from providers.types import LOCAL, ChatRequest, Completion, Delta, Usage, Vectors

log = logging.getLogger(__name__)
CONNECT_TIMEOUT = 5.0  # seconds
MODEL_LENGTH, REASON_LENGTH = 200, 30  # characters that are kept of what a server calls them
LOCAL_URL = "http://embeddings/v1"  # the host is not looked up: a unix socket stands for it


@contextmanager
def translated(what: str, *, key: str, model: str) -> Iterator[None]:
    """Turn whatever the SDK and its transport raise into one ProviderError that a person can act on.

    `key` and `model` name the settings to look at.
    """
    try:
        yield
    except openai.APITimeoutError as error:
        raise _logged(
            ProviderTimeout(_("%(what)s did not answer in time. Try again in a moment.") % {"what": what}), error
        ) from error
    except openai.APIConnectionError as error:
        message = _("%(what)s cannot be reached. Check that it runs and that its address is right.") % {"what": what}
        raise _logged(ProviderUnreachable(message), error) from error
    except openai.RateLimitError as error:
        wait = _retry_after(error)
        message = _("%(what)s is over its limit.") % {"what": what}
        advice = _again(wait) or _("Try again in a minute.")
        raise _logged(ProviderRateLimited(message, advice=advice, retry_after=wait), error) from error
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        raise _logged(
            ProviderRefused(_("%(what)s refused the API key. Check %(key)s.") % {"what": what, "key": key}), error
        ) from error
    except openai.NotFoundError as error:
        message = _("%(what)s is not known at its address. Set %(model)s to a model that the endpoint serves.") % {
            "what": what,
            "model": model,
        }
        raise _logged(ProviderRefused(message), error) from error
    except openai.InternalServerError as error:
        wait = _retry_after(error)
        message = _("%(what)s failed (HTTP %(status)s).") % {"what": what, "status": error.status_code}
        advice = _again(wait) or _("Try again in a moment.")
        raise _logged(ProviderUnreachable(message, advice=advice, retry_after=wait), error) from error
    except openai.APIStatusError as error:
        raise _logged(
            ProviderRefused(
                _("%(what)s refused the request (HTTP %(status)s).") % {"what": what, "status": error.status_code}
            ),
            error,
        ) from error
    except httpx2.TimeoutException as error:
        raise _logged(
            ProviderTimeout(_("%(what)s stopped in the middle of its answer.") % {"what": what}), error
        ) from error
    except (httpx2.HTTPError, openai.APIError) as error:
        raise _logged(
            StreamCut(_("%(what)s broke off in the middle of its answer.") % {"what": what}), error
        ) from error
    # The SDK builds its objects from whatever came, unchecked: what is missing shows when it is read.
    except (ValueError, TypeError, AttributeError, openai.OpenAIError) as error:
        raise _logged(
            ProviderError(_("%(what)s sent something that is not an answer.") % {"what": what}), error
        ) from error


@contextmanager
def _cut(what: str) -> Iterator[None]:
    """A connection that fails after the answer began was not unreachable: the answer was cut."""
    try:
        yield
    except openai.APITimeoutError:
        raise
    except openai.APIConnectionError as error:
        raise _logged(
            StreamCut(_("%(what)s broke off in the middle of its answer.") % {"what": what}), error
        ) from error


def _retry_after(error: openai.APIStatusError) -> float | None:
    """Seconds, from a Retry-After header (RFC 9110, 10.2.3: seconds or a date); None where it cannot be read."""
    value = error.response.headers.get("retry-after", "")
    try:
        return float(value) if value.strip().isdecimal() else max(0.0, _timestamp(value) - time.time())
    except ValueError:
        return None


def _again(wait: float | None) -> str:
    """When to try again, as the chat page counts it down: in seconds below a minute. Empty where that is not known."""
    if not wait:
        return ""
    count = math.ceil(wait)
    if count < 60:
        told = ngettext("Try again in %(count)s second.", "Try again in %(count)s seconds.", count)
    else:
        count = math.ceil(count / 60)
        told = ngettext("Try again in %(count)s minute.", "Try again in %(count)s minutes.", count)
    return told % {"count": count}


def _timestamp(http_date: str) -> float:
    """Raises ValueError."""
    return parsedate_to_datetime(http_date).timestamp()


def _logged(ours: ProviderError, theirs: Exception) -> ProviderError:
    log.warning("%s [%s: %s]", ours.message, type(theirs).__name__, str(theirs)[:300])
    return ours


def _whole(text: str) -> tuple[str, str]:
    """A piece of a stream as it can be stored, and the half of a surrogate pair that waits for the next: some servers
    send an emoji in two."""
    end = len(text) - ("\ud800" <= text[-1] <= "\udbff")
    return storable(text[:end]), text[end:]


class OpenAIChatModel:
    """A chat model behind `/v1/chat/completions`."""

    is_extractive = False

    def __init__(self, *, model: str, base_url: str, api_key: str, timeout: float) -> None:
        self.name = model
        self.identity = f"{base_url or 'openai'}|{model}"

        def connect() -> openai.AsyncOpenAI:
            return openai.AsyncOpenAI(
                base_url=base_url or None,
                api_key=api_key or "none",
                # The read timeout is the longest silence between two parts of a stream.
                timeout=httpx2.Timeout(timeout, connect=CONNECT_TIMEOUT),
                max_retries=0,
            )

        self._client = PerLoop(connect, lambda client: client.close())

    async def stream(self, request: ChatRequest) -> AsyncGenerator[Delta | Completion, None]:
        what = f"The language model '{self.name}'"
        with translated(what, key="OPENAI_API_KEY", model="POLYAI_CHAT_MODEL"):
            model, finish_reason, usage, half = self.name, "", Usage(), ""
            stream = await self._client().chat.completions.create(
                model=self.name,
                messages=[cast("ChatCompletionMessageParam", asdict(message)) for message in request.messages],
                stream=True,
                stream_options={"include_usage": True},
            )
            async with stream:
                with _cut(what):
                    async for chunk in stream:
                        model = chunk.model or model
                        if chunk.usage:
                            usage = Usage(
                                prompt_tokens=max(0, chunk.usage.prompt_tokens or 0),
                                completion_tokens=max(0, chunk.usage.completion_tokens or 0),
                            )
                        for choice in (chunk.choices or [])[:1]:
                            finish_reason = choice.finish_reason or finish_reason
                            if choice.delta and choice.delta.content:
                                text, half = _whole(half + choice.delta.content)
                                if text:
                                    yield Delta(text=text)
                if half:
                    yield Delta(text=storable(half))
        if not finish_reason:
            log.warning("%s ended its stream without a finish_reason", what)
            raise StreamCut(_("%(what)s broke off in the middle of its answer.") % {"what": what})
        yield Completion(
            model=storable(model)[:MODEL_LENGTH], finish_reason=storable(finish_reason)[:REASON_LENGTH], usage=usage
        )


class OpenAIEmbedder:
    """An embedder behind `/v1/embeddings`, at an address or on a unix socket."""

    def __init__(self, *, model: str, base_url: str, api_key: str, socket: str = "", shortened_to: int = 0) -> None:
        self.provider = base_url or LOCAL
        self.model = model
        self.shortened_to = shortened_to
        self._socket = socket or None
        self._arguments: dict[str, Any] = {  # Any: keyword arguments of the SDK's clients
            "base_url": base_url or LOCAL_URL,
            "api_key": api_key or "none",
        }
        self._client = PerLoop(self._connect, lambda client: client.close())

    @property
    def identity(self) -> str:
        return f"{self.provider}|{self.model}" + (f"|{self.shortened_to}" if self.shortened_to else "")

    def _request(self, texts: Sequence[str]) -> dict[str, Any]:  # Any: keyword arguments of the SDK
        size = {"dimensions": self.shortened_to} if self.shortened_to else {}
        return {"input": list(texts), "model": self.model, "encoding_format": "base64", **size}

    def _translated(self) -> AbstractContextManager[None]:
        what = f"The embedding model '{self.model}'"
        return translated(what, key="POLYAI_EMBEDDING_API_KEY", model="POLYAI_EMBEDDING_MODEL")

    @cached_property
    def _sync_client(self) -> openai.OpenAI:
        transport = httpx2.HTTPTransport(uds=self._socket, limits=_limits())
        timeout = httpx2.Timeout(60.0, connect=CONNECT_TIMEOUT)
        client = httpx2.Client(transport=transport)
        # No retries of the SDK: it would sleep in a worker that others wait for. Ingestion has its own.
        return openai.OpenAI(http_client=client, max_retries=0, timeout=timeout, **self._arguments)

    def _connect(self) -> openai.AsyncOpenAI:
        client = httpx2.AsyncClient(transport=httpx2.AsyncHTTPTransport(uds=self._socket, limits=_limits()))
        # Somebody is waiting: five seconds and no more. The SDK would try again after a time-out too.
        return openai.AsyncOpenAI(http_client=client, max_retries=0, timeout=CONNECT_TIMEOUT, **self._arguments)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        create = partial(self._client().embeddings.create, **self._request(texts))
        with self._translated():
            try:
                return _vectors(await create(), len(texts))
            except openai.APITimeoutError:
                raise
            except openai.APIConnectionError:  # one that the server has closed meanwhile
                return _vectors(await create(), len(texts))

    def embed_sync(self, texts: Sequence[str]) -> Vectors:
        create = partial(self._sync_client.embeddings.create, **self._request(texts))
        with self._translated():
            try:
                return _vectors(create(), len(texts))
            except openai.APITimeoutError:
                raise
            except openai.APIConnectionError:  # as above
                return _vectors(create(), len(texts))


def _limits() -> httpx2.Limits:
    return httpx2.Limits(max_connections=32, max_keepalive_connections=8)


def _vectors(response: CreateEmbeddingResponse, count: int) -> Vectors:
    """Rows in the order asked, of length 1. Some servers send numbers where base64 was asked for."""
    rows = []
    for item in sorted(response.data, key=lambda item: item.index):
        encoded: object = item.embedding
        if isinstance(encoded, str):
            rows.append(np.frombuffer(base64.b64decode(encoded), dtype="<f4"))
        else:
            rows.append(np.asarray(encoded, dtype=np.float32))
    if len(rows) != count:
        raise ValueError(f"{len(rows)} embeddings for {count} texts")
    vectors = np.vstack(rows).astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not np.isfinite(lengths).all() or (lengths == 0).any():
        raise ValueError("an embedding of no length")
    return np.asarray(vectors / lengths, dtype=np.float32)
