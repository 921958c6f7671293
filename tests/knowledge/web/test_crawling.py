"""knowledge/web/crawling.py: a site becomes documents, and stays in step with them."""

from __future__ import annotations

import gzip
from datetime import timedelta

import pytest
from django.core.files.base import ContentFile
from django.utils import timezone
from pytest_django.fixtures import Settings

from core.redis import sync_redis
from knowledge import services as documents
from knowledge.models import Document, WebPage, WebSource
from knowledge.web import crawling
from knowledge.web.crawling import PAUSES, crawl
from knowledge.web.pages import visit
from knowledge.web.robots import wait_turn
from knowledge.web.services import add_source, refresh, remove
from tests.conftest import Cast
from tests.knowledge.web.site import Site, links

PDF = b"%PDF-1.4 not really"


def add(cast: Cast, url: str, scope: str = "site", **fields: object) -> WebSource:
    """Take an address and crawl it to the end, as a worker would."""
    return again(add_source(project=cast.project, url=url, scope=scope, user=cast.alice, **fields))  # type: ignore[arg-type]  # a test's shorthand


def again(source: WebSource) -> WebSource:
    """Crawl once more."""
    if WebSource.objects.get(id=source.id).is_finished:
        refresh(source)
    while crawl(source.id) == 0:
        pass
    source.refresh_from_db()
    return source


def content(document: Document) -> bytes:
    with document.original.open("rb") as file:
        return bytes(file.read())


def names(site: Site) -> set[str]:
    """Of the documents, without the host."""
    return {name.split("/", 1)[1] for name in Document.objects.values_list("name", flat=True)}


def states(source: WebSource, site: Site) -> dict[str, str]:
    return {page.url.removeprefix(site.url): page.state for page in source.pages.all()}


def visited(site: Site) -> list[str]:
    """What was fetched since the last look, robots.txt aside."""
    paths = [path for path in site.visited if path != "/robots.txt"]
    site.history.clear()
    return paths


def test_a_page_becomes_a_document_that_tells_where_it_is_from(cast: Cast, site: Site) -> None:
    site.add("/guide/install", links("/other", title="Install", text="Run the installer."))
    source = add(cast, f"{site.url}/guide/install", "page")
    document = Document.objects.get()
    assert document.name == f"127.0.0.1:{site.port}/guide/install.html"
    assert (document.source_url, document.source, document.uploaded_by) == (source.url, source, cast.alice)
    assert b"Run the installer." in content(document)
    assert (source.state, source.error) == ("ready", "")
    assert source.last_fetched_at
    assert visited(site) == ["/guide/install"]


def test_a_site_is_followed_breadth_first_below_its_start(cast: Cast, site: Site) -> None:
    site.add("/docs/", links("a", "b/", "/outside", "http://other.example/", "mailto:x@y", "a#top", "a?utm_source=x"))
    site.add("/docs/a", links("/docs/deep"))
    site.add("/docs/b/", links("/docs/a", "c.pdf", "logo.png", "../../etc"))
    site.add("/docs/b/c.pdf", PDF, type="application/pdf")
    site.add("/docs/deep", "<p>deep</p>")
    source = add(cast, f"{site.url}/docs/")
    assert visited(site) == ["/docs/", "/docs/a", "/docs/b/", "/docs/deep", "/docs/b/c.pdf"]
    assert names(site) == {"docs/index.html", "docs/a.html", "docs/b/index.html", "docs/b/c.pdf", "docs/deep.html"}
    assert source.state == "ready"


def test_a_second_crawl_does_nothing_for_what_is_the_same(cast: Cast, site: Site) -> None:
    site.add("/", links("/a", "/b"), etag='"1"')
    site.add("/a", "<p>a</p>", headers={"Last-Modified": "Sat, 21 Nov 2026 05:00:00 GMT"})
    site.add("/b", "<p>b</p>")
    source = add(cast, f"{site.url}/")
    before = list(Document.objects.order_by("name").values_list("id", "version", "updated_at"))
    site.history.clear()
    source = again(source)
    sent = {visit.path: visit.headers for visit in site.history}
    assert sent["/"]["If-None-Match"] == '"1"'
    assert sent["/a"]["If-Modified-Since"] == "Sat, 21 Nov 2026 05:00:00 GMT"
    assert list(Document.objects.order_by("name").values_list("id", "version", "updated_at")) == before
    assert (source.state, source.crawl) == ("ready", 2)


def test_a_changed_page_is_a_new_version_and_a_new_one_is_found(cast: Cast, site: Site) -> None:
    site.add("/", links("/a"))
    site.add("/a", "<p>old</p>")
    source = add(cast, f"{site.url}/")
    site.add("/", links("/a", "/b"))
    site.add("/a", "<p>new</p>")
    site.add("/b", "<p>b</p>")
    again(source)
    assert dict(Document.objects.values_list("name", "version")) == {
        f"127.0.0.1:{site.port}/index.html": 2,
        f"127.0.0.1:{site.port}/a.html": 2,
        f"127.0.0.1:{site.port}/b.html": 1,
    }


@pytest.mark.parametrize("status", [404, 410])
def test_a_page_that_is_gone_there_is_gone_here(cast: Cast, site: Site, status: int) -> None:
    site.add("/", links("/a"))
    site.add("/a", "<p>a</p>")
    source = add(cast, f"{site.url}/")
    site.add("/a", status=status)
    source = again(source)
    assert names(site) == {"index.html"}
    assert states(source, site)["/a"] == "gone"
    assert source.state == "ready"
    site.add("/a", "<p>back</p>")
    again(source)
    assert names(site) == {"index.html", "a.html"}


def test_a_page_that_fails_keeps_its_document_and_says_so(cast: Cast, site: Site) -> None:
    site.add("/", links("/a", "/b"))
    site.add("/a", "<p>a</p>")
    site.add("/b", "<p>b</p>")
    source = add(cast, f"{site.url}/")
    site.add("/a", status=500)
    source = again(source)
    assert names(site) == {"index.html", "a.html", "b.html"}
    assert (source.state, source.due_at is not None) == ("queued", True)  # it was tried, and is again in a minute
    WebSource.objects.update(due_at=None)
    source = again(source)
    assert source.state == "ready"
    assert source.error.startswith("1 of its pages")
    page = source.pages.get(state="failed")
    assert (page.url, page.error_code, page.document is not None) == (f"{site.url}/a", "fetch_unreachable", True)


def test_a_host_that_is_down_costs_no_document_and_is_tried_again(cast: Cast, site: Site) -> None:
    site.add("/", links("/a"))
    site.add("/a", "<p>a</p>")
    source = add(cast, f"{site.url}/")
    site.is_down = True
    refresh(source)
    for pause in PAUSES:
        assert crawl(source.id) == pause
        source.refresh_from_db()
        assert (source.state, source.error_code) == ("queued", "fetch_unreachable")
        assert crawl(source.id) is None, "it waits for its time"
        WebSource.objects.update(due_at=timezone.now())
    assert crawl(source.id) is None
    source.refresh_from_db()
    assert (source.state, source.error_code) == ("failed", "fetch_unreachable")
    assert names(site) == {"index.html", "a.html"}
    site.is_down = False
    assert again(source).state == "ready"


def test_a_host_that_goes_down_on_the_way_is_left_alone_and_resumed(cast: Cast, site: Site) -> None:
    site.add("/", links(*(f"/{n}" for n in range(20))))
    for n in range(20):
        site.add(f"/{n}", status=503)
    source = add_source(project=cast.project, url=f"{site.url}/", scope="site")
    assert crawl(source.id) == PAUSES[0]
    assert len(visited(site)) == 6
    for n in range(20):
        site.add(f"/{n}", f"<p>{n}</p>")
    WebSource.objects.update(due_at=None)
    assert again(source).state == "ready"
    assert "/" not in visited(site), "what was fetched is not fetched again"
    assert Document.objects.count() == 21


def test_a_crawl_goes_on_after_its_worker_was_killed(cast: Cast, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add("/", links("/a", "/b"))
    site.add("/a", "<p>a</p>")
    site.add("/b", "<p>b</p>")
    source = add_source(project=cast.project, url=f"{site.url}/", scope="site")
    seen: list[str] = []
    real = visit

    def dies(source: WebSource, page: WebPage, rules: object) -> object:
        seen.append(page.url)
        if len(seen) == 2:
            raise SystemExit  # as sudden as a test can be: nothing after it runs
        return real(source, page, rules)  # type: ignore[arg-type]

    monkeypatch.setattr("knowledge.web.crawling.visit", dies)
    with pytest.raises(SystemExit):
        crawl(source.id)
    monkeypatch.setattr("knowledge.web.crawling.visit", real)
    assert crawl(source.id) is None, "the dead worker still seems to have it"
    WebSource.objects.update(heartbeat_at=timezone.now() - crawling.stalled_after() - timedelta(seconds=1))
    visited(site)
    assert again(source).state == "ready"
    assert visited(site) == ["/a", "/b"]


def test_a_crawl_takes_turns(cast: Cast, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crawling, "SLICE", -1.0)
    site.add("/", "<p>x</p>")
    source = add_source(project=cast.project, url=f"{site.url}/", scope="site")
    assert crawl(source.id) == 0
    monkeypatch.setattr(crawling, "SLICE", 30.0)
    assert crawl(source.id) is None
    source.refresh_from_db()
    assert (source.state, source.crawl) == ("ready", 1)


def test_limits_end_a_crawl_and_are_told(cast: Cast, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.add("/", links(*(f"/{n}" for n in range(20))))
    for n in range(20):
        site.add(f"/{n}", f"<p>{n}</p>")
    source = add(cast, f"{site.url}/", max_pages=5)
    assert (Document.objects.count(), source.notes) == (5, "Stopped at the limit of 5 pages.")
    monkeypatch.setattr(crawling, "MAX_TIME", timedelta(seconds=-1))
    assert "Stopped after" in again(source).notes
    assert Document.objects.count() == 5


def test_a_trap_of_endless_pages_ends(cast: Cast, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowledge.web.pages.MAX_DEPTH", 3)
    for n in range(10):
        site.add(f"/{n}", links(f"/{n + 1}"))
    add(cast, f"{site.url}/0")
    assert visited(site) == ["/0", "/1", "/2", "/3"]


def test_robots_txt_is_honoured(cast: Cast, site: Site) -> None:
    site.add("/robots.txt", "User-agent: *\nDisallow: /private\n", type="text/plain")
    site.add("/", links("/private/x", "/open"))
    site.add("/open", "<p>open</p>")
    source = add(cast, f"{site.url}/")
    assert visited(site) == ["/", "/open"]
    assert source.pages.get(state="skipped").error.startswith("The site's robots.txt")


def test_rules_that_cannot_be_read_stop_the_crawl(cast: Cast, site: Site) -> None:
    site.add("/robots.txt", status=503)
    site.add("/", "<p>x</p>")
    source = add_source(project=cast.project, url=site.url)
    assert crawl(source.id) == PAUSES[0]
    assert visited(site) == []


def test_pages_say_that_they_do_not_want_to_be_kept(cast: Cast, site: Site) -> None:
    site.add("/", links("/hidden", "/quiet"))
    site.add("/hidden", '<meta name="robots" content="NOINDEX"><a href="/beyond">x</a>')
    site.add("/quiet", '<meta name="robots" content="nofollow"><a href="/beyond">x</a>')
    add(cast, f"{site.url}/")
    assert visited(site) == ["/", "/hidden", "/quiet"]
    assert names(site) == {"index.html", "quiet.html"}


def test_one_page_under_many_addresses_is_one_document(cast: Cast, site: Site) -> None:
    canonical = '<link rel="canonical" href="/a">'
    site.add("/", links("/a?sort=up", "/a?sort=down", "/old", "/x", "/y"))
    site.add("/a?sort=up", f"{canonical}<p>a</p>")
    site.add("/a?sort=down", f"{canonical}<p>a</p>")
    site.add("/a", f"{canonical}<p>a</p>")
    site.add("/old", status=301, headers={"Location": "/new"})
    site.add("/new", "<p>new</p>")
    site.add("/x", '<link rel="canonical" href="/y"><p>x</p>')  # two that name each other: one is kept
    site.add("/y", '<link rel="canonical" href="/x"><p>y</p>')
    source = add(cast, f"{site.url}/")
    assert names(site) == {"index.html", "a.html", "new.html", "y.html"}
    site.history.clear()
    again(source)
    assert names(site) == {"index.html", "a.html", "new.html", "y.html"}


def test_a_start_that_redirects_moves_the_site_there(cast: Cast, site: Site) -> None:
    site.add("/", status=302, headers={"Location": "/en/"})
    site.add("/en/", links("/en/a", "/de/a"))
    site.add("/en/a", "<p>a</p>")
    add(cast, f"{site.url}/")
    assert names(site) == {"en/index.html", "en/a.html"}


def test_a_page_that_leads_elsewhere_is_left_out(cast: Cast, site: Site) -> None:
    site.add("/docs/", links("away"))
    site.add("/docs/away", status=302, headers={"Location": "/login"})
    site.add("/login", "<p>log in</p>")
    add(cast, f"{site.url}/docs/")
    assert names(site) == {"docs/index.html"}


def test_no_document_of_another_origin_is_overwritten(cast: Cast, site: Site) -> None:
    name = f"127.0.0.1:{site.port}/a.html"
    documents.upload(project=cast.project, name=name, file=ContentFile(b"mine", name=name))
    site.add("/a", "<p>theirs</p>")
    add(cast, f"{site.url}/a", "page")
    assert content(Document.objects.get(name=name)) == b"mine"
    assert Document.objects.exclude(name=name).get().name.startswith(f"127.0.0.1:{site.port}/a~")


def test_an_encoding_that_only_the_server_told_is_kept(cast: Cast, site: Site) -> None:
    site.add("/", "<p>Привет</p>".encode("cp1251"), type="text/html; charset=windows-1251")
    add(cast, f"{site.url}/", "page")
    assert content(Document.objects.get()).decode("utf-8-sig") == "<p>Привет</p>"


def test_what_cannot_be_read_is_told(cast: Cast, site: Site) -> None:
    site.add("/", b"\x89PNG", type="image/png")
    source = add(cast, f"{site.url}/", "page")
    assert (source.state, source.error_code) == ("failed", "unsupported_file")


def test_an_address_in_our_own_network_is_told(cast: Cast, site: Site, settings: Settings) -> None:
    source = add_source(project=cast.project, url=site.url)
    settings.FETCH_ALLOW = []
    again(source)
    assert (source.state, source.error_code) == ("failed", "blocked_address")
    assert site.history == []


# --- Sitemaps -----------------------------------------------------------------------------------


def sitemap(*urls: str, tag: str = "url", root: str = "urlset") -> str:
    listed = "".join(f"<{tag}><loc>{url}</loc></{tag}>" for url in urls)
    return f'<?xml version="1.0"?><{root} xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</{root}>'


def test_a_sitemap_brings_its_pages_also_through_an_index_and_packed(cast: Cast, site: Site) -> None:
    parts = sitemap(f"{site.url}/one.xml", f"{site.url}/two.xml.gz", tag="sitemap", root="sitemapindex")
    site.add("/maps/sitemap.xml", parts, type="application/xml")
    site.add("/one.xml", sitemap(f"{site.url}/a", "http://other.example/x", "nonsense:"), type="text/xml")
    packed = gzip.compress(sitemap(f"{site.url}/b?x=1&amp;y=2").encode())
    site.add("/two.xml.gz", packed, type="application/gzip")
    site.add("/a", links("/not-listed"))
    site.add("/b?x=1&y=2", "<p>b</p>")
    source = add(cast, f"{site.url}/maps/sitemap.xml", "sitemap")
    assert visited(site) == ["/maps/sitemap.xml", "/one.xml", "/two.xml.gz", "/a", "/b?x=1&y=2"]
    assert names(site) == {"a.html", "b?x=1&y=2.html"}
    assert source.state == "ready"


def test_a_sitemap_has_limits(cast: Cast, site: Site, settings: Settings) -> None:
    site.add("/sitemap.xml", sitemap(*(f"{site.url}/{n}" for n in range(50))), type="text/xml")
    for n in range(50):
        site.add(f"/{n}", f"<p>{n}</p>")
    source = add(cast, f"{site.url}/sitemap.xml", "sitemap", max_pages=3)
    assert (Document.objects.count(), source.notes) == (3, "Stopped at the limit of 3 pages.")
    settings.MAX_UPLOAD_MB = 1
    site.add("/bomb.xml.gz", gzip.compress(b" " * (1024 * 1024 + 1)), type="application/gzip")
    assert add(cast, f"{site.url}/bomb.xml.gz", "sitemap").error_code == "too_long"


@pytest.mark.parametrize(
    "body",
    [
        "<html><body>no map</body>",
        "",
        '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
        + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
        + "]><urlset><url><loc>&j;</loc></url></urlset>",
        '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><urlset><url><loc>&f;</loc></url></urlset>',
    ],
    ids=["page", "empty", "billion laughs", "external entity"],
)
def test_a_sitemap_that_is_none_or_bites_is_told(cast: Cast, site: Site, body: str) -> None:
    site.add("/sitemap.xml", body, type="text/xml")
    source = add(cast, f"{site.url}/sitemap.xml", "sitemap")
    assert source.state == "failed"
    assert Document.objects.count() == 0


# --- Removing -----------------------------------------------------------------------------------


def test_a_source_goes_with_its_documents_and_no_others(cast: Cast, site: Site) -> None:
    documents.upload(project=cast.project, name="mine.md", file=ContentFile(b"mine", name="mine.md"))
    site.add("/", links("/a"))
    site.add("/a", "<p>a</p>")
    remove(add(cast, f"{site.url}/"))
    assert list(Document.objects.values_list("name", flat=True)) == ["mine.md"]
    assert not WebPage.objects.exists()


def test_a_source_that_is_removed_on_the_way_leaves_nothing(
    cast: Cast, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add("/", links("/a"))
    site.add("/a", "<p>a</p>")
    source = add_source(project=cast.project, url=f"{site.url}/", scope="site")
    real = wait_turn

    def removed(url: str, pause: float) -> None:
        if url.endswith("/a"):
            remove(source)
        real(url, pause)

    monkeypatch.setattr("knowledge.web.crawling.wait_turn", removed)
    assert crawl(source.id) is None
    assert not Document.objects.exists()


def test_a_page_of_two_sources_belongs_to_the_first(cast: Cast, site: Site) -> None:
    site.add("/", links("/a"))
    site.add("/a", "<p>a</p>")
    page = add(cast, f"{site.url}/a", "page")
    whole = add(cast, f"{site.url}/")
    assert Document.objects.count() == 2
    remove(whole)
    assert names(site) == {"a.html"}
    whole = add(cast, f"{site.url}/")
    remove(page)
    assert names(site) == {"index.html"}
    again(whole)
    assert names(site) == {"index.html", "a.html"}


def test_requests_to_one_host_keep_their_distance(cast: Cast, site: Site, settings: Settings) -> None:
    settings.CRAWL_PAUSE = 0.05
    site.add("/", "<p>x</p>")
    add(cast, f"{site.url}/")
    assert sync_redis().pttl("polyai:fetch:127.0.0.1") <= 50
