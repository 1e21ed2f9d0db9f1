"""Bodies that are no JSON, too large, too deep or of another kind: refused before anything is done with them."""

from collections.abc import AsyncIterator

import httpx
import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored, rows_of
from tests.makers import Merchant, created, refused

KIB_256 = 256 * 1024
_JSON = {"Content-Type": "application/json", "Idempotency-Key": "bad-body"}
_GOOD = b'{"external_id": "usr_1"}'


def padded(size: int) -> bytes:
    """A good body of exactly this size: JSON may have any amount of white space."""
    return _GOOD + b" " * (size - len(_GOOD))


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """The body as a stream: it goes out in chunks, without a Content-Length."""
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]


async def send(
    merchant: Merchant, body: bytes | AsyncIterator[bytes], headers: dict[str, str] | None = None
) -> httpx.Response:
    return await merchant.test.post("/v1/customers", content=body, headers=headers or _JSON)


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        pytest.param(b'{"external_id": "usr_1"', "line 1, column 24", id="cut off"),
        pytest.param(b'{"external_id": "usr', "line 1", id="cut off in a string"),
        pytest.param(_GOOD + b" {}", "line 1, column 26", id="a second value behind"),
        pytest.param(b"{'external_id': 'usr_1'}", "line 1", id="single quotes"),
        pytest.param(b"external_id=usr_1", "line 1", id="a form"),
        pytest.param(b" \n\t", "line", id="white space alone"),
        pytest.param(b"\xef\xbb\xbf" + _GOOD, "", id="a byte order mark"),
        pytest.param(_GOOD.decode().encode("utf-16"), "UTF-8", id="UTF-16"),
        pytest.param(b'{"external_id": "caf\xe9"}', "UTF-8", id="Latin-1"),
        pytest.param(b'{"external_id": "\xed\xa0\x80"}', "UTF-8", id="a surrogate in the bytes"),
        pytest.param(b'{"external_id": "\\ud83d"}', "surrogate", id="a lone surrogate"),
        pytest.param(b'{"external_id": "a", "metadata": {"\\udc00": 1}}', "surrogate", id="one in a key"),
        pytest.param(b'{"external_id": "usr\\u0000"}', "NUL", id="NUL in a string"),
        pytest.param(b'{"external_id": "a", "metadata": {"\\u0000": 1}}', "NUL", id="NUL in a key"),
        pytest.param(b'{"external_id": "a", "tags": ["\\u0000"]}', "NUL", id="NUL in a list"),
        pytest.param(b'{"external_id": "a\0"}', "line 1", id="a raw NUL"),
        pytest.param(b'{"external_id": "a", "external_id": "a"}', "'external_id'", id="a key twice"),
        pytest.param(b'{"name": "a", "metadata": {"k": 1, "k": 2}}', "'k'", id="a key twice inside"),
        pytest.param(b'{"name": "a", "n\\u0061me": "b"}', "'name'", id="a key twice in two spellings"),
        pytest.param(b'{"name": "a", "metadata": {"k": NaN}}', "NaN", id="NaN"),
        pytest.param(b'{"name": "a", "metadata": {"k": -Infinity}}', "Infinity", id="Infinity"),
        pytest.param(b'{"name": "a", "metadata": {"k": 1e400}}', "1e400", id="1e400"),
        pytest.param(b'{"name": "a", "metadata": {"k": %d}}' % 2**63, "64 bits", id="2^63"),
        pytest.param(b'{"name": "a", "metadata": {"k": -%d}}' % (2**63 + 1), "64 bits", id="-2^63-1"),
        pytest.param(
            b'{"name": "a", "metadata": {"k": %s}}' % (b"9" * 200_000), "64 bits", id="200,000 digits"
        ),
        pytest.param(b'{"name":' * 33 + b"1" + b"}" * 33, "deeper than 32", id="33 levels"),
        pytest.param(b"[" * 10_000 + b"]" * 10_000, "deeper than 32", id="10,000 levels"),
        pytest.param(b'{"a":' * 10_000, "deeper than 32", id="10,000 levels that never end"),
    ],
)
async def test_a_body_that_is_no_strict_json_is_refused_with_the_reason(
    merchant: Merchant, db: Database, raw: bytes, named: str
):
    async with nothing_stored(db, merchant):
        body = refused(await send(merchant, raw), 400, "malformed_json")
    assert body["error"] == "validation_error"
    assert named in body["message"]


async def test_32_levels_are_not_too_deep(merchant: Merchant, db: Database):
    raw = b'{"name": "a", "metadata": ' + b'{"k":' * 31 + b"1" + b"}" * 32
    async with nothing_stored(db, merchant):
        assert "metadata" in refused(await send(merchant, raw), 400, "validation_error")["message"]


@pytest.mark.parametrize("chunked", [False, True], ids=["with Content-Length", "in chunks"])
async def test_256_kib_are_read_and_one_byte_more_is_not(merchant: Merchant, db: Database, chunked: bool):
    too_much = padded(KIB_256 + 1)
    async with nothing_stored(db, merchant):
        body = refused(
            await send(merchant, in_pieces(too_much) if chunked else too_much), 413, "body_too_large"
        )
    assert body["error"] == "validation_error"
    assert "256 KiB" in body["message"]
    fits = padded(KIB_256)
    created(await send(merchant, in_pieces(fits) if chunked else fits))


async def test_a_body_that_never_ends_is_cut_off(merchant: Merchant, db: Database):
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            assert sent < 100 * KIB_256, "nobody stops reading"
            yield b" " * 10_000

    async with nothing_stored(db, merchant):
        refused(await send(merchant, endless()), 413, "body_too_large")
    assert sent < 2 * KIB_256


async def test_a_content_length_that_is_too_large_is_refused_before_the_body_is_read(
    merchant: Merchant, db: Database
):
    headers = {**_JSON, "Content-Length": str(10 * KIB_256)}
    async with nothing_stored(db, merchant):
        refused(await send(merchant, _GOOD, headers), 413, "body_too_large")


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "json",
        "",
    ],
)
async def test_another_content_type_is_refused(merchant: Merchant, db: Database, content_type: str):
    async with nothing_stored(db, merchant):
        headers = {**_JSON, "Content-Type": content_type}
        body = refused(await send(merchant, _GOOD, headers), 415, "unsupported_media_type")
    assert body["error"] == "validation_error"
    assert "application/json" in body["message"]


async def test_a_body_without_a_content_type_is_refused(merchant: Merchant, db: Database):
    async with nothing_stored(db, merchant):
        refused(await send(merchant, _GOOD, {"Idempotency-Key": "none"}), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;charset=UTF-8"]
)
async def test_json_is_json_in_any_spelling(merchant: Merchant, content_type: str):
    created(await send(merchant, _GOOD, {"Content-Type": content_type}))


async def test_no_body_needs_no_content_type(merchant: Merchant):
    payment = await merchant.payment()
    created(await merchant.test.post(f"/v1/payments/{payment['id']}/refund"))


@pytest.mark.parametrize(("method", "path"), [("DELETE", ""), ("DELETE", "/tags/vip")])
@pytest.mark.parametrize("raw", [b'{"reason": "fraud"}', b"[1]", b'"x"'])
async def test_a_body_where_none_belongs_is_refused(
    merchant: Merchant, db: Database, method: str, path: str, raw: bytes
):
    customer = await merchant.customer()
    async with nothing_stored(db, merchant):
        refused(
            await merchant.test.request(
                method, f"/v1/customers/{customer['id']}{path}", content=raw, headers=_JSON
            ),
            400,
            "validation_error",
        )


async def test_a_refused_payment_opens_no_customer(merchant: Merchant, db: Database):
    before = await rows_of(db, merchant.org_id)
    raw = {
        "amount": 15000,
        "currency": "GHS",
        "customer": {"external_id": "usr_1"},
        "metadata": {"sandbox": "dance"},
    }
    body = refused(await merchant.test.post("/v1/payments", json=raw), 422, "unknown_sandbox_scenario")
    assert body["error"] == "unprocessable"
    assert await rows_of(db, merchant.org_id) == before
