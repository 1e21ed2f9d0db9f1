"""What a template says of an event: to whom, in whose language, and never more than was meant."""

from typing import Any

import pytest

from reevit_server.core.database import Database
from reevit_server.workflows.models import VOCABULARY
from tests.makers import Merchant, created, ok, refused
from tests.workflows.writing import EMAIL, TEMPLATES, latest, preview, reads, said, template

ADA = {"external_id": "usr_1", "name": "Ada Lovelace", "email": "ada@example.com", "phone": "+233501234567"}
TERMS = {"plan_id": "team", "amount": 15000, "currency": "GHS", "interval": "monthly"}
NBSP, NARROW = "\u00a0", "\u202f"


async def paid(merchant: Merchant, **fields: Any) -> dict[str, Any]:
    """The event of a payment that succeeded, or that failed if the sandbox is told so."""
    payment = await merchant.payment(**fields)
    return await latest(merchant, f"payment.{payment['status']}")


async def subscribed(merchant: Merchant, **fields: Any) -> dict[str, Any]:
    """A subscription of the customer `usr_1`, who is there."""
    return created(
        await merchant.test.post(
            "/v1/subscriptions", json={**TERMS, "external_customer_id": "usr_1", **fields}
        )
    )


async def test_an_email_goes_to_the_address_and_an_sms_to_the_phone_of_then(merchant: Merchant):
    event = await paid(merchant, customer=ADA)
    email = await template(merchant, **EMAIL)
    sms = await template(merchant)
    chat = await template(merchant, channel="notification")
    assert ok(await preview(merchant, email["id"], event["id"])) == {
        "to": "ada@example.com",
        **{part: EMAIL[part] for part in ("subject", "text", "html")},
        "characters": None,
        "segments": None,
    }
    assert ok(await preview(merchant, sms["id"], event["id"])) == {
        "to": "+233501234567",
        "subject": None,
        "text": "Paid.",
        "html": None,
        "characters": 5,
        "segments": 1,
    }
    told = ok(await preview(merchant, chat["id"], event["id"]))
    assert (told["to"], told["text"], told["segments"]) == (None, "Paid.", None)


async def test_who_has_no_address_gets_nothing_and_it_is_said(merchant: Merchant):
    event = await paid(merchant, customer={"external_id": "usr_1", "phone": "+233501234567"})
    nobody = await paid(merchant)
    email = await template(merchant, **EMAIL)
    for each in (event, nobody):
        assert ok(await preview(merchant, email["id"], each["id"]))["to"] is None


async def test_a_payment_that_succeeded(merchant: Merchant):
    event = await paid(
        merchant, customer=ADA, method="mobile_money", reference="order-1", metadata={"seats": 3}
    )
    source = (
        "{{ customer.name | first_name }} {{ payment.currency }} {{ payment.amount }} {{ payment.status }} "
        "{{ payment.method }} {{ payment.reference }} {{ payment.metadata.seats }}{{ payment.metadata.none }} "
        "{{ event.type }} {{ organization.name }}"
    )
    assert await said(merchant, source, event) == (
        f"Ada GHS 15000 succeeded mobile_money order-1 3 payment.succeeded {await name_of(merchant)}"
    )


async def test_a_payment_that_failed(merchant: Merchant):
    event = await paid(merchant, customer=ADA, metadata={"sandbox": "fail:insufficient_funds"})
    source = "{{ payment.failure_code }}: {{ payment.failure_message }}{{ payment.succeeded_at | date }}"
    assert (
        await said(merchant, source, event)
        == "insufficient_funds: The customer's account has too little money."
    )


async def test_a_payment_that_was_given_back_in_part(merchant: Merchant):
    payment = await merchant.payment(customer=ADA)
    await merchant.refund(payment["id"], amount=5000)
    event = await latest(merchant, "payment.refunded")
    source = "{{ payment.amount_refunded | money }} of {{ payment.amount | money }}"
    assert await said(merchant, source, event) == f"GHS{NBSP}50.00 of GHS{NBSP}150.00"


async def test_an_invoice_that_was_paid_and_one_that_was_not(merchant: Merchant):
    await merchant.customer(**ADA)
    await subscribed(merchant)
    source = (
        "{{ invoice.number }} {{ invoice.amount | money }} {{ invoice.status }} "
        "{{ invoice.retry_count }} {{ invoice.failure_code | default: 'fine' }} {{ customer.email }}"
    )
    event = await latest(merchant, "invoice.paid")
    assert await said(merchant, source, event) == f"INV-000001 GHS{NBSP}150.00 paid 0 fine ada@example.com"
    metadata = {"sandbox": "fail:insufficient_funds"}
    await subscribed(merchant, metadata=metadata)
    event = await latest(merchant, "invoice.failed")
    again = "{{ invoice.next_retry_at | date: 'time' }}"
    assert (
        await said(merchant, source, event)
        == f"INV-000002 GHS{NBSP}150.00 due 0 insufficient_funds ada@example.com"
    )
    assert await said(merchant, again, event) != ""


async def test_a_subscription_that_began_and_one_that_ends(merchant: Merchant):
    await merchant.customer(**ADA)
    made = await subscribed(merchant)
    source = "{{ subscription.plan_id }} {{ subscription.interval_count }} {{ subscription.interval }}"
    event = await latest(merchant, "subscription.created")
    assert await said(merchant, source, event) == "team 1 monthly"
    ok(await merchant.test.post(f"/v1/subscriptions/{made['id']}/cancel"))
    event = await latest(merchant, "subscription.canceled")
    source = (
        "{{ subscription.status }}{% if subscription.canceled_at %} since "
        "{{ subscription.canceled_at | date: 'medium' }}{% endif %}{{ subscription.trial_end_at }}"
    )
    assert (await said(merchant, source, event)).startswith("canceled since ")


async def test_a_customer_who_came_and_one_who_left(merchant: Merchant):
    customer = await merchant.customer(**ADA, tags=["vip", "early"])
    event = await latest(merchant, "customer.created")
    source = "{{ customer.external_id }} {{ customer.tags | join: '+' }} {{ customer.tags.size }}"
    assert await said(merchant, source, event) == "usr_1 vip+early 2"
    assert (await merchant.test.delete(f"/v1/customers/{customer['id']}")).status_code == 204
    event = await latest(merchant, "customer.deleted")
    assert await said(merchant, "{{ customer.id }} {{ customer.name }}", event) == f"{customer['id']} "


async def test_every_field_can_be_named_whatever_the_event_is_about(merchant: Merchant):
    customer = await merchant.customer(**ADA)
    payment = await merchant.payment(customer_id=customer["id"])
    await merchant.refund(payment["id"])
    await merchant.payment(metadata={"sandbox": "fail"})
    address = f"/v1/subscriptions/{(await subscribed(merchant))['id']}"
    ok(await merchant.test.patch(address, json={"amount": 20000}))
    for deed in ("pause", "resume", "cancel"):
        ok(await merchant.test.post(f"{address}/{deed}"))
    await subscribed(merchant, metadata={"sandbox": "fail"}, trial_days=0)
    hook = created(await merchant.test.post("/v1/webhooks/endpoints", json={"url": "https://shop.invalid"}))
    tested = await merchant.test.post(f"/v1/webhooks/endpoints/{hook['id']}/test")
    assert tested.status_code == 202, tested.text
    source = "".join(
        f"{{{{ {name}.{field} }}}}{{{{ {name}.{field} | default: '-' }}}}"
        for name, fields in VOCABULARY.items()
        for field in fields or ()
    )
    made = await template(merchant, text=source)
    events = ok(await merchant.test.get("/v1/events?limit=100"))["events"]
    for event in events:
        shown = ok(await preview(merchant, made["id"], event["id"]))
        assert event["id"] in shown["text"]
        assert event["subject_id"] in shown["text"] or event["type"] == "webhook.test"
    assert {event["type"].partition(".")[0] for event in events} >= {
        "customer",
        "payment",
        "subscription",
        "invoice",
        "webhook",
    }


async def test_what_the_event_is_not_about_is_nothing(merchant: Merchant):
    event = await paid(merchant, customer=ADA)
    source = (
        "[{{ invoice.number }}{{ subscription.plan_id }}{{ invoice.due_at | date }}]"
        "{% if invoice.number %}invoice{% else %}payment{% endif %}"
    )
    assert await said(merchant, source, event) == "[]payment"


@pytest.mark.parametrize(
    ("locale", "amount", "currency", "says"),
    [
        ("en-GH", 15000, "GHS", "GH₵150.00"),
        ("en-GH", 1, "GHS", "GH₵0.01"),
        ("fr-SN", 2500, "XOF", f"2{NARROW}500{NBSP}F{NARROW}CFA"),
        ("en-GH", 1234, "KWD", f"KWD{NBSP}1.234"),
        ("fr-SN", 1234, "KWD", f"1,234{NBSP}KWD"),
    ],
)
async def test_an_amount_is_written_with_its_decimals_as_the_reader_does(
    db: Database, merchant: Merchant, locale: str, amount: int, currency: str, says: str
):
    await reads(db, merchant, locale)
    event = await paid(merchant, amount=amount, currency=currency)
    assert await said(merchant, "{{ payment.amount | money }}", event) == says


@pytest.mark.parametrize("currency", ["GHS", "XOF", "KWD"])
async def test_arabic_is_written_with_the_digits_of_the_amount(
    db: Database, merchant: Merchant, currency: str
):
    await reads(db, merchant, "ar")
    event = await paid(merchant, amount=123456, currency=currency)
    written = await said(merchant, "{{ payment.amount | money }}", event)
    digits = "".join(str(int(letter)) for letter in written if letter.isdecimal())
    assert digits == "123456"


async def test_a_day_is_written_as_the_reader_does(db: Database, merchant: Merchant):
    event = await paid(merchant)
    year, month, day = (int(part) for part in event["created_at"][:10].split("-"))
    french = ("janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre", "octobre")
    french += ("novembre", "décembre")
    await reads(db, merchant, "fr-SN")
    written = await said(merchant, "{{ payment.succeeded_at | date }}", event)
    assert written == f"{'1er' if day == 1 else day} {french[month - 1]} {year}"
    await reads(db, merchant, "en-GH")
    written = await said(merchant, "{{ payment.succeeded_at | date: 'short' }}", event)
    assert written == f"{day:02}/{month:02}/{year}"


async def test_values_are_escaped_in_html_and_are_themselves_in_text(merchant: Merchant):
    event = await paid(merchant, customer={**ADA, "name": '<script>alert("1")</script> & co'})
    source = "<b>{{ customer.name }}</b>"
    made = await template(merchant, channel="email", subject=source, text=source, html=source)
    shown = ok(await preview(merchant, made["id"], event["id"]))
    assert shown["html"] == "<b>&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt; &amp; co</b>"
    assert shown["text"] == shown["subject"] == '<b><script>alert("1")</script> & co</b>'


@pytest.mark.parametrize("ends", ["\r\n", "\n", "\r", "\u2028", "\x0b", "\x85", "\n\n \t"], ids=repr)
async def test_no_value_begins_a_second_line_of_a_subject(merchant: Merchant, ends: str):
    event = await paid(merchant, customer=ADA, description=f"Book{ends}Bcc: all@example.com")
    source = f"  {{{{ payment.description }}}}{ends}"
    made = await template(merchant, channel="email", subject=source, text="{{ payment.description }}")
    shown = ok(await preview(merchant, made["id"], event["id"]))
    assert shown["subject"] == "Book Bcc: all@example.com"
    ended = ends.replace("\r\n", "\n").replace("\r", "\n")
    assert shown["text"] == f"Book{ended}Bcc: all@example.com"


async def test_liquid_in_the_data_is_text(merchant: Merchant):
    name = "{{7*7}}{% include 'x' %}{{ organization.name }}"
    event = await paid(merchant, customer={**ADA, "name": name}, metadata={"note": "{% raw %}"})
    source = "{{ customer.name }}|{{ payment.metadata.note }}"
    assert await said(merchant, source, event) == f"{name}|{{% raw %}}"


async def test_a_customer_who_was_erased_is_nobody_in_what_was_told_before(merchant: Merchant):
    event = await paid(merchant, customer=ADA)
    made = await template(merchant, **{**EMAIL, "text": "{{ customer.name | default: 'nobody' }}"})
    first = await preview(merchant, made["id"], event["id"], headers={"Idempotency-Key": "seen"})
    assert ok(first)["text"] == "Ada Lovelace"
    customer_id = event["data"]["customer_id"]
    assert (await merchant.test.delete(f"/v1/customers/{customer_id}")).status_code == 204
    now = ok(await preview(merchant, made["id"], event["id"]))
    assert (now["to"], now["text"]) == (None, "nobody")
    replay = await preview(merchant, made["id"], event["id"], headers={"Idempotency-Key": "seen"})
    refused(replay, 410, "idempotent_answer_erased")


@pytest.mark.parametrize(
    ("source", "line", "column", "says"),
    [
        ("Hi\n  {{ subscription.amount | money }}", 2, 3, "money is of an amount"),
        ("{{ payment.metadata.seats | plus: 1 }}", 1, 1, "of a number"),
        ("{{ payment.status | date }}", 1, 1, "date is of an instant"),
        ("{{ payment.succeeded_at | date: '%Y' }}", 1, 27, "without a pattern"),
        ("{{ 5 | money }}", 1, 8, "needs the currency"),
        ("{{ 1 | divided_by: 0 }}", 1, 8, "divided by 0"),
        ("{{ '1e17' | divided_by: '1e-999999' }}", 1, 1, "too large a number"),
        ("\n\n{% for i in (1..1000000000) %}x{% endfor %}", 3, 4, "does too much"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_template_that_fails_says_in_which_part_and_where(
    merchant: Merchant, source: str, line: int, column: int, says: str
):
    event = await paid(merchant, customer=ADA)
    made = await template(merchant, channel="email", subject="Hi", text="Paid.", html=source)
    answer = refused(await preview(merchant, made["id"], event["id"]), 422, "template_fails")
    assert answer["details"] == {"part": "html", "line": line, "column": column}
    assert says in answer["message"]


@pytest.mark.parametrize(
    "source",
    [
        "{% assign a = 'x' %}{% for i in (1..500) %}{% assign a = a | append: a %}{% endfor %}",
        "{% assign a = 'x' %}{% for i in (1..500) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}",
        "{% for i in (1..900) %}" + "x" * 1000 + "{% endfor %}",
        "{% for i in (1..100) %}{% for j in (1..100) %}x{% endfor %}{% endfor %}",
        "{% assign n = 9 %}{% for i in (1..500) %}{% assign n = n | times: n %}{% endfor %}",
    ],
    ids=lambda source: source[:40],
)
async def test_a_template_that_would_grow_without_end_is_stopped(merchant: Merchant, source: str):
    event = await paid(merchant)
    made = await template(merchant, text=source)
    refused(await preview(merchant, made["id"], event["id"]), 422, "template_fails")
    assert ok(await merchant.test.get(f"{TEMPLATES}/{made['id']}"))["text"] == source, "it may be mended"


async def test_an_event_that_is_not_yours_cannot_be_shown(merchant: Merchant, other: Merchant):
    made = await template(merchant, text="{{ payment.amount }}")
    theirs = await paid(other)
    for id in (theirs["id"], "evt_01jd8w3v5qe2rvkz6n0c4m8x7a", "evt_1", made["id"]):
        refused(await preview(merchant, made["id"], id), 404, "event_not_found")


async def test_the_length_of_an_sms_is_that_of_what_is_sent(merchant: Merchant):
    event = await paid(merchant, customer={**ADA, "name": "x" * 155})
    made = await template(merchant, text="Hi {{ customer.name }}")
    shown = ok(await preview(merchant, made["id"], event["id"]))
    assert (shown["characters"], shown["segments"]) == (158, 1)
    ok(await merchant.test.patch(f"{TEMPLATES}/{made['id']}", json={"text": "Hi {{ customer.name }} 🙏"}))
    shown = ok(await preview(merchant, made["id"], event["id"]))
    assert (shown["characters"], shown["segments"]) == (160, 3)


async def name_of(merchant: Merchant) -> str:
    event = await latest(merchant, "payment.succeeded")
    name = await said(merchant, "{{ organization.name }}", event)
    assert name.startswith("Shop ")
    return name
