"""What a merchant may write on an invoice: metadata, with an event for every change of it."""

from typing import Any

from reevit_server.core.database import Database
from tests.events.recorded import events_of, types_of
from tests.makers import Merchant, created, ok, refused


async def invoiced(merchant: Merchant, **fields: Any) -> dict[str, Any]:
    """The first invoice of a new subscription of a new customer."""
    customer = await merchant.customer(external_id="usr_1", name="Ada")
    terms = {"amount": 15000, "currency": "GHS", "interval": "monthly", "customer_id": customer["id"]}
    subscription = created(await merchant.test.post("/v1/subscriptions", json={**terms, **fields}))
    return ok(await merchant.test.get(f"/v1/invoices/{subscription['latest_invoice_id']}"))


async def noted(merchant: Merchant, invoice: dict[str, Any], metadata: Any) -> dict[str, Any]:
    return ok(await merchant.test.patch(f"/v1/invoices/{invoice['id']}", json={"metadata": metadata}))


async def test_metadata_is_merged_key_by_key_and_nothing_else_changes(merchant: Merchant):
    invoice = await invoiced(merchant)
    noted_once = await noted(merchant, invoice, {"ledger": "2026-11", "booked": True, "lines": 3})
    assert noted_once["metadata"] == {"ledger": "2026-11", "booked": True, "lines": 3}
    assert (await noted(merchant, invoice, {"lines": 4, "booked": ""}))["metadata"] == {
        "ledger": "2026-11",
        "lines": 4,
    }
    cleared = await noted(merchant, invoice, None)
    assert cleared == {**invoice, "updated_at": cleared["updated_at"]}
    assert cleared["updated_at"] > invoice["updated_at"]


async def test_a_change_is_told_with_what_was_there_before(db: Database, merchant: Merchant):
    invoice = await invoiced(merchant)
    await noted(merchant, invoice, {"ledger": "2026-11"})
    headers = {"X-Actor-Id": "user_7", "X-Reason": "wrong month"}
    body = {"metadata": {"ledger": "2026-12"}}
    now = ok(await merchant.test.patch(f"/v1/invoices/{invoice['id']}", json=body, headers=headers))
    *_, event = await events_of(db, merchant, invoice["id"])
    assert (event["type"], event["actor_id"], event["reason"]) == ("invoice.updated", "user_7", "wrong month")
    assert event["data"].pop("previous_attributes") == {"metadata": {"ledger": "2026-11"}}
    customer = event["data"].pop("customer")
    assert (customer["external_id"], customer["name"]) == ("usr_1", "Ada")
    assert event["data"] == now
    assert event["customer_id"] == invoice["customer_id"]


async def test_a_change_that_changes_nothing_writes_nothing(db: Database, merchant: Merchant):
    invoice = await invoiced(merchant)
    once = await noted(merchant, invoice, {"lines": 1})
    for metadata in ({"lines": 1}, {}, {"never_there": ""}):
        assert await noted(merchant, invoice, metadata) == once
    assert ok(await merchant.test.patch(f"/v1/invoices/{invoice['id']}", json={})) == once
    assert (await types_of(db, merchant, invoice["id"])).count("invoice.updated") == 1
    # To JSON, 1 and true are two things.
    assert (await noted(merchant, invoice, {"lines": True}))["metadata"] == {"lines": True}


async def test_an_invoice_in_any_state_can_be_noted(merchant: Merchant):
    due = await invoiced(merchant, metadata={"sandbox": "fail"})
    assert (await noted(merchant, due, {"called": 1}))["status"] == "due"
    ok(await merchant.test.post(f"/v1/invoices/{due['id']}/cancel"))
    canceled = await noted(merchant, due, {"called": 2})
    assert (canceled["status"], canceled["metadata"]) == ("canceled", {"called": 2})


async def test_a_note_does_not_move_the_next_attempt(merchant: Merchant):
    due = await invoiced(merchant, metadata={"sandbox": "fail,succeed"})
    assert (await noted(merchant, due, {"called": 1}))["next_retry_at"] == due["next_retry_at"]
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"to": due["next_retry_at"]}))
    paid = ok(await merchant.test.get(f"/v1/invoices/{due['id']}"))
    assert (paid["status"], paid["metadata"], paid["paid_at"]) == (
        "paid",
        {"called": 1},
        due["next_retry_at"],
    )


async def test_an_invoice_that_is_not_there_or_not_yours_cannot_be_noted(
    db: Database, merchant: Merchant, other: Merchant
):
    invoice = await invoiced(other)
    for client, id in ((merchant.test, invoice["id"]), (other.live, invoice["id"]), (merchant.test, "inv_1")):
        answer = await client.patch(f"/v1/invoices/{id}", json={"metadata": {"ledger": "7"}})
        refused(answer, 404, "invoice_not_found")
    assert "invoice.updated" not in await types_of(db, other, invoice["id"])


async def test_a_replay_tells_of_one_change(db: Database, merchant: Merchant):
    invoice = await invoiced(merchant)
    address, headers = f"/v1/invoices/{invoice['id']}", {"Idempotency-Key": "note-1"}
    first = await merchant.test.patch(address, json={"metadata": {"ledger": "7"}}, headers=headers)
    again = await merchant.test.patch(address, json={"metadata": {"ledger": "7"}}, headers=headers)
    assert (again.content, again.headers["idempotent-replayed"]) == (first.content, "true")
    assert (await types_of(db, merchant, invoice["id"])).count("invoice.updated") == 1
