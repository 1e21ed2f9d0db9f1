"""Subscriptions and invoices by the client that merchants have today, unmodified, and its program with ours: each
call does what it says.
"""

import re
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from tests.published_client.conftest import Run


class Said(NamedTuple):
    org_id: str
    subscriptions: dict[str, Any]
    invoices: dict[str, Any]
    a_month_later: dict[str, Any]
    refusals: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
async def said(run: Run) -> Said:
    """One run of the merchant's program."""
    org_id, answers = await run("billing_script.py")
    return Said(org_id, **answers)


@pytest.fixture
async def stored(
    said: Said, rows_of: Callable[..., Awaitable[dict[str, list[dict[str, Any]]]]]
) -> dict[str, list[dict[str, Any]]]:
    """What the program left in the database."""
    return await rows_of(said.org_id, "subscriptions", "invoices", "payments")


def test_create_makes_one_subscription_and_charges_it_and_get_finds_it(said: Said, stored: dict[str, Any]):
    made = said.subscriptions["create"]
    assert re.fullmatch(r"sub_[0-9a-z]{26}", made["id"])
    assert (made["status"], made["plan_id"], made["amount"]) == ("active", "team", 15000)
    assert made["external_customer_id"] == "usr_1234"
    assert said.subscriptions["create_again"] == said.subscriptions["get"] == made
    assert [row["plan_id"] for row in stored["subscriptions"]].count("team") == 1
    first = next(row for row in stored["invoices"] if row["id"] == made["latest_invoice_id"])
    payment = next(row for row in stored["payments"] if row["id"] == first["payment_id"])
    assert (first["status"], payment["status"], payment["amount"]) == ("paid", "succeeded", 15000)
    assert (payment["source"], payment["source_id"]) == ("subscription", made["id"])


def test_update_waits_with_the_price_for_the_next_period(said: Said):
    updated = said.subscriptions["update"]
    assert (updated["amount"], updated["pending_changes"]) == (15000, {"amount": 18000})
    assert (updated["method"], updated["metadata"]) == ("card", {"seats": 3})
    assert said.subscriptions["update_again"] == updated


def test_resume_goes_on_with_what_was_paused(said: Said):
    assert said.subscriptions["trial"]["status"] == "trialing"
    assert said.subscriptions["pause"]["status"] == "paused"
    assert said.subscriptions["resume"]["status"] == "trialing"
    assert said.subscriptions["resume_again"] == said.subscriptions["resume"]


def test_resume_takes_back_what_is_to_end(said: Said):
    assert said.subscriptions["cancel_later"]["cancel_at_period_end"] is True
    assert said.subscriptions["take_it_back"]["cancel_at_period_end"] is False
    assert said.subscriptions["take_it_back"]["status"] == "active"


def test_cancel_ends_a_subscription_at_once(said: Said, stored: dict[str, Any]):
    canceled = said.subscriptions["cancel"]
    assert (canceled["status"], canceled["next_renewal_at"]) == ("canceled", None)
    assert said.subscriptions["cancel_again"] == canceled
    (row,) = [row for row in stored["subscriptions"] if row["id"] == canceled["id"]]
    assert row["status"] == "canceled"


def test_lists_of_subscriptions_are_newest_first_filtered_and_paged(said: Said):
    assert [row["plan_id"] for row in said.subscriptions["list"]] == ["backup", "solo", "team"]
    assert [row["plan_id"] for row in said.subscriptions["list_canceled"]] == ["solo"]
    assert [row["plan_id"] for row in said.subscriptions["list_page_two"]] == ["solo"]


def test_a_declined_invoice_is_due_and_retry_pays_it_once(said: Said, stored: dict[str, Any]):
    due, paid = said.invoices["due"], said.invoices["retry"]
    assert re.fullmatch(r"inv_[0-9a-z]{26}", due["id"])
    assert (due["status"], due["failure_code"], due["retry_count"]) == ("due", "insufficient_funds", 0)
    assert due["next_retry_at"] > due["created_at"]
    assert (paid["id"], paid["status"], paid["retry_count"]) == (due["id"], "paid", 1)
    assert paid["next_retry_at"] is None
    assert said.invoices["retry_again"] == said.invoices["get"] == paid
    (payment,) = [row for row in stored["payments"] if row["id"] == paid["payment_id"]]
    assert (payment["status"], payment["attempt_count"]) == ("succeeded", 2)


def test_update_changes_the_metadata_of_an_invoice(said: Said, stored: dict[str, Any]):
    assert said.invoices["update"]["metadata"] == {"ledger": "2026-11"}
    assert said.invoices["update_again"] == said.invoices["update"]
    (row,) = [row for row in stored["invoices"] if row["id"] == said.invoices["update"]["id"]]
    assert row["metadata"] == {"ledger": "2026-11"}


def test_cancel_lets_a_customer_off_an_invoice(said: Said, stored: dict[str, Any]):
    assert (said.invoices["given_up"]["status"], said.invoices["cancel"]["status"]) == ("failed", "canceled")
    assert said.invoices["cancel_again"] == said.invoices["cancel"]
    (row,) = [row for row in stored["invoices"] if row["id"] == said.invoices["cancel"]["id"]]
    assert row["status"] == "canceled"


def test_lists_of_invoices_are_newest_first_and_paged(said: Said):
    numbers = [row["number"] for row in said.invoices["list"]]
    assert numbers == ["INV-000004", "INV-000003", "INV-000002", "INV-000001"]
    assert [row["number"] for row in said.invoices["list_page_two"]] == numbers[1:3]


def test_a_month_later_the_customer_has_paid_again_and_the_new_price(said: Said):
    later = said.a_month_later
    assert (later["subscription"]["amount"], later["subscription"]["pending_changes"]) == (18000, None)
    assert [(row["amount"], row["status"]) for row in later["invoices"]] == [(18000, "paid"), (15000, "paid")]
    assert later["subscription"]["current_period_start"] == later["invoices"][0]["period_start"]
    assert {row["source"] for row in later["payments"]} == {"subscription"}
    assert later["customer"]["lifetime_value"] == sum(row["amount"] for row in later["payments"])
    assert later["customer"]["subscription_status"] == "active"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("unknown_subscription", 404, "subscription_not_found"),
        ("unknown_invoice", 404, "invoice_not_found"),
        ("nobody", 422, "customer_not_found"),
        ("invalid", 400, "validation_error"),
        ("over", 422, "wrong_subscription_state"),
        ("paid", 422, "wrong_invoice_state"),
        ("paid_too", 422, "wrong_invoice_state"),
        ("reused", 422, "idempotency_key_reused"),
    ],
)
def test_a_refusal_reaches_the_program_with_all_it_says(said: Said, name: str, status: int, code: str):
    refusal = said.refusals[name]
    assert (refusal["status_code"], refusal["code"]) == (status, code)
    assert re.fullmatch(r"req_[0-9a-f]{24}", refusal["request_id"])
    assert refusal["message"].endswith((".", ".)"))
    if name == "over":
        assert refusal["details"] == {"status": "canceled"}
    if name == "invalid":
        assert refusal["details"]["fields"][0]["field"] == "interval"
