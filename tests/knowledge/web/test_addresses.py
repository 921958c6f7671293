"""knowledge/web/addresses.py: one spelling for each address, and none inside our own network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from core.errors import BlockedAddress, InvalidInput, TooLong
from knowledge.web.addresses import canonical, check_address


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("http://example.org:8080/a", "http://example.org:8080/a"),
        ("https://example.org./a#part", "https://example.org/a"),
        ("https://example.org/a/./b/../c", "https://example.org/a/c"),
        ("https://example.org/../../etc/passwd", "https://example.org/etc/passwd"),
        ("https://example.org/a/..", "https://example.org/"),
        ("https://example.org/über uns".replace(" ", "%20"), "https://example.org/%C3%BCber%20uns"),
        ("https://example.org/%7ejoe/%2fx", "https://example.org/~joe/%2Fx"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://example.org/?utm_source=x&id=7&fbclid=y", "https://example.org/?id=7"),
        ("https://example.org/?q=a%20b&c", "https://example.org/?q=a%20b&c"),
        ("  https://example.org/  ", "https://example.org/"),
    ],
)
def test_an_address_has_one_spelling(given: str, expected: str) -> None:
    assert canonical(given) == expected
    assert canonical(expected) == expected


def test_a_relative_address_is_joined_to_its_page() -> None:
    assert canonical("../b?x=1#y", "https://example.org/docs/a/") == "https://example.org/docs/b?x=1"
    assert canonical("//other.example/x", "https://example.org/") == "https://other.example/x"


@pytest.mark.parametrize(
    "url",
    [
        *("", "example.org", "ftp://example.org/", "file:///etc/passwd", "javascript:alert(1)", "http://"),
        *("http:///x", "gopher://example.org", "http://exa mple.org", "http://example.org\\@evil.example/"),
        *("http://[::1", "http://a:b/", "http://example.org/\x00", "http://example.org/a\r\nHost: x"),
        *("http://%31.example/", "http://-/", "http://a..b/"),
    ],
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as error:
        canonical(url)
    assert error.value.message.endswith(".")


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("255.255.255.255", "192.0.2.1", "198.18.0.1", "168.63.129.16", "100.100.100.200"),
        *("2130706433", "0x7f000001", "0177.0.0.1", "127.1", "0x7f.1", "127.0.0.1.", "１２７.0.0.1", "127。0。0。1"),
        *("1.2.3.4.5", "08.8.8.8"),
        *("localhost", "LOCALHOST.", "a.localhost"),
        *("[::1]", "[::]", "[fe80::1]", "[fd00:ec2::254]", "[::ffff:127.0.0.1]", "[::ffff:8.8.8.8]", "[::127.0.0.1]"),
        *("[2002:7f00:1::]", "[64:ff9b::7f00:1]", "[64:ff9b:1::1]", "[2001:0:1::1]", "[ff02::1]", "[fec0::1]"),
        *("[fe80::1%25eth0]", "user@example.org", "user:secret@example.org", "example.org:22", "example.org:25"),
    ],
)
def test_an_address_of_our_own_network_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(BlockedAddress) as error:
        canonical(f"http://{host}/")
    assert (error.value.code, error.value.status) == ("blocked_address", 400)


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700::1111]", "example.org", "1e100.net", "0x7f.example"])
def test_a_public_address_is_not(host: str) -> None:
    canonical(f"http://{host}/")


def test_the_operator_opens_networks_and_hosts(settings: Settings) -> None:
    settings.FETCH_ALLOW = ["10.0.0.0/8", "fd00::/8", "wiki.internal"]
    check_address("whatever", "10.1.2.3")
    check_address("whatever", "fd00::7")
    check_address("wiki.internal", "192.168.7.7")
    for host, address in [
        ("whatever", "192.168.7.7"),
        ("wiki.internal", "169.254.169.254"),
        ("wiki.internal", "fe80::1"),
        ("sub.wiki.internal", "192.168.7.7"),
        ("whatever", "::ffff:10.1.2.3"),
    ]:
        with pytest.raises(BlockedAddress):
            check_address(host, address)


def test_an_endless_address_is_refused() -> None:
    with pytest.raises(TooLong):
        canonical("http://example.org/" + "a" * 2000)


PIECES = [
    *("http://", "https://", "//", "a.org", "[::1]", "[", "]", "@", ":", "80", "/", "..", ".", "%", "%2e", "%zz"),
    *("?", "#", "&", "=", "utm_a=1", "ü", "。", "\u202e", "\\", "\x00", "xn--", "x" * 70, "١", "0x", "\ud800", "a b"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=10), st.booleans())
def test_whatever_a_page_links_to_is_an_address_or_refused(pieces: list[str], is_relative: bool) -> None:
    try:
        address = canonical("".join(pieces), "https://example.org/a/b?c" if is_relative else "")
    except InvalidInput:
        return
    assert address.isascii()
    assert canonical(address) == address
