"""Further processes on the stores of the test, as a second server of the product would be."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from urllib.parse import quote

from django.conf import settings as django_settings

from tests.upstream import MODEL, Upstream

ROOT = Path(__file__).parents[2]


async def start_process(module: str, *arguments: str, upstream: Upstream) -> asyncio.subprocess.Process:
    """`python -m module arguments…`"""
    database = django_settings.DATABASES["default"]
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "polyai.settings",
        "DATABASE_URL": f"postgres://postgres@{quote(str(database['HOST']), safe='')}/{database['NAME']}",
        "REDIS_URL": django_settings.REDIS_URL,
        "OPENAI_BASE_URL": upstream.base_url,
        "OPENAI_API_KEY": "sk-test",
        "POLYAI_CHAT_MODEL": MODEL,
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments), cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
