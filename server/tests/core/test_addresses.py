"""Addresses that strangers choose: one plain form for those that may be told, and no way in by any other spelling."""

import ipaddress
import socket
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from reevit_server.core.addresses import URL_LENGTH_MAX, checked_url, is_denied

_LOOPBACK = [
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "0x7f000001",
    "0X7F000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "0177.0.0.0x1",
    "①②⑦.0.0.1",
    "１２７.0.0.1",
    "127。0。0。1",
    "127．0．0．1",
    "127｡0｡0｡1",
    "0",
    "0.0.0.0",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[fe80::1%25lo]",
]


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("https://shop.example.com/webhooks", "https://shop.example.com/webhooks"),
        ("https://shop.example.com", "https://shop.example.com/"),
        ("HTTPS://Shop.EXAMPLE.com/Hooks", "https://shop.example.com/Hooks"),
        ("https://shop.example.com./", "https://shop.example.com/"),
        ("https://shop.example.com:8443/", "https://shop.example.com:8443/"),
        ("https://shop.example.com:08443", "https://shop.example.com:8443/"),
        ("https://shop.example.com:", "https://shop.example.com/"),
        ("https://shop.example.com?key=1", "https://shop.example.com/?key=1"),
        ("https://shop.example.com/#", "https://shop.example.com/"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/"),
        ("https://BÜCHER.example/", "https://xn--bcher-kva.example/"),
        ("https://faß.example/", "https://xn--fa-hia.example/"),
        ("https://例え.テスト/", "https://xn--r8jz45g.xn--zckzah/"),
        ("https://shop。example。com/", "https://shop.example.com/"),
        ("https://ｓｈｏｐ.example.com/", "https://shop.example.com/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://my_shop.example.com/", "https://my_shop.example.com/"),
        ("https://1.shop-2.example.com/", "https://1.shop-2.example.com/"),
        (f"https://{'s' * 63}.{'s.' * 93}com/", f"https://{'s' * 63}.{'s.' * 93}com/"),
        ("https://shop.example.com/zahlung/fällig", "https://shop.example.com/zahlung/f%C3%A4llig"),
        ("https://shop.example.com/?q=ä&r=😀", "https://shop.example.com/?q=%C3%A4&r=%F0%9F%98%80"),
    ],
)
def test_an_address_is_kept_in_its_plain_form(written: str, plain: str):
    assert checked_url(written, private=False) == plain
    assert checked_url(plain, private=False) == plain


@pytest.mark.parametrize(
    "rest",
    [
        "/a%2Fb%20c",
        "/a//b/../c;d=1",
        "/?a=%2B+%20&a=&b",
        "/@team",
        "/?to=a@b.example",
        "/a:b",
        "/%zz",
        "/?x=/../",
    ],
)
def test_path_and_query_stay_as_they_were_written(rest: str):
    url = f"https://shop.example.com{rest}"
    assert checked_url(url, private=False) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com/",
        "ftp://shop.example.com/",
        "wss://shop.example.com/",
        "file:///etc/passwd",
        "gopher://shop.example.com/",
        "javascript:alert(1)",
        "//shop.example.com/",
        "shop.example.com/",
        "https:shop.example.com/",
        "https:/shop.example.com/",
        "https:///shop.example.com/",
        "https://",
        "https:///",
        "https://:443/",
        "https://?",
        "https://.",
        "https://./",
        "https://.shop.example.com/",
        "https://shop..example.com/",
        "https://-shop.example.com/",
        "https://shop-.example.com/",
        f"https://{'s' * 64}.example.com/",
        f"https://{'s.' * 125}shop/",
        "https://shop.example.com:0/",
        "https://shop.example.com:65536/",
        "https://shop.example.com:-1/",
        "https://shop.example.com:+443/",
        "https://shop.example.com:٤٤٣/",
        "https://shop.example.com:443:443/",
        "https://shop.example.com:https/",
        "https://sh%6Fp.example.com/",
        "https://127.0.0.1%2Eexample.com/",
        "https://shop.example.com%00.example.com/",
        "https://shop.example.com%2F@example.com.evil.example/",
        "https://shop[.example.com/",
        "https://shop.example.com[::1]/",
        "https://[::1]shop.example.com/",
        "https://[shop.example.com]/",
        "https://shop.example.com,evil.example/",
        "https://shop.example.com;evil.example/",
        "https://shop!.example.com/",
        "https://shop.example℀.com/",
        "",
    ],
)
def test_what_is_no_https_address_of_a_named_host_is_refused(url: str):
    with pytest.raises(ValueError):
        checked_url(url, private=False)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "https://ada@shop.example.com/",
        "https://ada:secret@shop.example.com/",
        "https://:secret@shop.example.com/",
        "https://:@shop.example.com/",
        "https://@shop.example.com/",
        "https://ada%40x@shop.example.com/",
        "https://shop.example.com:443@evil.example/",
        "https://shop.example.com@127.0.0.1/",
        "https://shop.example.com;@evil.example/",
        "https://a@b@shop.example.com/",
        "https://shop.example.com@/",
        "https://shop.example.com＠evil.example/",
    ],
)
def test_an_address_carries_no_user_and_no_password(url: str, private: bool):
    with pytest.raises(ValueError):
        checked_url(url, private=private)


@pytest.mark.parametrize("host", _LOOPBACK)
def test_an_address_in_numbers_is_refused_however_it_is_written(host: str):
    for url in (f"https://{host}/", f"https://{host}:8443/hooks", f"https://{host}"):
        with pytest.raises(ValueError):
            checked_url(url, private=False)


@pytest.mark.parametrize(
    "host", ["1.1.1.1", "8.8.8.8", "134744072", "[2606:4700:4700::1111]", "1.2.3.4.5", "shop.0x7f", "shop.1"]
)
def test_a_public_address_in_numbers_is_refused_too(host: str):
    with pytest.raises(ValueError, match=r"name of the host|https address"):
        checked_url(f"https://{host}/", private=False)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "shop.localhost",
        "shop.localhost.",
        "printer.local",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
        "db",
        "com",
        "ｌocalhost",
        "shop.ⓛocal",
    ],
)
def test_a_host_that_can_only_be_ours_is_refused(host: str):
    with pytest.raises(ValueError, match="public internet"):
        checked_url(f"https://{host}/", private=False)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize(
    "character",
    [
        *map(chr, range(0x21)),
        *"\\\x7f\x80\x85\x9f\xa0\xad",
        *"\u061c\u200b\u200d\u200e\u200f\u2028\u2029\u202a\u202e\u2060\u2066\u2069\u3000\ufeff\ufff9\U000e0001",
        *"\ud800\udfff\ue000\uffff",
    ],
    ids=ascii,
)
def test_no_character_that_hides_or_divides_gets_into_an_address(character: str, private: bool):
    for url in (
        f"https://shop.example.com/{character}",
        f"https://shop.example{character}.com/",
        f"https://shop.example.com{character}/",
        f"{character}https://shop.example.com/",
        f"ht{character}tps://shop.example.com/?{character}",
    ):
        with pytest.raises(ValueError):
            checked_url(url, private=private)


def test_a_part_that_would_never_be_sent_is_refused():
    for private in (False, True):
        with pytest.raises(ValueError, match="after #"):
            checked_url("https://shop.example.com/#hooks", private=private)


def test_an_address_has_at_most_2048_characters_in_its_plain_form_too():
    longest = "https://shop.example.com/".ljust(URL_LENGTH_MAX, "x")
    assert checked_url(longest, private=False) == longest
    for url in (longest + "x", longest[:-1] + "ä", f"https://shop.example.com{'?' + longest[25:]}"):
        with pytest.raises(ValueError, match="at most 2048 characters"):
            checked_url(url, private=False)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("http://localhost:8000/hooks", "http://localhost:8000/hooks"),
        ("HTTP://LocalHost", "http://localhost/"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/"),
        ("http://[::1]:9000/hooks", "http://[::1]:9000/hooks"),
        ("http://192.168.1.20/hooks", "http://192.168.1.20/hooks"),
        ("http://app:3000/hooks", "http://app:3000/hooks"),
        ("http://shop.local/", "http://shop.local/"),
        ("http://host.docker.internal:3000/", "http://host.docker.internal:3000/"),
        ("https://shop.example.com/", "https://shop.example.com/"),
    ],
)
def test_for_local_work_http_and_private_hosts_are_fine(written: str, plain: str):
    assert checked_url(written, private=True) == plain


@pytest.mark.parametrize(
    "url",
    ["ftp://localhost/", "file:///etc/passwd", "http://", "http:///x", "http://localhost:0/", "localhost:80"],
)
def test_for_local_work_too_an_address_is_one_of_http(url: str):
    with pytest.raises(ValueError):
        checked_url(url, private=True)


# What is seen on paper; what hides is refused before anybody reads it, as the test above shows.
_SEEN = st.characters(exclude_categories=["C", "Z"])
_SPECIAL = st.sampled_from([*":/?#[]@!$&'()*+,;=%.。．｡-_~<>\"{}|^`", "①", "ⓛ", "℀", "ß", "İ", "ﷺ", "\u034f"])
_LABEL = st.sampled_from(
    ["shop", "example", "bücher", "127", "0", "1", "0x7f", "①", "xn--a", "xn--bcher-kva", "localhost", "SHOP"]
)
_HOST = st.tuples(
    st.lists(_LABEL, min_size=1, max_size=3) | st.lists(st.text(_SEEN, min_size=1, max_size=4), min_size=1),
    st.sampled_from(".。．｡"),
    st.sampled_from(["com", "COM", "example", "テスト", "com.", "0x7f"]),
).map(lambda parts: parts[1].join([*parts[0], parts[2]]))
_URLS = st.one_of(
    st.tuples(
        st.sampled_from(["https://", "https://", "HTTPS://", "https://@"]),
        _HOST | st.sampled_from(_LOOPBACK),
        st.sampled_from(["", "", "", ":", ":08443", ":٤", "@evil.example", "."]),
        st.sampled_from(["/", "?", "/?", "/#", ""]),
        st.text(_SPECIAL | _SEEN, max_size=8),
    ).map("".join),
    st.text(_SPECIAL | _SEEN).map(lambda text: f"https://{text}"),
)


@settings(max_examples=500)
@given(_URLS)
@example("https://shop.example.com?@127.0.0.1/")
@example("https://shop.example.com/\\@127.0.0.1/")
@example("https://1.1.1.1 &@2.2.2.2# @3.3.3.3/")
@example("https://a\u034f127.0.0.1/")
def test_whoever_reads_an_accepted_address_sees_the_same_named_host(url: str):
    """What looks at it, and what connects: Python's own parser, and that of the HTTP client."""
    try:
        plain = checked_url(url, private=False)
    except ValueError:
        return
    assert plain.isascii()
    assert checked_url(plain, private=False) == plain
    read, sent = urlsplit(plain), URL(plain, encoded=True)
    host = read.hostname
    assert host is not None
    assert host == sent.raw_host == URL(plain).raw_host
    assert (read.port or 443) == sent.port
    assert (read.username, read.password) == (None, None) == (sent.raw_user, sent.raw_password)
    assert "@" not in read.netloc
    assert read.scheme == sent.scheme == "https"
    with pytest.raises(OSError):
        socket.inet_aton(host)
    with pytest.raises(ValueError):
        ipaddress.ip_address(host)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo(host, 443, flags=socket.AI_NUMERICHOST)


_NAMES = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True).filter(
    lambda label: label[2:4] != "--"
)


@given(
    st.lists(_NAMES, min_size=1, max_size=4),
    st.sampled_from(["com", "example", "io", "africa"]),
    st.none() | st.integers(1, 65535),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P"], exclude_characters="\\#?"), max_size=20),
)
def test_every_name_with_a_dot_in_it_is_accepted(labels: list[str], last: str, port: int | None, path: str):
    host = ".".join([*labels, last])
    rest = f"{'' if port is None else f':{port}'}/{path}"
    assert checked_url(f"https://{host.upper()}{rest}", private=False) == f"https://{host}{rest}"


# IANA's registries of special-purpose addresses, every block of them, and a few words for what is no address.
@pytest.mark.parametrize(
    "address",
    [
        *(
            "0.0.0.0",
            "0.1.2.3",
            "0.255.255.255",
            "10.0.0.0",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
        ),
        *("127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254", "172.16.0.1", "172.31.255.255"),
        *("192.0.0.0", "192.0.0.8", "192.0.0.9", "192.0.0.10", "192.0.0.170", "192.0.0.171", "192.0.2.1"),
        *("192.31.196.1", "192.52.193.1", "192.88.99.1", "192.88.99.2", "192.168.0.1", "192.168.255.255"),
        *("192.175.48.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1"),
        *("239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *(
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:0.0.0.0",
            "::ffff:127.0.0.1",
            "::ffff:7f00:1",
            "::ffff:1.1.1.1",
        ),
        *("64:ff9b::", "64:ff9b::7f00:1", "64:ff9b::1.1.1.1", "64:ff9b:1::1", "100::1", "100:0:0:1::1"),
        *("2001::1", "2001:1::1", "2001:1::2", "2001:1::3", "2001:2::1", "2001:3::1", "2001:4:112::1"),
        *(
            "2001:10::1",
            "2001:20::1",
            "2001:30::1",
            "2001:1ff:ffff::",
            "2001:db8::1",
            "2002::",
            "2002:7f00:1::",
        ),
        *("2002:a00:1::1", "2620:4f:8000::1", "3fff::", "3fff:fff:ffff::1", "5f00::", "5f00::1"),
        *("fc00::1", "fd00::", "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1"),
        *("4000::1", "1::1", "", "localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1", "1.1.1.1.1"),
        *("①.1.1.1", " 1.1.1.1", "1.1.1.1\n", "1.1.1.1/32", "[2606:4700:4700::1111]", "shop.example.com"),
    ],
)
def test_an_address_of_no_public_host_is_denied(address: str):
    assert is_denied(address)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
        ),
        *(
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.0.3.0",
        ),
        *("192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0", "203.0.114.0", "223.255.255.255"),
        *(
            "2606:4700:4700::1111",
            "2a00:1450:4001:81b::200e",
            "2a00:1450::",
            "2001:200::1",
            "2001:4860:4860::8888",
        ),
        *("2001:db7::1", "2001:db9::1", "2003::1", "2620:4f:7fff::1", "2620:4f:8001::1", "3ffe::1"),
    ],
)
def test_the_address_of_a_public_host_is_not_denied(address: str):
    assert not is_denied(address)


@given(st.ip_addresses())
def test_what_python_holds_to_be_no_public_address_is_denied_too(address: ipaddress.IPv4Address):
    assert address.is_global or is_denied(str(address))
    if address.is_multicast:
        assert is_denied(str(address))


@given(st.ip_addresses(v=4))
def test_no_denied_address_passes_inside_another(address: ipaddress.IPv4Address):
    packed = f"{int(address) >> 16:x}:{int(address) & 0xFFFF:x}"
    for outer in (
        f"::{address}",
        f"::ffff:{address}",
        f"64:ff9b::{address}",
        f"64:ff9b:1::{packed}",
        f"2002:{packed}::",
    ):
        assert is_denied(outer)
