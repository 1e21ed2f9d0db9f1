"""What is written to customers without a rule: receipts, and notices of payments that failed or are to come."""

from datetime import timedelta
from io import BytesIO
from typing import Any

import pytest
from pypdf import PdfReader

from reevit_server import events, organizations
from reevit_server.core.clock import utc_now
from reevit_server.organizations import SellerPatch
from tests import pictures
from tests.makers import created, ok, refused
from tests.messages.office import Office
from tests.providers.mailserver import Received, mail_server
from tests.workflows.stepping import waiting
from tests.workflows.writing import latest

NOTICES = "/v1/workflows/notices"
OFF = {"receipt_email": False, "receipt_sms": False, "payment_failed": False, "renewal_upcoming": False}
ON = dict.fromkeys(OFF, True)
EMAIL = {"external_id": "usr_1", "name": "Ada", "email": "ada@example.com"}
PHONE = {"external_id": "usr_2", "name": "Kofi", "phone": "+233501234567"}
BOTH = {**PHONE, "external_id": "usr_3", "email": "kofi@example.com"}
NEITHER = {"external_id": "usr_4", "name": "Nobody"}
TERMS = {"plan_id": "team", "amount": 15000, "currency": "GHS", "interval": "monthly"}
FAILS = {"sandbox": "fail:insufficient_funds"}
NBSP, NARROW = "\u00a0", "\u202f"


def plain(text: str) -> str:
    """With one kind of space."""
    return text.replace(NBSP, " ").replace(NARROW, " ")


async def turn(shop: Office, **switches: bool) -> dict[str, Any]:
    return ok(await shop.merchant.test.patch(NOTICES, json=switches))


async def sells(shop: Office, **fields: Any) -> None:
    """From now on, the merchant's papers say this."""
    async with shop.work.tools.db.transaction() as conn:
        await organizations.update_seller(conn, id=shop.merchant.org_id, patch=SellerPatch(**fields))


async def subscribe(shop: Office, customer: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """By a customer who is there or comes with it."""
    made = await shop.merchant.customer(**customer)
    body = {**TERMS, "customer_id": made["id"], **fields}
    return created(await shop.merchant.test.post("/v1/subscriptions", json=body))


async def told(shop: Office) -> list[tuple[str, str, str | None]]:
    """Which notices were written, by what and to whom; the oldest first."""
    names = {each["id"]: each["workflow_id"] for each in await shop.executions()}
    return [(names[each["execution_id"]], each["channel"], each["to"]) for each in await shop.messages()]


def parts(received: Received) -> dict[str, Any]:
    """What a letter brings along, by the type of each."""
    return {part.get_content_type(): part for part in received.letter.walk()}


async def test_all_are_off_until_somebody_turns_one_on_and_each_is_by_itself(shop: Office):
    client = shop.merchant.test
    assert ok(await client.get(NOTICES)) == OFF
    expected = dict(OFF)
    for name in OFF:
        expected[name] = True
        assert await turn(shop, **{name: True}) == ok(await client.get(NOTICES)) == expected
    assert await turn(shop) == ON
    assert await turn(shop, receipt_sms=False) == {**ON, "receipt_sms": False}
    assert ok(await shop.merchant.live.get(NOTICES)) == OFF, "each mode by itself"


@pytest.mark.parametrize(
    "body", [{"receipt_email": None}, {"receipt_email": "on"}, {"receipt_sms": 1}, {"receipt_fax": True}, []]
)
async def test_a_switch_is_on_or_off(shop: Office, body: Any):
    refused(await shop.merchant.test.patch(NOTICES, json=body), 400, "validation_error")
    assert ok(await shop.merchant.test.get(NOTICES)) == OFF


async def test_nothing_is_written_while_all_are_off(shop: Office):
    for payer in (EMAIL, PHONE):
        await shop.merchant.payment(customer=payer)
        await shop.merchant.payment(customer=payer, metadata=FAILS)
    await shop.work.run()
    assert await shop.executions() == []


@pytest.mark.parametrize(
    ("locale", "amount", "currency", "written"),
    [
        ("en", 15000, "GHS", "GHS 150.00"),
        ("en-GH", 15000, "GHS", "GH₵150.00"),
        ("fr-SN", 2500, "XOF", "2 500 F CFA"),
        ("en-GH", 1234, "KWD", "KWD 1.234"),
        ("fr-SN", 1234, "KWD", "1,234 KWD"),
    ],
)
async def test_a_payment_is_followed_by_a_letter_with_the_receipt(
    shop: Office, locale: str, amount: int, currency: str, written: str
):
    await sells(shop, locale=locale, seller_name="Ama & Daughters", seller_address="12 Oxford St\nAccra")
    await turn(shop, receipt_email=True)
    with mail_server() as box:
        await shop.mail_by(box)
        payment = await shop.merchant.payment(
            customer=EMAIL, amount=amount, currency=currency, description="Two <b>tickets</b>"
        )
        await shop.work.run()
        (received,) = box.received
    letter, found = received.letter, parts(received)
    (sender,) = letter["from"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Ama & Daughters", "shop@example.com")
    assert (received.recipients, letter["to"]) == (["ada@example.com"], "ada@example.com")
    assert letter["list-unsubscribe"] is None, "it is owed to them"
    assert written in plain(letter["subject"])
    assert ("reçu" if locale.startswith("fr") else "receipt") in letter["subject"].lower()
    for type in ("text/plain", "text/html"):
        text = plain(found[type].get_content())
        assert written in text
        assert payment["id"] in text
    assert "Two <b>tickets</b>" in found["text/plain"].get_content()
    assert "Two &lt;b&gt;tickets&lt;/b&gt;" in found["text/html"].get_content()
    assert "cid:" not in found["text/html"].get_content()
    pdf = found["application/pdf"]
    assert pdf.get_filename() == f"receipt-{payment['id']}.pdf"
    (page,) = PdfReader(BytesIO(pdf.get_content())).pages
    printed = plain(page.extract_text())
    assert written in printed
    assert payment["id"] in printed
    assert "Ama & Daughters" in printed
    (message,) = await shop.messages()
    assert (message["status"], message["purpose"]) == ("sent", "transactional")
    assert (message["receipt_of"], message["channel"]) == (payment["id"], "email")


async def test_the_merchants_logo_is_shown_in_the_letter_itself(shop: Office):
    logo = pictures.png(60, 30)
    await sells(shop, seller_logo=logo)
    await turn(shop, receipt_email=True)
    with mail_server() as box:
        await shop.mail_by(box)
        await shop.merchant.payment(customer=EMAIL)
        await shop.work.run()
        (received,) = box.received
    found = parts(received)
    assert "cid:logo" in found["text/html"].get_content()
    picture = found["image/png"]
    assert (picture["content-id"], picture.get_content_disposition()) == ("<logo>", "inline")
    assert picture.get_content() == logo
    assert found["application/pdf"].get_content().startswith(b"%PDF-")


async def test_a_receipt_goes_by_sms_only_where_only_a_phone_is_known(shop: Office):
    await turn(shop, receipt_email=True, receipt_sms=True)
    for payer in (EMAIL, PHONE, BOTH, NEITHER, None):
        await shop.merchant.payment(**({} if payer is None else {"customer": payer}))
        await shop.work.run()
    assert await told(shop) == [
        ("receipt_email", "email", "ada@example.com"),
        ("receipt_sms", "sms", "+233501234567"),
        ("receipt_email", "email", "kofi@example.com"),
    ]
    assert len(await shop.executions()) == 3, "nothing follows for who has no address"
    sms = (await shop.messages())[1]
    assert "GHS 150.00" in sms["text"]
    assert sms["receipt_of"] is None


async def test_each_receipt_has_its_own_switch(shop: Office):
    await turn(shop, receipt_sms=True)
    for payer in (EMAIL, PHONE, BOTH):
        await shop.merchant.payment(customer=payer)
    await shop.work.run()
    assert await told(shop) == [("receipt_sms", "sms", "+233501234567")]
    await turn(shop, receipt_sms=False, receipt_email=True)
    await shop.merchant.payment(customer=PHONE)
    await shop.work.run()
    assert len(await told(shop)) == 1


async def test_a_payment_that_failed_is_told_by_email_or_else_by_sms(shop: Office):
    await turn(shop, payment_failed=True)
    for payer in (EMAIL, PHONE, BOTH, NEITHER, None):
        await shop.merchant.payment(metadata=FAILS, **({} if payer is None else {"customer": payer}))
        await shop.work.run()
    await shop.merchant.payment(customer=EMAIL)
    await shop.work.run()
    assert await told(shop) == [
        ("payment_failed", "email", "ada@example.com"),
        ("payment_failed", "sms", "+233501234567"),
        ("payment_failed", "email", "kofi@example.com"),
    ]
    letter, sms, _ = await shop.messages()
    assert "GHS 150.00" in plain(letter["subject"])
    assert (letter["receipt_of"], letter["html"] is None) == (None, False)
    assert "GHS 150.00" in sms["text"]
    last = (await shop.executions())[-1]
    (action,) = last["actions"]
    assert (last["status"], action["status"], action["reason"]) == ("done", "skipped", "no_recipient")


async def test_a_subscriptions_charge_that_failed_is_told_of_once_and_with_the_next_try(shop: Office):
    await turn(shop, payment_failed=True)
    await subscribe(shop, EMAIL, metadata=FAILS)
    await shop.work.run()
    types = {event["type"] for event in ok(await shop.merchant.test.get("/v1/events?limit=100"))["events"]}
    assert {"payment.failed", "invoice.failed"} <= types
    (execution,) = await shop.executions()
    assert execution["event_type"] == "invoice.failed"
    (message,) = await shop.messages()
    invoice = (await latest(shop.merchant, "invoice.failed"))["data"]
    assert invoice["number"] in message["text"]
    assert "Next try: " in message["text"]


async def test_of_a_charge_that_is_tried_again_and_again_the_first_failure_and_the_last_are_told(
    shop: Office,
):
    await turn(shop, payment_failed=True)
    await subscribe(shop, PHONE, metadata=FAILS)
    await shop.work.run()
    await shop.work.run_for(days=3)
    failed = ok(await shop.merchant.test.get("/v1/events?type=invoice.failed"))["events"]
    assert len(failed) == 4
    first, last = await shop.messages()
    assert "tried again" in first["text"]
    assert "tried again" not in last["text"]
    told_of = {each["event_id"] for each in await shop.executions()}
    assert told_of == {failed[0]["id"], failed[-1]["id"]}


async def test_a_renewal_is_told_of_three_days_before(shop: Office):
    await turn(shop, renewal_upcoming=True)
    subscription = await subscribe(shop, EMAIL)
    await subscribe(shop, PHONE, amount=5000, currency="XOF")
    await shop.work.run()
    assert await told(shop) == []
    await shop.work.run_for(days=31)
    assert await told(shop) == [
        ("renewal_upcoming", "email", "ada@example.com"),
        ("renewal_upcoming", "sms", "+233501234567"),
    ]
    letter, sms = await shop.messages()
    (first, *_) = await shop.executions()
    event = ok(await shop.merchant.test.get(f"/v1/events/{first['event_id']}"))
    assert event["data"]["next_renewal_at"] == subscription["current_period_end"]
    assert "Plan: team\nRenews: Every month" in letter["text"]
    assert "GHS 150.00" in plain(letter["text"])
    assert "XOF 5,000" in sms["text"]
    assert [first["workflow_id"], first["workflow_name"]] == ["renewal_upcoming", "Renewal upcoming"]


async def test_what_a_test_clock_brings_is_told_of_too(shop: Office):
    await turn(shop, renewal_upcoming=True)
    await subscribe(shop, EMAIL)
    later = {"by": "31d"}
    ok(await shop.merchant.test.post("/v1/sandbox/clock/advance", json=later))
    await shop.work.run()
    assert await told(shop) == [("renewal_upcoming", "email", "ada@example.com")]


@pytest.mark.parametrize(("days", "receipts"), [(0, 1), (2, 1), (4, 0), (400, 0)])
async def test_what_was_paid_long_ago_and_is_only_recorded_now_gets_no_receipt(
    shop: Office, days: int, receipts: int
):
    await turn(shop, receipt_email=True)
    at = utc_now() - timedelta(days=days, minutes=1)
    await shop.merchant.payment(customer=EMAIL, provider="external", occurred_at=at.isoformat())
    await shop.work.run()
    assert len(await told(shop)) == receipts


async def test_a_notice_is_written_once_however_often_its_event_is_told(shop: Office):
    await turn(shop, **ON)
    await shop.merchant.payment(customer=EMAIL)
    for job in 3 * await waiting(shop.work, events.FAN_OUT):
        await shop.work.do(job)
    await shop.work.run()
    assert await told(shop) == [("receipt_email", "email", "ada@example.com")]


async def test_a_switch_counts_from_when_the_event_is_told(shop: Office):
    await shop.merchant.payment(customer=EMAIL)
    await shop.work.run()
    await turn(shop, receipt_email=True)
    await shop.work.run()
    assert await told(shop) == []


async def test_rules_come_before_notices_and_neither_is_in_the_others_way(shop: Office):
    await turn(shop, receipt_email=True)
    thanks = {"type": "send_email", "subject": "Thanks", "body": "Thank you."}
    await shop.rule("payment.succeeded", thanks, priority=-1000)
    await shop.merchant.payment(customer=EMAIL)
    await shop.work.run()
    first, second = await shop.messages()
    assert (first["subject"], second["receipt_of"] is None) == ("Thanks", False)


async def test_who_unsubscribed_still_gets_receipts_and_who_bounced_gets_none(shop: Office):
    await turn(shop, receipt_email=True)
    for covers, statuses in (("marketing", ["outbox"]), ("everything", ["outbox", "suppressed"])):
        body = {"channel": "email", "address": "ADA@example.com", "covers": covers}
        created(await shop.merchant.test.post("/v1/messages/suppressions", json=body))
        await shop.merchant.payment(customer=EMAIL)
        await shop.work.run()
        assert [message["status"] for message in await shop.messages()] == statuses


async def test_who_was_erased_before_it_was_written_gets_no_receipt(shop: Office):
    await turn(shop, **ON)
    payment = await shop.merchant.payment(customer=EMAIL)
    for job in await waiting(shop.work, events.FAN_OUT):
        await shop.work.do(job)
    address = f"/v1/customers/{payment['customer_id']}"
    assert (await shop.merchant.test.delete(address)).status_code == 204
    await shop.work.run()
    (execution,) = await shop.executions()
    assert [action["reason"] for action in execution["actions"]] == ["no_customer"]
    assert await shop.messages() == []
