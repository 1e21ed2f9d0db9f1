"""What a type checker says of code that uses this package: nothing of right code, and of a mistake, where it is."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Mapping

import pytest

RIGHT = """
import asyncio
from datetime import datetime, timezone
from typing import Any, Coroutine

import httpx
from pydantic import BaseModel
from typing_extensions import assert_type

from reevit import (
    AsyncPage, AsyncReevit, Attempt, ConflictError, Customer, Event, Message, Page, Payment, RateLimitError, Reevit,
    ReevitAPIError, ReevitConnectionError, Refund, Rule, Template, construct_event,
)
from reevit.resources.customers import CustomerFields, TopCustomers, Totals
from reevit.resources.executions import ExecutedAction
from reevit.resources.messages import ListedMessage
from reevit.resources.rules import RuleFields


class Order(BaseModel):
    customer: Customer


def told(attempt: Attempt) -> None:
    print(attempt.method, attempt.latency_seconds * 1000)


def published(client: Reevit) -> None:
    customer = client.customers.create(
        {
            "external_id": "usr_1234",
            "email": "ada@example.com",
            "tags": ["premium", "early-adopter"],
            "metadata": {"plan": "pro", "seats": 3, "trial": False},
        },
        idempotency_key="create-ada",
    )
    print(customer["id"], customer.get("nickname"))
    client.payments.create_intent({"amount": 15000, "currency": "GHS", "customer_id": customer["id"]}, "order-1")
    client.customers.update(customer["id"], {"email": None, "rekey": True, "external_id": "usr_2"})
    client.subscriptions.create({"external_customer_id": "usr_1", "amount": 1, "currency": "GHS"})
    client.payments.list(50, 0)
    client.payments.refund("pay_1", 1000, "late", "order-1-refund")
    client.customers.top(limit=10, metric="payment_count", period="30d")
    for payment in client.customers.payment_history(customer["id"], status="succeeded"):
        assert_type(payment, Payment)


def sync() -> None:
    with Reevit("pfk_test_a.b", timeout=httpx.Timeout(5, connect=1), max_retries=3, on_attempt=told) as reevit:
        fields: CustomerFields = {"external_id": "usr_1"}
        ada = reevit.customers.create(fields, name="Ada")
        assert_type(ada, Customer)
        assert_type(ada.email, str | None)
        assert_type(ada.created_at, datetime)
        assert_type(ada.totals, list[Totals])
        assert_type(ada.last_payment_at, datetime | None)
        assert_type(reevit.customers.get({"external_id": "usr_1"}), Customer)
        page = reevit.customers.list(tag=["vip", "trial"], sort_by="total_spent", sort_order="desc", min_spent=1)
        assert_type(page, Page[Customer])
        assert_type(page[0], Customer)
        assert_type(page.data, list[Customer])
        assert_type(page.next_page(), Page[Customer] | None)
        assert_type(sorted(page, key=lambda each: each.total_spent), list[Customer])
        top = reevit.customers.get_top_customers(from_=datetime(2026, 1, 1, tzinfo=timezone.utc))
        assert_type(top, TopCustomers)
        assert_type(top[0].rank, int)
        assert_type(top.from_at, datetime | None)
        assert_type(reevit.payments.refund("pay_1"), Refund)
        assert_type(reevit.invoices.pdf("inv_1"), bytes)
        assert_type(reevit.customers.delete("cus_1"), None)
        reevit.with_options(actor_id="staff_7", timeout=600).sandbox.advance(by="31d")
        Order(customer=ada)
        try:
            reevit.customers.create(external_id="usr_1")
        except ConflictError as error:
            print(error.code, error.details["customer_id"], error.request_id)
        except RateLimitError as error:
            assert_type(error.retry_after, float | None)
        except (ReevitAPIError, ReevitConnectionError):
            raise


async def later() -> None:
    async with AsyncReevit() as reevit:
        assert_type(await reevit.customers.get("cus_1"), Customer)
        page = await reevit.customers.list(limit=5)
        assert_type(page, AsyncPage[Customer])
        assert_type(page[0], Customer)
        async for customer in reevit.customers.list():
            assert_type(customer, Customer)
        async for customer in page:
            assert_type(customer, Customer)
        task = asyncio.create_task(reevit.customers.get("cus_1"))
        assert_type(await task, Customer)
        one, two = await asyncio.gather(reevit.customers.get("cus_1"), reevit.payments.get("pay_1"))
        assert_type((one, two), tuple[Customer, Payment])
        asked: Coroutine[Any, Any, Customer] = reevit.customers.get("cus_1")
        await asked


def received(body: bytes, headers: dict[str, str]) -> None:
    event = construct_event(body, headers, "whsec_x", tolerance_seconds=60)
    assert_type(event, Event)
    print(event.type, event.data["customer"], event["type"])
    construct_event(body, headers.get("X-Reevit-Signature"), "whsec_x")
    construct_event(body, headers=[(b"x-reevit-signature", b"sha256=00")], secret="whsec_x")
    construct_event(raw_body=body, signature=None, secret="whsec_x")


def written(client: Reevit) -> None:
    template = client.workflows.templates.create(name="Receipt", channel="sms", text="Thank you!")
    assert_type(template, Template)
    assert_type(client.workflows.templates.list(channel="sms"), Page[Template])
    assert_type(client.workflows.templates.preview(template.id, "evt_1").segments, int | None)
    client.workflows.templates.update(template.id, subject=None)
    client.workflows.templates.delete(template.id)


def done(client: Reevit) -> None:
    fields: RuleFields = {
        "name": "Thank the big ones",
        "trigger": "payment.succeeded",
        "conditions": {"currencies": ["GHS"], "min_amount": 100000, "metadata_match": {"plan": "pro", "seats": 3}},
        "actions": [
            {"type": "send_email", "subject": "Thank you", "body": "Dear {{ customer.name }}", "to": None},
            {"type": "add_tag", "tag": "vip"},
        ],
    }
    rule = client.workflows.rules.create(fields, priority=10)
    assert_type(rule, Rule)
    client.workflows.rules.update(rule.id, actions=[{"type": "send_sms", "body": "Thank you", "to": "+233501234567"}])
    simulation = client.workflows.rules.simulate(rule.id, last=200)
    assert_type(simulation.results[0].actions[0].not_sent, str | None)
    client.workflows.integrations.create(
        name="Mail", provider="smtp", credentials={"host": "mail.example.com", "port": 465}, reply_to="a@example.com"
    )
    assert_type(client.workflows.integrations.test("itg_1", "ada@example.com"), Message)
    client.workflows.notices.update(receipt_email=True)
    for action in client.workflows.executions.actions("exe_1"):
        assert_type(action, ExecutedAction)
        assert_type(action.message, ListedMessage | None)
    assert_type(client.messages.get("msg_1").attempts[0].outcome, str | None)
    client.messages.suppressions.create(channel="email", address="ada@example.com", covers="marketing")
    assert_type(client.payments.receipt_pdf("pay_1"), bytes)
    assert_type(client.payments.receipt_html("pay_1"), str)
"""

WRONG = {
    "a field that is misspelt": 'reevit.customers.create(emial="ada@example.com")',
    "a field that is misspelt in a mapping": 'reevit.customers.create({"emial": "ada@example.com"})',
    "a field of another call": "reevit.customers.create(rekey=True)",
    "a field of the wrong type": "reevit.customers.create(name=5)",
    "a field of the wrong type in a mapping": 'reevit.customers.update("cus_1", {"tags": 5})',
    "an amount as text": 'reevit.payments.create(amount="15000", currency="GHS")',
    "an amount with decimals": 'reevit.payments.create(amount=150.0, currency="GHS")',
    "an interval that there is not": 'reevit.subscriptions.create(interval="quarterly")',
    "an id that is a number": "reevit.customers.get(5)",
    "an id of one's own that is misspelt": 'reevit.customers.get({"externalid": "usr_1"})',
    "no id": "reevit.customers.get()",
    "a filter that is misspelt": 'reevit.customers.list(emial="ada@example.com")',
    "a filter of the wrong type": 'reevit.customers.list(limit="5")',
    "an order that there is not": 'reevit.customers.list(sort_by="name")',
    "a direction that there is not": 'reevit.customers.list(sort_order="up")',
    "a status that there is not": 'reevit.payments.list(status="suceeded")',
    "a period that there is not": 'reevit.customers.get_top_customers(period="8d")',
    "an attribute that is misspelt": "customer.emial",
    "an attribute that may be None": "customer.email.lower()",
    "an attribute used as another type": 'customer.total_spent + "GHS"',
    "an instant used as text": "customer.created_at.removesuffix('Z')",
    "an attribute of a row that is misspelt": "[row.emial for row in reevit.customers.list()]",
    "an attribute within that is misspelt": "customer.totals[0].total_spend",
    "a noun that is misspelt": 'reevit.customer.get("cus_1")',
    "a method that is misspelt": 'reevit.customers.fetch("cus_1")',
    "an option that is misspelt": "reevit.with_options(timout=5)",
    "a setting of the wrong type": 'Reevit("pfk_test_a.b", timeout="5")',
    "an argument of request that there is not": 'reevit.request("POST", "/v1/x", data={})',
    "no secret": "construct_event(b'', {}, None)",
    "no secret at all": "construct_event(b'', {})",
    "headers that are none": "construct_event(b'', 5, 'whsec_x')",
    "a channel that there is not": 'reevit.workflows.templates.create(name="x", channel="fax")',
    "an action that there is not": 'reevit.workflows.rules.create(actions=[{"type": "send_fax"}])',
    "a field of another action": 'reevit.workflows.rules.create(actions=[{"type": "add_tag", "body": "Hi"}])',
    "a condition that is misspelt": 'reevit.workflows.rules.create(conditions={"min_ammount": 1})',
    "a provider that there is not": 'reevit.workflows.integrations.create(provider="pigeon")',
    "a switch that is misspelt": "reevit.workflows.notices.update(receipt_mail=True)",
    "a text that a list leaves out": "reevit.messages.list()[0].text",
    "an attribute of what was not awaited": 'later.customers.get("cus_1").email',
    "a call that was not awaited": 'later.customers.delete("cus_1")',
    "a row of a list that was not awaited": "later.customers.list()[0]",
    "a plain loop over a list that was not awaited": "[row for row in later.customers.list()]",
    "an await of what is there": 'await reevit.customers.get("cus_1")',
    "a client that is not async": "[row async for row in reevit.customers.list()]",
}

WRONG_HEAD = """\
from reevit import AsyncReevit, Customer, Reevit, construct_event

async def wrong(reevit: Reevit, later: AsyncReevit, customer: Customer) -> None:
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, int], list[str]]:
    """What mypy says, by file and line, of both: starting it is what takes long."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "right.py").write_text(RIGHT)
    (folder / "wrong.py").write_text(WRONG_HEAD + "".join(f"    {line}\n" for line in WRONG.values()))
    command = [sys.executable, "-m", "mypy", "--strict", "--python-version=3.10", "--config-file="]
    command += ["--cache-dir=cache", "--no-pretty", "--no-error-summary", "right.py", "wrong.py"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=280, check=False)
    assert (done.returncode, done.stderr) == (1, ""), done.stderr
    found: dict[tuple[str, int], list[str]] = defaultdict(list)
    for file, line, what in re.findall(r"^([^:]+):(\d+): error: (.*)$", done.stdout, re.MULTILINE):
        found[file, int(line)].append(what)
    return found


def test_right_code_is_right(said: Mapping[tuple[str, int], list[str]]):
    assert {line: what for (file, line), what in said.items() if file == "right.py"} == {}


def test_nothing_else_is_complained_of(said: Mapping[tuple[str, int], list[str]]):
    assert {file for file, _ in said} == {"wrong.py"}
    first = WRONG_HEAD.count("\n") + 1
    assert {line for _, line in said} <= set(range(first, first + len(WRONG)))


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_found_where_it_is(said: Mapping[tuple[str, int], list[str]], mistake: str):
    line = WRONG_HEAD.count("\n") + 1 + list(WRONG).index(mistake)
    assert ("wrong.py", line) in said, f"mypy has nothing against: {WRONG[mistake]}"
