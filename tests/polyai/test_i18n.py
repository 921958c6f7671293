"""Strings of pages and scripts come from catalogs; another language is a folder more."""

from __future__ import annotations

import ast
import io
import re
import struct
from collections.abc import Generator, Iterator
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.template.base import Lexer, TokenType
from django.test import Client
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import override
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts.models import User
from caching.models import CacheLookup, Judgement, LedgerCount
from chat.models import Conversation, Message
from core.database import in_db
from core.errors import EncryptedFile, PolyAIError
from core.languages import localized
from knowledge.places import shown_place
from knowledge.reading import read
from polyai import i18n
from polyai.asgi import application
from tests.conftest import Cast, browser_of

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
APPS = ("core", "accounts", "providers", "caching", "knowledge", "chat", "polyai")
TERMINAL = ("migrations", "management", "stack", "settings.py")  # read by an operator, in English
MODULES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for app in APPS
    for path in sorted((ROOT / app).rglob("*.py"))
    if not set(path.parts) & set(TERMINAL)
}
TRANSLATED = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy"}
NAMES = re.compile(r"PolyAI|API|UTC|\bms\b|Ctrl|Shift|https?://\S+")
READ_OUT = re.compile(r"""\s(?:title|placeholder|alt|aria-label|aria-description|data-confirm)=("[^"]*"|'[^']*')""")


def write_catalog(path: Path, strings: dict[str, str]) -> None:
    """A compiled catalog (.mo), as msgfmt writes it."""
    strings = {"": "Content-Type: text/plain; charset=UTF-8\nPlural-Forms: nplurals=2; plural=n != 1;\n", **strings}
    pairs = sorted((key.encode(), value.encode()) for key, value in strings.items())
    start = 28 + 16 * len(pairs)
    tables: list[bytes] = []
    texts = b""
    for column in (0, 1):
        for pair in pairs:
            tables.append(struct.pack("<II", len(pair[column]), start + len(texts)))
            texts += pair[column] + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, len(pairs), 28, 28 + 8 * len(pairs), 0, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(header + b"".join(tables) + texts)


@pytest.fixture
def two_languages(settings: Settings, tmp_path: Path) -> Generator[None, None, None]:
    folder = tmp_path / "de" / "LC_MESSAGES"
    pages = {
        "Not found": "Nicht gefunden",
        "There is no such page here.": "Nichts hier.",
        "'ask' needs 'text' and 'project', both texts.": "'ask' braucht beides.",
        "The %(kind)s file is encrypted. Save a copy without a password and upload that.": (
            "%(kind)s ist verschlüsselt."
        ),
        "person": "Wer",
        "operator": "Betreiber",
        "Same words": "Gleiche Worte",
        "a negation": "eine Verneinung",
        "Page %(number)s": "Seite %(number)s",
        "Sheet %(name)s": "Blatt %(name)s",
        "Slide %(number)s": "Folie %(number)s",
        "Attachment %(name)s": "Anhang %(name)s",
    }
    write_catalog(folder / "django.mo", pages)
    write_catalog(folder / "djangojs.mo", {"Stop": "Anhalten", "%s file\0%s files": "%s Datei\0%s Dateien"})
    settings.LANGUAGES = [("en", "English"), ("de", "Deutsch")]
    settings.LOCALE_PATHS = [tmp_path]
    i18n.version.cache_clear()
    yield
    i18n.version.cache_clear()


def test_the_catalog_of_the_scripts_costs_no_query_and_is_kept_under_its_version(
    client: Client, django_assert_num_queries: DjangoAssertNumQueries, db: None
) -> None:
    address = i18n.catalog_address(None)["catalog_address"]  # type: ignore[arg-type]  # it looks at no request
    with django_assert_num_queries(0):
        response = client.get(address)
    assert response.headers["Content-Type"].startswith("text/javascript")
    assert "immutable" in response.headers["Cache-Control"]
    assert "ngettext" in response.text
    assert client.get(address, headers={"If-None-Match": response.headers["ETag"]}).status_code == 304
    assert client.get("/jsi18n/").headers["Cache-Control"] == "no-cache"


def test_another_language_shows_in_the_scripts_catalog_and_has_an_address_of_its_own(
    client: Client, two_languages: None
) -> None:
    english, german = (client.get("/jsi18n/", headers={"Accept-Language": language}) for language in ("en", "de"))
    assert '"Stop": "Anhalten"' in german.text
    assert '"%s file": ["%s Datei", "%s Dateien"]' in german.text
    assert "Anhalten" not in english.text
    assert german.headers["ETag"] != english.headers["ETag"]
    page = client.get("/accounts/login/", headers={"Accept-Language": "de-CH"})
    assert '<html lang="de"' in page.text
    assert german.headers["ETag"].strip('"') in page.text
    assert "Nichts hier." in client.get("/nowhere/", headers={"Accept-Language": "de"}).text
    assert "There is no such page here." in client.get("/nowhere/", headers={"Accept-Language": "fr"}).text


async def test_a_web_socket_speaks_its_readers_language(cast: Cast, two_languages: None) -> None:
    cookie = (await in_db(browser_of)(cast.alice)).cookies[settings.SESSION_COOKIE_NAME].value
    headers = [
        (b"origin", b"http://localhost"),
        (b"host", b"localhost"),
        (b"cookie", f"{settings.SESSION_COOKIE_NAME}={cookie}".encode()),
        (b"accept-language", b"de-CH, en;q=0.5"),
    ]
    socket = WebsocketCommunicator(application, f"/ws/conversations/{uuid4()}/", headers=headers)
    assert (await socket.connect())[0]
    await socket.send_json_to({"type": "ask"})
    assert (await socket.receive_json_from(timeout=10))["message"] == "'ask' braucht beides."
    await socket.disconnect()


def test_why_a_file_cannot_be_read_is_told_in_the_language_of_whoever_asks(two_languages: None) -> None:
    with pytest.raises(EncryptedFile, match="ist verschlüsselt"), override("de"):
        read("a.odt", io.BytesIO(b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le")))
    with pytest.raises(EncryptedFile, match="is encrypted"):
        read("a.odt", io.BytesIO(b"\xd0\xcf\x11\xe0" + "EncryptedPackage".encode("utf-16-le")))


@pytest.mark.parametrize(
    ("place", "document", "shown"),
    [
        ("Page 3 · Install › Linux", "a.PDF", "Seite 3 · Install › Linux"),
        ("Slide 2: Page 3", "a.odp", "Folie 2: Page 3"),
        ("Sheet Sales", "a.xlsx", "Blatt Sales"),
        ("Attachment of, Page 9.pdf, Page 3", "a.eml", "Anhang of, Page 9.pdf, Seite 3"),
        ("Attachment a.txt", "a.eml", "Anhang a.txt"),
        ("Page 3", "a.md", "Page 3"),
        ("Sheet music · Scores", "a.md", "Sheet music · Scores"),
        ("", "a.pdf", ""),
    ],
)
def test_a_place_in_a_document_is_told_in_its_readers_language_and_the_documents_words_stay(
    place: str, document: str, shown: str, two_languages: None
) -> None:
    with override("de"):
        assert shown_place(place, document) == shown
    assert shown_place(place, document) == place


def test_files_and_lists_of_codes_speak_the_language_of_whoever_asks_for_them(cast: Cast, two_languages: None) -> None:
    User.objects.filter(id=cast.alice.id).update(is_superuser=True, is_staff=True)
    conversation = Conversation.objects.create(project=cast.project, user=None)
    Message.objects.create(conversation=conversation, role="assistant", cache={"status": "hit-exact"})
    CacheLookup.objects.create(
        id=uuid4(),
        project=cast.project,
        asked_at=timezone.now(),
        status="hit-exact",
        veto="negation",
        is_standalone=True,
        milliseconds=1,
    )
    LedgerCount.objects.create(project=cast.project, day=timezone.now().date(), name="veto:negation", value=1)
    Judgement.objects.create(project=cast.project, layer="exact", origin="click", is_right=True)
    browser = browser_of(cast.alice)

    def shown(address: str, language: str) -> str:
        return browser.get(address, headers={"Accept-Language": language}).text

    file = "/projects/support/usage/?format=csv"
    assert "Wer,e-mail,answers,Gleiche Worte" in shown(file, "de")
    assert ",Betreiber," in shown(file, "de")
    assert "person,e-mail,answers,Same words" in shown(file, "en")
    for name, english, german in (
        ("cachelookup", "Same words", "Gleiche Worte"),
        ("cachelookup", "a negation", "eine Verneinung"),
        ("ledgercount", "a negation", "eine Verneinung"),
        ("judgement", "Same words", "Gleiche Worte"),
    ):
        assert english in shown(f"/admin/caching/{name}/", "en")
        told = shown(f"/admin/caching/{name}/", "de")
        assert german in told
        assert english not in told
    assert "hit-exact</a>" not in shown("/admin/caching/cachelookup/", "en"), "nor in the filters"


def untranslated(source: str) -> list[str]:
    """What a reader sees of a template, or hears of its attributes, that comes from no catalog."""
    shown = ""
    inside = ""
    for token in Lexer(source).tokenize():
        word = token.contents.split()[0] if token.token_type == TokenType.BLOCK else ""
        if word in ("blocktranslate", "comment") or (word == "block" and token.contents.endswith("_class")):
            inside = word
        elif word == f"end{inside}":
            inside = ""
        elif not inside and token.token_type == TokenType.TEXT:
            shown += token.contents
        else:
            shown += "\N{OBJECT REPLACEMENT CHARACTER}"
    shown = re.sub(r"<(code|script|style|svg|symbol)\b.*?</\1>", "", shown, flags=re.DOTALL)
    pieces = READ_OUT.findall(shown) + re.split(r"<[^>]*>", shown)
    return [piece.strip() for piece in pieces if re.search(r"[^\W\d_]{2}", NAMES.sub("", re.sub(r"&\w+;", "", piece)))]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('<p title="{% translate "One" %}">{% translate "Two" %}</p>', []),
        ("<p>{% blocktranslate %}Three <b>more</b>{% endblocktranslate %} <code>x = yes</code></p>", []),
        ("<p>Four</p>", ["Four"]),
        ('<button aria-label="Five">{% if x %}Six{% endif %}</button>', ['"Five"', "\ufffcSix\ufffc"]),
    ],
)
def test_strings_outside_the_catalogs_are_seen(source: str, found: list[str]) -> None:
    assert untranslated(source) == found


def test_every_string_of_every_template_comes_from_a_catalog() -> None:
    found = {
        name: strings
        for path in sorted(TEMPLATES.rglob("*.html"))
        if not (name := path.relative_to(TEMPLATES).as_posix()).startswith("drf_spectacular/")
        if (strings := untranslated(path.read_text()))
    }
    assert found == {}


def _errors(family: type[PolyAIError] = PolyAIError) -> Iterator[str]:
    yield family.__name__
    for child in family.__subclasses__():
        yield from _errors(child)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _plain(node: ast.AST, known: dict[str, list[ast.expr]]) -> Iterator[str]:
    """The texts that an expression may give and that come from no catalog; `known` has what names stand for."""
    if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str)):
        yield ast.unparse(node)
    elif isinstance(node, ast.Name):
        for value in known.get(node.id, ()):
            yield from _plain(value, {})
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from _plain(value, known)
    elif isinstance(node, ast.IfExp):
        yield from (*_plain(node.body, known), *_plain(node.orelse, known))
    elif isinstance(node, ast.BinOp):
        yield from _plain(node.left, known)
        if isinstance(node.op, ast.Add):
            yield from _plain(node.right, known)
    elif isinstance(node, ast.Call) and _called(node) not in TRANSLATED:
        for part in node.args if _called(node) in ("join", "format") else ():
            yield from _plain(part, known)
        if isinstance(node.func, ast.Attribute) and _called(node) == "format":
            yield from _plain(node.func.value, known)
    elif isinstance(node, ast.List | ast.Tuple):
        for value in node.elts:
            yield from _plain(value, known)


def plain_errors(source: str, names: set[str]) -> list[str]:
    """The texts of the errors of these names that a module makes of words outside the catalogs."""
    tree = ast.parse(source)
    known: dict[str, list[ast.expr]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    known.setdefault(target.id, []).append(node.value)
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) in names and node.args]
    return [text for call in made for text in _plain(call.args[0], known)]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('raise NotFound(_("One %(n)s.") % {"n": 1})', []),
        ('raise NotFound("Two.")', ["'Two.'"]),
        ('told = f"Three {x}."\nraise errors.NotFound(told)', ["f'Three {x}.'"]),
        ('raise NotFound({"field": ["Four."]})', ["'Four.'"]),
        ('raise ValueError("five")', []),
    ],
)
def test_errors_outside_the_catalogs_are_seen(source: str, found: list[str]) -> None:
    assert plain_errors(source, {"NotFound"}) == found


def test_every_error_that_a_person_reads_comes_from_a_catalog() -> None:
    names = {*_errors(), "ValidationError", "PermissionDenied", "AuthenticationFailed", "Http404"}
    assert {name: texts for name, source in MODULES.items() if (texts := plain_errors(source, names))} == {}


def early(source: str) -> list[str]:
    """What a module translates while it is read, in whatever language that happens to be."""

    def inside(node: ast.AST) -> Iterator[ast.AST]:
        yield node
        body = (
            getattr(node, "body", []) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) else []
        )
        for child in ast.iter_child_nodes(node):
            if child is not body and not (isinstance(body, list) and child in body):
                yield from inside(child)

    calls = [node for node in inside(ast.parse(source)) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if _called(call) in ("_", "gettext", "ngettext")]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('ONE = _("One")', ["_('One')"]),
        ('class A:\n    @display(description=_("Two"))\n    def two(self): ...', ["_('Two')"]),
        ('def three(): return _("Three")\nFOUR = gettext_lazy("Four")\nFIVE = lambda: _("Five")', []),
    ],
)
def test_strings_that_are_translated_too_early_are_seen(source: str, found: list[str]) -> None:
    assert early(source) == found


def test_no_string_is_translated_before_its_reader_is_known() -> None:
    assert {name: texts for name, source in MODULES.items() if (texts := early(source))} == {}


def test_no_loop_takes_the_name_of_gettext() -> None:
    found = []
    for name, source in MODULES.items():
        for function in ast.walk(ast.parse(source)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                inside = list(ast.walk(function))
                loops = [node.target for node in inside if isinstance(node, ast.For | ast.AsyncFor)]
                targets = [*loops, *(t for node in inside if isinstance(node, ast.Assign) for t in node.targets)]
                named = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
                if "_" in named and any(isinstance(node, ast.Call) and _called(node) == "_" for node in inside):
                    found.append(f"{name}: {function.name}")
    assert found == []


def test_dates_are_told_in_the_order_of_the_readers_language() -> None:
    told = [
        (path.name, f)
        for path in TEMPLATES.rglob("*.html")
        for f in re.findall(r"\|date:[\"']([^\"']+)", path.read_text())
    ]
    assert len(told) > 20
    assert {f for _, f in told if not f.endswith("_FORMAT")} == {"c"}


@pytest.mark.parametrize(
    ("language", "day", "amount"),
    [("en", "9 May 2026", "12,345.60"), ("de", "9. Mai 2026", "12.345,60"), ("fr", "9 mai 2026", "12\xa0345,60")],
)
def test_dates_and_numbers_are_told_as_the_reader_writes_them(language: str, day: str, amount: str) -> None:
    with override(language):
        assert date_format(date(2026, 5, 9), "DATE_FORMAT") == day
        assert localized("12345.60") == amount
