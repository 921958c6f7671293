"""Documents that are attached to a conversation: found there by the one who attached them, and nowhere by anybody."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.core.files.base import ContentFile

from accounts.models import Project, User
from accounts.types import OPERATOR, Actor
from caching.embeddings import embed_texts
from core.errors import NotFound, QuotaReached
from knowledge import ingestion, reembedding, retrieval, selectors, services
from knowledge.explanation import explain
from knowledge.forms import PreviewForm
from knowledge.listing import Listing, list_kinds, list_matching, list_tags
from knowledge.models import Document
from knowledge.picking import list_picks
from knowledge.policies import change_policy
from knowledge.rechunking import estimate, list_cut_otherwise
from knowledge.spaces import get_serving_embedder
from knowledge.tasks import build_spaces
from knowledge.types import Filters
from knowledge.web.naming import free_name
from providers.registry import get_embedder
from tests.conftest import Cast, add_document, browser_of
from tests.knowledge.test_api import program_of

SECRET = "The Zanzibar contract pays 900 euros."
QUESTION = "What does the Zanzibar contract pay?"


def attach(project: Project, user: User, conversation: UUID, text: str = SECRET, name: str = "deal.md") -> Document:
    """Attach a file and read it, as a worker would."""
    file = ContentFile(text.encode(), name=name)
    uploaded = services.upload(project=project, name=name, file=file, user=user, attached_to=conversation)
    ingestion.ingest(uploaded.document.id)
    uploaded.document.refresh_from_db()
    return uploaded.document


def names(project: Project, actor: Actor, filters: Filters, *, by_words: bool = False) -> set[str]:
    embedder = get_serving_embedder()
    vector = None if by_words else embed_texts(embedder, [QUESTION])[0]
    found = retrieval.search(actor, project.id, embedder, QUESTION, vector, filters=filters)
    return {passage.document for passage in found}


@pytest.fixture
def conversation() -> UUID:
    return uuid4()


@pytest.fixture
def deal(cast: Cast, conversation: UUID) -> Document:
    """Alice's, in her conversation, beside the project's handbook."""
    add_document(cast.project)
    return attach(cast.project, cast.alice, conversation)


@pytest.mark.parametrize("by_words", [False, True])
def test_only_its_own_conversation_finds_it_and_only_for_the_one_who_attached_it(
    cast: Cast, deal: Document, conversation: UUID, by_words: bool
) -> None:
    alice, bob, mallory = (cast.actor(user) for user in (cast.alice, cast.bob, cast.mallory))
    here = Filters(attached_to=conversation)

    def look(actor: Actor, filters: Filters) -> set[str]:
        return names(cast.project, actor, filters, by_words=by_words)

    assert "deal.md" in look(alice, here)
    for actor, filters in (
        (alice, Filters()),
        (alice, Filters(attached_to=uuid4())),
        (alice, Filters(documents=(deal.id,))),
        (alice, Filters(kinds=("md",))),
        (bob, Filters()),
        (bob, here),
        (bob, Filters(documents=(deal.id,), attached_to=conversation)),
        (OPERATOR, Filters()),
        (OPERATOR, here),
        (mallory, here),
    ):
        assert "deal.md" not in look(actor, filters)


def test_a_conversation_with_files_finds_the_projects_documents_too(
    cast: Cast, deal: Document, conversation: UUID
) -> None:
    found = names(cast.project, cast.actor(cast.alice), Filters(attached_to=conversation))
    assert found == {"deal.md", "handbook.md"}


def test_other_filters_choose_among_both(cast: Cast, deal: Document, conversation: UUID) -> None:
    alice = cast.actor(cast.alice)
    services.set_tags([Document.objects.get(name="handbook.md")], add=["policy"])
    assert names(cast.project, alice, Filters(attached_to=conversation, documents=(deal.id,))) == {"deal.md"}
    assert names(cast.project, alice, Filters(attached_to=conversation, tags=("policy",))) == {"handbook.md"}


def test_no_list_and_no_count_of_the_project_has_it(cast: Cast, deal: Document) -> None:
    services.set_tags([deal], add=["private"])
    change_policy(cast.project, chunk_tokens=100, chunk_overlap=10, max_documents=0, max_megabytes=0)
    for user in (cast.alice, cast.bob):
        actor = cast.actor(user)
        assert [document.name for document in selectors.list_documents(actor, cast.project.id)] == ["handbook.md"]
        assert selectors.get_progress(actor, cast.project.id).documents == 1
        assert not list_matching(actor, cast.project.id, Listing(text="deal")).exists()
        assert list_tags(actor, cast.project.id) == []
        assert [facet.count for facet in list_kinds(actor, cast.project.id)] == [1]
    assert [document.name for document in list_cut_otherwise(cast.project)] == ["handbook.md"]
    assert estimate(cast.project).documents == 1
    field = PreviewForm(cast.project).fields["document"]
    assert [document.name for document in field.queryset] == ["handbook.md"]  # type: ignore[attr-defined]  # Django's
    attach(cast.project, cast.alice, uuid4(), name="example.org/deal.md")
    assert free_name(cast.project.id, "https://example.org/deal", ".md") == "example.org/deal.md"


def test_the_playground_does_not_lay_it_open(cast: Cast, deal: Document) -> None:
    embedder = get_serving_embedder()
    vector = embed_texts(embedder, [QUESTION])[0]
    laid_open = explain(cast.actor(cast.bob), cast.project.id, embedder, QUESTION, vector)
    assert {candidate.passage.document for candidate in laid_open.candidates} == {"handbook.md"}
    page = (
        browser_of(cast.bob).get(f"/projects/support/search/?q=Zanzibar&wanted={deal.chunks.get().id}").content.decode()
    )
    assert "900 euros" not in page
    assert "deal.md" not in page


def test_nobody_else_opens_its_page_or_its_original(cast: Cast, deal: Document) -> None:
    address = f"/projects/support/documents/{deal.id}/"
    mine = browser_of(cast.alice)
    assert mine.get(address).status_code == 200
    original = mine.get(f"{address}original/")
    assert SECRET.encode() == b"".join(original.streaming_content)  # type: ignore[attr-defined]  # a streamed one has it
    for user in (cast.bob, cast.mallory):
        client = browser_of(user)
        for path in (address, f"{address}original/", f"{address}?view=chunks"):
            response = client.get(path)
            assert response.status_code == 404
            assert "Zanzibar" not in response.content.decode()
        with pytest.raises(NotFound):
            selectors.get_document(cast.actor(user), deal.id)


def test_an_owner_of_the_project_does_not_see_a_members_file(cast: Cast, conversation: UUID) -> None:
    theirs = attach(cast.project, cast.bob, conversation)
    owner = browser_of(cast.alice)
    assert owner.get(f"/projects/support/documents/{theirs.id}/").status_code == 404
    assert owner.post(f"/projects/support/documents/{theirs.id}/delete/").status_code == 404
    assert "deal.md" not in owner.get("/projects/support/documents/").content.decode()
    assert browser_of(cast.bob).get(f"/projects/support/documents/{theirs.id}/").status_code == 200


def test_rest_has_it_neither_in_its_list_nor_by_its_id_nor_in_a_search(cast: Cast, deal: Document) -> None:
    client = program_of(cast.alice, cast.project)
    assert [row["name"] for row in client.get("/api/projects/support/documents/").json()["results"]] == ["handbook.md"]
    assert client.get(f"/api/projects/support/documents/{deal.id}/").status_code == 404
    assert client.delete(f"/api/projects/support/documents/{deal.id}/").status_code == 404
    asked = {"query": QUESTION, "filters": {"documents": [str(deal.id)]}}
    found = client.post("/api/projects/support/search/", asked, format="json")
    assert found.status_code == 200
    assert "900 euros" not in found.content.decode()


def test_the_admin_does_not_list_it(cast: Cast, deal: Document) -> None:
    root = User.objects.create_superuser("root@example.org", "correct horse 9")
    client = browser_of(root)
    for page in ("document", "chunk"):
        shown = client.get(f"/admin/knowledge/{page}/").content.decode()
        assert "handbook.md" in shown
        assert "deal.md" not in shown


def test_the_same_name_and_the_same_bytes_tell_nothing_of_others(cast: Cast, deal: Document) -> None:
    ours = services.upload(project=cast.project, name="deal.md", file=ContentFile(SECRET.encode()), user=cast.bob)
    assert ours.is_new
    assert ours.same_as == ()
    services.delete(ours.document)
    place = uuid4()
    theirs = services.upload(
        project=cast.project, name="deal.md", file=ContentFile(SECRET.encode()), user=cast.bob, attached_to=place
    )
    assert theirs.is_new
    assert theirs.same_as == ()
    assert Document.objects.filter(name="deal.md").count() == 2


def test_the_same_file_again_in_one_conversation_is_the_same_document(
    cast: Cast, deal: Document, conversation: UUID
) -> None:
    again = attach(cast.project, cast.alice, conversation)
    assert again.id == deal.id
    changed = attach(cast.project, cast.alice, conversation, "The Zanzibar contract pays 700 euros.")
    assert (changed.id, changed.live_version) == (deal.id, 2)
    passages = "\n".join(changed.chunks.values_list("text", flat=True))
    assert "700" in passages
    assert "900" not in passages


def test_the_quota_counts_it(cast: Cast, deal: Document, conversation: UUID) -> None:
    change_policy(cast.project, chunk_tokens=220, chunk_overlap=24, max_documents=2, max_megabytes=0)
    with pytest.raises(QuotaReached):
        attach(cast.project, cast.alice, conversation, "Another.", "more.md")


def test_attaching_and_removing_move_the_version_of_the_documents(cast: Cast, conversation: UUID) -> None:
    def version() -> int:
        return Project.objects.get(id=cast.project.id).corpus_version

    before = version()
    document = attach(cast.project, cast.alice, conversation)
    attached = version()
    services.delete(document)
    assert before < attached < version()


def test_it_goes_with_its_conversation_and_takes_its_file_along(cast: Cast, deal: Document, conversation: UUID) -> None:
    other = attach(cast.project, cast.alice, uuid4())
    assert selectors.has_attached(conversation)
    storage, path = deal.original.storage, deal.original.name
    assert services.delete_attached(conversation) == 1
    assert not selectors.has_attached(conversation)
    assert path is not None
    assert not storage.exists(path)
    assert set(Document.objects.values_list("name", "id")) == {
        ("deal.md", other.id),
        ("handbook.md", Document.objects.get(name="handbook.md").id),
    }


def test_only_the_one_who_attached_it_lists_it(cast: Cast, deal: Document, conversation: UUID) -> None:
    assert list(selectors.list_attached(cast.actor(cast.alice), conversation)) == [deal]
    for user in (cast.bob, cast.mallory):
        assert not selectors.list_attached(cast.actor(user), conversation).exists()


def test_another_embedding_model_finds_it_again_and_only_there(
    cast: Cast, deal: Document, conversation: UUID, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("embedder")  # the environment has come to name another
    reembedding.start(get_embedder())
    build_spaces()
    assert get_serving_embedder() is get_embedder()
    assert "deal.md" in names(cast.project, cast.actor(cast.alice), Filters(attached_to=conversation))
    assert "deal.md" not in names(cast.project, cast.actor(cast.alice), Filters())


def test_a_hash_offers_the_projects_documents_and_ones_own_files(
    cast: Cast, deal: Document, conversation: UUID
) -> None:
    services.set_tags([Document.objects.get(name="handbook.md")], add=["Policy"])

    def offered(user: User, text: str, place: UUID | None = conversation) -> list[tuple[str, str]]:
        return [(pick.kind, pick.name) for pick in list_picks(cast.actor(user), cast.project.id, text, place)]

    assert offered(cast.alice, "") == [("tag", "Policy"), ("document", "deal.md"), ("document", "handbook.md")]
    assert offered(cast.alice, "poli") == [("tag", "Policy")]
    assert offered(cast.alice, "DEA") == [("document", "deal.md")]
    assert offered(cast.alice, "", None) == offered(cast.bob, "") == [("tag", "Policy"), ("document", "handbook.md")]
    assert offered(cast.mallory, "") == []
    found = browser_of(cast.bob).get(f"/projects/support/pick/?q=hand%00&conversation={conversation}").json()
    assert [pick["name"] for pick in found["picks"]] == ["handbook.md"]
    assert browser_of(cast.mallory).get("/projects/support/pick/?q=").status_code == 404


def test_what_stands_earlier_in_a_name_is_offered_first(cast: Cast) -> None:
    for name in ("about refunds.md", "refunds.md", "all about refunds.md"):
        add_document(cast.project, f"# {name}", name)
    picks = list_picks(cast.actor(cast.alice), cast.project.id, "refunds")
    assert [pick.name for pick in picks] == ["refunds.md", "about refunds.md", "all about refunds.md"]
