"""The way out: what is sent is what was given, to the host that was named and to no address of our own network."""

import asyncio
import gzip
import itertools
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from reevit_server.core import egress
from reevit_server.core.egress import Post
from tests.running import free_port
from tests.webhooks.hostile import LOOPBACK, Connection, answers, head, network, receiver, says

PUBLIC = "1.1.1.1"
ANOTHER_PUBLIC = "2606:4700:4700::1111"
HOST = "shop.example.com"
BODY = b'{"id":"evt_1"}'


def resolved(*each_time: list[str]) -> tuple[Callable[[str, int], Awaitable[list[str]]], list[str]]:
    """A name server that answers these one after the other, the last one for ever; and the names it was asked."""
    coming = itertools.chain(each_time, itertools.repeat(each_time[-1]))
    asked: list[str] = []

    async def resolve(host: str, _: int) -> list[str]:
        asked.append(host)
        return next(coming)

    return resolve, asked


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    """The way out, as it is for local work."""
    async with egress.opened(private=True) as opened:
        yield opened


async def test_what_is_sent_is_what_was_given(post: Post):
    headers = {"Content-Type": "application/json", "User-Agent": "Reevit", "webhook-id": "evt_1"}
    async with receiver(answers()) as there:
        await post(f"{there.url}/a%2Fb//c/../?sig=a%2Fb%20c+d&x", BODY, headers)
    [request] = there.requests
    assert request.line == "POST /hooks/a%2Fb//c/../?sig=a%2Fb%20c+d&x HTTP/1.1"
    assert request.body == BODY
    assert request.headers == {
        "content-type": "application/json",
        "user-agent": "Reevit",
        "webhook-id": "evt_1",
        "host": f"{LOOPBACK}:{there.port}",
        "content-length": str(len(BODY)),
        "accept": "*/*",
        "accept-encoding": "identity",
    }


async def test_an_answer_is_told_by_its_status_its_retry_after_and_its_first_kilobyte(post: Post):
    body = b"out of \xff order\0" + b"x" * 2000
    scenario = answers("503 Service Unavailable", "Retry-After: 120", body=body, after=0.2)
    async with receiver(scenario) as there:
        reply = await post(there.url, BODY, {})
    assert (reply.status_code, reply.retry_after, reply.error) == (503, "120", None)
    assert reply.body == "out of \ufffd order\ufffd" + "x" * 1009
    assert reply.latency_ms >= 200


@pytest.mark.parametrize("status", ["100 Continue", "102 Processing", "103 Early Hints"])
async def test_an_interim_answer_is_not_the_answer(post: Post, status: str):
    async with receiver(says(head(status), head("204 No Content"))) as there:
        reply = await post(there.url, BODY, {})
    assert (reply.status_code, reply.error) == (204, None)


@pytest.mark.parametrize("status", [101, 301, 302, 303, 307, 308, 404, 500, 999])
async def test_every_status_is_told_as_it_is(post: Post, status: int):
    """What it means is not the way out's to say; and where it leads, nobody goes."""
    async with receiver(answers()) as elsewhere:
        fields = (f"Location: {elsewhere.url}", "Content-Length: 0", "Connection: close")
        async with receiver(says(head(f"{status} So", *fields))) as there:
            reply = await post(there.url, BODY, {})
    assert (reply.status_code, reply.error) == (status, None)
    assert elsewhere.connections == 0


async def test_a_redirect_to_the_clouds_credentials_is_not_followed(post: Post):
    location = "Location: http://169.254.169.254/latest/meta-data/"
    with network() as asked:
        async with receiver(answers("301 Moved Permanently", location)) as there:
            reply = await post(there.url, BODY, {})
    assert reply.status_code == 301
    assert asked == [LOOPBACK]


async def test_no_cookie_is_kept():
    resolve, _ = resolved([LOOPBACK])
    cookies = ("Set-Cookie: id=1; Path=/", f"Set-Cookie: x=2; Domain={HOST}", "Set-Cookie: =;;\xff")
    async with (
        receiver(answers("200 OK", *cookies)) as there,
        egress.opened(private=True, resolve=resolve) as post,
    ):
        for host in (HOST, LOOPBACK) * 2:
            assert (await post(f"http://{host}:{there.port}/", BODY, {})).status_code == 200
    assert [request.headers.get("cookie") for request in there.requests] == [None] * 4


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "x"])
async def test_nothing_is_unpacked_whatever_it_says_it_is(post: Post, coding: str):
    packed = gzip.compress(b"thank you" * 100)
    for body in (packed, b"thank you"):
        async with receiver(answers("200 OK", f"Content-Encoding: {coding}", body=body)) as there:
            reply = await post(there.url, BODY, {})
        assert (reply.status_code, reply.error) == (200, None)
        assert reply.body == body.decode(errors="replace").replace("\0", "\ufffd")


async def test_a_connection_is_used_again_unless_its_answer_was_cut_off(post: Post):
    async with receiver(answers()) as there, receiver(answers(body=b"x" * 10**6)) as verbose:
        for _ in range(3):
            assert (await post(there.url, BODY, {})).error is None
            assert (await post(verbose.url, BODY, {})).error is None
    assert (there.connections, verbose.connections) == (1, 3)


async def test_nothing_in_the_environment_changes_the_way(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, post: Post
):
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {LOOPBACK} login ada password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with receiver(answers()) as proxy, receiver(answers()) as there:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert (await post(there.url, BODY, {})).error is None
    assert proxy.connections == 0
    assert "authorization" not in there.requests[0].headers


async def test_a_port_where_nobody_listens_is_a_fact(post: Post):
    reply = await post(f"http://{LOOPBACK}:{free_port()}/", BODY, {})
    assert (reply.error, reply.status_code) == ("connection_failed", None)
    assert reply.error_message == "No connection: Connection refused."


@pytest.mark.parametrize("private", [False, True])
async def test_a_name_without_addresses_is_a_fact(private: bool):
    async def unknown(*_: object) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    for resolve in (unknown, resolved([])[0]):
        async with egress.opened(private=private, resolve=resolve) as post:
            reply = await post(f"https://{HOST}/", BODY, {})
        assert (reply.error, reply.status_code) == ("name_not_resolved", None)


async def test_a_public_host_is_reached_at_the_address_that_was_looked_at():
    resolve, asked_names = resolved([ANOTHER_PUBLIC, PUBLIC])
    async with (
        receiver(answers()) as there,
        egress.opened(private=False, plain=True, resolve=resolve) as post,
    ):
        with network({PUBLIC: there}) as asked:
            reply = await post(f"http://{HOST}/hooks", BODY, {})
    assert (reply.status_code, reply.error) == (200, None)
    assert asked == [ANOTHER_PUBLIC, PUBLIC], "one way was cut off, the other was taken"
    assert asked_names == [HOST]
    assert there.requests[0].headers["host"] == HOST


@pytest.mark.parametrize(
    "addresses",
    [
        [LOOPBACK],
        [PUBLIC, LOOPBACK],
        [LOOPBACK, PUBLIC],
        [PUBLIC, ANOTHER_PUBLIC, "10.0.0.7"],
        ["169.254.169.254"],
        ["::1"],
        [PUBLIC, "::ffff:127.0.0.1"],
        ["fe80::1%eth0"],
        ["64:ff9b::7f00:1"],
        ["0.0.0.0"],
        ["127.1"],
    ],
    ids=" ".join,
)
async def test_a_name_with_any_private_address_is_not_connected_to(addresses: list[str]):
    async with receiver(answers()) as ours, receiver(answers()) as theirs:
        resolve, _ = resolved(addresses)
        async with egress.opened(private=False, plain=True, resolve=resolve) as post:
            with network({PUBLIC: theirs}) as asked:
                reply = await post(f"http://{HOST}:{ours.port}/", BODY, {})
    assert reply.error == "address_denied"
    assert reply.error_message is not None
    assert HOST in reply.error_message
    assert asked == []
    assert (ours.connections, theirs.connections) == (0, 0)


async def test_a_name_that_turns_to_loopback_after_it_was_looked_at_leads_nowhere():
    """Each connection is made to what was looked at for it, and a later one is looked at anew."""

    async def twice(post: Post, port: int) -> list[str | None]:
        return [(await post(f"http://{HOST}:{port}/", BODY, {})).error for _ in range(2)]

    closes = says(head("200 OK", "Content-Length: 0", "Connection: close"))
    for scenario, names, errors in (
        (answers(), [HOST], [None, None]),
        (closes, [HOST, HOST], [None, "address_denied"]),
    ):
        resolve, asked_names = resolved([PUBLIC], [LOOPBACK])
        async with (
            receiver(answers()) as ours,
            receiver(scenario) as theirs,
            egress.opened(private=False, plain=True, resolve=resolve) as post,
        ):
            with network({PUBLIC: theirs}) as asked:
                assert await twice(post, ours.port) == errors
        assert asked_names == names
        assert set(asked) == {PUBLIC}
        assert ours.connections == 0


async def test_a_name_that_wavers_never_leads_to_loopback():
    wavering = itertools.cycle([[PUBLIC], [LOOPBACK], [PUBLIC, LOOPBACK]])

    async def resolve(*_: object) -> list[str]:
        await asyncio.sleep(0)
        return next(wavering)

    async with (
        receiver(answers()) as ours,
        receiver(answers(after=0.05)) as theirs,
        egress.opened(private=False, plain=True, resolve=resolve) as post,
    ):
        with network({PUBLIC: theirs}) as asked:
            posts = [post(f"http://{HOST}:{ours.port}/", BODY, {}) for _ in range(60)]
            errors = [reply.error for reply in await asyncio.gather(*posts)]
    assert (errors.count(None), errors.count("address_denied")) == (20, 40)
    assert set(asked) == {PUBLIC}
    assert ours.connections == 0


@pytest.mark.parametrize(
    "host",
    [
        *(
            "127.0.0.1",
            "127.0.0.1.",
            "127.1",
            "0x7f000001",
            "0x7f.1",
            "2130706433",
            "017700000001",
            "0177.0.0.1",
        ),
        *(
            "①②⑦.0.0.1",
            "127。0。0。1",
            "１２７.0.0.1",
            "0",
            "0.0.0.0",
            "localhost",
            "LocalHost.",
            "ⓛocalhost",
        ),
        *("[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]"),
        *("[fe80::1%25lo]", "[fe80::1%lo]", "[::1%lo]", "ada:secret@127.0.0.1", f"{HOST}@127.0.0.1"),
    ],
)
async def test_an_address_in_numbers_that_got_into_the_table_is_not_connected_to(host: str):
    """Nobody asks a name server for these: the system's own reading of them is what is put to the test."""
    async with receiver(answers()) as ours, egress.opened(private=False, plain=True) as post:
        with network() as asked:
            reply = await post(f"http://{host}:{ours.port}/", BODY, {})
    assert reply.error in ("address_denied", "name_not_resolved")
    assert asked == []
    assert ours.connections == 0


@pytest.mark.parametrize(
    "url", ["", "hooks", "ftp://127.0.0.1/", "file:///etc/passwd", "http://", "http://[::1", "http://[v1.x]/"]
)
async def test_what_is_no_address_is_a_fact(url: str):
    async with egress.opened(private=False, plain=True) as post:
        with network() as asked:
            reply = await post(url, BODY, {})
    assert reply.error in ("address_denied", "name_not_resolved")
    assert asked == []


@pytest.mark.parametrize("hosts", [("localhost",), ("127.0.0.1",), ("127.0.0.1", "localhost")])
async def test_for_local_work_loopback_is_fine(post: Post, hosts: Iterable[str]):
    async with receiver(answers()) as there:
        for host in hosts:
            assert (await post(f"http://{host}:{there.port}/", BODY, {})).status_code == 200


class Authority:
    """Who signs certificates, and a client that trusts it."""

    def __init__(self) -> None:
        self.ca = trustme.CA()
        self.client = ssl.create_default_context()
        self.ca.configure_trust(self.client)

    def server(self, *names: str, **options: datetime) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(*names, **options).configure_cert(context)
        return context


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


async def test_host_server_name_and_certificate_are_by_name_and_the_connection_by_address(
    authority: Authority,
):
    resolve, asked_names = resolved([PUBLIC])
    async with (
        receiver(answers(), tls=authority.server(HOST)) as there,
        egress.opened(private=False, plain=True, resolve=resolve, tls=authority.client) as post,
    ):
        with network({PUBLIC: there}) as asked:
            for _ in range(2):
                reply = await post(f"https://{HOST}:8443/hooks", BODY, {})
                assert (reply.status_code, reply.error) == (200, None)
    assert asked == [PUBLIC]
    assert there.server_names == asked_names == [HOST]
    assert [request.headers["host"] for request in there.requests] == [f"{HOST}:8443"] * 2


async def test_a_certificate_that_does_not_prove_the_name_is_none(authority: Authority, tmp_path: Path):
    yesterday = datetime.now(UTC) - timedelta(days=1)
    own = trustme.CA()
    own.private_key_pem.write_to_path(tmp_path / "own.pem")
    own.cert_pem.write_to_path(tmp_path / "own.pem", append=True)
    self_signed = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    self_signed.load_cert_chain(tmp_path / "own.pem")
    resolve, _ = resolved([LOOPBACK])
    async with egress.opened(private=True, resolve=resolve, tls=authority.client) as post:
        for server, why in (
            (authority.server("evil.example.com"), "Hostname mismatch"),
            (authority.server("*.example.net", LOOPBACK), "Hostname mismatch"),
            (authority.server(HOST, not_after=yesterday), "expired"),
            (authority.server(HOST, not_before=yesterday + timedelta(days=2)), "not yet valid"),
            (Authority().server(HOST), "unable to get local issuer"),
            (self_signed, "self-signed"),
        ):
            async with receiver(answers(), tls=server) as there:
                reply = await post(f"https://{HOST}:{there.port}/", BODY, {})
            assert reply.error == "tls_failed"
            assert reply.error_message is not None
            assert why in reply.error_message
            assert there.requests == [], "not even the request was for its ears"


async def test_only_what_the_system_trusts_is_trusted(authority: Authority):
    resolve, _ = resolved([LOOPBACK])
    async with (
        receiver(answers(), tls=authority.server(HOST)) as there,
        egress.opened(private=True, resolve=resolve) as post,
    ):
        reply = await post(f"https://{HOST}:{there.port}/", BODY, {})
    assert reply.error == "tls_failed"
    assert there.requests == []


async def test_who_does_not_speak_tls_is_told_so(authority: Authority):
    async def replies_at_once(connection: Connection) -> None:
        await connection.send(head("400 Bad Request", "Content-Length: 0"))
        await connection.stay()

    resolve, _ = resolved([LOOPBACK])
    async with (
        receiver(replies_at_once) as there,
        egress.opened(private=True, resolve=resolve, tls=authority.client) as post,
    ):
        reply = await post(f"https://{HOST}:{there.port}/", BODY, {})
    assert reply.error == "tls_failed"
    assert there.requests == []


async def test_what_was_stored_when_http_was_allowed_is_not_sent_when_it_is_no_more():
    async with egress.opened(private=False) as post:
        reply = await post("http://shop.example.com/webhooks", b"{}", {})
    assert (reply.error, reply.status_code) == ("address_denied", None)


async def test_a_name_that_is_asked_for_by_many_at_once_is_looked_up_once(monkeypatch: pytest.MonkeyPatch):
    """A name server that does not answer must not hold more than one thread for each name."""
    asked = []
    may_answer = threading.Event()

    def look_up(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        may_answer.wait(10)
        raise socket.gaierror("no such host")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    async with egress.opened(private=False, plain=True) as post, asyncio.TaskGroup() as group:
        posts = [group.create_task(post("https://slow.example.com/", b"{}", {})) for _ in range(20)]
        await asyncio.sleep(0.5)  # all have asked by then
        may_answer.set()
    assert [task.result().error for task in posts] == ["name_not_resolved"] * 20
    assert asked == ["slow.example.com"]
