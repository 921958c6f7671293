"""What a question can be restricted to, as somebody types it behind a `#`: documents and tags."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db.models import CharField, F, Func, Q, QuerySet, Value
from django.db.models.functions import StrIndex, Upper

from accounts.types import Actor
from knowledge.models import Document
from knowledge.selectors import list_attached, list_documents

DOCUMENTS, TAGS = 8, 4  # offered at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """A document, by its id, or a tag, by its name."""

    kind: str  # document, tag
    value: str
    name: str


def list_picks(actor: Actor, project_id: UUID, text: str, conversation_id: UUID | None = None) -> list[Pick]:
    """Tags, then documents that searches find, whose name has the text: what the actor attached to the conversation
    first, then where the text comes earliest in the name."""
    tag = Func(F("tags"), function="unnest", output_field=CharField())
    held = list_documents(actor, project_id).exclude(tags=[]).order_by().annotate(tag=tag).values_list("tag", flat=True)
    tags = sorted({name for name in held.distinct() if text.casefold() in name.casefold()}, key=str.casefold)[:TAGS]
    documents = _named(list_documents(actor, project_id), text)
    if conversation_id is not None:
        documents = [*_named(list_attached(actor, conversation_id).filter(project_id=project_id), text), *documents]
    return [
        *(Pick(kind="tag", value=name, name=name) for name in tags),
        *(Pick(kind="document", value=str(id_), name=name) for id_, name in documents[:DOCUMENTS]),
    ]


def list_named(actor: Actor, project_id: UUID, ids: Iterable[UUID]) -> QuerySet[Document]:
    """Those of the project's documents."""
    return list_documents(actor, project_id).filter(id__in=list(ids)).order_by("created_at", "name")


def _named(documents: QuerySet[Document], text: str) -> list[tuple[UUID, str]]:
    found = documents.filter(Q(live_version__gt=0), name__icontains=text).order_by("name")
    if text:
        found = found.order_by(StrIndex(Upper("name"), Upper(Value(text))), "name")
    return list(found.values_list("id", "name")[:DOCUMENTS])
