"""What the product is measured beside: a bare view and another cache, each a server of its own while it is needed."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx2

from bench.stage import Stage
from tests.product import ROOT, Product, free_port
from tests.upstream import MODEL

LITELLM = ("litellm[proxy]==1.106.2",)
OPEN_WEBUI = ("torch==2.13.0", "open-webui==0.12.4")  # torch first: by itself it would bring several GB of CUDA


class PeerMissing(Exception):
    """A peer that cannot be had here, and why."""


@contextmanager
def bare_view(product: Product) -> Iterator[str]:
    """The address of Django with one asynchronous view that does one Redis GET, served as the product is."""
    port = free_port()
    environment = {**os.environ, "REDIS_URL": f"unix://{product.home}/run/redis.sock?db=0"}
    del environment["DJANGO_SETTINGS_MODULE"]
    command = [sys.executable, "-m", "daphne", "-p", str(port), "-v", "0", "bench.bare:application"]
    with running(command, environment, f"http://127.0.0.1:{port}/", product.home / "bare.log") as address:
        yield address


@contextmanager
def litellm_proxy(stage: Stage) -> Iterator[tuple[str, str]]:
    """The address and the key of LiteLLM's proxy, one worker, its cache in the product's Redis. Raises PeerMissing.

    As its documentation sets it up for production: no debug logs, no telemetry, no price list from the network.
    """
    program = _installed(stage.kept / "litellm", LITELLM) / "litellm"
    port, key = free_port(), f"sk-{secrets.token_hex(24)}"
    redis = f"unix://{stage.product.home}/run/redis.sock?db=15"
    upstream = {"model": f"openai/{MODEL}", "api_base": stage.upstream.base_url, "api_key": "sk-x"}
    configuration = {
        "model_list": [{"model_name": MODEL, "litellm_params": upstream}],
        "litellm_settings": {"cache": True, "cache_params": {"type": "redis", "url": redis}, "telemetry": False},
        "general_settings": {"master_key": key},
    }
    path = stage.product.home / "litellm.yaml"
    path.write_text(json.dumps(configuration))  # JSON is YAML
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(stage.product.home),
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    }
    command = [str(program), "--config", str(path), "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    alive, log = f"http://127.0.0.1:{port}/health/liveliness", stage.product.home / "litellm.log"
    with running(command, environment, alive, log):
        yield f"http://127.0.0.1:{port}", key


@contextmanager
def open_webui(stage: Stage, embeddings: str, model: str) -> Iterator[str]:
    """The address of Open WebUI with no log-in, which embeds by `model` at `embeddings`. Raises PeerMissing.

    As it comes, but for batches of 32 texts (it would send one at a time) and without what needs the network.
    """
    program = _installed(stage.kept / "openwebui", OPEN_WEBUI) / "open-webui"
    port, home = free_port(), stage.product.home / "openwebui"
    home.mkdir()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "DATA_DIR": str(home),
        "WEBUI_SECRET_KEY": secrets.token_hex(24),
        "WEBUI_AUTH": "False",
        "OFFLINE_MODE": "true",
        "HF_HUB_OFFLINE": "1",
        "ENABLE_OLLAMA_API": "false",
        "OPENAI_API_BASE_URL": stage.upstream.base_url,
        "OPENAI_API_KEY": "sk-x",
        "RAG_EMBEDDING_ENGINE": "openai",
        "RAG_EMBEDDING_MODEL": model,
        "RAG_OPENAI_API_BASE_URL": embeddings,
        "RAG_OPENAI_API_KEY": "sk-x",
        "RAG_EMBEDDING_BATCH_SIZE": "32",
        "GLOBAL_LOG_LEVEL": "ERROR",
        "ANONYMIZED_TELEMETRY": "false",
        "SCARF_NO_ANALYTICS": "true",
        "DO_NOT_TRACK": "true",
    }
    command = [str(program), "serve", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, environment, f"http://127.0.0.1:{port}/health", stage.product.home / "openwebui.log"):
        yield f"http://127.0.0.1:{port}"


def _installed(folder: Path, packages: Sequence[str]) -> Path:
    """The programs of a peer in a virtual environment of its own, made once: it never mixes with ours."""
    stamp, wanted = folder / "installed", " ".join(packages)
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"bench: installing {wanted} into {folder} (once, some minutes)", file=sys.stderr, flush=True)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        for package in packages:
            _run([str(folder / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", package])
        stamp.write_text(wanted)
    return folder / "bin"


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise PeerMissing(f"A peer cannot be installed here: {reason}")


@contextmanager
def running(
    command: Sequence[str], environment: Mapping[str, str], alive: str, log: Path = Path(os.devnull)
) -> Iterator[str]:
    """A server until the block ends; yields `alive`, the address that says when it is up."""
    with log.open("wb") as lines:
        server = subprocess.Popen(command, cwd=ROOT, env=dict(environment), stdout=lines, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 90
        while not _answers(alive):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield alive
    finally:
        server.terminate()
        server.wait()


def _answers(address: str) -> bool:
    try:
        return httpx2.get(address, timeout=5).status_code == 200
    except httpx2.HTTPError:
        return False
