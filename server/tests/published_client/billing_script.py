"""What a merchant's own program does about subscriptions with the published client. Run by that client's Python, not
by ours: `billing_script.py BASE_URL KEY ORG_ID` prints one JSON object, the answer of every call by its name.
"""

import json
import sys

from reevit import Reevit, ReevitAPIError

_TERMS = {"external_customer_id": "usr_1234", "amount": 15000, "currency": "GHS", "interval": "monthly"}


def subscriptions(client):
    id = client.customers.lookup("usr_1234")["id"]
    plan = {"customer_id": id, "plan_id": "team", "amount": 15000, "currency": "GHS", "interval": "monthly"}
    team = client.subscriptions.create(plan, idempotency_key="team")
    yield "create", team
    yield "create_again", client.subscriptions.create(plan, idempotency_key="team")
    yield "get", client.subscriptions.get(team["id"])
    changes = {"amount": 18000, "method": "card", "metadata": {"seats": 3}}
    yield "update", client.subscriptions.update(team["id"], changes, idempotency_key="dearer")
    yield "update_again", client.subscriptions.update(team["id"], changes, idempotency_key="dearer")
    trial = client.subscriptions.create({**_TERMS, "plan_id": "solo", "trial_days": 14})
    yield "trial", trial
    yield "pause", client.request("POST", f"/v1/subscriptions/{trial['id']}/pause", json={})
    yield "resume", client.subscriptions.resume(trial["id"], idempotency_key="go-on")
    yield "resume_again", client.subscriptions.resume(trial["id"], idempotency_key="go-on")
    yield "cancel", client.subscriptions.cancel(trial["id"], idempotency_key="enough")
    yield "cancel_again", client.subscriptions.cancel(trial["id"], idempotency_key="enough")
    ending = client.subscriptions.create({**_TERMS, "plan_id": "backup"})
    later = {"at_period_end": True}
    yield "cancel_later", client.request("POST", f"/v1/subscriptions/{ending['id']}/cancel", json=later)
    yield "take_it_back", client.subscriptions.resume(ending["id"])
    yield "list", client.subscriptions.list()
    yield "list_canceled", client.subscriptions.list(status="canceled", customer_id=id)
    yield "list_page_two", client.subscriptions.list(limit=1, offset=1)


def invoices(client):
    scenario = {"sandbox": "fail:insufficient_funds,succeed"}
    declining = client.subscriptions.create({**_TERMS, "plan_id": "declining", "metadata": scenario})
    (due,) = client.invoices.list(subscription_id=declining["id"])
    yield "due", due
    note = {"metadata": {"ledger": "2026-11"}}
    yield "update", client.invoices.update(due["id"], note, idempotency_key="note")
    yield "update_again", client.invoices.update(due["id"], note, idempotency_key="note")
    yield "retry", client.invoices.retry(due["id"], idempotency_key="retry")
    yield "retry_again", client.invoices.retry(due["id"], idempotency_key="retry")
    yield "get", client.invoices.get(due["id"])
    client.subscriptions.create({**_TERMS, "plan_id": "lost", "metadata": {"sandbox": "fail:lost_card"}})
    (given_up,) = client.invoices.list(status="failed")
    yield "given_up", given_up
    yield "cancel", client.invoices.cancel(given_up["id"], idempotency_key="let-off")
    yield "cancel_again", client.invoices.cancel(given_up["id"], idempotency_key="let-off")
    yield "list", client.invoices.list()
    yield "list_page_two", client.invoices.list(limit=2, offset=1)


def a_month_later(client):
    client.request("POST", "/v1/sandbox/clock/advance", json={"by": "31d"})
    (team,) = client.subscriptions.list(plan_id="team")
    yield "subscription", team
    yield "invoices", client.invoices.list(subscription_id=team["id"])
    yield "payments", client.customers.payment_history(team["customer_id"], status="succeeded")
    yield "customer", client.customers.get(team["customer_id"])


def refusals(client):
    (canceled,) = client.subscriptions.list(status="canceled")
    paid = client.invoices.list(status="paid")[0]
    calls = {
        "unknown_subscription": lambda: client.subscriptions.get("sub_unknown"),
        "unknown_invoice": lambda: client.invoices.get("inv_unknown"),
        "nobody": lambda: client.subscriptions.create({**_TERMS, "external_customer_id": "usr_9"}),
        "invalid": lambda: client.subscriptions.create({**_TERMS, "interval": "quarterly"}),
        "over": lambda: client.subscriptions.resume(canceled["id"]),
        "paid": lambda: client.invoices.retry(paid["id"]),
        "paid_too": lambda: client.invoices.cancel(paid["id"]),
        "reused": lambda: client.subscriptions.create(_TERMS, idempotency_key="team"),
    }
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
    client.customers.create({"external_id": "usr_1234", "name": "Ada Lovelace"})
    said = {
        "subscriptions": dict(subscriptions(client)),
        "invoices": dict(invoices(client)),
        "a_month_later": dict(a_month_later(client)),
        "refusals": dict(refusals(client)),
    }
    sys.stdout.write(json.dumps(said))


main(*sys.argv[1:])
