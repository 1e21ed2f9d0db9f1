"""The doors to a receipt on paper: what was paid, in the seller's name, for whoever may read payments."""

import asyncio
import itertools
from datetime import datetime
from io import BytesIO
from typing import Any

import httpx
import pytest
from pypdf import PdfReader

from reevit_server import api_keys, notices, organizations
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.organizations import SellerPatch
from reevit_server.payments import PaymentNotFound
from tests.invoices.papers import Page
from tests.makers import Api, Merchant, created, ok, refused
from tests.pictures import png

PAPERS = ("html", "pdf")
_numbers = itertools.count(1)


async def paid(merchant: Merchant, **fields: Any) -> dict[str, Any]:
    """A payment of Ada's, succeeded unless said otherwise."""
    customer = {"name": "Ada Lovelace", "email": "ada@example.com", "phone": "+233501234567"}
    known = {
        "method": "mobile_money",
        "reference": f"order_{next(_numbers)}",
        "description": "Two tickets",
        "customer": {"external_id": f"usr_{next(_numbers)}", **customer},
    }
    return await merchant.payment(**known | fields)


async def page(merchant: Merchant, id: str) -> str:
    """What stands on the page, on one line."""
    response = await merchant.test.get(f"/v1/payments/{id}/receipt/html")
    assert response.status_code == 200, response.text
    return " ".join(Page(response.text).lines)


def printed(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(response.content)).pages)


async def test_a_receipt_says_who_paid_what_when_and_how(merchant: Merchant):
    payment = await paid(merchant)
    said = await page(merchant, payment["id"])
    for text in (payment["id"], payment["reference"], payment["external_customer_id"], "Two tickets", "Paid"):
        assert text in said
    for text in ("GHS\u00a0150.00", "Ada Lovelace", "ada@example.com", "+233501234567", "Mobile money"):
        assert text in said
    assert "Test mode: no money moved." in said


async def test_the_pdf_is_named_as_the_payment_and_says_the_same(merchant: Merchant):
    payment = await paid(merchant)
    response = await merchant.test.get(f"/v1/payments/{payment['id']}/receipt/pdf")
    text = printed(response)
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["content-disposition"] == f'inline; filename="receipt-{payment["id"]}.pdf"'
    assert response.headers["content-length"] == str(len(response.content))
    html = (await merchant.test.get(f"/v1/payments/{payment['id']}/receipt/html")).text
    for line in html.split("<bdi>")[1:]:
        assert line.partition("</bdi>")[0] in text
    told = PdfReader(BytesIO(response.content)).metadata
    assert told is not None
    assert told.creation_date == datetime.fromisoformat(payment["succeeded_at"]).replace(microsecond=0)


@pytest.mark.parametrize("kind", PAPERS)
async def test_nobody_on_the_way_keeps_a_receipt(merchant: Merchant, kind: str):
    payment = await paid(merchant)
    response = await merchant.test.get(f"/v1/payments/{payment['id']}/receipt/{kind}")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "private, no-store"


async def test_a_page_may_load_nothing(merchant: Merchant):
    payment = await paid(merchant)
    response = await merchant.test.get(f"/v1/payments/{payment['id']}/receipt/html")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


async def test_a_receipt_stays_the_same_whatever_is_refunded(merchant: Merchant):
    payment = await paid(merchant)
    address = f"/v1/payments/{payment['id']}/receipt/pdf"
    whole = (await merchant.test.get(address)).content
    for amount in (5_000, 10_000):
        await merchant.refund(payment["id"], amount=amount)
        assert (await merchant.test.get(address)).content == whole
    assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))["status"] == "refunded"
    assert "GHS\u00a0150.00" in await page(merchant, payment["id"])


@pytest.mark.parametrize("scenario", ["fail", "requires_action", "processing"])
async def test_what_is_not_paid_has_no_receipt(merchant: Merchant, scenario: str):
    payment = await paid(merchant, metadata={"sandbox": scenario})
    for kind in PAPERS:
        answer = refused(
            await merchant.test.get(f"/v1/payments/{payment['id']}/receipt/{kind}"), 409, "payment_not_paid"
        )
        assert answer["message"] == "This payment is not paid; a receipt is for what was paid."
        assert answer["details"] == {"status": payment["status"]}


async def test_an_intent_has_a_receipt_once_it_is_paid(merchant: Merchant):
    body = {"amount": 100, "currency": "GHS"}
    intent = created(await merchant.test.post("/v1/payments/intents", json=body))
    address = f"/v1/payments/{intent['id']}/receipt/html"
    refused(await merchant.test.get(address), 409, "payment_not_paid")
    ok(await merchant.test.post(f"/v1/payments/{intent['id']}/confirm"))
    assert "GHS\u00a01.00" in await page(merchant, intent["id"])


async def test_what_was_paid_elsewhere_has_the_day_it_was_paid_on(merchant: Merchant):
    payment = await paid(merchant, provider="external", occurred_at="2025-03-01T23:59:59Z")
    assert "March 1, 2025" in await page(merchant, payment["id"])


async def test_a_payment_of_nobody_has_a_receipt_too(merchant: Merchant):
    payment = await merchant.payment()
    said = await page(merchant, payment["id"])
    assert "GHS\u00a0150.00" in said
    assert "Received from" not in said
    assert "None" not in said


async def test_a_receipt_is_in_the_sellers_name_and_language(merchant: Merchant, db: Database):
    patch = SellerPatch(
        seller_name="Kofi & Filles",
        seller_address="12 rue Félix Faure\nDakar",
        seller_logo=png(),
        tax_line="TVA incluse · NINEA 1234",
        locale="fr-SN",
    )
    async with db.transaction() as conn:
        await organizations.update_seller(conn, id=merchant.org_id, patch=patch)
    payment = await paid(merchant, amount=25_000, currency="XOF")
    html = (await merchant.test.get(f"/v1/payments/{payment['id']}/receipt/html")).text
    text = printed(await merchant.test.get(f"/v1/payments/{payment['id']}/receipt/pdf"))
    for line in ("Reçu", "Payé", "12 rue Félix Faure", "Dakar", "TVA incluse", "25\u202f000\u00a0F"):
        assert line in html
        assert line in text
    assert Page(html).all("img")


async def test_the_receipt_of_a_deleted_customer_names_nobody(merchant: Merchant):
    payment = await paid(merchant)
    response = await merchant.test.delete(f"/v1/customers/{payment['customer_id']}")
    assert response.is_success, response.text
    text = printed(await merchant.test.get(f"/v1/payments/{payment['id']}/receipt/pdf"))
    said = await page(merchant, payment["id"]) + text
    for trace in ("Ada", "ada@example.com", "+233501234567", "usr_"):
        assert trace not in said
    assert "GHS\u00a0150.00" in said


async def test_a_foreign_payment_is_not_there(merchant: Merchant, other: Merchant):
    payment = await paid(merchant)
    for kind in PAPERS:
        address = f"/v1/payments/{payment['id']}/receipt/{kind}"
        for client in (other.test, merchant.live):
            refused(await client.get(address), 404, "payment_not_found")
        refused(await merchant.test.get(f"/v1/payments/pay_none/receipt/{kind}"), 404, "payment_not_found")
        refused(await merchant.test.get(f"{address}?size=A4"), 400, "validation_error")


async def test_a_key_that_may_not_read_payments_reads_no_receipt(merchant: Merchant, api: Api, db: Database):
    payment = await paid(merchant)
    async with db.transaction() as conn:
        _, key = await api_keys.create(conn, merchant.scope, scopes=["invoices:read"], now=utc_now())
    async with api.client(key) as client:
        for kind in PAPERS:
            answer = await client.get(f"/v1/payments/{payment['id']}/receipt/{kind}")
            refused(answer, 403, "insufficient_scope")


async def test_many_receipts_at_once_are_each_ones_own(merchant: Merchant):
    payments = [await paid(merchant, amount=amount) for amount in (101, 202)]
    answers = await asyncio.gather(
        *(merchant.test.get(f"/v1/payments/{one['id']}/receipt/pdf") for one in payments for _ in range(10))
    )
    for number, answer in enumerate(answers):
        one, another = payments[number // 10], payments[1 - number // 10]
        text = printed(answer)
        assert one["id"] in text
        assert another["id"] not in text


async def test_what_sends_a_receipt_gets_the_same_facts(merchant: Merchant, db: Database):
    payment = await paid(merchant)
    async with db.read() as conn:
        facts = await notices.facts_of_payment(conn, merchant.scope, id=payment["id"])
        with pytest.raises(PaymentNotFound):
            await notices.facts_of_payment(conn, merchant.scope, id="pay_none")
    answer = await merchant.test.get(f"/v1/payments/{payment['id']}/receipt/pdf")
    assert notices.receipt_pdf(facts) == answer.content
    assert payment["reference"] in notices.letter(facts).text
    assert f"GHS 150.00 on {facts.at:%b}" in notices.sms(facts)
