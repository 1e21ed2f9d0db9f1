"""Addresses that strangers choose: which of them a request of ours may go to.

Nothing but hosts on the public internet, by name, over https: who could make this server talk to its own network
would read the cloud's credentials from 169.254.169.254, or knock on the database (OWASP: Server-Side Request
Forgery). Denied by lists of our own rather than by `ipaddress.is_global`, which is true of 64:ff9b::7f00:1 (NAT64 of
127.0.0.1), 2002:7f00:1:: (6to4 of it) and 192.88.99.1.
"""

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

import idna

URL_LENGTH_MAX = 2048
_HOST_LENGTH_MAX = 253  # RFC 1035, 2.3.4: of what can be asked for at all

# IANA's registries of special-purpose addresses, https://www.iana.org/assignments/iana-ipv4-special-registry and
# iana-ipv6-special-registry, with multicast and what is reserved.
_DENIED_V4 = [
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
]
# The one block that is given out to hosts, and the parts of it that are not theirs.
_GLOBAL_V6 = IPv6Network("2000::/3")
_DENIED_V6 = [
    IPv6Network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20")
]
# By the URL Standard a host is an IPv4 address if its last label is a number, however it is written.
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_IN_BRACKETS = re.compile(r"\[[0-9a-fA-F:.]+\](:[0-9]+)?")
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")


class AddressDenied(Exception):
    """No request of ours goes there."""


def is_denied(address: str) -> bool:
    """Whether an IP address is no public host's. What is no address at all is denied."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(found, IPv4Address):
        return any(found in network for network in _DENIED_V4)
    assert isinstance(found, IPv6Address)
    return found not in _GLOBAL_V6 or any(found in network for network in _DENIED_V6)


def checked_url(text: str, *, private: bool) -> str:
    """The URL in its plain form, if requests may be sent there. Raises ValueError, which says what to write.

    `private` is what the operator allows for local work: http, loopback and addresses in numbers too. What a name
    resolves to is looked at whenever a request is sent (`egress.py`), not here: it can change.
    """
    if len(text) > URL_LENGTH_MAX:
        raise ValueError(f"An address has at most {URL_LENGTH_MAX} characters")
    if not text.isprintable() or any(character.isspace() or character == "\\" for character in text):
        raise ValueError("An address has no blanks, backslashes or control characters; percent-encode them")
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError(_EXPECTED) from None
    scheme = url.scheme.lower()
    if scheme not in (("https", "http") if private else ("https",)) or not url.hostname or port == 0:
        raise ValueError(_EXPECTED)
    if "@" in url.netloc:
        raise ValueError(
            "Leave user and password out of the address; deliveries prove who they are from by signature"
        )
    if url.fragment:
        raise ValueError("Leave the part after # out of the address; it is never sent")
    host = _host(url, private=private)
    netloc = host if port is None else f"{host}:{port}"
    plain = SplitResult(scheme, netloc, _ascii(url.path) or "/", _ascii(url.query), "").geturl()
    if len(plain) > URL_LENGTH_MAX:
        raise ValueError(f"An address has at most {URL_LENGTH_MAX} characters")
    return plain


_EXPECTED = "Write an https address with the name of a host, such as https://shop.example.com/webhooks"


def _host(url: SplitResult, *, private: bool) -> str:
    """The host in ASCII. Raises ValueError for one that is no name of a public host, unless `private`."""
    assert url.hostname is not None, "checked_url() looked"
    if url.netloc.startswith("["):
        if not _IN_BRACKETS.fullmatch(url.netloc):
            raise ValueError(_EXPECTED)
        if private:
            return f"[{url.hostname}]"
        raise ValueError("Write the name of the host, not its address in numbers")
    try:
        host = idna.encode(url.hostname, uts46=True, transitional=False).decode().rstrip(".").lower()
    except idna.IDNAError:
        host = url.hostname.lower().rstrip(".")
    labels = host.split(".")
    if len(host) > _HOST_LENGTH_MAX or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError(_EXPECTED)
    if private:
        return host
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("Write the name of the host, not its address in numbers")
    if len(labels) < 2 or labels[-1] in ("localhost", "local", "internal"):
        raise ValueError("Only hosts on the public internet can be told; their names have a dot in them")
    return host


def _ascii(part: str) -> str:
    """A path or query with what is not ASCII percent-encoded, and nothing else changed."""
    return "".join(
        character if character.isascii() else "".join(f"%{byte:02X}" for byte in character.encode())
        for character in part
    )
