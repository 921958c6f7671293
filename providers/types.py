"""What a language model and an embedder are to the rest of the house."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

Vectors: TypeAlias = npt.NDArray[np.float32]  # shape (texts, dimensions), rows of length 1
LOCAL = "local"  # the provider of the embedder that comes with PolyAI
Vector: TypeAlias = npt.NDArray[np.float32]  # shape (dimensions,)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """`messages` is the whole prompt, passages included. `question` and `passages` say the same in
    parts, for a model that quotes instead of writing; passages are numbered from 1 in their order."""

    messages: tuple[ChatMessage, ...]
    question: str
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """Ends every stream that was not cut. `model` is the model that answered, in its own words."""

    model: str
    finish_reason: str
    usage: Usage = field(default_factory=Usage)


class ChatModel(Protocol):
    """`name` is what it is asked by, `identity` tells it from a model of the same name at another address;
    `is_extractive` tells that it quotes and does not write."""

    name: str
    identity: str
    is_extractive: bool

    def stream(self, request: ChatRequest) -> AsyncGenerator[Delta | Completion, None]:
        """Deltas, then one Completion. Raises ProviderError. Close it (`aclosing`) to stop early."""
        ...


class Embedder(Protocol):
    """`identity` names the vectors' kind: vectors of two identities are never compared.

    `provider` is its address, or `local`; `shortened_to` the size it is asked for, 0 for its own.
    """

    provider: str
    model: str
    shortened_to: int

    @property
    def identity(self) -> str: ...

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """From asynchronous code. Raises ProviderError."""
        ...

    def embed_sync(self, texts: Sequence[str]) -> Vectors:
        """The same from a worker. Raises ProviderError."""
        ...
