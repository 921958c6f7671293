"""All settings. The environment (and `.env`) is read here and nowhere else.

A value that cannot be read stops the start with a line that names it; a wrong combination is a
system check (polyai/checks.py). Every setting below the line "From the environment" is described in
docs/configuration.md and `.env.example`; a test keeps the three together.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
import secrets
import sys
import tempfile
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from environs import Env, EnvError, ValidationError, validate

from polyai import policies, theme

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env()
if dotenv := os.environ.get("POLYAI_ENV_FILE", str(BASE_DIR / ".env")):
    env.read_env(dotenv, recurse=False)

LEVELS = validate.OneOf(["DEBUG", "INFO", "WARNING", "ERROR"])
LONG_ENOUGH = validate.Regexp(r"(.{32,})?$", error="has fewer than 32 characters")
TESSERACT_NAMES = validate.Regexp(r"\w+(\+\w+)*$", error="is not of the form eng+deu")
HTTP_ADDRESS = validate.Regexp(r"(https?://[^/\s]+.*)?$", error="is no http:// or https:// address")


def _is_network_or_host(entries: object) -> None:
    """`10.0.0.0/8`, `fd00::/8`, `192.168.1.7`, `wiki.internal`."""
    assert isinstance(entries, list)
    for entry in entries:
        try:
            ip_network(entry)
        except ValueError as error:
            if not re.fullmatch(r"(?=.*[a-z])[a-z0-9_-]+(\.[a-z0-9_-]+)*", entry):
                raise ValidationError(f"has '{entry}', which is neither a network nor a host") from error


def _is_bucket(url: object) -> None:
    """`s3://bucket/prefix?endpoint_url=http://localhost:9000&region_name=eu-central-1`."""
    parts = urlsplit(str(url))
    if url and (parts.scheme != "s3" or not parts.netloc):
        raise ValidationError("is not of the form s3://bucket/prefix")
    if unknown := dict(parse_qsl(parts.query)).keys() - {"endpoint_url", "region_name"}:
        raise ValidationError(f"has {', '.join(sorted(unknown))}; after the ? come endpoint_url and region_name")


def _is_price_list(value: object) -> None:
    """`{"model": [0.15, 0.60]}`: dollars for a million prompt and completion tokens."""

    def is_price(pair: object) -> bool:
        return (
            isinstance(pair, list)
            and len(pair) == 2
            and all(type(n) in (int, float) and math.isfinite(n) and 0 <= n <= 1_000_000 for n in pair)
        )

    if not isinstance(value, dict) or not all(is_price(pair) for pair in value.values()):
        raise ValidationError('is not of the form {"model": [0.15, 0.60]}')


def _are_keys(value: object) -> None:
    """`{"https://api.example.org/v1": "sk-…"}`."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value.values()):
        raise ValidationError('is not of the form {"https://api.example.org/v1": "sk-…"}')


# --- From the environment -----------------------------------------------------------------------
try:
    PORT = env.int("PORT", 8000, validate=validate.Range(1, 65535))
    BIND = env.str("POLYAI_BIND", "127.0.0.1")
    HOME = Path(env.str("POLYAI_HOME", "") or BASE_DIR / "var").absolute()
    PUBLIC_URL = env.str("POLYAI_PUBLIC_URL", "").rstrip("/") or f"http://localhost:{PORT}"
    TRUSTED_PROXIES = env.int("POLYAI_TRUSTED_PROXIES", 0, validate=validate.Range(0, 10))
    SIGNUP = env.str("POLYAI_SIGNUP", "approval", validate=validate.OneOf(["open", "approval", "closed"]))
    DATABASE_URL = env.str("DATABASE_URL", "", validate=validate.Regexp(r"(postgres(ql)?://.+)?$"))
    USER_REDIS_URL = env.str("REDIS_URL", "", validate=validate.Regexp(r"((rediss?|unix)://.+)?$"))
    OPENAI_API_KEY = env.str("OPENAI_API_KEY", "")
    OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", "", validate=HTTP_ADDRESS) or env.str(
        "OPENAI_API_BASE_URL", "", validate=HTTP_ADDRESS
    )
    CHAT_MODEL = env.str("POLYAI_CHAT_MODEL", "gpt-4o-mini")
    CHAT_MODELS: list[str] = env.list("POLYAI_CHAT_MODELS", [])
    CHAT_TIMEOUT = env.float("POLYAI_CHAT_TIMEOUT", 60.0, validate=validate.Range(1, 3600))
    EMBEDDING_BASE_URL = env.str("POLYAI_EMBEDDING_BASE_URL", "", validate=HTTP_ADDRESS)
    EMBEDDING_API_KEY = env.str("POLYAI_EMBEDDING_API_KEY", "") or OPENAI_API_KEY
    EMBEDDING_MODEL = env.str("POLYAI_EMBEDDING_MODEL", "")
    EMBEDDING_DIMENSIONS = env.int("POLYAI_EMBEDDING_DIMENSIONS", 0, validate=validate.Range(0, 16_000))
    EMBEDDING_API_KEYS: Any = env.json("POLYAI_EMBEDDING_API_KEYS", {}, validate=_are_keys)  # Any: JSON, as checked
    RERANK_BASE_URL = env.str("POLYAI_RERANK_BASE_URL", "", validate=HTTP_ADDRESS)
    RERANK_MODEL = env.str("POLYAI_RERANK_MODEL", "")
    RERANK_API_KEY = env.str("POLYAI_RERANK_API_KEY", "")
    PRICES: Any = env.json("POLYAI_PRICES", {}, validate=_is_price_list)  # Any: JSON, of the form just checked
    AUDIT_SHARE = env.float("POLYAI_AUDIT_SHARE", 0.01, validate=validate.Range(0, 1))
    MAX_UPLOAD_MB = env.int("POLYAI_MAX_UPLOAD_MB", 50, validate=validate.Range(1))
    MAX_ARCHIVE_MB = env.int("POLYAI_MAX_ARCHIVE_MB", 500, validate=validate.Range(1))
    FETCH_ALLOW: list[str] = env.list("POLYAI_FETCH_ALLOW", [], validate=_is_network_or_host)
    FETCH_TIMEOUT = env.float("POLYAI_FETCH_TIMEOUT", 30.0, validate=validate.Range(1, 600))
    CRAWL_PAUSE = env.float("POLYAI_CRAWL_PAUSE", 0.5, validate=validate.Range(0, 60))
    CRAWL_MAX_PAGES = env.int("POLYAI_CRAWL_MAX_PAGES", 1000, validate=validate.Range(1))
    STORAGE = env.str("POLYAI_STORAGE", "", validate=_is_bucket)
    S3_ACCESS_KEY = env.str("POLYAI_S3_ACCESS_KEY", "")
    S3_SECRET_KEY = env.str("POLYAI_S3_SECRET_KEY", "")
    PARSER_SECONDS = env.int("POLYAI_PARSER_SECONDS", 60, validate=validate.Range(1, 600))
    PARSER_MEGABYTES = env.int("POLYAI_PARSER_MEGABYTES", 1024, validate=validate.Range(256))
    MAX_PAGES = env.int("POLYAI_MAX_PAGES", 5000, validate=validate.Range(1))
    OCR_LANGUAGES = env.str("POLYAI_OCR_LANGUAGES", "eng", validate=TESSERACT_NAMES)
    LOG_LEVEL = env.str("POLYAI_LOG_LEVEL", "INFO", validate=LEVELS)
    DEBUG = env.bool("POLYAI_DEBUG", False)
    SECRET_KEY = env.str("POLYAI_SECRET_KEY", "", validate=LONG_ENOUGH)
except EnvError as error:
    sys.exit(f"polyai: {error}; see docs/configuration.md")

CHAT_CONFIGURED = bool(OPENAI_API_KEY or OPENAI_BASE_URL)
RERANK_TIMEOUT = 2.0  # seconds of an answer's wait that a better order of its passages may cost
EMBEDDINGS_ARE_LOCAL = not EMBEDDING_BASE_URL
if EMBEDDINGS_ARE_LOCAL:
    EMBEDDING_MODEL = EMBEDDING_MODEL or "all-MiniLM-L6-v2"

# --- What lies in the home folder ---------------------------------------------------------------


def _socket_folder() -> Path:
    """Where the embedded parts put their sockets: a socket's path may have 107 bytes at most."""
    inside = HOME / "run"
    if len(str(inside / "embeddings.sock")) < 100:
        return inside
    return Path(tempfile.gettempdir()) / f"polyai-{hashlib.sha256(str(HOME).encode()).hexdigest()[:16]}"


def _secret_key() -> str:
    """The key that signs sessions: made once, kept in the home folder."""
    file = HOME / "secret_key"
    try:
        if not file.exists():
            HOME.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(50))
        return file.read_text()
    except OSError as problem:
        sys.exit(
            f"polyai: cannot use the folder {HOME} ({problem.strerror}: {problem.filename}); "
            "make it writable, or set POLYAI_HOME to a folder of your own"
        )


RUN_FOLDER = _socket_folder()
POSTGRES_FOLDER = HOME / "postgres"
REDIS_FOLDER = HOME / "redis"
EMBEDDING_SOCKET = RUN_FOLDER / "embeddings.sock"
MEDIA_ROOT = HOME / "media"
MEDIA_URL = ""  # originals are served by a view that checks membership, never by address
SECRET_KEY = SECRET_KEY or _secret_key()


def _originals() -> dict[str, Any]:  # Any: Django's setting
    """Where originals are kept: the folder above, or a bucket."""
    if not STORAGE:
        return {"BACKEND": "django.core.files.storage.FileSystemStorage"}
    parts = urlsplit(STORAGE)
    options = {"bucket_name": parts.netloc, "location": parts.path.strip("/"), **dict(parse_qsl(parts.query))}
    if S3_ACCESS_KEY:
        options |= {"access_key": S3_ACCESS_KEY, "secret_key": S3_SECRET_KEY}
    return {"BACKEND": "knowledge.storage.Bucket", "OPTIONS": options}


STORAGES = {
    "default": _originals(),
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

# --- Django -------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "allauth",
    "allauth.account",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
    "channels",
    "core",
    "accounts",
    "providers",
    "caching",
    "knowledge",
    "chat",
    "polyai",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "polyai.middleware.Policies",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "polyai.middleware.ErrorPages",
]

ROOT_URLCONF = "polyai.urls"
ASGI_APPLICATION = "polyai.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "polyai.i18n.catalog_address",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
FORMAT_MODULE_PATH = "polyai.formats"
LANGUAGES = [("en", "English")]  # how one is added: docs/translating.md
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
SERVESTATIC_ALLOW_ALL_ORIGINS = False
SERVESTATIC_USE_FINDERS = True  # straight from the packages: no collected copy to keep in step
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024  # bodies that are not files; files are streamed to disk

# One public address; hosts and origins follow from it, so that a wrong one cannot lock anybody out of the admin.
_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", *([_public.hostname] if _public.hostname else [])]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if _public.scheme and _public.hostname else []
if _public.scheme == "https":
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {"DIRECTIVES": policies.PAGES}

# --- PostgreSQL ---------------------------------------------------------------------------------
DATABASE_POOL_SIZE = 16
_own_database: dict[str, Any] = {  # Any: what Django and dj-database-url put in
    "ENGINE": "django.db.backends.postgresql",
    "NAME": "polyai",
    "USER": "postgres",
    "HOST": str(RUN_FOLDER),
}
_database: dict[str, Any] = env.dj_db_url("DATABASE_URL") if DATABASE_URL else _own_database
_database["CONN_HEALTH_CHECKS"] = True
_database["OPTIONS"] = {
    # One pool for each process: twice core.database.DATABASE_THREADS, the rest for Django's own views.
    "pool": {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 5},
    "connect_timeout": 5,
    # A filter must not hide a match: the index scan goes on until enough rows pass (pgvector 0.8 and newer).
    "options": "-c hnsw.iterative_scan=strict_order",
    **_database.get("OPTIONS", {}),
}
DATABASES = {"default": _database}

# --- Redis --------------------------------------------------------------------------------------
REDIS_URL = USER_REDIS_URL or f"unix://{RUN_FOLDER / 'redis.sock'}?db=0"
REDIS_TIMEOUT = 1.0  # seconds, for a connection
REDIS_BUDGET = 0.05  # seconds for one call on the way to an answer: it takes 0.2 ms, and can be done without
CACHES = {
    "default": {
        "BACKEND": "core.cache.ForgivingCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "polyai:django",
        "OPTIONS": {
            "SOCKET_CONNECT_TIMEOUT": REDIS_TIMEOUT,
            "SOCKET_TIMEOUT": REDIS_TIMEOUT,
            "IGNORE_EXCEPTIONS": True,
        },
    }
}
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "polyai:channels"},
    }
}

# --- Celery -------------------------------------------------------------------------------------
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://").replace("?db=", "?virtual_host=")
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": "polyai:celery:",
    "queue_order_strategy": "polyai.celery:InOrder",
    "priority_steps": [0],
    "visibility_timeout": 3600,
    "socket_timeout": 5,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
}
# In this order: short chores, then what people wait for. Of bulk, what was begun is finished first. A step lasts some
# seconds (a long document's, a crawl's), then its worker looks here again.
CELERY_TASK_QUEUES: dict[str, dict[str, str]] = {
    "celery": {},
    "parse": {},
    "embed": {},
    "crawl": {},
    "embed-bulk": {},
    "parse-bulk": {},
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True  # state lives in PostgreSQL
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_TIME_LIMIT = 1800
CELERY_TASK_ROUTES = {"knowledge.web.tasks.crawl": {"queue": "crawl"}}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = 2
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 400_000  # KB; a child that has grown larger ends after its task
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULE_FILENAME = str(HOME / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "resume-stalled-documents": {
        "task": "knowledge.tasks.resume_stalled_documents",
        "schedule": 5,
        "options": {"expires": 5},
    },
    "forget-orphaned-files": {
        "task": "knowledge.tasks.forget_orphaned_files",
        "schedule": 3600,
        "options": {"expires": 3600},
    },
    "refresh-due-sources": {
        "task": "knowledge.web.tasks.refresh_due_sources",
        "schedule": 30,
        "options": {"expires": 30},
    },
    "build-embedding-spaces": {"task": "knowledge.tasks.build_spaces", "schedule": 10, "options": {"expires": 10}},
    "repair-vectors": {"task": "knowledge.tasks.repair_vectors", "schedule": 30, "options": {"expires": 30}},
    "remove-orphans": {"task": "knowledge.tasks.remove_orphans", "schedule": 3600, "options": {"expires": 3600}},
    "empty-deleted-projects": {
        "task": "knowledge.tasks.empty_deleted_projects",
        "schedule": 10,
        "options": {"expires": 10},
    },
    "fill-words": {"task": "knowledge.tasks.fill_words", "schedule": 10, "options": {"expires": 10}},
    "recount-words": {"task": "knowledge.tasks.recount_words", "schedule": 30, "options": {"expires": 30}},
    "forget-unsent-files": {
        "task": "chat.tasks.forget_unsent_files",
        "schedule": 3600,
        "options": {"expires": 3600},
    },
    "interrupt-abandoned-answers": {"task": "chat.tasks.interrupt_abandoned_answers", "schedule": 10},
    "purge-deleted-conversations": {
        "task": "chat.tasks.purge_deleted_conversations",
        "schedule": 300,
        "options": {"expires": 300},
    },
    # Expires: while the workers are busy with documents, one of them in the queue is enough.
    "flush-ledger": {"task": "caching.tasks.flush_ledger", "schedule": 5, "options": {"expires": 5}},
    "purge-cached-answers": {"task": "caching.tasks.purge_entries", "schedule": 300, "options": {"expires": 300}},
    "repair-cache-indexes": {"task": "caching.tasks.repair_indexes", "schedule": 10, "options": {"expires": 10}},
    "purge-ledger": {"task": "caching.tasks.purge_ledger", "schedule": 3600, "options": {"expires": 3600}},
    "tell-that-beat-lives": {"task": "polyai.celery.tell_that_beat_lives", "schedule": 5},
}

# --- Accounts -----------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"  # a self-hosted server need not be able to send mail
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_PREVENT_ENUMERATION = False  # without mail there is no other way to tell that an address is taken
CSRF_FAILURE_VIEW = "polyai.middleware.csrf_failure"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"

# --- REST ---------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.LimitOffsetPagination",
    "PAGE_SIZE": 50,
    "EXCEPTION_HANDLER": "core.rest.exception_handler",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "PolyAI",
    "DESCRIPTION": "Ask your documents, get cited answers. Authorise with `Authorization: Bearer sk-…`.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_NAME_OVERRIDES": {
        "DocumentState": "knowledge.models.Document.State",
        "WebSourceState": "knowledge.models.WebSource.State",
        "WebPageState": "knowledge.models.WebPage.State",
    },
}

# --- Admin --------------------------------------------------------------------------------------
UNFOLD = theme.UNFOLD

# --- Logs ---------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname:<7} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {"handlers": ["console"], "propagate": False},
        "httpx2": {"level": "WARNING"},
        "openai": {"level": "WARNING"},
        "daphne": {"level": "WARNING"},
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
    },
}
