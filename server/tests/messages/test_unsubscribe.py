"""The link to unsubscribe: it is in offers and not in receipts, works by one click, and for its own address alone."""

import base64
from html import escape
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from reevit_server import organizations
from reevit_server.core.database import Database
from reevit_server.core.scope import Scope
from reevit_server.organizations import SellerPatch
from tests.invoices.papers import Page
from tests.makers import Api, ok, refused
from tests.messages import office
from tests.messages.office import INTEGRATIONS, PUBLIC_URL, Office
from tests.messages.writing import ACCOUNTS, ADA, PHONE, sender, sent, suppressions, write
from tests.providers.mailserver import mail_server

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
MULTIPART = (
    b"--x\r\nContent-Disposition: form-data; name=List-Unsubscribe\r\n\r\nOne-Click\r\n--x--\r\n",
    "multipart/form-data; boundary=x",
)


@pytest.fixture
async def anybody(local_api: Api):
    """Somebody without a key."""
    async with local_api.client() as client:
        yield client


async def offered(shop: Office, **fields: Any) -> str:
    """Where the link of an offer leads, of this server."""
    await sender(shop, "resend")
    shop.outside.take()
    message = await sent(shop, purpose="marketing", **fields)
    assert message["status"] == "sent"
    (request,) = shop.outside.take()
    return link_of(request.json["headers"]["List-Unsubscribe"])


def link_of(header: str) -> str:
    return header.removeprefix("<").removesuffix(">").removeprefix(PUBLIC_URL)


async def refuses_offers(shop: Office) -> bool:
    """Whether offers are held back; receipts never are."""
    assert (await sent(shop, purpose="transactional"))["status"] == "sent"
    message = await sent(shop, purpose="marketing")
    assert (message["status"], message["reason"]) in (("sent", None), ("suppressed", "unsubscribed"))
    return message["status"] == "suppressed"


async def test_an_offer_says_how_to_get_no_more_and_a_receipt_does_not(shop: Office):
    with mail_server() as box:
        await shop.mail_by(box)
        for purpose in ("marketing", "transactional"):
            assert (await sent(shop, purpose=purpose))["status"] == "sent"
        offer, receipt = (received.letter for received in box.received)
    assert offer["List-Unsubscribe"].startswith(f"<{PUBLIC_URL}/unsubscribe/")
    assert offer["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (receipt["List-Unsubscribe"], receipt["List-Unsubscribe-Post"]) == (None, None)


async def test_what_is_no_email_has_no_such_header(shop: Office):
    await sender(shop, "twilio")
    assert (await sent(shop, channel="sms", purpose="marketing"))["status"] == "sent"
    (request,) = shop.outside.take()
    assert b"unsubscribe" not in request.body


async def test_one_click_is_promised_only_where_the_link_is_https(db: Database, local_api: Api):
    """Who reads mail for others follows RFC 8058, which has no other."""
    async with office.opened(db, local_api, public_url="http://localhost:8000") as shop:
        await sender(shop, "resend")
        await sent(shop, purpose="marketing")
        (request,) = shop.outside.take()
    assert request.json["headers"]["List-Unsubscribe"].startswith("<http://localhost:8000/unsubscribe/")
    assert "List-Unsubscribe-Post" not in request.json["headers"]


async def test_in_live_mode_an_offer_whose_link_would_lead_nowhere_is_not_sent(db: Database, local_api: Api):
    async with office.opened(db, local_api, public_url=None) as shop:
        body = {"name": "Ours", "provider": "resend", **ACCOUNTS["resend"]}
        assert (await shop.merchant.live.post(INTEGRATIONS, json=body)).status_code == 201
        live = Scope(shop.merchant.org_id, "live")
        receipt, offer = [
            await write(shop, scope=live, purpose=purpose) for purpose in ("transactional", "marketing")
        ]
        await shop.work.run()
        path = f"/v1/messages/{offer}"
        message = ok(await shop.merchant.live.get(path))
        assert (message["status"], message["reason"]) == ("outbox", "no_public_url")
        # What it says holds the link that leads nowhere.
        refused(await shop.merchant.live.post(f"{path}/resend"), 409, "message_not_resendable")
        assert ok(await shop.merchant.live.get(f"/v1/messages/{receipt}"))["status"] == "sent"
        assert len(shop.outside.take()) == 1
        # In test mode it reaches the operator's own people only.
        await sender(shop, "resend")
        assert (await sent(shop, purpose="marketing"))["status"] == "sent"


async def test_to_look_at_it_changes_nothing(shop: Office, anybody: httpx.AsyncClient):
    link = await offered(shop)
    for _ in range(2):
        answer = await anybody.get(link)
        assert answer.status_code == 200
    assert (await anybody.head(link)).status_code == 200
    assert await suppressions(shop) == []
    assert not await refuses_offers(shop)
    page = Page(answer.text)
    assert "a***@example.com" in " ".join(page.lines)
    (form,) = page.all("form")
    assert (form["method"], urljoin(link, form["action"])) == ("post", link)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"List-Unsubscribe=One-Click", "application/x-www-form-urlencoded"),
        (b"List-Unsubscribe=One-Click&foo=bar", "application/x-www-form-urlencoded; charset=utf-8"),
        MULTIPART,
        (b"", "application/x-www-form-urlencoded"),
        (b"", None),
        (b'{"List-Unsubscribe":"One-Click"}', "application/json"),
    ],
)
async def test_one_click_is_enough(
    shop: Office, anybody: httpx.AsyncClient, content: bytes, media_type: str | None
):
    link = await offered(shop)
    headers = {} if media_type is None else {"Content-Type": media_type}
    for _ in range(2):  # mail programs repeat it
        answer = await anybody.post(link, content=content, headers=headers)
        assert answer.status_code == 200, answer.text
    (suppression,) = await suppressions(shop)
    assert (suppression["covers"], suppression["reason"]) == ("marketing", "unsubscribed")
    assert (suppression["channel"], suppression["hint"]) == ("email", "a***@example.com")
    assert await refuses_offers(shop)


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"List-Unsubscribe=One-Click", "text/plain", 415),
        (b"List-Unsubscribe=One-Click", None, 415),
        (b"<x/>", "application/xml", 415),
        (b"List-Unsubscribe=One-Click", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"a=%ff", "application/x-www-form-urlencoded", 400),
        (b"&".join(b"a%d=" % number for number in range(200)), "application/x-www-form-urlencoded", 400),
        (b"x" * 300_000, "application/x-www-form-urlencoded", 413),
    ],
)
async def test_what_is_no_form_changes_nothing(
    shop: Office, anybody: httpx.AsyncClient, content: bytes, media_type: str | None, status: int
):
    link = await offered(shop)
    headers = {} if media_type is None else {"Content-Type": media_type}
    assert (await anybody.post(link, content=content, headers=headers)).status_code == status
    assert await suppressions(shop) == []


async def test_who_clicked_by_mistake_takes_it_back(shop: Office, anybody: httpx.AsyncClient):
    link = await offered(shop)
    asked = Page((await anybody.get(link)).text)
    done = await anybody.post(urljoin(link, asked.all("form")[0]["action"]), data=ONE_CLICK)
    assert await refuses_offers(shop)
    undo = urljoin(link, Page(done.text).all("form")[0]["action"])
    assert undo == f"{link}/undo"
    undone = await anybody.post(undo)
    assert undone.status_code == 200
    assert not await refuses_offers(shop)
    assert await suppressions(shop) == []
    again = urljoin(undo, Page(undone.text).all("form")[0]["action"])
    assert again == link
    await anybody.post(again)
    assert await refuses_offers(shop)


async def test_behind_a_proxy_with_a_folder_the_buttons_lead_back_there(
    shop: Office, anybody: httpx.AsyncClient
):
    link = await offered(shop)
    outside = f"https://pay.example.com/reevit{link}"
    action = Page((await anybody.get(link)).text).all("form")[0]["action"]
    assert urljoin(outside, action) == outside
    action = Page((await anybody.post(link)).text).all("form")[0]["action"]
    assert urljoin(outside, action) == f"{outside}/undo"
    action = Page((await anybody.post(f"{link}/undo")).text).all("form")[0]["action"]
    assert urljoin(f"{outside}/undo", action) == outside


async def test_what_bounced_or_was_said_by_the_merchant_is_not_taken_back_by_the_link(
    shop: Office, anybody: httpx.AsyncClient
):
    link = await offered(shop)
    body = {"channel": "email", "address": ADA}
    assert (await shop.merchant.test.post("/v1/messages/suppressions", json=body)).status_code == 201
    await anybody.post(link)
    await anybody.post(f"{link}/undo")
    (suppression,) = await suppressions(shop)
    assert (suppression["covers"], suppression["reason"]) == ("everything", "manual")


async def test_a_link_in_a_short_message_is_for_the_phone(shop: Office, anybody: httpx.AsyncClient):
    await sender(shop, "twilio")
    action = {
        "type": "send_sms",
        "purpose": "marketing",
        "body": "Come back! No more: {{ unsubscribe_url }}",
    }
    await shop.rule("payment.succeeded", action)
    customer = await shop.merchant.customer(phone=PHONE)
    await shop.merchant.payment(customer_id=customer["id"])
    await shop.work.run()
    (message,) = await shop.messages()
    link = link_of(message["text"].partition("No more: ")[2])
    assert len(PUBLIC_URL + link) < 200, "it is paid by its length"
    assert "+23350***67" in (await anybody.get(link)).text
    await anybody.post(link)
    (suppression,) = await suppressions(shop)
    assert (suppression["channel"], suppression["reason"]) == ("sms", "unsubscribed")
    later = await sent(shop, channel="sms", purpose="marketing")
    assert (later["status"], later["reason"]) == ("suppressed", "unsubscribed")


async def test_a_link_that_was_cut_or_altered_is_none(shop: Office, anybody: httpx.AsyncClient):
    link = await offered(shop)
    token = link.rpartition("/")[2]
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    altered = []
    for place in range(len(raw)):
        raw[place] ^= 1
        altered.append(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())
        raw[place] ^= 1
    shortened = [token[:length] for length in (1, 2, 3, 20, 22, 64, 100, len(token) - 4)]
    other = [token + "AAAA", "x", "%20", "é", "a" * 4000, "..", "=", token.upper()]
    for bad in (*altered, *shortened, *other):
        for answer in (await anybody.get(f"/unsubscribe/{bad}"), await anybody.post(f"/unsubscribe/{bad}")):
            assert answer.status_code == 404, bad
    unknown = await anybody.get(f"/unsubscribe/{altered[0]}")
    assert unknown.headers["content-type"].startswith("text/html")
    assert Page(unknown.text).all("form") == []
    assert (await anybody.post(f"/unsubscribe/{altered[0]}/undo")).status_code == 404
    assert await suppressions(shop) == []


async def test_a_link_is_for_one_address_of_one_organization_and_mode(
    shop: Office, db: Database, local_api: Api, anybody: httpx.AsyncClient
):
    link = await offered(shop)
    async with office.opened(db, local_api) as neighbour:
        theirs = await offered(neighbour)
        assert theirs != link
        await anybody.post(theirs)
        await anybody.post(link)
        await anybody.post(f"{link}/undo")
        assert len(await suppressions(neighbour)) == 1
        assert await suppressions(shop) == []
    listed = (await shop.merchant.live.get("/v1/messages/suppressions")).json()
    assert listed["suppressions"] == []
    await anybody.post(link)
    assert (await sent(shop, purpose="marketing", recipient="zoe@example.com"))["status"] == "sent"


async def test_the_page_is_the_sellers_whatever_the_name(
    shop: Office, db: Database, anybody: httpx.AsyncClient
):
    name = "<script>alert(1)</script>\" onload='x' & \u202eevil"
    async with db.transaction() as conn:
        patch = SellerPatch(seller_name=name)
        await organizations.update_seller(conn, id=shop.merchant.org_id, patch=patch)
    link = await offered(shop)
    for answer in (await anybody.get(link), await anybody.post(link), await anybody.post(f"{link}/undo")):
        assert "<script" not in answer.text
        assert "\u202e" not in answer.text, "nothing turns the words beside it round"
        assert escape("<script>alert(1)</script>", quote=False) in answer.text


@pytest.mark.parametrize(
    ("locale", "asks", "done", "unknown"),
    [
        ("en-GH", "Unsubscribe?", "You are unsubscribed", "This link is not valid"),
        ("fr-SN", "Se désabonner ?", "Vous êtes désabonné(e)", "This link is not valid"),
        ("sw-KE", "Ungependa kujiondoa?", "Umejiondoa", "This link is not valid"),
    ],
)
async def test_the_page_speaks_the_sellers_language(
    shop: Office, db: Database, anybody: httpx.AsyncClient, locale: str, asks: str, done: str, unknown: str
):
    async with db.transaction() as conn:
        await organizations.update_seller(conn, id=shop.merchant.org_id, patch=SellerPatch(locale=locale))
    link = await offered(shop)
    shown = (await anybody.get(link)).text
    assert f'<html lang="{locale[:2]}"' in shown
    assert asks in Page(shown).lines
    assert done in Page((await anybody.post(link)).text).lines
    assert unknown in Page((await anybody.get("/unsubscribe/x")).text).lines


async def test_its_address_is_a_proof_that_goes_nowhere_else(shop: Office, anybody: httpx.AsyncClient):
    link = await offered(shop)
    token = link.rpartition("/")[2]
    answers = [
        await anybody.get(link),
        await anybody.post(link),
        await anybody.post(f"{link}/undo"),
        await anybody.get("/unsubscribe/x"),
    ]
    for answer in answers:
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "private, no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert not any(token in value for value in answer.headers.values())
        policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
        assert policy == {
            "default-src": "'none'",
            "style-src": "'unsafe-inline'",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
        }
        page = Page(answer.text)
        for name in ("script", "link", "img", "a", "iframe"):
            assert page.all(name) == []
        assert "noindex" in answer.text
    assert ADA not in "".join(answer.text for answer in answers)


async def test_it_needs_no_key_and_heeds_none(shop: Office, anybody: httpx.AsyncClient):
    link = await offered(shop)
    headers = {"X-Reevit-Key": "pfk_test_nobody.secret", "Idempotency-Key": "k", "X-Org-Id": "org_x"}
    assert (await anybody.post(link, headers=headers)).status_code == 200
    assert len(await suppressions(shop)) == 1


async def test_its_address_has_no_other_methods(shop: Office, anybody: httpx.AsyncClient):
    link = await offered(shop)
    for method in ("PUT", "DELETE", "PATCH"):
        assert (await anybody.request(method, link)).status_code == 405
    assert (await anybody.get(f"{link}/undo")).status_code == 405
    assert (await anybody.get(f"{link}?a=b")).status_code == 400
    assert await suppressions(shop) == []
