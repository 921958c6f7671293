"""How a project's documents are to be cut, and what another size would make of one of them."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.utils.translation import gettext as _

from accounts.models import Project
from core.errors import InvalidInput
from core.languages import localized
from knowledge.chunking import LARGEST, METHOD, SMALLEST_LIMIT, split
from knowledge.models import Chunk, Document, DocumentPart, KnowledgePolicy
from knowledge.selectors import list_live_chunks
from knowledge.tokens import count_tokens
from knowledge.types import ChunkingPreview, Cutting, Part, Piece

LARGEST_LIMIT = 2_000  # tokens
MOST_DOCUMENTS = 10_000_000
MOST_MEGABYTES = 100_000_000
PREVIEWED = 2_000_000  # characters: 3 s of work
FIRST = 5  # pieces shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunking:
    """A way of cutting. Written out, `2/220/24`, it is what Document.chunking holds."""

    tokens: int
    overlap: int

    def __str__(self) -> str:
        return f"{METHOD}/{self.tokens}/{self.overlap}"


def get_policy(project: Project) -> KnowledgePolicy:
    """The project's own, or the defaults, which are not stored."""
    found = KnowledgePolicy.objects.filter(project=project).first()
    return found or KnowledgePolicy(project=project)


def get_chunking(project: Project) -> Chunking:
    """The project's sizes as they can be had now: the built-in model sees no more than its own."""
    policy = get_policy(project)
    tokens = min(policy.chunk_tokens, largest_limit())
    return Chunking(tokens=tokens, overlap=min(policy.chunk_overlap, tokens // 2))


def largest_limit() -> int:
    """Of a chunk, in tokens: what the embedder in use can see of it."""
    return LARGEST if settings.EMBEDDINGS_ARE_LOCAL else LARGEST_LIMIT


def problems(
    *, chunk_tokens: int, chunk_overlap: int, max_documents: int = 0, max_megabytes: int = 0
) -> dict[str, str]:
    """What is wrong with a policy, by field; empty for one that can be stored."""
    found: dict[str, str] = {}
    if not SMALLEST_LIMIT <= chunk_tokens <= LARGEST_LIMIT:
        found["chunk_tokens"] = _between(SMALLEST_LIMIT, LARGEST_LIMIT)
    elif chunk_tokens > largest_limit():
        found["chunk_tokens"] = _(
            "The built-in embedding model sees 256 tokens, with the headings above a chunk: give %(most)s at most, "
            "or connect a model that sees more (POLYAI_EMBEDDING_BASE_URL)."
        ) % {"most": LARGEST}
    if not 0 <= chunk_overlap <= chunk_tokens // 2:
        found["chunk_overlap"] = _("Give a number from 0 to half of the chunk’s tokens, %(most)s.") % {
            "most": max(chunk_tokens, 0) // 2
        }
    if not 0 <= max_documents <= MOST_DOCUMENTS:
        found["max_documents"] = _between(0, MOST_DOCUMENTS)
    if not 0 <= max_megabytes <= MOST_MEGABYTES:
        found["max_megabytes"] = _between(0, MOST_MEGABYTES)
    return found


def _between(least: int, most: int) -> str:
    return _("Give a number from %(least)s to %(most)s.") % {"least": least, "most": localized(most)}


def change_policy(
    project: Project, *, chunk_tokens: int, chunk_overlap: int, max_documents: int, max_megabytes: int
) -> KnowledgePolicy:
    """Store what a project wants. What is here already stays cut as it is (rechunking.rechunk). Raises InvalidInput."""
    values = {
        "chunk_tokens": chunk_tokens,
        "chunk_overlap": chunk_overlap,
        "max_documents": max_documents,
        "max_megabytes": max_megabytes,
    }
    wrong = problems(**values)
    if wrong:
        raise InvalidInput(" ".join(f"{field}: {message}" for field, message in wrong.items()))
    return KnowledgePolicy.objects.update_or_create(project=project, defaults=values)[0]


def preview(document: Document, chunk_tokens: int, overlap: int, first: int = FIRST) -> ChunkingPreview:
    """How a document would be cut, beside how it is cut now, from its stored text alone.

    Raises InvalidInput for sizes that cannot be, and for a document without text or with too much of it.
    """
    wrong = problems(chunk_tokens=chunk_tokens, chunk_overlap=overlap)
    if wrong:
        raise InvalidInput(" ".join(wrong.values()))
    parts = list_parts(document, document.live_version)
    size = sum(len(part.text) for part in parts)
    if not parts:
        raise InvalidInput(
            _("The text of %(name)s is not stored: wait until it is read, or upload it again.")
            % {"name": document.name}
        )
    if size > PREVIEWED:
        raise InvalidInput(
            _(
                "%(name)s has %(size)s million characters; a preview is made of up to "
                "%(previewed)s million. Choose a shorter document."
            )
            % {"name": document.name, "size": localized(f"{size / 1000000.0:.1f}"), "previewed": PREVIEWED // 1000000}
        )
    pieces = split(parts, chunk_tokens=chunk_tokens, overlap=overlap, title=document.title)
    chunks = [_piece(chunk) for chunk in list_live_chunks(document)]
    known = {chunk.content_hash for chunk in chunks}
    return ChunkingPreview(
        now=_cutting(chunks, first),
        then=_cutting(pieces, first),
        unchanged=sum(piece.content_hash in known for piece in pieces),
    )


def list_parts(document: Document, version: int) -> list[Part]:
    rows = DocumentPart.objects.filter(document=document, version=version).order_by("position")
    return [Part(text=row.text, page=row.page, label=row.label, is_markdown=row.is_markdown) for row in rows]


def _cutting(pieces: list[Piece], first: int) -> Cutting:
    return Cutting(tokens=tuple(piece.tokens for piece in pieces), first=tuple(pieces[:first]))


def _piece(chunk: Chunk) -> Piece:
    about = chunk.metadata
    return Piece(
        text=chunk.text,
        heading_path=tuple(about.get("heading_path", [])),
        page=about.get("page"),
        start=about.get("start", 0),
        end=about.get("end", 0),
        label=about.get("label", ""),
        part=about.get("part", 0),
        context=about.get("context", ""),
        tokens=about.get("tokens") or count_tokens(chunk.text),
        title=about.get("title", ""),
    )
