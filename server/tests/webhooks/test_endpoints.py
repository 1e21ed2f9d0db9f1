"""`/v1/webhooks/endpoints`: who is told, and of what."""

import asyncio

import pytest

from reevit_server import events
from reevit_server.core.database import Database
from tests.makers import Merchant, created, ok, refused
from tests.webhooks import rows
from tests.webhooks.clockwork import Clock, Clockwork, Outside
from tests.webhooks.wire import HOOKS, do, endpoint, patch, seen

PATH = "/v1/webhooks/endpoints"


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
    (row,) = await rows.endpoints(db, merchant)
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


async def test_the_other_mode_has_its_own(merchant: Merchant, clockwork: Clockwork, outside: Outside):
    made = await endpoint(merchant)
    assert ok(await merchant.live.get(PATH))["endpoints"] == []
    refused(await merchant.live.get(f"{PATH}/{made['id']}"), 404, "webhook_endpoint_not_found")
    created(await merchant.live.post("/v1/customers", json={"name": "Ada"}))
    await clockwork.run()
    assert outside.take() == []
