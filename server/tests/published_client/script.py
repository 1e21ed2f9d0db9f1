"""What a merchant's own program does with the published client. Run by that client's Python, not by ours:
`script.py BASE_URL KEY ORG_ID` prints one JSON object, the answer of every call by its name.
"""

import json
import queue
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from reevit import Reevit, ReevitAPIError, WebhookVerificationError, construct_event

_SECONDS = 60
_ADA = {
    "external_id": "usr_1234",
    "email": "ada@example.com",
    "name": "Ada Lovelace",
    "phone": "+233501234567",
    "tags": ["premium", "early-adopter"],
    "metadata": {"plan": "pro", "signup_source": "referral"},
}


def customers(client):
    yield "create", client.customers.create(_ADA, idempotency_key="create-ada")
    yield "create_again", client.customers.create(_ADA, idempotency_key="create-ada")
    id = client.customers.lookup("usr_1234")["id"]
    yield "lookup", client.customers.lookup("usr_1234")
    yield "get", client.customers.get(id)
    changes = {"name": "Ada King", "metadata": {"plan": "team"}, "tags": ["vip"]}
    yield "update", client.customers.update(id, changes, idempotency_key="update-ada")
    yield "update_again", client.customers.update(id, changes, idempotency_key="update-ada")
    yield "slashed", client.customers.create({"external_id": "shop/7?a=b#c", "name": "Slash"})
    yield "lookup_slashed", client.customers.lookup("shop/7?a=b#c")
    gone = client.customers.create({"external_id": "usr_gone"})
    yield "delete", client.customers.delete(gone["id"], idempotency_key="delete-gone")
    yield "delete_again", client.customers.delete(gone["id"], idempotency_key="delete-gone")
    yield "list", client.customers.list(limit=10)
    yield "list_by_external_id", client.customers.list(external_id="usr_1234")
    yield "list_page_two", client.customers.list(limit=1, offset=1)


def payments(client):
    id = client.customers.lookup("usr_1234")["id"]
    order = {"amount": 15000, "currency": "GHS", "customer_id": id, "method": "mobile_money"}
    intent = client.payments.create_intent({**order, "reference": "order-1"}, idempotency_key="order-1")
    yield "create_intent", intent
    yield (
        "create_intent_again",
        client.payments.create_intent({**order, "reference": "order-1"}, idempotency_key="order-1"),
    )
    yield (
        "update_intent",
        client.payments.update_intent(intent["id"], {"amount": 16000}, idempotency_key="order-1-more"),
    )
    yield "confirm", client.payments.confirm(intent["id"], idempotency_key="order-1-confirm")
    yield "confirm_again", client.payments.confirm(intent["id"], idempotency_key="order-1-confirm")
    second = client.payments.create_intent({**order, "amount": 9000})
    yield (
        "confirm_intent",
        client.payments.confirm_intent(second["id"], second["client_secret"], idempotency_key="o2"),
    )
    third = client.payments.create_intent(order)
    yield "cancel", client.payments.cancel(third["id"], idempotency_key="order-3-cancel")
    fourth = client.payments.create_intent({**order, "metadata": {"sandbox": "fail:insufficient_funds"}})
    yield "confirm_declined", client.payments.confirm(fourth["id"])
    client.payments.update_intent(fourth["id"], {"metadata": {"sandbox": ""}, "amount": 500})
    yield "retry", client.payments.retry(fourth["id"], idempotency_key="order-4-retry")
    yield (
        "refund",
        client.payments.refund(intent["id"], amount=1000, reason="late", idempotency_key="order-1-refund"),
    )
    yield (
        "refund_again",
        client.payments.refund(intent["id"], amount=1000, reason="late", idempotency_key="order-1-refund"),
    )
    yield "refund_rest", client.payments.refund(second["id"])
    yield "get", client.payments.get(intent["id"])
    yield "list", client.payments.list()
    yield "list_page_two", client.payments.list(limit=2, offset=2)
    yield "stats", client.payments.stats()
    yield "payment_history", client.customers.payment_history(id)
    yield "payment_history_succeeded", client.customers.payment_history(id, status="succeeded", limit=5)
    yield "top", client.customers.top(limit=10)
    yield "top_by_count", client.customers.top(limit=1, metric="payment_count", currency="GHS", period="30d")


def webhooks(client, url, posts):
    config = {"url": url, "events": ["customer.*"], "enabled": True}
    yield "upsert_config", client.webhooks.upsert_config(config, idempotency_key="config")
    yield "upsert_config_again", client.webhooks.upsert_config(config, idempotency_key="config")
    yield "get_config", client.webhooks.get_config()
    customer = client.customers.create({"external_id": "usr_told", "name": "Efua"})
    told = [posts.get(timeout=_SECONDS)]
    sent = client.webhooks.send_test(idempotency_key="test")
    yield "send_test", sent
    yield "send_test_again", client.webhooks.send_test(idempotency_key="test")
    told.append(posts.get(timeout=_SECONDS))
    (event,) = client.webhooks.list_events(type="customer.created", customer_id=customer["id"])
    yield "list_events", [event]
    yield "get_event", client.webhooks.get_event(event["id"])
    settled(client, event_id=event["id"], attempts=1)
    yield "replay_event", client.webhooks.replay_event(event["id"], idempotency_key="replay")
    told.append(posts.get(timeout=_SECONDS))
    delivery = settled(client, event_id=event["id"], attempts=2)
    yield "list_outbound", [delivery]
    yield "get_outbound", client.webhooks.get_outbound(delivery["id"])
    secret = client.webhooks.get_config()["signing_secret"]
    yield "told", [construct_event(body, signature, secret) for body, signature in told]
    yield "not_believed", dict(not_believed(*told[0], secret))
    yield "delete_config", client.webhooks.delete_config(idempotency_key="no-more")
    yield "delete_config_again", client.webhooks.delete_config(idempotency_key="no-more")


def settled(client, event_id, attempts):
    """The one delivery of an event, after so many attempts."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        (delivery,) = client.webhooks.list_outbound(event_id=event_id)
        if delivery["status"] == "delivered" and delivery["attempt_count"] == attempts:
            return delivery
        time.sleep(0.05)
    raise TimeoutError(delivery)


def not_believed(body, signature, secret):
    later = datetime.now(UTC) + timedelta(minutes=10)
    tries = {
        "tampered": lambda: construct_event(body.replace(b"usr_told", b"usr_1234"), signature, secret),
        "unsigned": lambda: construct_event(body, None, secret),
        "of_others": lambda: construct_event(body, signature, "whsec_" + "A" * 43 + "="),
        "old": lambda: construct_event(body, signature, secret, now=later),
    }
    for name, construct in tries.items():
        try:
            yield name, {"believed": construct()}
        except WebhookVerificationError as error:
            yield name, error.code


def shop(posts):
    """The merchant's own server, which is told of events; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.put((body, self.headers["X-Reevit-Signature"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/webhooks"


def refusals(client, stranger, wrong_org):
    id = client.customers.lookup("usr_1234")["id"]
    calls = {
        "taken": lambda: client.customers.create(_ADA),
        "unknown": lambda: client.customers.get("cus_unknown"),
        "invalid": lambda: client.payments.create_intent({"amount": 1.5, "currency": "GHS"}),
        "deleted": lambda: client.customers.get(
            client.customers.create({"name": "x"}, idempotency_key="x")["id"]
        ),
        "too_much": lambda: client.payments.refund(
            client.customers.payment_history(id)[0]["id"], amount=10**9
        ),
        "reused": lambda: client.customers.create({"name": "Eva"}, idempotency_key="create-ada"),
        "no_config": client.webhooks.get_config,
        "no_key": stranger.customers.list,
        "wrong_org": wrong_org.customers.list,
        "not_here": client.connections.list,
    }
    client.customers.delete(client.customers.create({"name": "x"}, idempotency_key="x")["id"])
    for name, call in calls.items():
        try:
            yield name, {"answered": call()}
        except ReevitAPIError as error:
            yield (
                name,
                {
                    "status_code": error.status_code,
                    "code": error.code,
                    "message": error.message,
                    "details": error.details,
                    "request_id": error.request_id,
                },
            )


def main(base_url, key, org_id):
    client = Reevit(key, org_id=org_id, base_url=base_url)
    stranger = Reevit("pfk_test_nobody", org_id=org_id, base_url=base_url)
    wrong_org = Reevit(key, org_id="org_another", base_url=base_url)
    posts = queue.Queue()
    said = {
        "mode": client.mode,
        "customers": dict(customers(client)),
        "payments": dict(payments(client)),
        "webhooks": dict(webhooks(client, shop(posts), posts)),
        "refusals": dict(refusals(client, stranger, wrong_org)),
    }
    sys.stdout.write(json.dumps(said))


main(*sys.argv[1:])
