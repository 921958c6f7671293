"""Web addresses: one spelling for each, and which of them this server may fetch."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urlencode, urljoin, urlsplit

import idna
from django.conf import settings
from django.utils.translation import gettext as _

from core.errors import BlockedAddress, InvalidInput, TooLong

MAX_LENGTH = 2000  # characters of an address
DEFAULT_PORTS = {"http": 80, "https": 443}
_TRACKING = re.compile(r"utm_\w+|fbclid|gclid|dclid|msclkid|yclid|mc_cid|mc_eid|igshid|_ga|_gl", re.IGNORECASE)
_NUMBER = re.compile(r"\d+|0x[0-9a-f]*")  # as the last label it makes an IPv4 address, whatever stands before it
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")

# IANA's special-purpose registries (RFC 6890), and addresses of cloud metadata that lie outside of them.
_REFUSED_V4 = [
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32"),
    )
]
# Of IPv6 only global unicast is public; within it, what wraps an IPv4 address (Teredo, 6to4) or documents.
_PUBLIC_V6 = IPv6Network("2000::/3")
_REFUSED_V6 = [IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")]
_LINK_LOCAL = IPv4Network("169.254.0.0/16")


def canonical(url: str, base: str = "") -> str:
    """The one spelling of an http(s) address: ASCII, no fragment, default port, dot segment or tracking parameter.

    A relative one is joined to `base`. Raises InvalidInput, BlockedAddress, TooLong.
    """
    url = url.strip()
    if any(c.isspace() or not c.isprintable() or c == "\\" for c in url):
        raise InvalidInput(_("The address has blanks, backslashes or control characters in it."))
    try:
        parts = urlsplit(urljoin(base, url) if base else url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise InvalidInput(_("This is no address of a web page.")) from error
    if parts.scheme not in DEFAULT_PORTS:
        raise InvalidInput(_("Only addresses that begin with http:// or https:// can be fetched."))
    if "@" in parts.netloc:
        raise BlockedAddress(_("The address has a user name or password in it. Leave it out."))
    host = _canonical_host(host)
    check_port(port or DEFAULT_PORTS[parts.scheme])
    shown = f"[{host}]" if ":" in host else host
    shown += f":{port}" if port and port != DEFAULT_PORTS[parts.scheme] else ""
    query = _without_tracking(_quoted(parts.query))
    address = f"{parts.scheme}://{shown}{_canonical_path(parts.path)}{f'?{query}' if query else ''}"
    if len(address) > MAX_LENGTH:
        raise TooLong(_("The address has more than %(max_length)s characters.") % {"max_length": MAX_LENGTH})
    return address


def host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def check_address(host: str, address: str) -> None:
    """Raises BlockedAddress for an address that is not public, unless POLYAI_FETCH_ALLOW lets it or its host through.

    A host's name opens private addresses only; link-local ones, where clouds keep their keys, take their network.
    """
    # An IPv6 address may have a zone ("fe80::1%eth0"): such a one is never public.
    found = ip_address(address)
    if _is_public(found) or any(found in network for network in _allowed_networks()):
        return
    if host in settings.FETCH_ALLOW and not (found in _LINK_LOCAL or found.is_link_local or found.is_multicast):
        return
    raise BlockedAddress(
        _(
            "%(host)s is at an address inside this server's own network, which is not "
            "fetched. The operator can allow it with POLYAI_FETCH_ALLOW."
        )
        % {"host": host}
    )


def check_port(port: int) -> None:
    """Raises BlockedAddress for the ports of mail, shells and the like."""
    if port < 1024 and port not in DEFAULT_PORTS.values():
        raise BlockedAddress(_("Port %(port)s is not one of a web server.") % {"port": port})


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    return address.scope_id is None and address in _PUBLIC_V6 and not any(address in network for network in _REFUSED_V6)


def _allowed_networks() -> list[IPv4Network | IPv6Network]:
    return [ip_network(entry) for entry in settings.FETCH_ALLOW if is_network(entry)]


def is_network(entry: str) -> bool:
    try:
        ip_network(entry)
    except ValueError:
        return False
    return True


def _canonical_host(host: str) -> str:
    """Lower-case ASCII without the root's dot. An IP address is checked at once, a name when it is resolved."""
    if ":" in host:
        try:
            host = str(ip_address(host))
        except ValueError as error:
            raise InvalidInput(_("The address has no host that can be understood.")) from error
        check_address(host, host)
        return host
    try:
        host = host.removesuffix(".") if host.isascii() else idna.encode(host, uts46=True).decode().removesuffix(".")
    except idna.IDNAError as error:
        raise InvalidInput(_("The address has no host that can be understood.")) from error
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise InvalidInput(_("The address has no host that can be understood."))
    if _NUMBER.fullmatch(host.rsplit(".", 1)[-1]):
        try:
            check_address(host, str(IPv4Address(host)))
        except ValueError as error:
            raise BlockedAddress(
                _("'%(host)s' is an unusual way to write an IP address. Write it as 1.2.3.4.") % {"host": host}
            ) from error
    elif (host == "localhost" or host.endswith(".localhost")) and host not in settings.FETCH_ALLOW:
        check_address(host, "127.0.0.1")
    return host


def _quoted(text: str) -> str:
    """Percent-encoded where it must be, and only there."""

    def written(match: re.Match[str]) -> str:
        character = unquote_to_bytes(match[0]).decode("latin-1")
        is_plain = character.isascii() and (character.isalnum() or character in "-._~")
        return character if is_plain else match[0].upper()

    encoded = quote(text, safe="/%:@!$&'()*+,;=?[]~-._")
    return re.sub(r"%[0-9a-fA-F]{2}", written, encoded)


def _canonical_path(path: str) -> str:
    kept: list[str] = []
    segments = _quoted(path).split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments and segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _without_tracking(query: str) -> str:
    pairs = parse_qsl(query, keep_blank_values=True)
    kept = [(name, value) for name, value in pairs if not _TRACKING.fullmatch(name)]
    return query if len(kept) == len(pairs) else urlencode(kept)
