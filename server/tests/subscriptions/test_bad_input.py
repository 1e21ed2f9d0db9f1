"""What a subscription, an invoice or a retry policy cannot be: refused by name, and nothing is stored or changed.

What holds for every body and every list (unknown fields, amounts, currencies, metadata, pages) is in `tests/http`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from reevit_server.core.database import Database
from tests.http.rows import nothing_stored
from tests.makers import Merchant, created, ok, refused

TERMS = {"external_customer_id": "usr_1", "amount": 15000, "currency": "GHS", "interval": "monthly"}
NOBODY = "cus_01jd8w3v5qe2rvkz6n0c4m8x7a"
# No integers, as JSON has them.
NO_COUNTS = (1.5, "1", True, [1], {})
NO_WORDS = ("", "x" * 65, "card\n", "\u200b", 7, ["card"])
NO_SCENARIOS = ("dance", "", ",", "fail,dance", "succeed,", "fail:BAD", "fail;succeed", True, 1)


async def subscribed(merchant: Merchant, **fields: Any) -> dict[str, Any]:
    """A subscription of a new customer."""
    customer = await merchant.customer()
    body = {**TERMS, "external_customer_id": customer["external_id"], **fields}
    return created(await merchant.test.post("/v1/subscriptions", json=body))


@asynccontextmanager
async def untouched(db: Database, merchant: Merchant, *addresses: str) -> AsyncIterator[None]:
    """Whatever happens in the block leaves what is there as it was, to the last byte of these addresses."""
    before = [(await merchant.test.get(address)).content for address in addresses]
    async with nothing_stored(db, merchant):
        yield
    assert [(await merchant.test.get(address)).content for address in addresses] == before


def names(body: dict[str, Any], field: str) -> bool:
    """Whether a refusal names this field and no other, and says so to a person too."""
    return [fault["field"] for fault in body["details"]["fields"]] == [field] and field in body["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("interval", value) for value in ("quarterly", "Monthly", "month", "", 7, None, ["monthly"])),
        *(("interval_count", value) for value in (0, -1, 1096, None, *NO_COUNTS)),
        *(("trial_days", value) for value in (-1, 731, None, *NO_COUNTS)),
        *(("start_at", value) for value in ("2026-01-31", "2026-01-31T09:30:00", "now", "", 7, True)),
        *(("start_at", value) for value in ("2026-02-30T00:00:00Z", "10000-01-01T00:00:00Z")),
        *(("method", value) for value in NO_WORDS),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_field_of_a_new_subscription_is_what_it_says(
    merchant: Merchant, db: Database, field: str, value: object
):
    await merchant.customer(external_id="usr_1")
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post("/v1/subscriptions", json={**TERMS, field: value})
        assert names(refused(answer, 400, "validation_error"), field)


async def test_every_fault_of_a_new_subscription_is_named_at_once(merchant: Merchant, db: Database):
    async with nothing_stored(db, merchant):
        wrong = {"amount": 0, "interval": "never", "interval_count": 0, "trial": 7}
        answer = await merchant.test.post("/v1/subscriptions", json={**TERMS, **wrong})
    fields = refused(answer, 400, "validation_error")["details"]["fields"]
    assert {fault["field"] for fault in fields} == set(wrong)


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"customer_id": None, "external_customer_id": None},
        {"customer_id": NOBODY, "external_customer_id": "usr_1"},
    ],
    ids=["nobody", "null", "twice"],
)
async def test_a_subscription_names_its_customer_once(
    merchant: Merchant, db: Database, named: dict[str, Any]
):
    terms = {name: value for name, value in TERMS.items() if name != "external_customer_id"}
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post("/v1/subscriptions", json={**terms, **named})
        message = refused(answer, 400, "validation_error")["message"]
    assert "once" in message
    assert "customer_id or external_customer_id" in message


async def test_a_subscription_is_of_a_customer_who_is_there(
    merchant: Merchant, other: Merchant, db: Database
):
    foreign = await other.customer(external_id="usr_foreign")
    live = created(await merchant.live.post("/v1/customers", json={"external_id": "usr_live"}))
    gone = await merchant.customer(external_id="usr_gone")
    assert (await merchant.test.delete(f"/v1/customers/{gone['id']}")).status_code == 204
    terms = {name: value for name, value in TERMS.items() if name != "external_customer_id"}
    for named in (
        {"customer_id": NOBODY},
        {"external_customer_id": "usr_nobody"},
        *({"customer_id": stranger["id"]} for stranger in (foreign, live, gone)),
        *({"external_customer_id": stranger["external_id"]} for stranger in (foreign, live, gone)),
    ):
        for later in ({}, {"trial_days": 7}):
            async with nothing_stored(db, merchant):
                answer = await merchant.test.post("/v1/subscriptions", json={**terms, **named, **later})
                refused(answer, 422, "customer_not_found")


@pytest.mark.parametrize(
    ("interval", "most"), [("daily", 1095), ("weekly", 156), ("monthly", 36), ("yearly", 3)]
)
async def test_a_period_is_at_most_about_three_years(
    merchant: Merchant, db: Database, interval: str, most: int
):
    await merchant.customer(external_id="usr_1")
    body = {**TERMS, "interval": interval, "trial_days": 1}
    async with nothing_stored(db, merchant):
        answer = await merchant.test.post("/v1/subscriptions", json={**body, "interval_count": most + 1})
        message = refused(answer, 400, "validation_error")["message"]
    assert "interval_count" in message
    made = created(await merchant.test.post("/v1/subscriptions", json={**body, "interval_count": most}))
    assert made["interval_count"] == most
    address = f"/v1/subscriptions/{made['id']}"
    async with untouched(db, merchant, address):
        answer = await merchant.test.patch(address, json={"interval_count": most + 1})
        assert "interval_count" in refused(answer, 400, "validation_error")["message"]


@pytest.mark.parametrize("interval", ["daily", "weekly", "monthly", "yearly"])
async def test_a_start_lies_less_than_a_period_back_and_at_most_ten_years_ahead(
    merchant: Merchant, db: Database, interval: str
):
    """At the instant itself: the test clock stands still."""
    await merchant.customer(external_id="usr_1")
    # A day that every month and year has, so that the period before is as long as it looks.
    now = datetime.fromisoformat(ok(await merchant.test.get("/v1/sandbox/clock"))["now"])
    now = now.replace(year=now.year + 1, month=5, day=15)
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"to": now.isoformat()}))
    step = timedelta(microseconds=1)
    before = {
        "daily": now - timedelta(days=1),
        "weekly": now - timedelta(weeks=1),
        "monthly": now.replace(month=4),
        "yearly": now.replace(year=now.year - 1),
    }[interval]
    ahead = now + timedelta(days=3660)

    async def begun(at: datetime) -> Any:
        body = {**TERMS, "interval": interval, "start_at": at.isoformat()}
        return await merchant.test.post("/v1/subscriptions", json=body)

    for at in (before, before - step, now.replace(year=2)):
        async with nothing_stored(db, merchant):
            assert refused(await begun(at), 422, "start_too_early")["error"] == "unprocessable"
    for at in (ahead + step, now.replace(year=9998)):
        async with nothing_stored(db, merchant):
            body = refused(await begun(at), 400, "validation_error")
        assert names(body, "start_at")
        assert body["details"]["fields"][0]["code"] == "too_far_ahead"
    assert created(await begun(before + step))["status"] == "active"
    assert created(await begun(now))["status"] == "active"
    assert created(await begun(ahead))["status"] == "trialing"


@pytest.mark.parametrize("scenario", NO_SCENARIOS, ids=repr)
async def test_a_scenario_that_the_sandbox_does_not_know_is_refused(
    merchant: Merchant, db: Database, scenario: object
):
    await merchant.customer(external_id="usr_1")
    for later in ({}, {"trial_days": 7}):
        async with nothing_stored(db, merchant):
            body = {**TERMS, **later, "metadata": {"sandbox": scenario}}
            answer = await merchant.test.post("/v1/subscriptions", json=body)
            refused(answer, 422, "unknown_sandbox_scenario")
    if scenario != "":  # which unsets the key
        there = f"/v1/subscriptions/{(await subscribed(merchant))['id']}"
        async with untouched(db, merchant, there):
            answer = await merchant.test.patch(there, json={"metadata": {"sandbox": scenario}})
            refused(answer, 422, "unknown_sandbox_scenario")


@pytest.mark.parametrize("later", [{}, {"trial_days": 7}], ids=["at once", "later"])
async def test_nobody_can_charge_in_live_mode_yet_and_so_nothing_is_begun(
    merchant: Merchant, db: Database, later: dict[str, int]
):
    created(await merchant.live.post("/v1/customers", json={"external_id": "usr_1"}))
    async with nothing_stored(db, merchant):
        answer = await merchant.live.post("/v1/subscriptions", json={**TERMS, **later})
        refused(answer, 422, "provider_not_available")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("amount", value) for value in (0, -1, 10**12, None, *NO_COUNTS)),
        *(("interval", value) for value in ("quarterly", "", None, 7)),
        *(("interval_count", value) for value in (0, 1096, None, *NO_COUNTS)),
        *(("method", value) for value in NO_WORDS),
        *((field, "x") for field in ("currency", "customer_id", "status", "start_at", "trial_days", "id")),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_change_of_a_subscription_is_what_it_says(
    merchant: Merchant, db: Database, field: str, value: object
):
    address = f"/v1/subscriptions/{(await subscribed(merchant))['id']}"
    async with untouched(db, merchant, address):
        answer = await merchant.test.patch(address, json={"plan_id": "team", field: value})
        message = refused(answer, 400, "validation_error")["message"]
    assert field in message


async def test_the_next_period_is_as_long_as_all_changes_together_allow(merchant: Merchant, db: Database):
    address = f"/v1/subscriptions/{(await subscribed(merchant))['id']}"
    ok(await merchant.test.patch(address, json={"interval_count": 36}))
    async with untouched(db, merchant, address):
        body = refused(
            await merchant.test.patch(address, json={"interval": "yearly"}), 400, "validation_error"
        )
    assert names(body, "interval_count")
    assert body["details"]["fields"][0]["code"] == "too_large"
    changed = ok(await merchant.test.patch(address, json={"interval": "yearly", "interval_count": 3}))
    assert changed["pending_changes"] == {"interval": "yearly", "interval_count": 3}


async def test_metadata_never_has_more_than_fifty_keys(merchant: Merchant, db: Database):
    full = {f"key_{number}": number for number in range(50)}
    subscription = await subscribed(merchant, metadata=full)
    invoice = f"/v1/invoices/{subscription['latest_invoice_id']}"
    ok(await merchant.test.patch(invoice, json={"metadata": full}))
    for address in (f"/v1/subscriptions/{subscription['id']}", invoice):
        async with untouched(db, merchant, address):
            answer = await merchant.test.patch(address, json={"metadata": {"one_more": 1}})
            refused(answer, 422, "too_much_metadata")
        changed = ok(await merchant.test.patch(address, json={"metadata": {"one_more": 1, "key_0": ""}}))
        assert len(changed["metadata"]) == 50


@pytest.mark.parametrize("value", ["true", 1, 0, None, "", []], ids=repr)
async def test_the_end_of_a_period_is_asked_for_by_true_or_false(
    merchant: Merchant, db: Database, value: object
):
    address = f"/v1/subscriptions/{(await subscribed(merchant))['id']}"
    async with untouched(db, merchant, address):
        answer = await merchant.test.post(f"{address}/cancel", json={"at_period_end": value})
        assert names(refused(answer, 400, "validation_error"), "at_period_end")


async def test_deeds_that_take_nothing_refuse_whatever_they_are_given(merchant: Merchant, db: Database):
    subscription = await subscribed(merchant, metadata={"sandbox": "fail,succeed"})
    there = f"/v1/subscriptions/{subscription['id']}"
    invoice = f"/v1/invoices/{subscription['latest_invoice_id']}"
    for address in (f"{there}/pause", f"{there}/resume", f"{invoice}/retry", f"{invoice}/cancel"):
        async with untouched(db, merchant, there, invoice):
            answer = await merchant.test.post(address, json={"reason": "asked by phone"})
            assert names(refused(answer, 400, "validation_error"), "reason")
            answer = await merchant.test.post(f"{address}?reason=asked")
            assert names(refused(answer, 400, "validation_error"), "reason")


@pytest.mark.parametrize("field", ["amount", "status", "number", "due_at", "description", "payment_id"])
async def test_of_an_invoice_only_metadata_changes(merchant: Merchant, db: Database, field: str):
    address = f"/v1/invoices/{(await subscribed(merchant))['latest_invoice_id']}"
    async with untouched(db, merchant, address):
        answer = await merchant.test.patch(address, json={"metadata": {"ledger": "7"}, field: 1})
        assert names(refused(answer, 400, "validation_error"), field)


@pytest.mark.parametrize(
    "query",
    [
        *(f"status={value}" for value in ("open", "", "ACTIVE", "refunded")),
        *(f"created_after={value}" for value in ("2026-01-31", "", "yesterday")),
        *(f"created_before={value}" for value in ("1769851800", "2026-01-31T09:30:00")),
        *(f"{name}=" + "x" * 256 for name in ("customer_id", "external_customer_id")),
        *("currency=GHS", "sort_by=amount", "plan=team", "status=paid&status=paid"),
    ],
    ids=lambda query: query[:30],
)
@pytest.mark.parametrize("noun", ["subscriptions", "invoices"])
async def test_a_filter_is_what_it_says(merchant: Merchant, noun: str, query: str):
    if noun == "subscriptions":
        query = query.replace("paid", "active")
    body = refused(await merchant.test.get(f"/v1/{noun}?{query}"), 400, "validation_error")
    assert [fault["field"] for fault in body["details"]["fields"]] == [query.partition("=")[0]]


async def test_each_list_has_filters_of_its_own(merchant: Merchant):
    customer = await merchant.customer()
    for address in (
        "/v1/invoices?plan_id=team",
        "/v1/subscriptions?subscription_id=sub_1",
        "/v1/subscriptions?plan_id=" + "x" * 256,
        "/v1/invoices?subscription_id=" + "x" * 256,
        f"/v1/customers/{customer['id']}/subscriptions?plan_id=team",
        f"/v1/customers/{customer['id']}/subscriptions?status=paid",
        f"/v1/customers/{customer['id']}/invoices?status=active",
        f"/v1/customers/{customer['id']}/invoices?created_after=2026-01-31T09:30:00Z",
        "/v1/policies/retry?plan_id=team",
    ):
        refused(await merchant.test.get(address), 400, "validation_error")
