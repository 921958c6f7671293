"""providers/embedding_server.py: the real server, over its own unix socket."""

from __future__ import annotations

import asyncio
import base64
import stat
from collections.abc import AsyncGenerator
from typing import Any

import httpx2
import numpy as np
import pytest
import pytest_asyncio
from django.conf import settings
from django.core.management import CommandError, call_command

from providers.embedding_server import BATCH, MAX_INPUTS, Lane
from providers.minilm import MiniLM
from providers.types import Vectors

MODEL = "all-MiniLM-L6-v2"


@pytest_asyncio.fixture
async def server() -> AsyncGenerator[httpx2.AsyncClient, None]:
    transport = httpx2.AsyncHTTPTransport(uds=str(settings.EMBEDDING_SOCKET))
    async with httpx2.AsyncClient(transport=transport, base_url="http://embeddings", timeout=30) as client:
        yield client


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


async def ask(server: httpx2.AsyncClient, texts: object, **fields: object) -> httpx2.Response:
    return await server.post("/v1/embeddings", json={"input": texts, "model": MODEL, **fields})


def vectors_in(response: httpx2.Response) -> Vectors:
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    assert [item["index"] for item in data] == [*range(len(data))]
    return np.array([item["embedding"] for item in data], dtype=np.float32)


async def embed(server: httpx2.AsyncClient, *texts: str) -> Vectors:
    return vectors_in(await ask(server, list(texts)))


async def test_health_says_which_model_it_serves(server: httpx2.AsyncClient) -> None:
    response = await server.get("/health")
    assert response.status_code == 200
    assert response.json() == {"status": "ok", "model": MODEL, "dimensions": 384}


def test_the_socket_is_for_the_owner_alone() -> None:
    assert stat.S_IMODE(settings.EMBEDDING_SOCKET.stat().st_mode) == 0o600


async def test_the_answer_has_the_shape_of_openais(server: httpx2.AsyncClient) -> None:
    answer = (await ask(server, "dog")).json()
    (item,) = answer.pop("data")
    assert answer == {"object": "list", "model": MODEL, "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    assert len(item.pop("embedding")) == 384
    assert item == {"object": "embedding", "index": 0}


async def test_the_vectors_are_the_models_in_the_order_asked(server: httpx2.AsyncClient, model: MiniLM) -> None:
    texts = ["a long text of many words " * 20, "dog", "a text of middling length about parcels", "cat"]
    assert np.allclose(await embed(server, *texts), model.embed(texts)[0], atol=1e-5)


async def test_every_token_is_counted_once(server: httpx2.AsyncClient) -> None:
    usage = (await ask(server, ["dog", "dog", "dog dog"])).json()["usage"]
    assert usage["total_tokens"] == 3 + 3 + 4


async def test_one_text_need_not_be_in_a_list(server: httpx2.AsyncClient) -> None:
    assert np.array_equal(vectors_in(await ask(server, "dog")), await embed(server, "dog"))


async def test_numbers_and_base64_are_the_same_vector(server: httpx2.AsyncClient) -> None:
    (numbers,) = vectors_in(await ask(server, "dog", encoding_format="float"))
    (item,) = (await ask(server, "dog", encoding_format="base64")).json()["data"]
    assert np.array_equal(np.frombuffer(base64.b64decode(item["embedding"]), dtype="<f4"), numbers)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{not json",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'"text"',
        b'{"model": "all-MiniLM-L6-v2"}',
        b'{"model": "all-MiniLM-L6-v2", "input": "dog", "dimensions": 256}',
        b'{"model": "text-embedding-3-small", "input": "dog"}',
        b'{"input": "dog"}',
        b'{"model": "all-MiniLM-L6-v2", "input": "\\ud800"}',
    ],
    ids=[
        "empty",
        "no JSON",
        "no UTF-8",
        "a list",
        "null",
        "a text",
        "no input",
        "other dimensions",
        "another model",
        "no model",
        "half a character",
    ],
)
async def test_a_request_that_makes_no_sense_is_refused_in_words(server: httpx2.AsyncClient, body: bytes) -> None:
    response = await server.post("/v1/embeddings", content=body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert error["message"].endswith(".")


@pytest.mark.parametrize(
    "texts",
    ["", "  \n", [], [""], ["dog", " "], ["dog", None], [1, 2], {"text": "dog"}, 7, ["x"] * (MAX_INPUTS + 1)],
    ids=[
        "empty",
        "blank",
        "no texts",
        "an empty text",
        "a blank among texts",
        "null",
        "tokens",
        "object",
        "number",
        "many",
    ],
)
async def test_an_input_that_is_no_text_is_refused_in_words(server: httpx2.AsyncClient, texts: Any) -> None:  # Any: so
    response = await ask(server, texts)
    assert response.status_code == 400
    assert "'input' must" in response.json()["error"]["message"]


async def test_only_posts_are_answered(server: httpx2.AsyncClient) -> None:
    assert (await server.get("/v1/embeddings")).status_code == 400


async def test_requests_that_arrive_together_are_all_answered_rightly(
    server: httpx2.AsyncClient, model: MiniLM
) -> None:
    texts = [f"{'word ' * (n % 7)}sentence number {n}" for n in range(4 * BATCH)]
    answers = await asyncio.gather(*(embed(server, text) for text in texts))
    assert np.allclose(np.vstack(answers), model.embed(texts)[0], atol=1e-5)


async def test_requests_of_many_sizes_do_not_mix(server: httpx2.AsyncClient, model: MiniLM) -> None:
    requests = [[f"request {n} text {m} {'word ' * m}" for m in range(size)] for n, size in enumerate([1, 9, 2, 17, 3])]
    answers = await asyncio.gather(*(embed(server, *texts) for texts in requests))
    for texts, vectors in zip(requests, answers, strict=True):
        assert np.allclose(vectors, model.embed(texts)[0], atol=1e-5)


async def test_a_bad_request_does_not_spoil_those_beside_it(server: httpx2.AsyncClient, model: MiniLM) -> None:
    poison = b'{"model": "all-MiniLM-L6-v2", "input": ["\\ud800"]}'
    good = [f"sentence number {n}" for n in range(BATCH)]
    busy = asyncio.create_task(embed(server, "a long passage " * 100, "another long passage " * 100))
    await asyncio.sleep(0.03)  # what comes now waits, and goes through the model together
    refused = asyncio.create_task(server.post("/v1/embeddings", content=poison))
    answers = await asyncio.gather(*(embed(server, text) for text in good))
    await asyncio.gather(busy, refused)
    assert np.allclose(np.vstack(answers), model.embed(good)[0], atol=1e-5)


async def test_a_question_is_answered_while_an_upload_is_embedded(server: httpx2.AsyncClient) -> None:
    done: list[str] = []

    async def timed(name: str, *texts: str) -> None:
        await embed(server, *texts)
        done.append(name)

    upload = asyncio.create_task(timed("upload", *["a long passage about many things " * 30] * 40))
    await asyncio.sleep(0.1)
    for _ in range(3):
        await timed("question", "What about the dog?")
    await upload
    assert done == ["question", "question", "question", "upload"]


async def test_whoever_comes_while_memory_is_given_back_is_served_too(model: MiniLM) -> None:
    lane = Lane(model, is_bulk=True)
    async with asyncio.timeout(20):
        for number in range(10):
            vectors, _ = await lane.embed([f"text {number}", "another", "a third"])
            assert len(vectors) == 3


async def test_whoever_leaves_does_not_disturb_those_who_stay(server: httpx2.AsyncClient) -> None:
    leaving = [asyncio.create_task(embed(server, *[f"passage {n} " * 50] * 4)) for n in range(3)]
    await asyncio.sleep(0.05)
    for task in leaving:
        task.cancel()
    staying = await embed(server, "one", "two", "three", "four")
    assert staying.shape == (4, 384)
    await asyncio.gather(*leaving, return_exceptions=True)


@pytest.mark.parametrize("bind", ["nonsense", "127.0.0.1:", "127.0.0.1:http"])
def test_an_address_to_bind_to_needs_a_port(bind: str) -> None:
    with pytest.raises(CommandError, match="HOST:PORT"):
        call_command("serve_embeddings", bind=bind)
