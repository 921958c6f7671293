"""What every benchmark stands on: the whole product in a temporary folder, beside a model that answers at once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.product import ROOT, Product
from tests.upstream import MODEL, Reply, Upstream

TEXT = "The answer is in the documents [1] and it is short."


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """`product` is not started yet; what lies in `kept` is there at the next run."""

    product: Product
    upstream: Upstream
    kept: Path


@contextmanager
def on_stage(reply: Reply | None = None) -> Iterator[Stage]:
    """A product, its model (a real HTTP server on this machine, so that what is measured is ours), and a clean end."""
    kept = Path(os.environ.get("POLYAI_HOME") or ROOT / "var") / "bench"
    home = Path(tempfile.mkdtemp(prefix="polyai-bench-"))
    home.chmod(0o755)
    before = dict(os.environ)
    os.environ.update(POLYAI_HOME=str(home), POLYAI_ENV_FILE="", DJANGO_SETTINGS_MODULE="polyai.settings")
    upstream = Upstream(default=reply or Reply(text=TEXT))
    model = {"OPENAI_BASE_URL": upstream.base_url, "OPENAI_API_KEY": "sk-x", "POLYAI_CHAT_MODEL": MODEL}
    product = Product(home, **model, POLYAI_AUDIT_SHARE="0")  # an audit in the middle would be measured too
    try:
        yield Stage(product=product, upstream=upstream, kept=kept)
    finally:
        if product.is_started:
            product.stop()
        upstream.close()
        shutil.rmtree(home, ignore_errors=True)
        os.environ.clear()
        os.environ.update(before)
