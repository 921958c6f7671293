"""Which of a project's documents somebody wants to see, and in which order: one question for page, socket and REST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Page, Paginator
from django.db.models import CharField, Count, F, Func, Q, QuerySet, Value

from accounts.types import Actor
from core.text import storable
from knowledge.models import Document
from knowledge.selectors import UNFINISHED, list_documents

PAGE = 50  # documents
FACETS = 200  # tags and kinds offered at most
UNFINISHED_STATE = "unfinished"  # any of queued, parsing and embedding
STATES = (UNFINISHED_STATE, *Document.State.values)
SORTS = {
    "newest": ("-created_at", "name"),
    "oldest": ("created_at", "name"),
    "name": ("name",),
    "-name": ("-name",),
    "largest": ("-size", "name"),
    "smallest": ("size", "name"),
    "chunks": ("-chunks_total", "name"),
    "changed": ("-updated_at", "name"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Each empty field lets every document through. `text` is sought in names, tags and errors."""

    text: str = ""
    state: str = ""
    kind: str = ""
    tag: str = ""
    sort: str = "newest"
    page: int = 1

    @property
    def is_filtered(self) -> bool:
        return bool(self.text or self.state or self.kind or self.tag)

    @property
    def query(self) -> str:
        """As it stands in an address, without the page."""
        return self.query_without()

    def query_without(self, *names: str) -> str:
        told = {"q": self.text, "state": self.state, "kind": self.kind, "tag": self.tag}
        told |= {"sort": "" if self.sort == "newest" else self.sort}
        return urlencode({name: value for name, value in told.items() if value and name not in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """A kind or tag that documents of the project have, and how many."""

    name: str
    count: int


def listing_of(query: Mapping[str, str]) -> Listing:
    """What an address asks for. What it says wrongly counts as not said."""
    asked = {name: storable(query.get(name, ""))[:200].strip() for name in ("q", "state", "kind", "tag", "sort")}
    page = query.get("page", "")
    return Listing(
        text=asked["q"],
        state=asked["state"] if asked["state"] in STATES else "",
        kind=asked["kind"].lower(),
        tag=asked["tag"],
        sort=asked["sort"] if asked["sort"] in SORTS else "newest",
        page=int(page) if page.isdecimal() and len(page) < 8 else 1,
    )


def list_matching(actor: Actor, project_id: UUID, listing: Listing) -> QuerySet[Document]:
    """The documents that a listing lets through, in its order; those that the actor may read."""
    documents = list_documents(actor, project_id)
    if listing.state:
        states = UNFINISHED if listing.state == UNFINISHED_STATE else (listing.state,)
        documents = documents.filter(state__in=states)
    if listing.kind:
        documents = documents.filter(kind=listing.kind)
    if listing.tag:
        documents = documents.filter(tags__contains=[listing.tag])
    if listing.text:
        words = Func(F("tags"), Value("\n"), function="array_to_string", output_field=CharField())
        here = Q(name__icontains=listing.text) | Q(error__icontains=listing.text) | Q(tag_words__icontains=listing.text)
        documents = documents.alias(tag_words=words).filter(here)
    return documents.order_by(*SORTS[listing.sort])


def get_page(actor: Actor, project_id: UUID, listing: Listing) -> Page[Document]:
    """The page that a listing is at; its last one where it is beyond the end."""
    found = list_matching(actor, project_id, listing).select_related("uploaded_by")
    return Paginator(found, PAGE).get_page(listing.page)


def list_kinds(actor: Actor, project_id: UUID) -> list[Facet]:
    found = list_documents(actor, project_id).exclude(kind="").order_by().values_list("kind")
    return [Facet(name=kind, count=count) for kind, count in found.annotate(Count("id")).order_by("kind")[:FACETS]]


def list_tags(actor: Actor, project_id: UUID) -> list[Facet]:
    tag = Func(F("tags"), function="unnest", output_field=CharField())
    found = list_documents(actor, project_id).order_by().annotate(tag=tag).values_list("tag")
    return [Facet(name=name, count=count) for name, count in found.annotate(Count("id")).order_by("tag")[:FACETS]]
