"""`/v1/webhooks/endpoints`: who is told, and of what."""

import asyncio
import base64

import pytest

from reevit_server import api_keys, events
from reevit_server.api_keys.models import SCOPES
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.sealing import WrongMasterKey
from reevit_server.webhooks.models import secret_bytes
from tests.makers import Api, Merchant, created, ok, refused
from tests.webhooks.clockwork import Clock, Clockwork, Outside
from tests.webhooks.wire import HOOKS, do, endpoint, patch, seen

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
PATH = "/v1/webhooks/endpoints"


async def stored(db: Database, merchant: Merchant) -> list[dict]:
    """The rows of the organization's endpoints, as they lie in the table."""
    async with db.read() as conn:
        rows = await conn.fetch(
            "SELECT id, kind, status, secret, previous_secret, deleted_at, w::text AS text"
            " FROM webhook_endpoints AS w WHERE org_id = $1 ORDER BY id",
            merchant.org_id,
        )
    return [dict(row) for row in rows]


async def test_an_endpoint_is_shown_as_it_was_made(merchant: Merchant, clock: Clock):
    made = await endpoint(merchant, events=["payment.succeeded", "customer.*"], description="The shop")
    now = clock().isoformat().replace("+00:00", "Z")
    assert made == {
        "id": made["id"],
        "org_id": merchant.org_id,
        "mode": "test",
        "url": HOOKS,
        "events": ["payment.succeeded", "customer.*"],
        "description": "The shop",
        "enabled": True,
        "status": "active",
        "disabled_reason": None,
        "failing_since": None,
        "signing_secret": made["signing_secret"],
        "previous_secret_until": None,
        "created_at": now,
        "updated_at": now,
    }
    assert made["id"].startswith("whk_")
    assert await seen(merchant, made) == made


async def test_an_address_is_all_that_must_be_given(merchant: Merchant):
    made = await endpoint(merchant)
    assert (made["events"], made["description"], made["enabled"]) == (["*"], None, True)
    refused(await merchant.test.post(PATH, json={}), 400, "validation_error")


async def test_the_newest_comes_first_and_pages_neither_skip_nor_repeat(merchant: Merchant, clock: Clock):
    ids = []
    for number in range(7):  # two at a time are made in the same instant
        ids.append((await endpoint(merchant, description=f"No. {number}"))["id"])
        clock.advance(seconds=number % 2)
    config = ok(await merchant.test.post("/v1/webhooks/config", json={"url": HOOKS}))
    found, cursor = [], None
    while True:
        query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = ok(await merchant.test.get(PATH, params=query))
        found += page["endpoints"]
        if (cursor := page["next_cursor"]) is None:
            break
        await endpoint(merchant)
    assert [made["id"] for made in found] == [config["id"], *reversed(ids)]
    counted = ok(await merchant.test.get(PATH, params={"limit": 1, "include_total": True, "offset": 1}))
    assert (counted["total"], len(counted["endpoints"]), counted["has_more"]) == (10, 1, True)


async def test_a_cursor_of_another_list_is_refused(merchant: Merchant):
    for _ in range(2):
        await merchant.payment()
    cursor = ok(await merchant.test.get("/v1/events?limit=1"))["next_cursor"]
    refused(await merchant.test.get(PATH, params={"cursor": cursor}), 400, "invalid_cursor")


async def test_a_change_changes_what_it_names(merchant: Merchant, clock: Clock):
    made = await endpoint(merchant, description="The shop")
    clock.advance(minutes=1)
    changed = await patch(merchant, made, events=["payment.*"], url="https://new.example/hooks")
    now = clock().isoformat().replace("+00:00", "Z")
    assert changed == {**made, "events": ["payment.*"], "url": "https://new.example/hooks", "updated_at": now}
    assert (await patch(merchant, made, description=None))["description"] is None
    assert await seen(merchant, made) == {**changed, "description": None}


@pytest.mark.parametrize("field", ["url", "events", "enabled"])
async def test_what_an_endpoint_cannot_do_without_cannot_be_cleared(merchant: Merchant, field: str):
    made = await endpoint(merchant)
    answer = await merchant.test.patch(f"{PATH}/{made['id']}", json={field: None})
    assert field in refused(answer, 400, "validation_error")["message"]
    assert await seen(merchant, made) == made


async def test_an_endpoint_that_is_turned_off_is_told_nothing_until_it_is_turned_on(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    off = await patch(merchant, made, enabled=False)
    assert (off["enabled"], off["status"], off["disabled_reason"]) == (False, "disabled", "turned_off")
    await merchant.customer(name="Ada")
    await clockwork.run()
    assert outside.take() == []
    refused(await do(merchant, made, "pause"), 409, "webhook_endpoint_disabled")
    refused(await do(merchant, made, "resume"), 409, "webhook_endpoint_disabled")
    refused(await do(merchant, made, "test"), 409, "webhook_endpoint_disabled")
    on = await patch(merchant, made, enabled=True)
    assert (on["enabled"], on["status"], on["disabled_reason"]) == (True, "active", None)
    await merchant.customer(name="Zoe")
    await clockwork.run()
    assert [sent.json["data"]["name"] for sent in outside.take()] == ["Zoe"]


async def test_an_endpoint_can_be_made_turned_off(merchant: Merchant, clockwork: Clockwork, outside: Outside):
    made = await endpoint(merchant, enabled=False)
    assert (made["status"], made["disabled_reason"]) == ("disabled", "turned_off")
    await merchant.customer(name="Ada")
    await clockwork.run()
    assert outside.take() == []


async def test_a_deleted_endpoint_is_gone_with_its_secrets_and_told_nothing(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    ok(await do(merchant, made, "rotate-secret"))
    await merchant.customer(name="Ada")
    await clockwork.run()
    assert len(outside.take()) == 1
    answer = await merchant.test.delete(f"{PATH}/{made['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    await merchant.customer(name="Zoe")
    await clockwork.run()
    assert outside.take() == []
    for answer in (
        await merchant.test.get(f"{PATH}/{made['id']}"),
        await merchant.test.patch(f"{PATH}/{made['id']}", json={"enabled": True}),
        await merchant.test.delete(f"{PATH}/{made['id']}"),
        await do(merchant, made, "resume"),
        await do(merchant, made, "test"),
        await do(merchant, made, "rotate-secret"),
        await do(merchant, made, "replay", {"from": "2020-01-01T00:00:00Z"}),
    ):
        refused(answer, 404, "webhook_endpoint_not_found")
    assert ok(await merchant.test.get(PATH))["endpoints"] == []
    (row,) = await stored(db, merchant)
    assert (row["secret"], row["previous_secret"]) == (None, None)
    assert row["deleted_at"] is not None
    (delivery,) = ok(await merchant.test.get("/v1/webhooks/outbound"))["outbound"]
    assert (delivery["endpoint_id"], delivery["status"]) == (made["id"], "delivered")


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        (["*"], ["customer.created", "payment.created", "payment.succeeded", "payment.refunded"]),
        (["payment.*"], ["payment.created", "payment.succeeded", "payment.refunded"]),
        (["payment.succeeded"], ["payment.succeeded"]),
        (["customer.*", "payment.refunded"], ["customer.created", "payment.refunded"]),
        (["payment.created", "payment.*", "*"], ["customer.created", "payment.created"]),
        (["subscription.*", "customer.updated"], []),
    ],
)
async def test_it_is_told_of_what_it_chose_and_of_nothing_else(
    merchant: Merchant, clockwork: Clockwork, outside: Outside, chosen: list[str], told: list[str]
):
    await endpoint(merchant, events=chosen)
    payment = await merchant.payment(customer={"name": "Ada"})
    if "payment.refunded" in told:
        await merchant.refund(payment["id"])
    await clockwork.run()
    types = [sent.json["type"] for sent in outside.take()]
    assert sorted(types) == sorted([*told, *(["payment.succeeded"] if "*" in chosen[1:] else [])])


async def test_what_is_chosen_twice_is_chosen_once(merchant: Merchant):
    made = await endpoint(merchant, events=["payment.*", "*", "payment.*"])
    assert made["events"] == ["payment.*", "*"]


@pytest.mark.parametrize(
    "type",
    ["payment.succeded", "payment", "payments.*", "PAYMENT.*", "*.*", "", " *", "webhook.test", None, 7],
)
async def test_a_type_that_there_is_not_is_refused_with_those_that_there_are(merchant: Merchant, type):
    for answer in (
        await merchant.test.post(PATH, json={"url": HOOKS, "events": ["payment.*", type]}),
        await merchant.test.post("/v1/webhooks/config", json={"url": HOOKS, "events": [type]}),
        await merchant.test.post("/v1/webhooks/listeners", json={"events": [type]}),
    ):
        refusal = refused(answer, 400, "validation_error")
        (fault, *_) = refusal["details"]["fields"]
        assert fault["field"].startswith("events")
        if isinstance(type, str):
            assert repr(type) in fault["message"]
            assert all(known in fault["message"] for known in events.TYPES)
    assert ok(await merchant.test.get(PATH))["endpoints"] == []


async def test_a_choice_of_nothing_is_refused(merchant: Merchant):
    refused(await merchant.test.post(PATH, json={"url": HOOKS, "events": []}), 400, "validation_error")


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example/hooks",
        "ftp://shop.example/hooks",
        "//shop.example/hooks",
        "shop.example/hooks",
        "https:///hooks",
        "https://",
        "",
        " https://shop.example",
        "https://shop.example/a b",
        "https://shop.example\\@internal.example/",
        "https://shop.example/\r\nX-Evil: 1",
        "https://ada@shop.example/hooks",
        "https://ada:secret@shop.example/hooks",
        "https://@shop.example/hooks",
        "https://shop.example/hooks#part",
        "https://shop.example:0/hooks",
        "https://shop.example:65536/hooks",
        "https://shop.example:port/hooks",
        "https://localhost/hooks",
        "https://localhost./hooks",
        "https://LOCALHOST:8443/hooks",
        "https://shop.localhost/hooks",
        "https://printer.local/hooks",
        "https://metadata.google.internal/hooks",
        "https://intranet/hooks",
        "https://127.0.0.1/hooks",
        "https://127.0.0.1./hooks",
        "https://127.1/hooks",
        "https://0/hooks",
        "https://2130706433/hooks",
        "https://0x7f000001/hooks",
        "https://0x7f.1/hooks",
        "https://0X7F.0.0.1/hooks",
        "https://0177.0.0.1/hooks",
        "https://8.8.8.8/hooks",
        "https://①②⑦.0.0.1/hooks",
        "https://１２７.0.0.1/hooks",
        "https://127。0。0。1/hooks",
        "https://[::1]/hooks",
        "https://[::ffff:127.0.0.1]/hooks",
        "https://[2606:4700::1111]/hooks",
        "https://[fe80::1%25eth0]/hooks",
        "https://[::1/hooks",
        "https://shop..example/hooks",
        "https://-shop.example/hooks",
        "https://sh%6fp.example/hooks",
        "https://" + "a" * 64 + ".example/hooks",
        "https://shop.example/" + "a" * 2048,
        "https://shop.example/" + "ä" * 1000,  # which is three times as long when it is sent
    ],
)
async def test_an_address_that_is_no_public_hosts_by_name_is_refused(merchant: Merchant, url: str):
    made = await endpoint(merchant)
    for answer in (
        await merchant.test.post(PATH, json={"url": url}),
        await merchant.test.patch(f"{PATH}/{made['id']}", json={"url": url}),
        await merchant.test.post("/v1/webhooks/config", json={"url": url}),
    ):
        refusal = refused(answer, 400, "validation_error")
        assert [fault["field"] for fault in refusal["details"]["fields"]] == ["url"]
    assert ok(await merchant.test.get(PATH))["endpoints"] == [made]


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("HTTPS://Shop.Example", "https://shop.example/"),
        ("https://shop.example:8443/Hooks?b=1&a=%2F", "https://shop.example:8443/Hooks?b=1&a=%2F"),
        (
            "https://bücher.example/häuser?stadt=köln",
            "https://xn--bcher-kva.example/h%C3%A4user?stadt=k%C3%B6ln",
        ),
        ("https://shop。example/", "https://shop.example/"),
        ("https://shop.example./", "https://shop.example/"),
        ("https://127.0.0.1.example/", "https://127.0.0.1.example/"),
        ("https://my_shop.example/a//b/../c;d=1", "https://my_shop.example/a//b/../c;d=1"),
    ],
)
async def test_an_address_is_kept_in_its_plain_form(merchant: Merchant, given: str, plain: str):
    assert (await endpoint(merchant, url=given))["url"] == plain


async def test_there_are_at_most_fifty_and_one_that_goes_makes_room(merchant: Merchant):
    listener = created(await merchant.test.post("/v1/webhooks/listeners", json={}))
    made = [await endpoint(merchant) for _ in range(49)]
    for answer in (
        await merchant.test.post(PATH, json={"url": HOOKS}),
        await merchant.test.post("/v1/webhooks/config", json={"url": HOOKS}),
        await merchant.test.post("/v1/webhooks/listeners", json={}),
    ):
        refused(answer, 422, "too_many_webhook_endpoints")
    assert (await merchant.test.delete(f"{PATH}/{made[0]['id']}")).status_code == 204
    ok(await merchant.test.post("/v1/webhooks/config", json={"url": HOOKS}))
    ok(await merchant.test.post("/v1/webhooks/config", json={"url": HOOKS, "enabled": False}))
    refused(await merchant.test.post(PATH, json={"url": HOOKS}), 422, "too_many_webhook_endpoints")
    assert (await merchant.test.delete(f"/v1/webhooks/listeners/{listener['id']}")).status_code == 204
    await endpoint(merchant)
    created(await merchant.live.post(PATH, json={"url": HOOKS}))


async def test_of_many_at_once_no_more_are_made_than_there_may_be(merchant: Merchant):
    for _ in range(45):
        await endpoint(merchant)
    answers = await asyncio.gather(*(merchant.test.post(PATH, json={"url": HOOKS}) for _ in range(12)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [422] * 7


async def test_a_secret_is_made_that_nobody_can_guess(merchant: Merchant):
    secrets = {(await endpoint(merchant))["signing_secret"] for _ in range(3)}
    assert len(secrets) == 3
    assert all(len(secret_bytes(secret)) == 32 for secret in secrets)


async def test_a_secret_can_be_given(merchant: Merchant):
    assert (await endpoint(merchant, signing_secret=SECRET))["signing_secret"] == SECRET


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "secret",
        SECRET.removeprefix("whsec_"),
        SECRET.replace("whsec_", "whpk_"),
        SECRET + "=",
        SECRET[:-1],
        SECRET[:-4] + "!!!!",
        SECRET.replace("A", "_"),
        "whsec_" + base64.b64encode(bytes(25)).decode().replace("A==", "B=="),  # bits that belong to no byte
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        SECRET.replace("A", "Ä"),
        f" {SECRET}",
        f"{SECRET}\n",
        7,
    ],
)
async def test_what_is_no_secret_is_refused_and_not_repeated(merchant: Merchant, secret):
    for path in (PATH, "/v1/webhooks/config"):
        answer = await merchant.test.post(path, json={"url": HOOKS, "signing_secret": secret})
        refusal = refused(answer, 400, "validation_error")
        (fault,) = refusal["details"]["fields"]
        assert fault["field"] == "signing_secret"
        assert not isinstance(secret, str) or fault["message"].startswith("Write whsec_")
        assert not isinstance(secret, str) or len(secret) < 20 or secret.strip() not in answer.text


async def test_secrets_lie_sealed(db: Database, merchant: Merchant):
    made = await endpoint(merchant, signing_secret=SECRET)
    config = ok(await merchant.test.post("/v1/webhooks/config", json={"url": HOOKS}))
    listener = created(await merchant.test.post("/v1/webhooks/listeners", json={}))
    rotated = ok(await do(merchant, made, "rotate-secret"))
    shown = [
        SECRET,
        rotated["signing_secret"],
        config["signing_secret"],
        listener["signing_secret"],
    ]
    rows = await stored(db, merchant)
    assert sorted(row["kind"] for row in rows) == ["config", "endpoint", "listener"]
    for row in rows:
        for secret in shown:
            for spelling in (secret.encode(), secret_bytes(secret)):
                assert spelling not in row["secret"]
                assert spelling.hex() not in row["text"]
                assert row["previous_secret"] is None or spelling not in row["previous_secret"]
    assert sum(row["previous_secret"] is not None for row in rows) == 1


async def test_a_secret_is_shown_to_those_who_could_replace_it(db: Database, api: Api, merchant: Merchant):
    made = await endpoint(merchant)
    ok(await merchant.test.post("/v1/webhooks/config", json={"url": HOOKS}))
    keys = {}
    for scopes in (["webhooks:read"], ["webhooks:read", "webhooks:write"]):
        async with db.transaction() as conn:
            _, keys[len(scopes)] = await api_keys.create(conn, merchant.scope, scopes=scopes, now=utc_now())
    assert set(scopes) < set(SCOPES)
    reader, writer = api.client(keys[1]), api.client(keys[2])
    for path in (f"{PATH}/{made['id']}", "/v1/webhooks/config"):
        assert ok(await reader.get(path))["signing_secret"] is None
        assert ok(await writer.get(path))["signing_secret"].startswith("whsec_")
    secrets = [shown["signing_secret"] for shown in ok(await reader.get(PATH))["endpoints"]]
    assert secrets == [None, None]
    assert made["signing_secret"] in (await writer.get(PATH)).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/webhooks/endpoints", 201),
        ("/v1/webhooks/config", 200),
        ("/v1/webhooks/listeners", 201),
        ("/v1/webhooks/endpoints/{id}/rotate-secret", 200),
        ("/v1/webhooks/endpoints/{id}/pause", 200),
    ],
)
async def test_a_repeated_request_gets_the_same_secret_and_it_lies_sealed(
    db: Database, merchant: Merchant, path: str, status: int
):
    made = await endpoint(merchant)
    body = {} if "{" in path or path.endswith("listeners") else {"url": HOOKS}
    send = {"json": body, "headers": {"Idempotency-Key": "order-1"}}
    path = path.format(id=made["id"])
    first = await merchant.test.post(path, **send)
    assert first.status_code == status, first.text
    secret = first.json()["signing_secret"].encode()
    again = await merchant.test.post(path, **send)
    assert (again.status_code, again.content) == (status, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    async with db.read() as conn:
        kept = await conn.fetchval("SELECT body FROM idempotency_keys WHERE org_id = $1", merchant.org_id)
    assert secret not in kept
    assert secret_bytes(secret.decode()) not in kept
    assert len(await stored(db, merchant)) == (1 if made["id"] in path else 2)


async def test_an_endpoint_does_not_sign_with_the_secret_of_another(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    """Even if somebody who can write the table, but has no master key, puts it there."""
    first, second = await endpoint(merchant), await endpoint(merchant, events=["checkout.*"])
    async with db.transaction() as conn:
        await conn.execute(
            """
            UPDATE webhook_endpoints AS w SET secret = other.secret
            FROM webhook_endpoints AS other
            WHERE w.id = $1 AND other.id = $2
            """,
            first["id"],
            second["id"],
        )
    await merchant.customer(name="Ada")
    with pytest.raises(WrongMasterKey):
        await clockwork.run()
    assert outside.take() == []


async def test_the_other_mode_has_its_own(merchant: Merchant, clockwork: Clockwork, outside: Outside):
    made = await endpoint(merchant)
    assert ok(await merchant.live.get(PATH))["endpoints"] == []
    refused(await merchant.live.get(f"{PATH}/{made['id']}"), 404, "webhook_endpoint_not_found")
    created(await merchant.live.post("/v1/customers", json={"name": "Ada"}))
    await clockwork.run()
    assert outside.take() == []
