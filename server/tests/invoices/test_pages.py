"""The doors to an invoice on paper: what is so now, in the seller's name, for whoever may read invoices."""

import asyncio
import itertools
from datetime import datetime
from io import BytesIO
from typing import Any

import httpx
from pypdf import PdfReader

from reevit_server import api_keys, organizations
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.organizations import SellerPatch
from tests.invoices.papers import Page
from tests.makers import Api, Merchant, created, ok, refused
from tests.pictures import png

PAPERS = ("html", "pdf")
_numbers = itertools.count(1)


async def invoice(merchant: Merchant, *, days: str = "1h", **fields: Any) -> dict[str, Any]:
    """The first invoice of a new subscription, after these days on the test clock."""
    customer = await merchant.customer(
        external_id=f"usr_{next(_numbers)}",
        name="Ada Lovelace",
        email="ada@example.com",
        phone="+233501234567",
    )
    terms = {"plan_id": "team", "amount": 15000, "currency": "GHS", "interval": "monthly"}
    subscription = created(
        await merchant.test.post(
            "/v1/subscriptions", json={"customer_id": customer["id"], "method": "card", **terms, **fields}
        )
    )
    ok(await merchant.test.post("/v1/sandbox/clock/advance", json={"by": days}))
    return await latest(merchant, subscription["id"])


async def latest(merchant: Merchant, subscription_id: str) -> dict[str, Any]:
    params = {"subscription_id": subscription_id, "limit": 1}
    found: dict[str, Any] = ok(await merchant.test.get("/v1/invoices", params=params))["invoices"][0]
    return found


async def page(merchant: Merchant, id: str) -> str:
    """What stands on the page, on one line."""
    response = await merchant.test.get(f"/v1/invoices/{id}/html")
    assert response.status_code == 200, response.text
    return " ".join(Page(response.text).lines)


def printed(response: httpx.Response) -> str:
    assert response.status_code == 200, response.text
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(response.content)).pages)


async def test_a_paid_invoice_says_who_what_when_and_how(merchant: Merchant):
    paid = await invoice(merchant)
    assert paid["status"] == "paid"
    said = await page(merchant, paid["id"])
    for text in (paid["number"], "Paid", "team", "GHS\u00a0150.00", "Ada Lovelace", "ada@example.com"):
        assert text in said
    for text in (
        "+233501234567",
        paid["external_customer_id"],
        "Card",
        paid["payment_id"],
        "Test mode: no money moved.",
    ):
        assert text in said


async def test_the_pdf_is_named_as_the_invoice_and_says_the_same(merchant: Merchant):
    paid = await invoice(merchant)
    response = await merchant.test.get(f"/v1/invoices/{paid['id']}/pdf")
    text = printed(response)
    assert response.headers["content-type"] == "application/pdf"
    assert response.headers["content-disposition"] == f'inline; filename="{paid["number"]}.pdf"'
    assert response.headers["content-length"] == str(len(response.content))
    for line in (await merchant.test.get(f"/v1/invoices/{paid['id']}/html")).text.split("<bdi>")[1:]:
        assert line.partition("</bdi>")[0] in text
    told = PdfReader(BytesIO(response.content)).metadata
    assert told is not None
    assert told.creation_date == datetime.fromisoformat(paid["created_at"]).replace(microsecond=0)


async def test_a_pdf_of_what_did_not_change_has_the_same_bytes(merchant: Merchant):
    paid = await invoice(merchant)
    first, second = [(await merchant.test.get(f"/v1/invoices/{paid['id']}/pdf")).content for _ in range(2)]
    assert first == second


async def test_a_page_may_load_nothing(merchant: Merchant):
    paid = await invoice(merchant)
    response = await merchant.test.get(f"/v1/invoices/{paid['id']}/html")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["cache-control"] == "private, no-store"
    policy = dict(part.split(" ", 1) for part in response.headers["content-security-policy"].split("; "))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


async def test_a_paper_is_in_the_sellers_name_and_language(merchant: Merchant, db: Database):
    patch = SellerPatch(
        seller_name="Kofi & Filles",
        seller_address="12 rue Félix Faure\nDakar",
        seller_logo=png(),
        tax_line="TVA incluse · NINEA 1234",
        locale="fr-SN",
    )
    async with db.transaction() as conn:
        await organizations.update_seller(conn, id=merchant.org_id, patch=patch)
    paid = await invoice(merchant, amount=25_000, currency="XOF")
    html = (await merchant.test.get(f"/v1/invoices/{paid['id']}/html")).text
    text = printed(await merchant.test.get(f"/v1/invoices/{paid['id']}/pdf"))
    for line in (
        "Facture",
        "Payée",
        "12 rue Félix Faure",
        "Dakar",
        "TVA incluse · NINEA 1234",
        "25\u202f000\u00a0F",
    ):
        assert line in html
        assert line in text
    assert "Kofi & Filles" in text
    assert Page(html).all("img")


async def test_a_paper_says_what_is_so_now(merchant: Merchant):
    failed = await invoice(merchant, days="3d", metadata={"sandbox": "fail:insufficient_funds"})
    assert failed["status"] == "failed"
    assert "Payment failed" in await page(merchant, failed["id"])
    assert "still to be paid" in await page(merchant, failed["id"])
    ok(await merchant.test.post(f"/v1/invoices/{failed['id']}/cancel"))
    assert "This invoice is canceled. There is nothing to pay." in await page(merchant, failed["id"])


async def test_a_refund_is_on_the_paper(merchant: Merchant):
    paid = await invoice(merchant)
    assert "Refunded" not in await page(merchant, paid["id"])
    await merchant.refund(paid["payment_id"], amount=1234)
    assert "Refunded GHS\u00a012.34" in await page(merchant, paid["id"])


async def test_the_paper_of_a_deleted_customer_names_nobody(merchant: Merchant):
    paid = await invoice(merchant)
    response = await merchant.test.delete(f"/v1/customers/{paid['customer_id']}")
    assert response.is_success, response.text
    said = await page(merchant, paid["id"]) + printed(
        await merchant.test.get(f"/v1/invoices/{paid['id']}/pdf")
    )
    for trace in ("Ada", "ada@example.com", "+233501234567", "usr_"):
        assert trace not in said
    assert "GHS\u00a0150.00" in said


async def test_a_foreign_invoice_is_not_there(merchant: Merchant, other: Merchant):
    paid = await invoice(merchant)
    for kind in PAPERS:
        for client in (other.test, merchant.live):
            refused(await client.get(f"/v1/invoices/{paid['id']}/{kind}"), 404, "invoice_not_found")
        refused(await merchant.test.get(f"/v1/invoices/inv_none/{kind}"), 404, "invoice_not_found")
        refused(await merchant.test.get(f"/v1/invoices/{paid['id']}/{kind}?size=A4"), 400, "validation_error")


async def test_a_key_that_may_not_read_invoices_reads_no_paper(merchant: Merchant, api: Api, db: Database):
    paid = await invoice(merchant)
    async with db.transaction() as conn:
        _, key = await api_keys.create(conn, merchant.scope, scopes=["customers:read"], now=utc_now())
    async with api.client(key) as client:
        for kind in PAPERS:
            refused(await client.get(f"/v1/invoices/{paid['id']}/{kind}"), 403, "insufficient_scope")


async def test_many_papers_at_once_are_each_ones_own(merchant: Merchant):
    invoices = [await invoice(merchant, amount=amount) for amount in (101, 202)]
    answers = await asyncio.gather(
        *(merchant.test.get(f"/v1/invoices/{one['id']}/pdf") for one in invoices for _ in range(10))
    )
    for number, answer in enumerate(answers):
        one, another = invoices[number // 10], invoices[1 - number // 10]
        text = printed(answer)
        assert one["number"] in text
        assert another["number"] not in text
