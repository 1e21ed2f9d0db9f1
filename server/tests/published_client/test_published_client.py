"""The client that merchants have today works against this server, unmodified, and its programs work with ours: each
call does what its name says.
"""

import re
import subprocess
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from reevit_server.core.database import Database
from tests.published_client.conftest import PYTHON, Run, skip_without_published_client


class Said(NamedTuple):
    org_id: str
    customers: dict[str, Any]
    payments: dict[str, Any]
    webhooks: dict[str, Any]
    refusals: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
async def said(run: Run) -> Said:
    """One run of the merchant's program."""
    org_id, answers = await run("script.py")
    assert answers.pop("mode") == "test"
    return Said(org_id, **answers)


@pytest.fixture
async def stored(
    said: Said, rows_of: Callable[..., Awaitable[dict[str, list[dict[str, Any]]]]]
) -> dict[str, list[dict[str, Any]]]:
    """What the program left in the database."""
    return await rows_of(said.org_id, "customers", "payments", "refunds")


def test_it_is_the_version_that_is_published():
    skip_without_published_client()
    asked = "import reevit.client; from importlib.metadata import version; print(version('reevit'))"
    done = subprocess.run([str(PYTHON), "-c", asked], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "0.11.0"


def test_create_stores_a_customer_and_get_and_lookup_find_it(said: Said, stored: dict[str, Any]):
    made = said.customers["create"]
    assert re.fullmatch(r"cus_[0-9a-z]{26}", made["id"])
    assert (made["external_id"], made["email"], made["phone"]) == (
        "usr_1234",
        "ada@example.com",
        "+233501234567",
    )
    assert (made["tags"], made["metadata"]["signup_source"]) == (["premium", "early-adopter"], "referral")
    assert said.customers["get"] == said.customers["lookup"] == made
    assert made["id"] in [row["id"] for row in stored["customers"]]


def test_an_idempotency_key_makes_one_customer(said: Said, stored: dict[str, Any]):
    assert said.customers["create_again"] == said.customers["create"]
    assert [row["external_id"] for row in stored["customers"]].count("usr_1234") == 1


def test_update_changes_what_is_stored(said: Said, stored: dict[str, Any]):
    (ada,) = [row for row in stored["customers"] if row["external_id"] == "usr_1234"]
    assert (ada["name"], ada["tags"]) == ("Ada King", ["vip"])
    assert ada["metadata"] == {"plan": "team", "signup_source": "referral"}
    assert said.customers["update"]["name"] == "Ada King"
    assert said.customers["update_again"] == said.customers["update"]


def test_an_external_id_of_any_characters_is_looked_up(said: Said):
    assert said.customers["lookup_slashed"] == said.customers["slashed"]


def test_delete_erases_the_person_and_its_replay_is_no_error(said: Said, stored: dict[str, Any]):
    assert said.customers["delete"] is None
    assert said.customers["delete_again"] is None
    erased = [row for row in stored["customers"] if row["deleted_at"]]
    assert len(erased) == 2  # one in `customers`, one in `refusals`
    assert all(row["external_id"] is None and row["name"] is None for row in erased)


def test_list_lists_filters_and_pages(said: Said):
    assert [row["external_id"] for row in said.customers["list"]] == ["shop/7?a=b#c", "usr_1234"]
    assert [row["external_id"] for row in said.customers["list_by_external_id"]] == ["usr_1234"]
    assert [row["external_id"] for row in said.customers["list_page_two"]] == ["usr_1234"]


def test_an_intent_is_stored_once_changed_and_confirmed(said: Said, stored: dict[str, Any]):
    intent = said.payments["create_intent"]
    assert (intent["status"], intent["amount"]) == ("pending", 15000)
    assert intent["client_secret"]
    assert said.payments["create_intent_again"] == intent
    assert said.payments["update_intent"]["amount"] == 16000
    assert said.payments["confirm"]["status"] == "succeeded"
    assert said.payments["confirm_again"] == said.payments["confirm"]
    (row,) = [row for row in stored["payments"] if row["reference"] == "order-1"]
    assert (row["id"], row["amount"], row["status"]) == (intent["id"], 16000, "partially_refunded")
    assert row["customer_id"] == said.customers["create"]["id"]


def test_confirm_intent_cancel_and_retry_leave_the_status_they_name(said: Said, stored: dict[str, Any]):
    statuses = {row["id"]: row["status"] for row in stored["payments"]}
    assert said.payments["confirm_intent"]["status"] == "succeeded"
    assert said.payments["cancel"]["status"] == statuses[said.payments["cancel"]["id"]] == "canceled"
    declined = said.payments["confirm_declined"]
    assert (declined["status"], declined["failure_code"]) == ("failed", "insufficient_funds")
    assert said.payments["retry"]["status"] == statuses[said.payments["retry"]["id"]] == "succeeded"
    assert said.payments["retry"]["id"] == declined["id"]


def test_refund_gives_back_a_part_or_the_rest_once(said: Said, stored: dict[str, Any]):
    part, rest = said.payments["refund"], said.payments["refund_rest"]
    assert said.payments["refund_again"] == part
    assert [(row["id"], row["amount"], row["reason"]) for row in stored["refunds"]] == [
        (part["id"], 1000, "late"),
        (rest["id"], 9000, None),
    ]
    assert said.payments["get"]["amount_refunded"] == 1000


def test_lists_of_payments_are_newest_first_and_paged(said: Said, stored: dict[str, Any]):
    newest_first = [row["id"] for row in reversed(stored["payments"])]
    assert [row["id"] for row in said.payments["list"]] == newest_first
    assert [row["id"] for row in said.payments["list_page_two"]] == newest_first[2:4]


def test_payment_history_is_the_customers(said: Said, stored: dict[str, Any]):
    history = said.payments["payment_history"]
    assert {row["id"] for row in history} == {row["id"] for row in stored["payments"]}
    assert [row["status"] for row in said.payments["payment_history_succeeded"]] == ["succeeded"]


def test_top_ranks_by_what_is_left(said: Said):
    (best,) = [row for row in said.payments["top"] if row["lifetime_value"]]
    assert (best["external_id"], best["rank"]) == ("usr_1234", 1)
    assert best["amount"] == best["lifetime_value"] == 16000 - 1000 + 9000 - 9000 + 500
    assert best["total_spent"] == 25500
    (most,) = said.payments["top_by_count"]
    assert (most["external_id"], most["amount"]) == ("usr_1234", 3)


def test_stats_speak_of_each_currency(said: Said):
    (ghs,) = said.payments["stats"]["stats"]
    expected = {"currency": "GHS", "payment_count": 4, "total_spent": 25500, "total_refunded": 10000}
    assert {name: ghs[name] for name in expected} == expected


def test_the_one_webhook_is_set_up_once_and_read(said: Said):
    config = said.webhooks["upsert_config"]
    assert re.fullmatch(r"whk_[0-9a-z]{26}", config["id"])
    assert (config["events"], config["enabled"], config["status"]) == (["customer.*"], True, "active")
    assert config["signing_secret"].startswith("whsec_")
    assert said.webhooks["upsert_config_again"] == said.webhooks["get_config"] == config


def test_events_are_listed_and_read(said: Said):
    (event,) = said.webhooks["list_events"]
    assert said.webhooks["get_event"] == event
    assert (event["type"], event["data"]["external_id"]) == ("customer.created", "usr_told")


def test_what_the_shop_was_told_of_verifies_and_names_its_own_user(said: Said):
    first, test, again = said.webhooks["told"]
    assert (first["type"], first["id"]) == ("customer.created", said.webhooks["list_events"][0]["id"])
    assert first["data"]["customer"]["external_id"] == "usr_told"
    assert (test["type"], test["data"]["customer"]) == ("webhook.test", None)
    assert (again["id"], again["delivery_id"]) == (first["id"], first["delivery_id"])
    assert (first["attempt"], again["attempt"]) == (1, 2)


def test_what_is_not_ours_is_not_believed(said: Said):
    assert said.webhooks["not_believed"] == {
        "tampered": "invalid_signature",
        "unsigned": "invalid_signature",
        "of_others": "invalid_signature",
        "old": "timestamp_out_of_tolerance",
    }


def test_a_test_event_is_sent_once(said: Said):
    sent = said.webhooks["send_test"]
    assert (sent["event_type"], sent["status"]) == ("webhook.test", "queued")
    assert said.webhooks["send_test_again"] == sent
    assert said.webhooks["told"][1]["delivery_id"] == sent["id"]


def test_deliveries_tell_of_every_attempt_also_of_a_replay(said: Said):
    (delivery,) = said.webhooks["list_outbound"]
    assert said.webhooks["get_outbound"] == delivery
    (replayed,) = said.webhooks["replay_event"]["deliveries"]
    assert (replayed["id"], replayed["event_id"]) == (delivery["id"], said.webhooks["get_event"]["id"])
    assert [(attempt["number"], attempt["status_code"]) for attempt in delivery["attempts"]] == [
        (1, 204),
        (2, 204),
    ]


async def test_a_deleted_webhook_is_gone_and_its_replay_is_no_error(said: Said, kept: Database):
    assert said.webhooks["delete_config"] is said.webhooks["delete_config_again"] is None
    async with kept.read() as conn:
        row = await conn.fetchrow("SELECT * FROM webhook_endpoints WHERE org_id = $1", said.org_id)
    assert row is not None
    assert row["deleted_at"] is not None
    assert row["secret"] is None


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("taken", 409, "external_id_taken"),
        ("unknown", 404, "customer_not_found"),
        ("invalid", 400, "validation_error"),
        ("deleted", 410, "idempotent_answer_erased"),
        ("too_much", 422, "refund_too_large"),
        ("reused", 422, "idempotency_key_reused"),
        ("no_config", 404, "webhook_config_not_found"),
        ("no_key", 401, "invalid_api_key"),
        ("wrong_org", 403, "org_mismatch"),
        ("not_here", 404, "route_not_found"),
    ],
)
def test_a_refusal_reaches_the_program_with_all_it_says(said: Said, name: str, status: int, code: str):
    refusal = said.refusals[name]
    assert (refusal["status_code"], refusal["code"]) == (status, code)
    assert re.fullmatch(r"req_[0-9a-f]{24}", refusal["request_id"])
    assert refusal["message"].endswith((".", ".)"))
    if name == "taken":
        assert refusal["details"] == {"customer_id": said.customers["create"]["id"]}
    if name == "invalid":
        assert refusal["details"]["fields"][0]["field"] == "amount"
    if name == "too_much":
        assert refusal["details"]["refundable"] >= 0
