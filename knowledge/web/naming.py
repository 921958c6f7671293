"""A page's address as a document's name, and its scope."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit
from uuid import UUID

from core.text import nfc
from knowledge.models import Document

MAX_LENGTH = 200  # characters, so that the document's own limit never cuts a name


def root_of(url: str) -> str:
    """Host and folder of an address: what the pages of its site begin with. `https://a.org/x/y` → `a.org/x/`."""
    parts = urlsplit(url)
    return parts.netloc + parts.path[: parts.path.rindex("/") + 1]


def is_below(url: str, root: str) -> bool:
    """Whether an address, with http or https, is of the site that begins there."""
    parts = urlsplit(url)
    return f"{parts.netloc}{parts.path}".startswith(root)


def readable_name(url: str, kind: str) -> str:
    """`https://a.org/docs/intro?page=2` → `a.org/docs/intro?page=2.html`."""
    parts = urlsplit(url)
    path = parts.path if not parts.path.endswith("/") else f"{parts.path}index"
    stem = path.removesuffix(kind) if PurePosixPath(path).suffix.lower() == kind else path
    told = unquote(f"{parts.netloc}{stem}{f'?{parts.query}' if parts.query else ''}", errors="replace")
    shown = "".join(c for c in nfc(told) if c.isprintable() and c != "\ufffd")
    return shown + kind if len(shown + kind) <= MAX_LENGTH else _marked(shown, kind, url)


def free_name(project_id: UUID, url: str, kind: str) -> str:
    """A name that no document of another origin has: neither another page nor a file that somebody uploaded."""
    name = readable_name(url, kind)
    named = Document.objects.filter(project_id=project_id, name=name, attached_to=None)
    taken = named.exclude(source_url=url).exists()
    return _marked(name.removesuffix(kind), kind, url) if taken else name


def _marked(stem: str, kind: str, url: str) -> str:
    ending = f"~{hashlib.sha256(url.encode()).hexdigest()[:8]}{kind}"
    return stem[: MAX_LENGTH - len(ending)] + ending
