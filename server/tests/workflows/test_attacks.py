"""What a customer, or a template, may be up to: nothing that anybody says becomes a part of how it is said."""

from urllib.parse import parse_qs

import pytest

from reevit_server import organizations
from reevit_server.organizations import SellerPatch
from tests.makers import created, ok
from tests.messages.office import Office
from tests.providers.mailserver import Postbox, Received, mail_server, text_of
from tests.webhooks.clockwork import Sent
from tests.workflows.ruling import NOTE, TEXT, VIP
from tests.workflows.writing import TEMPLATES

PHONE = "+233501234567"
TWILIO = {"account_sid": "AC" + "0" * 32, "auth_token": "t" * 32, "sender": "+15005550006"}
SAYS = "Hi {{ customer.name }}, {{ payment.metadata.note }}"
LETTER = {"type": "send_email", "subject": SAYS, "body": SAYS, "html": f"<p>{SAYS}</p>"}


async def sends(shop: Office, box: Postbox) -> None:
    await shop.mail_by(box)
    await shop.integration(provider="twilio", credentials=TWILIO)
    await shop.integration(provider="chat", credentials={"url": "https://hooks.slack.com/services/T/B/c"})


def told_by(sent: list[Sent]) -> tuple[str, str]:
    """What an SMS and a chat say."""
    (sms,) = (each for each in sent if "twilio" in each.url)
    (chat,) = (each for each in sent if "slack" in each.url)
    return parse_qs(sms.body.decode())["Body"][0], chat.json["text"]


def part_of(received: Received, type: str) -> str:
    """What stands in the one part of this type."""
    (part,) = (part for part in received.letter.walk() if part.get_content_type() == type)
    return text_of(part).strip()


@pytest.mark.parametrize(
    "name",
    [
        "{{7*7}}",
        "{{ organization.name }}{% include 'x' %}",
        "{% raw %}{{ 7 }}",
        "${7*7} #{7*7} <%= 7*7 %> %s {0} {seller}",
        "<script>alert(1)</script>",
        '" onmouseover="alert(1)',
        "</p><img src=x onerror=alert('1')>",
        "&lt;b&gt; &amp; <!channel> <@U1>",
        "=?utf-8?q?=0d=0aBcc:_all=40example.com?=",
        "Ada\u2028Bcc: all@example.com",
        "\u202eadA",
    ],
)
async def test_what_a_customer_is_called_is_text_wherever_it_is_said(shop: Office, name: str):
    await shop.rule("payment.succeeded", LETTER, {**TEXT, "body": SAYS}, {**NOTE, "body": SAYS})
    with mail_server() as box:
        await sends(shop, box)
        payer = {"external_id": "usr_1", "name": name, "email": "ada@example.com", "phone": PHONE}
        await shop.merchant.payment(customer=payer, metadata={"note": name})
        await shop.work.run()
        (received,) = box.received
    said = f"Hi {name}, {name}"
    escaped = said.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert received.recipients == ["ada@example.com"]
    assert received.letter["bcc"] is None
    assert received.letter["subject"].replace(" ", "") == "".join(said.split())
    assert part_of(received, "text/plain") == said
    assert (
        part_of(received, "text/html")
        == f"<p>{escaped.replace(chr(34), '&#34;').replace(chr(39), '&#39;')}</p>"
    )
    sms, chat = told_by(shop.outside.take())
    assert sms == said
    assert chat == escaped
    assert {message["status"] for message in await shop.messages()} == {"sent"}


@pytest.mark.parametrize(
    "note",
    [
        "x\r\nBcc: all@example.com",
        "x\nBcc: all@example.com\n\nSecond letter",
        "x\r\n\r\n<html>other</html>",
        "x\u0085Bcc: all@example.com",
        "\r\n.\r\nMAIL FROM:<evil@example.com>",
        "=?utf-8?q?=0d=0aBcc:_all=40example.com?=",
        "\n--===============\nContent-Type: text/html\n\n<b>x</b>",
    ],
    ids=repr,
)
async def test_no_value_writes_a_header_a_part_or_a_second_letter(shop: Office, note: str):
    await shop.rule("payment.succeeded", LETTER)
    with mail_server() as box:
        await shop.mail_by(box, from_name="Ama, all@example.com", reply_to="ama@example.com")
        payer = {"external_id": "usr_1", "name": "Ada", "email": "ada@example.com"}
        await shop.merchant.payment(customer=payer, metadata={"note": note})
        await shop.work.run()
        (received,) = box.received
    letter = received.letter
    assert received.recipients == ["ada@example.com"]
    assert set(letter.keys()) == {
        *("Date", "From", "To", "Reply-To", "Subject", "Message-ID"),
        *("MIME-Version", "Content-Type"),
    }
    assert letter["subject"] == " ".join(f"Hi Ada, {note}".split())
    (sender,) = letter["from"].addresses
    assert (sender.display_name, sender.addr_spec) == ("Ama, all@example.com", "shop@example.com")
    assert [part.get_content_type() for part in letter.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert " ".join(part_of(received, "text/plain").split()) == " ".join(f"Hi Ada, {note}".split())


@pytest.mark.parametrize(
    "name",
    [
        "{{7*7}}{% include 'x' %}",
        "<script>alert(1)</script>",
        'Ama" <all@example.com>, "',
        "=?utf-8?q?=0d=0aBcc:_all=40example.com?=",
        "Ama\u2028Bcc: all@example.com",
    ],
)
async def test_what_the_merchant_is_called_is_text_too(shop: Office, name: str):
    says = "From {{ organization.name }}"
    await shop.rule(
        "payment.succeeded", {"type": "send_email", "subject": says, "body": says, "html": f"<p>{says}</p>"}
    )
    async with shop.work.tools.db.transaction() as conn:
        patch = SellerPatch(seller_name=name)
        await organizations.update_seller(conn, id=shop.merchant.org_id, patch=patch)
    with mail_server() as box:
        await shop.mail_by(box)
        payer = {"external_id": "usr_1", "name": "Ada", "email": "ada@example.com"}
        await shop.merchant.payment(customer=payer)
        await shop.work.run()
        (received,) = box.received
    letter = received.letter
    assert (received.recipients, letter["bcc"], letter["cc"]) == (["ada@example.com"], None, None)
    assert "".join(letter["subject"].split()) == "".join(f"From {name}".split())
    (sender,) = letter["from"].addresses
    assert ("".join(sender.display_name.split()), sender.addr_spec) == (
        "".join(name.split()),
        "shop@example.com",
    )
    assert part_of(received, "text/plain") == f"From {name}"
    assert "<script>" not in part_of(received, "text/html")


async def test_a_control_character_in_a_subject_fails_that_letter_and_says_why(shop: Office):
    await shop.rule("payment.succeeded", LETTER, VIP)
    with mail_server() as box:
        await shop.mail_by(box)
        payer = {"external_id": "usr_1", "name": "Ada", "email": "ada@example.com"}
        payment = await shop.merchant.payment(customer=payer, metadata={"note": "\x1b[2J\x07"})
        await shop.work.run()
        assert box.received == []
    (message,) = await shop.messages()
    assert (message["status"], message["reason"]) == ("failed", "invalid_message")
    assert "control character" in message["reason_message"]
    assert ok(await shop.merchant.test.get(f"/v1/customers/{payment['customer_id']}"))["tags"] == ["vip"]


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for i in (1..1000) %}{% for j in (1..1000000) %}x{% endfor %}{% endfor %}",
        "{% for i in (1..999) %}" + "x" * 1_000 + "{% endfor %}",
        "{% assign a = 'xxxxxxxx' %}{% for i in (1..900) %}{% assign a = a | append: a %}{% endfor %}{{ a }}",
        "{% assign n = 9 %}{% for i in (1..900) %}{% assign n = n | times: n %}{% endfor %}{{ n }}",
        "{{ customer.tags | join: payment.metadata.none | divided_by: 0 }}",
        "{{ payment.metadata | plus: 1 }}",
        "{% for i in (1..payment.metadata.many) %}x{% endfor %}",
        "{{ payment.amount | money: payment.metadata.note }}",
        "{{ payment.created_at | date: payment.metadata.note }}",
        "{% if payment.amount > customer.name %}x{% endif %}y",
        "{% for i in (1..100000000000) reversed %}x{% endfor %}",
        "{% for i in (1..1000000000000000) limit: 1 offset: 99999999999 %}x{% endfor %}",
        "{% if payment.metadata contains customer.tags %}x{% endif %}y",
        "{% for i in (1..1000) %}"
        + "{% assign a = customer.name | upcase | downcase %}" * 900
        + "{% endfor %}y",
    ],
    ids=lambda source: source[:45],
)
async def test_a_template_that_does_too_much_or_makes_no_sense_fails_with_a_reason(shop: Office, source: str):
    template = created(
        await shop.merchant.test.post(TEMPLATES, json={"name": "Much", "channel": "sms", "text": source})
    )
    await shop.rule("payment.succeeded", {"type": "send_sms", "template_id": template["id"]}, VIP)
    payer = {"external_id": "usr_1", "name": "Ada", "phone": PHONE}
    metadata = {"note": "{{ 7 }}", "many": 10**9}
    await shop.merchant.payment(customer=payer, metadata=metadata)
    await shop.work.run()
    (execution,) = await shop.executions()
    much, tag = execution["actions"]
    assert (much["status"], much["reason"], tag["status"]) == ("failed", "template_fails", "done")
    assert much["reason_message"].startswith("`text`, line 1: ")
    assert len(much["reason_message"]) < 500
    assert await shop.messages() == []


async def test_a_merchants_own_words_are_bounded_by_what_mail_can_carry(shop: Office):
    """A subject that is too long for a header fails when it is sent, and says so; the rest is done."""
    await shop.rule("payment.succeeded", {**LETTER, "subject": "{{ payment.metadata.note }}" * 3}, VIP)
    with mail_server() as box:
        await shop.mail_by(box)
        payer = {"external_id": "usr_1", "name": "Ada", "email": "ada@example.com"}
        await shop.merchant.payment(customer=payer, metadata={"note": "x" * 500})
        await shop.work.run()
        assert box.received == []
    (message,) = await shop.messages()
    assert (message["status"], message["reason"]) == ("failed", "invalid_message")
    assert message["reason_message"] == "The subject has more than 998 characters."


async def test_an_address_is_never_written_by_a_template(shop: Office):
    """Who gets a letter is a customer's address or one that a rule names: neither is Liquid."""
    odd = "o'{{7*7}}+tag@example.com"
    await shop.rule("payment.succeeded", LETTER, {**LETTER, "to": "boss+{{1}}@example.com"})
    with mail_server() as box:
        await shop.mail_by(box)
        payer = {"external_id": "usr_1", "name": "Ada", "email": odd}
        await shop.merchant.payment(customer=payer)
        await shop.work.run()
        recipients = [received.recipients for received in box.received]
    assert sorted(recipients) == [["boss+{{1}}@example.com"], [odd]]
