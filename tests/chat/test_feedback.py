"""chat/feedback.py and its pages: what readers say of answers, and what curators do with it."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from accounts.models import Membership, Project, User
from caching.models import CacheEntry, Judgement
from chat import feedback
from chat.models import Conversation, Feedback, Message
from chat.types import AnswerCompleted
from core.errors import InvalidInput
from tests.chat.asking import AGAIN, REFUND, ask, status
from tests.conftest import PASSWORD, Cast, browser_of
from tests.upstream import Upstream

PAGE = "/projects/support/feedback/"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def written(cast: Cast, project: Project, upstream: Upstream) -> AnswerCompleted:
    """Written for alice, and cached."""
    upstream.enqueue("They have **30 days** [1].")
    answer: AnswerCompleted = async_to_sync(ask)(cast)
    return answer


@pytest.fixture
def hit(cast: Cast, written: AnswerCompleted) -> AnswerCompleted:
    """Given to alice by the cache, in other words."""
    answer: AnswerCompleted = async_to_sync(ask)(cast, AGAIN)
    assert answer.cache.status == "hit-semantic"
    return answer


def address(answer: AnswerCompleted, message: UUID | None = None) -> str:
    return f"/chat/{answer.conversation_id}/messages/{message or answer.answer_id}/feedback/"


def message_of(answer: AnswerCompleted) -> Message:
    return Message.objects.select_related("conversation__project", "parent").get(id=answer.answer_id)


def make_judged(cast: Cast, question: str = "Why?", text: str = "Because.", **said: object) -> Feedback:
    """Feedback on an answer to alice that no pipeline wrote."""
    conversation = Conversation.objects.create(project=cast.project, user=cast.alice, title="Why")
    asked = Message.objects.create(conversation=conversation, role="user", content=question)
    answer = Message.objects.create(conversation=conversation, parent=asked, role="assistant", content=text)
    return Feedback.objects.create(message=answer, **{"is_good": False, **said})


def make_editor(cast: Cast) -> User:
    user = User.objects.create_user("erin@example.org", PASSWORD)
    Membership.objects.create(project=cast.project, user=user, role="editor")
    return user


def test_an_answer_is_judged_and_judged_otherwise(cast: Cast, written: AnswerCompleted) -> None:
    browser = browser_of(cast.alice)
    script = {"accept": "application/json"}
    form = {"rating": "bad", "reason": "incomplete", "comment": " Nothing on shipping. "}
    answer = browser.post(address(written), form, headers=script)
    assert (answer.status_code, answer.json()) == (200, {"rating": "bad"})
    said = Feedback.objects.get()
    assert (said.is_good, said.reason, said.comment) == (False, "incomplete", "Nothing on shipping.")
    assert browser.post(address(written), {"rating": "good"}, headers=script).json() == {"rating": "good"}
    said = Feedback.objects.get()
    assert (said.is_good, said.reason, said.comment) == (True, "", "")
    assert browser.post(address(written), {"rating": "none"}, headers=script).json() == {"rating": "none"}
    assert not Feedback.objects.exists()


def test_without_javascript_the_conversation_comes_back(cast: Cast, written: AnswerCompleted) -> None:
    answer = browser_of(cast.alice).post(address(written), {"rating": "good"})
    assert answer.headers["Location"] == f"/chat/{written.conversation_id}/"


def test_another_word_opens_the_review_again_and_the_same_word_does_not(cast: Cast, written: AnswerCompleted) -> None:
    message = message_of(written)
    feedback.review(feedback.give(message, False, "wrong"), cast.alice)
    feedback.give(message, False, "wrong")
    assert Feedback.objects.get().reviewed_at is not None
    feedback.give(message, False, "wrong", "Look again")
    assert (Feedback.objects.get().reviewed_at, Feedback.objects.get().reviewed_by) == (None, None)


def test_a_wrong_cached_answer_leaves_the_cache_with_the_word(cast: Cast, hit: AnswerCompleted) -> None:
    browser_of(cast.alice).post(address(hit), {"rating": "bad", "reason": "cached"})
    assert not CacheEntry.objects.exists()
    assert Judgement.objects.get().origin == "click"
    assert Feedback.objects.get().reason == "cached"
    assert async_to_sync(status)(cast) == "miss"


def test_only_a_cached_answer_is_a_wrong_cached_answer(cast: Cast, written: AnswerCompleted) -> None:
    answer = browser_of(cast.alice).post(
        address(written), {"rating": "bad", "reason": "cached"}, headers={"accept": "application/json"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_input")
    assert CacheEntry.objects.exists()
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"rating": "great"},
        {"rating": "good", "reason": "wrong"},
        {"rating": "bad", "reason": "silly"},
        {"rating": "bad", "comment": "x" * 2001},
        {"rating": "bad", "comment": "a\x00b"},
    ],
)
def test_what_is_no_judgement_is_refused(cast: Cast, written: AnswerCompleted, form: dict[str, str]) -> None:
    assert browser_of(cast.alice).post(address(written), form).status_code == 400
    assert not Feedback.objects.exists()


def test_a_question_and_an_answer_still_being_written_are_not_judged(cast: Cast, written: AnswerCompleted) -> None:
    message = message_of(written)
    assert message.parent is not None
    browser = browser_of(cast.alice)
    assert browser.post(address(written, message.parent.id), {"rating": "bad"}).status_code == 400
    Message.objects.filter(id=message.id).update(status="streaming")
    with pytest.raises(InvalidInput):
        feedback.give(message, is_good=True)


@pytest.mark.parametrize("who", ["bob", "mallory"])
def test_only_the_asker_judges(cast: Cast, written: AnswerCompleted, who: str) -> None:
    assert browser_of(getattr(cast, who)).post(address(written), {"rating": "bad"}).status_code == 404
    assert browser_of(cast.alice).post(address(written, uuid4()), {"rating": "bad"}).status_code == 404
    assert Client().post(address(written), {"rating": "bad"}).status_code == 302
    assert not Feedback.objects.exists()


def test_the_review_is_for_editors_and_owners(cast: Cast) -> None:
    said = make_judged(cast)
    ways = [f"{PAGE}{said.message_id}/{what}/" for what in ("review", "evict")]
    for user, expected in ((cast.mallory, 404), (cast.bob, 403)):
        browser = browser_of(user)
        assert browser.get(PAGE).status_code == expected
        assert [browser.post(way).status_code for way in ways] == [expected] * 2
    assert Feedback.objects.get().reviewed_at is None
    for user in (make_editor(cast), cast.alice):
        browser = browser_of(user)
        assert browser.get(PAGE).status_code == 200
        assert [browser.post(way).status_code for way in ways] == [302] * 2
        assert [browser.get(way).status_code for way in ways] == [405] * 2


def test_the_page_shows_the_judged_turn_with_its_sources_and_cache_facts(cast: Cast, hit: AnswerCompleted) -> None:
    feedback.give(message_of(hit), False, "incomplete", "And by post?")
    page = browser_of(make_editor(cast)).get(PAGE).content.decode()
    for shown in (AGAIN, REFUND, "<strong>30 days</strong>", "And by post?", "Something is missing", "Other words"):
        assert shown in page
    assert "within 30 days of delivery" in page
    assert "similarity 0.9" in page
    assert "Open in document" in page
    assert "alice," in page
    assert "alice@example.org" not in page
    assert f"cache/entries/write/?question={AGAIN.split()[0]}%20" in page


def test_the_rest_of_the_conversation_stays_the_askers_own(cast: Cast) -> None:
    said = make_judged(cast)
    conversation = said.message.conversation
    Message.objects.create(conversation=conversation, role="user", content="My private matter")
    conversation.title = "My private title"
    conversation.save()
    page = browser_of(make_editor(cast)).get(PAGE).content.decode()
    assert "Because." in page
    assert "private" not in page


def test_what_is_reviewed_leaves_the_list_and_the_count(cast: Cast) -> None:
    said = make_judged(cast, comment="Look at this")
    browser = browser_of(cast.alice)
    assert '<span class="count">1<' in browser.get("/projects/support/documents/").content.decode()
    here = f"{PAGE}?state=open&rating=bad"
    answer = browser.post(f"{PAGE}{said.message_id}/review/", {"here": here})
    assert answer.headers["Location"] == here
    assert "Look at this" not in browser.get(here).content.decode()
    reviewed = browser.get(f"{PAGE}?state=reviewed").content.decode()
    assert "Look at this" in reviewed
    assert "reviewed by alice" in reviewed
    assert '<span class="count">' not in reviewed
    browser.post(f"{PAGE}{said.message_id}/review/", {"open": "1", "here": "https://example.org/"})
    assert "Look at this" in browser.get(PAGE).content.decode()


def test_one_is_led_back_to_our_own_pages_only(cast: Cast) -> None:
    said = make_judged(cast)
    for here in ("https://example.org/", "//example.org/", "javascript:alert(1)"):
        answer = browser_of(cast.alice).post(f"{PAGE}{said.message_id}/review/", {"here": here})
        assert answer.headers["Location"] == PAGE


def test_filters_choose_by_rating_reason_and_cache(cast: Cast) -> None:
    make_judged(cast, "Q-good", is_good=True)
    make_judged(cast, "Q-style", reason="style")
    cached = make_judged(cast, "Q-cached", reason="wrong")
    Message.objects.filter(id=cached.message_id).update(cache={"status": "hit-exact"})
    browser = browser_of(cast.alice)

    def shown(query: str) -> set[str]:
        page = browser.get(PAGE + query).content.decode()
        return {name for name in ("Q-good", "Q-style", "Q-cached") if name in page}

    assert shown("") == {"Q-good", "Q-style", "Q-cached"}
    assert shown("?rating=good") == {"Q-good"}
    assert shown("?rating=bad") == {"Q-style", "Q-cached"}
    assert shown("?reason=style") == {"Q-style"}
    assert shown("?cached=1") == {"Q-cached"}
    assert shown("?rating=x&reason=y&state=z&cached=q") == {"Q-good", "Q-style", "Q-cached"}


def test_pages_follow_one_another_without_gap_or_repetition(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feedback, "PAGE", 2)
    moment = timezone.now()
    made = {make_judged(cast, created_at=moment).message_id for _ in range(5)}
    seen: list[UUID] = []
    mark = ""
    for _ in range(3):
        rows, mark = feedback.page_of(feedback.list_feedback(cast.project, feedback.Filter()), mark)
        seen += [row.message_id for row in rows]
    assert mark == ""
    assert len(seen) == 5
    assert set(seen) == made
    page = browser_of(cast.alice).get(PAGE).content.decode()
    assert 'rel="next"' in page


@pytest.mark.parametrize("mark", ["x", "_", "2026-01-01T00:00:00_" + "372c1ab5-ff41-47e2-88ba-972d05023d5e", "a\x00"])
def test_a_page_that_does_not_exist_is_told(cast: Cast, mark: str) -> None:
    assert browser_of(cast.alice).get(PAGE, {"after": mark}).status_code == 400


def test_a_curator_evicts_the_cached_answer_that_was_judged(cast: Cast, hit: AnswerCompleted) -> None:
    said = feedback.give(message_of(hit), False, "wrong")
    browser_of(cast.alice).post(f"{PAGE}{said.message_id}/evict/")
    assert not CacheEntry.objects.exists()
    assert Judgement.objects.get().is_right is False
    assert "taken out of the cache" in browser_of(cast.alice).get(PAGE).content.decode()


def test_a_curator_evicts_what_was_cached_of_a_bad_answer(cast: Cast, written: AnswerCompleted) -> None:
    said = feedback.give(message_of(written), False, "wrong")
    assert "Evict" in browser_of(cast.alice).get(PAGE).content.decode()
    browser_of(cast.alice).post(f"{PAGE}{said.message_id}/evict/")
    assert async_to_sync(status)(cast) == "miss"


def test_an_approved_answer_waits_for_its_curator(cast: Cast, written: AnswerCompleted) -> None:
    CacheEntry.objects.update(approved_at=timezone.now(), approved_by=cast.alice)
    said = feedback.give(message_of(written), False, "wrong")
    browser_of(cast.alice).post(f"{PAGE}{said.message_id}/evict/")
    assert CacheEntry.objects.get().suspended_at is not None


def test_what_has_left_the_project_is_not_shown_again(cast: Cast, written: AnswerCompleted) -> None:
    feedback.give(message_of(written), False, "wrong")
    cast.project.documents.get().delete()
    page = browser_of(cast.alice).get(PAGE).content.decode()
    assert "no longer in the project" in page
    assert "within 30 days of delivery" not in page


def test_a_curator_sees_no_passage_of_a_file_that_the_asker_attached(cast: Cast, written: AnswerCompleted) -> None:
    feedback.give(message_of(written), False, "wrong")
    cast.project.documents.update(attached_to=written.conversation_id, uploaded_by=cast.alice)
    page = browser_of(make_editor(cast)).get(PAGE).content.decode()
    assert "only the one who asked" in page
    assert "within 30 days of delivery" not in page


def test_a_deleted_conversation_takes_its_feedback_out_of_sight(cast: Cast) -> None:
    said = make_judged(cast, "Forget this")
    Conversation.objects.update(deleted_at=timezone.now())
    assert "Forget this" not in browser_of(cast.alice).get(PAGE).content.decode()
    assert browser_of(cast.alice).post(f"{PAGE}{said.message_id}/review/").status_code == 404
    assert feedback.count_open(cast.project) == 0


def test_another_projects_feedback_is_not_reached_from_here(cast: Cast) -> None:
    said = make_judged(cast)
    for what in ("review", "evict"):
        assert browser_of(cast.mallory).post(f"/projects/secret/feedback/{said.message_id}/{what}/").status_code == 404


def test_markup_of_readers_and_models_is_text(cast: Cast) -> None:
    cast.alice.name = SCRIPT
    cast.alice.save()
    make_judged(cast, SCRIPT, SCRIPT, comment=SCRIPT)
    page = browser_of(cast.alice).get(PAGE).content.decode()
    assert "<script>alert" not in page
    assert page.count("&lt;script&gt;alert(1)") >= 3
