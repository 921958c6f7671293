"""knowledge/web/fetching.py: pages come, and nothing that would hurt us or that we are not to see."""

from __future__ import annotations

import datetime
import gzip
import socket
import ssl
import zlib
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pytest_django.fixtures import Settings

from core.errors import (
    BlockedAddress,
    FetchError,
    FetchTimeout,
    FetchUnreachable,
    InvalidInput,
    PageGone,
    PolyAIError,
    TooLong,
    UnsupportedFile,
)
from knowledge.web.connection import tls_context
from knowledge.web.fetching import fetch
from tests.knowledge.web.site import Site

Names = Callable[[str, list[str]], list[str]]


def read(url: str) -> bytes:
    with fetch(url) as page:
        return page.file.read()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Gives a name its addresses, one for each time it is looked up (the last for ever); returns the lookups made."""
    known: dict[str, list[str]] = {}
    lookups: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: int, **kwargs: int) -> list[object]:
        if host not in known:
            return real(host, port, *args, **kwargs)  # type: ignore[return-value]
        lookups.append(host)
        answer = known[host].pop(0) if len(known[host]) > 1 else known[host][0]
        return [found for address in answer.split() for found in real(address, port, *args, **kwargs)]

    def name(host: str, addresses: list[str]) -> list[str]:
        known[host] = list(addresses)
        return lookups

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return name


def test_a_page_comes_with_what_is_known_of_it(site: Site) -> None:
    site.add("/a?x=1", "<p>Grüße</p>", type="text/html; charset=UTF-8", etag='"v1"')
    with fetch(f"{site.url}/a?x=1&utm_source=mail#top") as page:
        assert page.file.read().decode() == "<p>Grüße</p>"
        assert (page.url, page.kind, page.charset) == (f"{site.url}/a?x=1", ".html", "utf-8")
        assert (page.etag, page.size, page.is_unchanged) == ('"v1"', 14, False)


def test_nothing_is_sent_but_the_request(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    site.add("/", "hello", headers={"Set-Cookie": "id=1"})
    read(site.url)
    read(site.url)
    sent = {name.lower() for visit in site.history for name in visit.headers}
    assert sent == {"host", "user-agent", "accept", "accept-encoding", "connection"}


def test_a_page_we_have_is_not_sent_again(site: Site) -> None:
    site.add("/", "hello", etag='"v1"')
    with fetch(site.url, kinds=[".html"], etag='"v1"') as page:
        assert page.is_unchanged
        assert page.file.read() == b""


def test_a_redirect_is_followed_and_told(site: Site) -> None:
    site.add("/old", status=301, headers={"Location": "new/?q=ü"})
    site.add("/new/?q=%C3%BC", "here")
    with fetch(f"{site.url}/old") as page:
        assert (page.file.read(), page.url) == (b"here", f"{site.url}/new/?q=%C3%BC")


@pytest.mark.parametrize(
    "location",
    [
        *("http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "http://[::1]/", "http://0x7f000001/"),
        *("//[fd00::1]/", "http://user:secret@example.org/", "http://example.org:22/"),
    ],
)
def test_a_redirect_into_a_private_network_is_refused(site: Site, location: str) -> None:
    site.add("/", status=302, headers={"Location": location})
    with pytest.raises(BlockedAddress, match="redirects"):
        read(site.url)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://example.org/", "data:text/html,x"])
def test_a_redirect_to_anything_but_the_web_is_refused(site: Site, location: str) -> None:
    site.add("/", status=302, headers={"Location": location})
    with pytest.raises(InvalidInput, match="redirects"):
        read(site.url)


def test_redirects_end(site: Site) -> None:
    for number in range(7):
        site.add(f"/{number}", status=302, headers={"Location": f"/{number + 1}"})
    site.add("/5", "there")
    assert read(f"{site.url}/0") == b"there"
    site.add("/5", status=302, headers={"Location": "/6"})
    with pytest.raises(FetchError, match="more than 5"):
        read(f"{site.url}/0")


def test_a_name_with_a_private_address_is_refused_before_anything_is_sent(
    site: Site, settings: Settings, names: Names
) -> None:
    settings.FETCH_ALLOW = []
    names("rebind.example", ["127.0.0.1"])
    with pytest.raises(BlockedAddress):
        read(f"http://rebind.example:{site.port}/")
    assert site.history == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(settings: Settings, names: Names) -> None:
    settings.FETCH_ALLOW = []
    names("mixed.example", ["93.184.215.14 10.0.0.1"])
    with pytest.raises(BlockedAddress):
        read("http://mixed.example/")


@pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"])
def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_the_one_that_is_used(
    site: Site, settings: Settings, names: Names
) -> None:
    settings.FETCH_ALLOW = ["127.0.0.1/32"]
    inner = Site("127.0.0.2")
    lookups = names("rebind.example", ["127.0.0.1", "127.0.0.2"])
    site.add("/", "outer")
    inner.add("/", "inner")
    try:
        assert read(f"http://rebind.example:{site.port}/") == b"outer"
        assert lookups == ["rebind.example"]
        assert site.history[0].headers["Host"] == f"rebind.example:{site.port}"
        with pytest.raises(BlockedAddress):  # the second answer is checked like the first
            read(f"http://rebind.example:{inner.port}/")
    finally:
        inner.close()
    assert inner.history == []


def test_a_redirect_looks_its_host_up_again_and_checks_it(site: Site, settings: Settings, names: Names) -> None:
    settings.FETCH_ALLOW = ["127.0.0.1/32"]
    names("rebind.example", ["127.0.0.1", "169.254.169.254"])
    site.add("/", status=302, headers={"Location": f"http://rebind.example:{site.port}/secret"})
    with pytest.raises(BlockedAddress):
        read(f"http://rebind.example:{site.port}/")
    assert site.visited == ["/"]


def test_a_host_the_operator_names_may_be_private(site: Site, settings: Settings, names: Names) -> None:
    settings.FETCH_ALLOW = ["wiki.internal"]
    names("wiki.internal", ["127.0.0.1"])
    site.add("/", "intranet")
    assert read(f"http://wiki.internal:{site.port}/") == b"intranet"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        *((404, PageGone), (410, PageGone), (403, FetchError), (500, FetchUnreachable), (429, FetchUnreachable)),
        *((204, FetchError), (302, FetchError)),
    ],
)
def test_a_status_has_its_error(site: Site, status: int, error: type[PolyAIError]) -> None:
    site.add("/", status=status)
    with pytest.raises(error) as raised:
        read(site.url)
    assert type(raised.value) is error
    assert str(status) in raised.value.message


def test_a_host_that_is_not_there_is_told(names: Names, settings: Settings) -> None:
    settings.FETCH_ALLOW = ["127.0.0.0/8"]
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with pytest.raises(FetchUnreachable, match="cannot be reached"):
            read(f"http://127.0.0.1:{unused.getsockname()[1]}/")


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_page_over_the_limit_is_given_up(site: Site, settings: Settings, packed: bool) -> None:
    settings.MAX_UPLOAD_MB = 1
    body = bytes(1024 * 1024 + 1)
    headers = {"Content-Encoding": "gzip"} if packed else {}
    site.add("/", gzip.compress(body) if packed else body, headers=headers)
    with pytest.raises(TooLong, match="1 MB"):
        read(site.url)


def test_a_bomb_is_unpacked_no_further_than_the_limit(site: Site, settings: Settings) -> None:
    settings.MAX_UPLOAD_MB = 1
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    site.add("/", bomb, headers={"Content-Encoding": "gzip"})
    with pytest.raises(TooLong):
        read(site.url)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_page_is_unpacked(site: Site, encoding: str) -> None:
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    site.add("/", pack(b"hello " * 1000), headers={"Content-Encoding": encoding})
    assert read(site.url) == b"hello " * 1000


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"no gzip", "gzip"), (gzip.compress(b"hello")[:-9], "gzip"), (b"x", "br")],
    ids=["no gzip", "cut off", "unknown"],
)
def test_a_body_that_cannot_be_unpacked_is_told(site: Site, body: bytes, encoding: str) -> None:
    site.add("/", body, headers={"Content-Encoding": encoding})
    with pytest.raises(FetchError):
        read(site.url)


def test_a_server_that_drips_is_given_up_in_time(site: Site, settings: Settings) -> None:
    settings.FETCH_TIMEOUT = 0.3
    site.add("/", "x" * 1000, drip=0.05)
    with pytest.raises(FetchTimeout):
        read(site.url)


def test_a_server_that_never_ends_its_headers_is_given_up(settings: Settings) -> None:
    settings.FETCH_ALLOW, settings.FETCH_TIMEOUT = ["127.0.0.0/8"], 0.2
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(FetchTimeout):
        read(f"http://127.0.0.1:{silent.getsockname()[1]}/")


def test_a_page_that_breaks_off_is_no_page(site: Site) -> None:
    site.add("/", "hello", cut=2)
    with pytest.raises(FetchUnreachable, match="broke"):
        read(site.url)


def test_what_is_not_wanted_is_not_read(site: Site) -> None:
    site.add("/", b"\x89PNG", type="image/png")
    with pytest.raises(UnsupportedFile, match="image/png"), fetch(site.url, kinds=[".html", ".pdf"]):
        pass


@pytest.mark.parametrize(
    ("path", "content_type", "kind"),
    [
        ("/report", "application/pdf", ".pdf"),
        ("/report.docx", "application/octet-stream", ".docx"),
        ("/notes.md", "text/plain; charset=utf-8", ".md"),
        ("/code.py", "text/plain", ".txt"),
        ("/a", "application/xhtml+xml", ".html"),
    ],
)
def test_a_file_has_the_kind_that_is_declared(site: Site, path: str, content_type: str, kind: str) -> None:
    site.add(path, "x", type=content_type)
    with fetch(site.url + path) as page:
        assert page.kind == kind


# --- TLS ----------------------------------------------------------------------------------------


def certificate(folder: Path, host: str) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "tls.pem"
    plain = serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def secure(tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Generator[Site, None, None]:
    """A site with a certificate for wiki.internal, whose authority is known."""
    settings.FETCH_ALLOW = ["127.0.0.0/8"]
    file = certificate(tmp_path, "wiki.internal")
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    tls_context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    site = Site(tls=context)
    site.add("/", "secure")
    yield site
    site.close()
    tls_context.cache_clear()


def test_tls_is_verified_for_the_name_though_the_address_is_what_is_dialled(secure: Site, names: Names) -> None:
    names("wiki.internal", ["127.0.0.1"])
    names("other.internal", ["127.0.0.1"])
    assert read(f"https://wiki.internal:{secure.port}/") == b"secure"
    with pytest.raises(FetchUnreachable, match="secure connection"):
        read(f"https://other.internal:{secure.port}/")
    with pytest.raises(FetchUnreachable, match="secure connection"):
        read(secure.url)
