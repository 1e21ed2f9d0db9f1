"""The same rules over a real socket, where headers, paths and bodies arrive as a network brings them."""

import json
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.makers import created, ok, refused
from tests.running import Server, reevit, serving


@pytest.fixture(scope="module")
def server(dsn: str) -> Iterator[Server]:
    with serving("--database-url", dsn, REEVIT_LOG_FORMAT="json", REEVIT_LOG_REQUESTS="1") as started:
        yield started


@pytest.fixture(scope="module")
def org(server: Server, dsn: str) -> dict[str, str]:
    """Made by the command line while the server runs."""
    made = reevit("orgs", "create", "Network shop", "--json", "--database-url", dsn)
    assert made.returncode == 0, made.stderr
    answer: dict[str, str] = json.loads(made.stdout)
    return answer


@pytest.fixture
def client(server: Server, org: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=server.base_url, headers={"X-Reevit-Key": org["test_key"]}, timeout=10
    ) as opened:
        yield opened


def raw_exchange(server: Server, request: bytes) -> bytes:
    """What comes back on a bare socket until the other side has nothing more to say."""
    address = urlsplit(server.base_url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def in_pieces(body: bytes) -> Iterator[bytes]:
    """Sent in chunks, without a Content-Length."""
    return (body[start : start + 50_000] for start in range(0, len(body), 50_000))


@pytest.mark.parametrize("size", [256 * 1024 + 1, 1024 * 1024])
@pytest.mark.parametrize("chunked", [False, True], ids=["with Content-Length", "in chunks"])
def test_a_body_that_is_too_large_is_answered_and_the_next_request_is_served(
    client: httpx.Client, size: int, chunked: bool
):
    """Whoever stops reading in the midst of a body must say so, or the client goes on with a dead connection."""
    body = b'{"external_id": "usr_large"}'.ljust(size)
    for _ in range(10):
        content = in_pieces(body) if chunked else body
        answer = client.post("/v1/customers", content=content, headers={"Content-Type": "application/json"})
        refused(answer, 413, "body_too_large")
        assert ok(client.get("/v1/customers", params={"external_id": "usr_large"}))["customers"] == []


def test_a_stranger_with_a_large_body_hears_401(server: Server):
    with httpx.Client(base_url=server.base_url) as stranger:
        for _ in range(10):
            refused(stranger.post("/v1/customers", content=b" " * 1024 * 1024), 401, "invalid_api_key")


def test_256_kib_in_chunks_arrive_whole(client: httpx.Client):
    body = b'{"external_id": "usr_256"}'.ljust(256 * 1024)
    created(
        client.post("/v1/customers", content=in_pieces(body), headers={"Content-Type": "application/json"})
    )


@pytest.mark.parametrize("external_id", ["a/b", "a/b/tags/c", "caf\u00e9 \N{SNOWMAN}", "100%", "?#&=+", ".."])
def test_an_external_id_of_any_characters_survives_the_way(client: httpx.Client, external_id: str):
    quoted = "".join(f"%{byte:02x}" for byte in external_id.encode())
    made = created(client.put(f"/v1/customers/external/{quoted}", json={"name": "Ada"}))
    assert made["external_id"] == external_id
    assert ok(client.get(f"/v1/customers/external/{quoted}")) == made
    assert ok(client.get("/v1/customers/lookup", params={"external_id": external_id})) == made


def test_headers_survive_the_way(client: httpx.Client):
    answer = client.get("/v1/customers")
    assert answer.headers["x-request-id"].startswith("req_")
    assert int(answer.headers["x-ratelimit-remaining"]) < int(answer.headers["x-ratelimit-limit"])
    head = client.head("/v1/customers")
    assert (head.status_code, head.content) == (200, b"")
    wrong = client.put("/v1/customers")
    assert wrong.headers["allow"] == "GET, HEAD, POST"


def test_a_request_that_is_no_http_takes_nobody_down(client: httpx.Client, server: Server):
    for junk in (b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET /healthz HTTP/9.9\r\n\r\n"):
        raw_exchange(server, junk)
    ok(client.get("/healthz"))


def test_a_path_in_raw_bytes_is_read_or_refused(client: httpx.Client, server: Server, org: dict[str, str]):
    for path in (b"/v1/customers/external/%ff", b"/v1/customers/external/%00"):
        request = b"GET %s HTTP/1.1\r\nHost: x\r\nX-Reevit-Key: %s\r\nConnection: close\r\n\r\n"
        answer = raw_exchange(server, request % (path, org["test_key"].encode()))
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b'"validation_error"' in answer


def test_keys_made_and_revoked_on_the_command_line_count_at_once(
    client: httpx.Client, server: Server, org: dict[str, str], dsn: str
):
    where = ("--org", org["org_id"], "--database-url", dsn)
    made = json.loads(reevit("keys", "create", *where, "--name", "till", "--json").stdout)
    headers = {"X-Reevit-Key": made["key"]}
    ok(client.get("/v1/customers", headers=headers))
    done = reevit("keys", "revoke", made["id"], *where)
    revoked_at = time.monotonic()
    assert done.returncode == 0, done.stderr
    while client.get("/v1/customers", headers=headers).status_code == 200:
        assert time.monotonic() - revoked_at < 1
    refused(client.get("/v1/customers", headers=headers), 401, "invalid_api_key")


def test_the_log_is_one_json_object_a_line_and_knows_requests_by_id_and_route(
    client: httpx.Client, server: Server, org: dict[str, str]
):
    person = {"external_id": "usr_logged", "email": "logged@example.com", "phone": "+233501234567"}
    answer = client.post("/v1/customers", json=person, headers={"X-Actor-Id": "kofi@example.com"})
    client.get(f"/v1/customers/{answer.json()['id']}")
    client.get("/v1/customers", params={"email": "logged@example.com", "search": "logged"})
    time.sleep(0.2)
    lines = [json.loads(line) for line in server.output.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("request_id") == answer.headers["x-request-id"]]
    assert (line["event"], line["method"], line["route"], line["status"]) == (
        "request",
        "POST",
        "/v1/customers",
        201,
    )
    for secret in ("logged@", "usr_logged", "233501234567", "kofi@", org["test_key"], answer.json()["id"]):
        assert secret not in server.output
