"""The walls between organizations, modes and scopes, tried at every operation that the document names."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from reevit_server import api_keys
from reevit_server.api_keys.models import SCOPES
from reevit_server.app import describe
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.scope import Scope
from tests.makers import Api, Merchant, created, ok, refused
from tests.webhooks.clockwork import Clockwork


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    scope: str | None
    answers: frozenset[int]

    @property
    def plain_id(self) -> str:
        """The name that it has in common with the same operation at another address."""
        return self.id.removesuffix("_by_external_id").removesuffix("_as_workflow")

    def at(self, values: dict[str, str]) -> str:
        """The address with these values in it, and with what its query must hold."""
        path = re.sub(r"{(\w+)}", lambda name: quote(values[name[1]], safe=""), self.path)
        return path + QUERIES.get(self.id, "").format(**values)


def _operations() -> list[Operation]:
    return [
        Operation(
            told["operationId"],
            method.upper(),
            path,
            next(iter(told["security"][0].values()))[0] if told["security"] else None,
            frozenset(int(status) for status in told["responses"]),
        )
        for path, methods in describe()["paths"].items()
        for method, told in methods.items()
    ]


OPERATIONS = _operations()
GUARDED = [operation for operation in OPERATIONS if operation.scope is not None]
NAMING = [operation for operation in GUARDED if "{" in operation.path and operation.id != "upsert_customer"]

TERMS = {"plan_id": "team", "amount": 100, "currency": "GHS", "interval": "monthly"}
THANK = {"name": "Thank", "trigger": "payment.succeeded", "actions": [{"type": "add_tag", "tag": "vip"}]}
# A new operation with a body, a query it cannot do without, or another kind of object needs a line here.
BODIES: dict[str, dict[str, Any]] = {
    "create_customer": {"external_id": "usr_new"},
    "upsert_customer": {"name": "Ada"},
    "update_customer": {"name": "Ada"},
    "add_customer_tags": {"tags": ["vip"]},
    "create_payment": {"amount": 100, "currency": "GHS"},
    "create_payment_intent": {"amount": 100, "currency": "GHS"},
    "update_payment_intent": {"amount": 100},
    "confirm_payment": {},
    "confirm_payment_intent": {},
    "cancel_payment": {},
    "retry_payment": {},
    "refund_payment": {"amount": 1},
    "complete_sandbox_payment": {"outcome": "succeed"},
    "create_subscription": {**TERMS, "external_customer_id": "kö/1"},
    "update_subscription": {"amount": 200},
    "cancel_subscription": {},
    "pause_subscription": {},
    "resume_subscription": {},
    "set_retry_policy": {"plan_id": "team", "delays": ["1h"]},
    "update_invoice": {"metadata": {"ledger": "2026-11"}},
    "retry_invoice": {},
    "cancel_invoice": {},
    "advance_sandbox_clock": {"by": "1h"},
    "create_api_key": {"name": "another"},
    "upsert_webhook_config": {"url": "https://new.example/hooks"},
    "send_test_to_webhook_config": {},
    "create_webhook_endpoint": {"url": "https://new.example/hooks"},
    "update_webhook_endpoint": {"events": ["payment.*"]},
    "rotate_webhook_secret": {},
    "pause_webhook_endpoint": {},
    "resume_webhook_endpoint": {},
    "send_test_to_webhook_endpoint": {},
    "replay_webhook_events": {"from": "2026-01-01T00:00:00Z"},
    "replay_webhook_event": {},
    "create_webhook_listener": {},
    "poll_webhook_listener": {},
    "create_template": {"name": "Welcome", "channel": "sms", "text": "Hi {{ customer.name }}"},
    "update_template": {"text": "Hello {{ customer.name }}"},
    "preview_template": {},
    "create_rule": THANK,
    "update_rule": {"priority": 5},
    "enable_rule": {},
    "disable_rule": {},
    "simulate_rule": {"last": 5},
    "update_notices": {"receipt_email": True},
    "create_integration": {
        "name": "Texts",
        "provider": "chat",
        "credentials": {"url": "https://chat.example"},
    },
    "update_integration": {"enabled": False},
    "test_integration": {"to": "ada@example.com"},
    "resend_message": {},
    "create_suppression": {"channel": "email", "address": "efe@example.com"},
}
# What stands in a body is as much somebody's as what stands in an address.
NAMED_IN_BODY = {"preview_template": "event_id"}
QUERIES = {
    "lookup_customer": "?external_id={external_id}",
    "confirm_payment_intent": "?client_secret={client_secret}",
    "delete_retry_policy": "?plan_id=team",
}
UNKNOWN = {
    "customer_id": "cus_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "external_id": "usr_nobody",
    "payment_id": "pay_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "subscription_id": "sub_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "invoice_id": "inv_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "event_id": "evt_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "key_id": "key_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "endpoint_id": "whk_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "delivery_id": "dlv_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "template_id": "tpl_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "rule_id": "wfr_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "execution_id": "exe_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "integration_id": "itg_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "message_id": "msg_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "suppression_id": "sup_01jd8w3v5qe2rvkz6n0c4m8x7a",
    "tag": "vip",
    "client_secret": "wrong",
}
_TABLES = (
    "customers",
    "customer_totals",
    "customer_days",
    "payments",
    "refunds",
    "subscriptions",
    "invoices",
    "invoice_numbers",
    "retry_policies",
    "sandbox_clocks",
    "events",
    "api_keys",
    "webhook_endpoints",
    "webhook_deliveries",
    "webhook_attempts",
    "templates",
    "rules",
    "notice_switches",
    "executions",
    "execution_actions",
    "integrations",
    "messages",
    "message_attempts",
    "suppressions",
)


async def _intent(owner: Merchant) -> dict[str, Any]:
    return created(await owner.test.post("/v1/payments/intents", json={"amount": 100, "currency": "GHS"}))


PAYMENTS: dict[str, Callable[[Merchant], Awaitable[dict[str, Any]]]] = {
    "update_payment_intent": _intent,
    "confirm_payment": _intent,
    "confirm_payment_intent": _intent,
    "cancel_payment": _intent,
    "retry_payment": lambda owner: owner.payment(metadata={"sandbox": "fail"}),
    "complete_sandbox_payment": lambda owner: owner.payment(metadata={"sandbox": "processing"}),
}
# An invoice that is to be charged again or canceled must not be paid.
UNPAID = ("retry_invoice", "cancel_invoice")
LISTENING = ("poll_webhook_listener", "delete_webhook_listener")
WRITING = ("/v1/workflows", "/v1/messages")
INTEGRATIONS = "/v1/workflows/integrations"


async def objects_of(db: Database, owner: Merchant, operation: Operation) -> dict[str, str]:
    """Real objects in the owner's test mode for this operation to speak of."""
    written = await _written(db, owner) if operation.path.startswith(WRITING) else {}
    customer = await owner.customer(external_id="kö/1", tags=["vip"])
    pay = PAYMENTS.get(operation.plain_id)
    payment = await (pay(owner) if pay else owner.payment(customer_id=customer["id"]))
    subscription = await _subscription(owner, operation, customer["id"])
    ok(await owner.test.post("/v1/policies/retry", json={"plan_id": "team", "delays": ["1h", "1d"]}))
    event = ok(await owner.test.get("/v1/events?limit=1"))["events"][0]
    key = created(await owner.test.post("/v1/api-keys", json={"name": "spare"}))
    hooks = {"url": "https://shop.example/hooks"}
    ok(await owner.test.post("/v1/webhooks/config", json=hooks))
    endpoint = created(await owner.test.post("/v1/webhooks/endpoints", json=hooks))
    test = await owner.test.post(f"/v1/webhooks/endpoints/{endpoint['id']}/test")
    template = created(
        await owner.test.post(
            "/v1/workflows/templates", json={"name": "Receipt", "channel": "sms", "text": "Paid."}
        )
    )
    if operation.id in LISTENING:
        endpoint = created(await owner.test.post("/v1/webhooks/listeners", json={}))
    return {
        "customer_id": customer["id"],
        "external_id": customer["external_id"],
        "payment_id": payment["id"],
        "client_secret": payment["client_secret"] or "",
        "subscription_id": subscription["id"],
        "invoice_id": subscription["latest_invoice_id"],
        "event_id": event["id"],
        "key_id": key["id"],
        "endpoint_id": endpoint["id"],
        "delivery_id": test.json()["id"],
        "template_id": template["id"],
        "tag": "vip",
        **written,
    }


async def _written(db: Database, owner: Merchant) -> dict[str, str]:
    """What a rule did, somebody who sends, a message that stayed in the outbox, an address that is not written to."""
    rule = created(await owner.test.post("/v1/workflows/rules", json=THANK))
    await owner.payment(customer_id=(await owner.customer())["id"])
    await Clockwork.in_the_present(db, owner.org_id).run()
    (execution,) = ok(await owner.test.get("/v1/workflows/executions"))["executions"]
    mail = {
        "provider": "smtp",
        "credentials": {"host": "mail.example.com"},
        "from_address": "shop@example.com",
    }
    gone, integration = [
        created(await owner.test.post(INTEGRATIONS, json={"name": name, **mail})) for name in ("Old", "New")
    ]
    to = {"to": "ada@example.com"}
    message = (await owner.test.post(f"{INTEGRATIONS}/{gone['id']}/test", json=to)).json()
    await owner.test.delete(f"{INTEGRATIONS}/{gone['id']}")
    nobody = {"channel": "sms", "address": "+233501234567"}
    suppression = created(await owner.test.post("/v1/messages/suppressions", json=nobody))
    return {
        "rule_id": rule["id"],
        "execution_id": execution["id"],
        "integration_id": integration["id"],
        "message_id": message["id"],
        "suppression_id": suppression["id"],
    }


async def _subscription(owner: Merchant, operation: Operation, customer_id: str) -> dict[str, Any]:
    """Its first invoice is paid, unless the operation needs another one."""
    metadata = {"sandbox": "fail,succeed" if operation.id in UNPAID else "succeed"}
    body = {**TERMS, "customer_id": customer_id, "metadata": metadata}
    subscription = created(await owner.test.post("/v1/subscriptions", json=body))
    if operation.id == "resume_subscription":
        ok(await owner.test.post(f"/v1/subscriptions/{subscription['id']}/pause"))
    return subscription


async def send(client: httpx.AsyncClient, operation: Operation, values: dict[str, str]) -> httpx.Response:
    body = BODIES.get(operation.plain_id)
    if operation.method in ("POST", "PUT", "PATCH"):
        assert body is not None, f"{operation.id} is new: give it a body in BODIES"
    if (name := NAMED_IN_BODY.get(operation.id)) is not None:
        body = {**(body or {}), name: values[name]}
    return await client.request(operation.method, operation.at(values), json=body)


async def ledger(db: Database, owner: Merchant) -> dict[str, str | None]:
    """A checksum of everything that is the owner's in test mode."""
    async with db.read() as conn:
        return {
            table: await conn.fetchval(
                f"""
                SELECT md5(string_agg(row::text, '' ORDER BY row::text))
                FROM {table} AS row
                WHERE org_id = $1 AND mode = 'test'
                """,
                owner.org_id,
            )
            for table in _TABLES
        }


def without_request_id(response: httpx.Response) -> tuple[int, bytes]:
    return response.status_code, re.sub(rb'"request_id":"req_\w+"', b"", response.content)


def named(operation: Operation) -> str:
    return operation.id


def test_every_operation_is_tried():
    names = set().union(*(re.findall(r"{(\w+)}", operation.path) for operation in OPERATIONS))
    assert names <= set(UNKNOWN), "a new name in an address: say in objects_of and UNKNOWN what stands there"
    assert len(GUARDED) > 30


@pytest.mark.parametrize("operation", OPERATIONS, ids=named)
async def test_the_owner_gets_what_is_documented(db: Database, merchant: Merchant, operation: Operation):
    values = await objects_of(db, merchant, operation)
    answer = await send(merchant.test, operation, values)
    assert 200 <= answer.status_code < 300, answer.text
    assert answer.status_code in operation.answers


@pytest.mark.parametrize("operation", NAMING, ids=named)
@pytest.mark.parametrize("stranger", ["another organization", "the other mode"])
async def test_a_foreign_id_is_an_unknown_id(
    db: Database, merchant: Merchant, other: Merchant, operation: Operation, stranger: str
):
    values = await objects_of(db, merchant, operation)
    before = await ledger(db, merchant)
    client = other.test if stranger == "another organization" else merchant.live
    foreign = await send(client, operation, values)
    unknown = await send(client, operation, UNKNOWN)
    assert without_request_id(foreign) == without_request_id(unknown)
    # The sandbox is not there in live mode, for nobody's payment.
    assert foreign.status_code == 404 or foreign.json()["code"] == "provider_not_available", foreign.text
    assert await ledger(db, merchant) == before


@pytest.mark.parametrize("operation", [op for op in GUARDED if op not in NAMING], ids=named)
@pytest.mark.parametrize("stranger", ["another organization", "the other mode"])
async def test_what_names_nothing_sees_and_changes_nothing_of_others(
    db: Database, merchant: Merchant, other: Merchant, operation: Operation, stranger: str
):
    values = await objects_of(db, merchant, operation)
    before = await ledger(db, merchant)
    answer = await send(
        other.test if stranger == "another organization" else merchant.live, operation, values
    )
    assert await ledger(db, merchant) == before
    if stranger == "another organization":
        assert merchant.org_id not in answer.text
    for name in values.keys() - {"external_id", "client_secret", "tag"}:
        assert values[name] not in answer.text


@pytest.mark.parametrize("operation", GUARDED, ids=named)
async def test_a_key_without_the_scope_may_not(
    db: Database, api: Api, merchant: Merchant, operation: Operation
):
    rest = [scope for scope in SCOPES if scope != operation.scope]
    assert len(rest) == len(SCOPES) - 1, f"{operation.scope} is no scope"
    async with db.transaction() as conn:
        _, key = await api_keys.create(conn, Scope(merchant.org_id, "test"), scopes=rest, now=utc_now())
    values = await objects_of(db, merchant, operation)
    before = await ledger(db, merchant)
    body = refused(await send(api.client(key), operation, values), 403, "insufficient_scope")
    assert body["details"] == {"required_scope": operation.scope}
    assert await ledger(db, merchant) == before


@pytest.mark.parametrize("operation", GUARDED, ids=named)
async def test_no_key_and_no_good_key_may_nothing(
    db: Database, api: Api, merchant: Merchant, operation: Operation
):
    now = utc_now()
    async with db.transaction() as conn:
        row, revoked = await api_keys.create(conn, merchant.scope, now=now)
        await api_keys.revoke(conn, merchant.scope, id=row["id"], now=now)
    mistyped = merchant.test_key[:-1] + ("a" if merchant.test_key[-1] != "a" else "b")
    values = await objects_of(db, merchant, operation)
    before = await ledger(db, merchant)
    for key in (None, revoked, mistyped, "pfk_test_", merchant.test_key.replace("test", "live", 1)):
        refused(await send(api.client(key), operation, values), 401, "invalid_api_key")
    assert await ledger(db, merchant) == before


@pytest.mark.parametrize("operation", GUARDED, ids=named)
async def test_the_organization_header_never_selects(
    db: Database, merchant: Merchant, other: Merchant, operation: Operation
):
    values = await objects_of(db, merchant, operation)
    before = await ledger(db, merchant)
    for org_id in (other.org_id, "org_none", ""):
        merchant.test.headers["X-Org-Id"] = org_id
        refused(await send(merchant.test, operation, values), 403, "org_mismatch")
    assert await ledger(db, merchant) == before
    merchant.test.headers["X-Org-Id"] = merchant.org_id
    assert (await send(merchant.test, operation, values)).is_success
