"""Every change writes its event in its own transaction: one per change, none for what was refused."""

import pytest

from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.customers import CustomerId, actions
from reevit_server.customers.schemas import CustomerCreate, CustomerPatch
from tests.events.recorded import count_events, events_of, types_of
from tests.makers import Merchant, created, ok, refused

ADA = {"external_id": "usr_1", "email": "ada@example.com", "name": "Ada", "phone": "+233501234567"}
MONEY = {"amount": 1000, "currency": "GHS"}


async def test_a_story_is_told_change_by_change(db: Database, merchant: Merchant):
    customer = await merchant.customer(**ADA)
    address = f"/v1/customers/{customer['id']}"
    ok(await merchant.test.patch(address, json={"name": "Ada Lovelace"}))
    ok(await merchant.test.patch(address, json={"name": "Ada Lovelace"}))
    ok(await merchant.test.put("/v1/customers/external/usr_1", json={"metadata": {"plan": "pro"}}))
    ok(await merchant.test.post(f"{address}/tags", json={"tags": ["vip"]}))
    ok(await merchant.test.delete(f"{address}/tags/vip"))
    ok(await merchant.test.delete(f"{address}/tags/vip"))
    ok(await merchant.test.patch(address, json={"external_id": "usr_2", "rekey": True}))
    refused(await merchant.test.patch(address, json={"external_id": "usr_3"}), 409, "external_id_fixed")
    paid = await merchant.payment(**MONEY, customer_id=customer["id"])
    assert (await merchant.test.delete(address)).status_code == 204
    assert await types_of(db, merchant, customer["id"]) == [
        "customer.created",
        *["customer.updated"] * 5,
        "customer.deleted",
    ]
    assert await types_of(db, merchant, paid["id"]) == ["payment.created", "payment.succeeded"]
    assert await count_events(db, merchant) == 9


async def test_reading_tells_nothing(db: Database, merchant: Merchant):
    customer = await merchant.customer(**ADA)
    payment = await merchant.payment(**MONEY, customer_id=customer["id"])
    before = await count_events(db, merchant)
    for address in (
        "/v1/customers",
        f"/v1/customers/{customer['id']}",
        "/v1/customers/external/usr_1/payments",
        "/v1/payments",
        f"/v1/payments/{payment['id']}/refunds",
    ):
        ok(await merchant.test.get(address))
    assert await count_events(db, merchant) == before


async def test_an_event_is_stored_by_the_transaction_of_its_change(db: Database, merchant: Merchant):
    """Postgres writes on every row which transaction made it: they are all the same one."""
    body = {**MONEY, "customer": ADA}
    payment = created(
        await merchant.test.post("/v1/payments", json=body, headers={"Idempotency-Key": "order-1"})
    )
    async with db.read() as conn:
        made_by = await conn.fetch(
            """
            SELECT xmin::text FROM payments WHERE org_id = $1
            UNION ALL SELECT xmin::text FROM customers WHERE org_id = $1
            UNION ALL SELECT xmin::text FROM customer_totals WHERE org_id = $1
            UNION ALL SELECT xmin::text FROM customer_days WHERE org_id = $1
            UNION ALL SELECT xmin::text FROM idempotency_keys WHERE org_id = $1
            UNION ALL SELECT xmin::text FROM events WHERE org_id = $1
            """,
            merchant.org_id,
        )
    assert len(made_by) == 8, "three events, and one row in each of the other tables"
    assert len({row["xmin"] for row in made_by}) == 1
    assert await types_of(db, merchant, payment["customer_id"]) == ["customer.created"]


async def test_a_deed_that_is_rolled_back_tells_nothing(db: Database, merchant: Merchant):
    class SecondThoughts(Exception):
        pass

    async def change_and_think_again() -> None:
        async with db.transaction() as conn:
            await actions.create(conn, merchant.scope, CustomerCreate(name="Zoë"), now=utc_now())
            patch = CustomerPatch(name="Zoë")
            await actions.update(conn, merchant.scope, CustomerId(customer["id"]), patch, now=utc_now())
            raise SecondThoughts

    customer = await merchant.customer(**ADA)
    before = await count_events(db, merchant)
    with pytest.raises(SecondThoughts):
        await change_and_think_again()
    assert await count_events(db, merchant) == before
    assert ok(await merchant.test.get("/v1/customers"))["customers"] == [customer]


async def test_a_refused_deed_tells_nothing(db: Database, merchant: Merchant):
    customer = await merchant.customer(**ADA)
    payment = await merchant.payment(**MONEY, reference="order-1")
    before = await count_events(db, merchant)
    new = {"customer": {"external_id": "usr_new"}}
    address = f"/v1/customers/{customer['id']}"
    taken = {**MONEY, **new, "reference": "order-1"}
    nothing_left = dict.fromkeys(ADA, None) | {"rekey": True}
    for answer in (
        await merchant.test.post("/v1/customers", json=ADA),
        await merchant.test.post("/v1/payments", json=taken),
        await merchant.test.post("/v1/payments/intents", json=taken),
        await merchant.test.patch(address, json=nothing_left),
        await merchant.test.post(f"/v1/payments/{payment['id']}/refund", json={"amount": 1001}),
        await merchant.test.post(f"/v1/payments/{payment['id']}/cancel"),
        await merchant.test.post("/v1/payments", json={**MONEY, "customer_id": "cus_unknown"}),
    ):
        assert answer.status_code in (409, 422), answer.text
    assert await count_events(db, merchant) == before


async def test_a_payments_event_shows_the_payment_as_the_api_does_and_who_paid(
    db: Database, merchant: Merchant
):
    customer = await merchant.customer(**ADA, tags=["vip", "new"], metadata={"private": "note"})
    payment = await merchant.payment(
        **MONEY, customer_id=customer["id"], metadata={"order": 7, "ratio": 0.5}, reference="order-7"
    )
    payer = {**ADA, "id": customer["id"], "tags": ["vip", "new"]}
    for event in await events_of(db, merchant, payment["id"]):
        assert event["data"] == {**payment, "customer": payer}
        assert (event["customer_id"], event["mode"]) == (customer["id"], "test")
        assert event["id"].startswith("evt_")


async def test_a_customers_event_shows_the_customer_and_its_address_block(db: Database, merchant: Merchant):
    customer = await merchant.customer(**ADA, tags=["vip"])
    await merchant.payment(**MONEY, customer_id=customer["id"])
    after = ok(await merchant.test.patch(f"/v1/customers/{customer['id']}", json={"phone": None}))
    [first, second] = await events_of(db, merchant, customer["id"])
    block = {**ADA, "id": customer["id"], "tags": ["vip"]}
    assert first["data"] == {**customer, "customer": block}
    assert second["data"] == {
        **after,
        "customer": {**block, "phone": None},
        "previous_attributes": {"phone": "+233501234567"},
    }
    assert second["data"]["total_spent"] == 1000


async def test_the_customer_is_shown_as_it_was_when_it_happened(db: Database, merchant: Merchant):
    customer = await merchant.customer(**ADA)
    payment = await merchant.payment(**MONEY, customer_id=customer["id"])
    ok(await merchant.test.patch(f"/v1/customers/{customer['id']}", json={"name": "Zoë"}))
    await merchant.refund(payment["id"], amount=1)
    names = [event["data"]["customer"]["name"] for event in await events_of(db, merchant, payment["id"])]
    assert names == ["Ada", "Ada", "Zoë"]


async def test_events_of_one_instant_are_in_the_order_in_which_they_happened(
    db: Database, merchant: Merchant
):
    """Fifty times two events of one moment: by id, the first is always the first."""
    payments = [await merchant.payment(**MONEY) for _ in range(50)]
    for payment in payments:
        events = await events_of(db, merchant, payment["id"])
        assert [event["type"] for event in events] == ["payment.created", "payment.succeeded"]
        assert events[0]["created_at"] == events[1]["created_at"]
        assert events[0]["created_at"].isoformat().replace("+00:00", "Z") == payment["created_at"]


async def test_who_did_it_and_why_is_kept_with_every_event(db: Database, merchant: Merchant):
    notes = {"X-Actor-Id": "clerk-7", "X-Reason": "Zoë asked by phone: 50% off".encode()}
    customer = created(await merchant.test.post("/v1/customers", json=ADA, headers=notes))
    payment = created(
        await merchant.test.post("/v1/payments", json={**MONEY, "customer_id": customer["id"]}, headers=notes)
    )
    created(await merchant.test.post(f"/v1/payments/{payment['id']}/refund", json={}, headers=notes))
    ok(await merchant.test.patch(f"/v1/customers/{customer['id']}", json={"name": "Zoë"}))
    told = await events_of(db, merchant, payment["id"]) + await events_of(db, merchant, customer["id"])
    assert len(told) == 5
    for event in told:
        expected = (
            (None, None)
            if event["type"] == "customer.updated"
            else ("clerk-7", "Zoë asked by phone: 50% off")
        )
        assert (event["actor_id"], event["reason"]) == expected, event["type"]
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}", headers=notes)).status_code == 204
    deleted = (await events_of(db, merchant, customer["id"]))[-1]
    assert (deleted["type"], deleted["actor_id"]) == ("customer.deleted", "clerk-7")
    assert deleted["reason"] == "Zoë asked by phone: 50% off"


@pytest.mark.parametrize("spent", [2**53 + 1, 2**63, 2**64, 10**30 + 1])
async def test_totals_of_any_size_are_told_exactly(db: Database, merchant: Merchant, spent: int):
    customer = await merchant.customer(**ADA)
    await merchant.payment(**MONEY, customer_id=customer["id"])
    async with db.transaction() as conn:
        await conn.execute(
            "UPDATE customer_totals SET total_spent = $2::text::numeric WHERE org_id = $1",
            merchant.org_id,
            str(spent),
        )
    ok(await merchant.test.patch(f"/v1/customers/{customer['id']}", json={"name": "Zoë"}))
    data = (await events_of(db, merchant, customer["id"]))[-1]["data"]
    assert (type(data["total_spent"]), data["total_spent"]) == (int, spent)
    assert data["totals"][0]["lifetime_value"] == spent


@pytest.mark.parametrize("header", ["X-Actor-Id", "X-Reason"])
@pytest.mark.parametrize("value", [b"x" * 501, b"\xff\xfe", b"a\tb"])
async def test_a_note_that_cannot_be_kept_is_refused(
    db: Database, merchant: Merchant, header: str, value: bytes
):
    answer = await merchant.test.post("/v1/customers", json=ADA, headers={header: value})
    refusal = refused(answer, 400, "validation_error")
    assert [fault["field"] for fault in refusal["details"]["fields"]] == [header]
    assert await count_events(db, merchant) == 0


async def test_a_repeated_request_tells_nothing_new(db: Database, merchant: Merchant):
    headers = {"Idempotency-Key": "order-1", "X-Actor-Id": "clerk-7"}
    for actor in ("clerk-7", "clerk-8"):
        body = {**MONEY, "customer": ADA}
        created(await merchant.test.post("/v1/payments", json=body, headers={**headers, "X-Actor-Id": actor}))
    assert await count_events(db, merchant) == 3


async def test_live_events_are_live(db: Database, merchant: Merchant):
    payment = created(
        await merchant.live.post("/v1/payments", json={**MONEY, "provider": "external", "customer": ADA})
    )
    told = await events_of(db, merchant, payment["id"]) + await events_of(
        db, merchant, payment["customer_id"]
    )
    assert [event["mode"] for event in told] == ["live"] * 3
    assert all(event["data"]["mode"] == "live" for event in told)
