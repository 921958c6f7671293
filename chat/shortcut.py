"""A plain question without the framework: the way of a program that asks again and again.

`POST /api/ask/` with an API key and `"store": false` is answered here when the exact cache has it under the
present version of the documents: two round trips to Redis, none to PostgreSQL. What the exact cache does not have
is asked of the pipeline from here, while the key's pass holds: a hit by meaning takes 7 ms less than through
Django's middleware and REST framework. Everything else, and everything in doubt, goes on to Django unchanged,
which says what is wrong with it or asks the pipeline.
"""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from django.conf import settings
from django.http.request import split_domain_port, validate_host

from accounts.services import digest
from accounts.types import Actor
from caching import exact, gate, ledger
from caching.canonical import canonical_text, question_key, request_key
from caching.entries import entry_id
from caching.exact import Unreadable
from caching.types import CachedAnswer, Lookup
from chat.api import cache_headers, cached_body, completed_body, end_of
from chat.inquiry import scope_of
from chat.pipeline import MAX_QUESTION
from chat.routing import is_shareable
from chat.types import AnswerCompleted, AnswerFailed, Question, facts_of
from core import languages
from core.database import in_db
from core.errors import PolyAIError
from core.redis import RedisAway, async_redis, within_budget
from core.rest import retry_header
from knowledge.spaces import find_serving_embedder
from providers.registry import get_chat_model

Message: TypeAlias = Any  # ASGI's dictionaries
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

log = logging.getLogger(__name__)
MAX_OPENED = 10_000  # keys
SECURITY = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"}
PATH = "/api/ask/"
MAX_BODY = 64 * 1024  # bytes; a longer one is Django's to read or to refuse
WISHES = {b"cache-control", b"x-polyai-cache-threshold"}  # headers that the pipeline knows how to heed
PLAIN = {"project", "question", "store"}  # the fields of the only kind of request that is answered here


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    question: str
    request_key: str
    answer: CachedAnswer


class Shortcut:
    """ASGI: the application, with a shorter way for exact hits before it."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._opened: dict[str, tuple[UUID, int]] = {}  # by a key's digest: its project, which never changes, and epoch

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != "POST":
            await self._application(scope, receive, send)
            return
        began, came = datetime.now(UTC), time.perf_counter()
        read: list[Message] = []
        hit = None
        if key := _key(scope["headers"]):
            body = await _read(receive, read)
            hit = await self._find(digest(key), body)
        if hit is None:
            await self._application(scope, _again(read, receive), send)
            return
        if isinstance(hit, Question):
            with languages.readers(scope["headers"]):
                end = await end_of(hit)
            await _tell(send, end)
            return
        facts = facts_of(hit.answer, entry_id(hit.answer.project_id, hit.request_key))
        await _send(send, 200, cached_body(hit.answer, facts), cache_headers(facts))
        milliseconds = round((time.perf_counter() - came) * 1000, 2)
        await ledger.record(_lookup(hit, began, milliseconds))

    async def _find(self, key_digest: str, body: bytes) -> Hit | Question | None:
        """The answer to a plain request, if it is there and everything about it is beyond doubt; else the question
        for the pipeline, if there is no doubt about who asks what."""
        asked = _parse(body)
        if asked is None:
            return None
        try:
            embedder = await find_serving_embedder()
            for _ in range(2):  # with the pass at hand, or with one that had to be fetched
                opened = self._opened.get(key_digest) or await self._open(key_digest)
                if opened is None:
                    return None
                project_id, epoch = opened
                wanted = request_key(scope_of(project_id, get_chat_model(), embedder), asked.question, ())
                names = [gate.pass_name(key_digest), gate.seal_name(project_id), exact.name(project_id, epoch, wanted)]
                held, seal, value = await within_budget(async_redis().mget(names), "shortcut")
                found = gate.read_pass(held, seal)
                if found is not None and found.epoch == epoch:
                    return _hit(asked, found, wanted, value) or _question(asked, found)
                await self._open(key_digest)
        except (PolyAIError, RedisAway) as error:  # the pipeline knows how to go on without them, and says so
            log.debug("shortcut: left to the pipeline (%s)", type(error).__name__)
        return None

    async def _open(self, key_digest: str) -> tuple[UUID, int] | None:
        """Read a key's pass from PostgreSQL and remember it. The seal is taken before, so that a change between
        the two leaves a pass that is worth nothing."""
        known = self._opened.get(key_digest)
        found = await in_db(gate.find_pass)(key_digest) if known is None else None
        project_id = known[0] if known else found.project_id if found else None
        if project_id is None:
            return None
        seal = await gate.take_seal(project_id)
        found = await in_db(gate.find_pass)(key_digest)
        if found is None:
            self._opened.pop(key_digest, None)
            return None
        await gate.write_pass(key_digest, found, seal)
        if len(self._opened) >= MAX_OPENED:
            self._opened.clear()
        self._opened[key_digest] = opened = (project_id, found.epoch)
        return opened


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    project: str
    question: str


def _parse(body: bytes) -> _Asked | None:
    try:
        fields = json.loads(body)
        if not isinstance(fields, dict) or fields.keys() - PLAIN or fields.get("store") is not False:
            return None
        project, question = fields["project"], fields["question"]
        if not isinstance(project, str) or not isinstance(question, str):
            return None
        return _Asked(project=project, question=question) if 0 < len(canonical_text(question)) <= MAX_QUESTION else None
    except (ValueError, KeyError, RecursionError, PolyAIError):
        return None


def _hit(asked: _Asked, found: gate.Pass, wanted: str, value: bytes | str | None) -> Hit | None:
    if asked.project != found.slug or not found.is_cached or not isinstance(value, bytes):
        return None
    try:
        answer = _load(value)
    except Unreadable:
        return None  # the pipeline drops and counts it
    if answer.project_id != found.project_id or answer.corpus_version != found.corpus_version:
        return None
    if not exact.is_alive(answer):
        return None
    return Hit(question=asked.question, request_key=wanted, answer=answer)


def _question(asked: _Asked, found: gate.Pass) -> Question | None:
    if asked.project != found.slug:
        return None
    return Question(
        actor=Actor(user_id=found.user_id, project_id=found.project_id),
        project=asked.project,
        text=asked.question,
        conversation_id=uuid4(),
        origin="api",
        is_kept=False,
    )


@lru_cache(maxsize=512)
def _load(value: bytes) -> CachedAnswer:
    """What is asked again and again is read once: 0.15 ms of a hit's half millisecond."""
    return exact.load(value)


def _key(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The API key of a request for this server, in JSON, that wants nothing special of the cache."""
    key = None
    for name, value in headers:
        if name in WISHES or (name == b"content-type" and not value.startswith(b"application/json")):
            return None
        if name == b"host" and not _is_ours(value.decode("latin-1")):
            return None
        if name == b"authorization":
            kind, _, rest = value.decode("latin-1").partition(" ")
            key = rest.strip() if kind.lower() == "bearer" else None
    return key


@lru_cache(maxsize=64)
def _is_ours(host: str) -> bool:
    return validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


async def _read(receive: Receive, read: list[Message]) -> bytes:
    """The body, as far as MAX_BODY; what was received is kept in `read` for whoever comes after."""
    body = b""
    while len(body) <= MAX_BODY:
        message = await receive()
        read.append(message)
        body += message.get("body", b"")
        if message["type"] != "http.request" or not message.get("more_body"):
            break
    return body


def _again(read: list[Message], receive: Receive) -> Receive:
    """A `receive` that tells what was read already, and then what comes."""
    waiting = deque(read)

    async def receive_again() -> Message:
        return waiting.popleft() if waiting else await receive()

    return receive_again


async def _tell(send: Send, end: AnswerCompleted | AnswerFailed) -> None:
    if isinstance(end, AnswerFailed):
        error = {"code": end.code, "message": end.message}
        await _send(send, end.status, {"error": error}, retry_header(end.retry_after))
    else:
        await _send(send, 200, {**completed_body(end), "conversation": None}, cache_headers(end.cache))


async def _send(send: Send, status: int, body: Mapping[str, object], more: Mapping[str, str]) -> None:
    content = json.dumps(body, ensure_ascii=False).encode()
    headers = {**more, "Content-Type": "application/json", "Content-Length": str(len(content))}
    headers |= SECURITY
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": content})


def _lookup(hit: Hit, asked_at: datetime, milliseconds: float) -> Lookup:
    answer = hit.answer
    return Lookup(
        id=uuid4(),
        project_id=answer.project_id,
        asked_at=asked_at,
        status="hit-exact",
        question=hit.question,
        question_key=question_key(hit.question),
        is_standalone=is_shareable(hit.question, ()),
        milliseconds=milliseconds,
        entry_id=entry_id(answer.project_id, hit.request_key),
        model=answer.model,
        prompt_tokens=answer.prompt_tokens,
        completion_tokens=answer.completion_tokens,
    )
