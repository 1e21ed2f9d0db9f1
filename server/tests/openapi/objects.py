"""Real objects for the operations of the document to speak of: without them, a test would only ever meet 404."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

_numbers = itertools.count(1)
# Of the 50 that an organization may have, the rest is for what operations make themselves.
_ENDPOINTS_KEPT = 20
# Nobody is there, by RFC 6761: a server that is tested here also does its background work.
HOOKS = "https://shop.invalid/hooks"


@dataclass(frozen=True)
class Shop:
    """A merchant at a server, in one mode: makes what its tests need, over HTTP."""

    url: str
    org_id: str
    key: str
    client: httpx.Client
    _used: set[str] = field(default_factory=set)
    _endpoints: list[str] = field(default_factory=list)

    def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"X-Reevit-Key": self.key, **arguments.pop("headers", {})}
        return self.client.request(method, self.url + path, headers=headers, **arguments)

    def unused(self, text: str) -> str:
        """The text as an id of the shop's own; when it was used before, one as long or hardly longer."""
        suffix = f"~{len(self._used)}" if text in self._used else ""
        unused = text[: 255 - len(suffix)] + suffix
        self._used.add(unused)
        return unused

    def make(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.send("POST", path, json=body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def customer(self) -> dict[str, Any]:
        # A slash and a letter beyond ASCII: own ids are percent-encoded in addresses, and come back as they were.
        return self.make("/v1/customers", external_id=f"kö/{next(_numbers)}", tags=["vip"])

    def payment(self, scenario: str = "succeed") -> dict[str, Any]:
        """A payment of a customer, in the state that the sandbox's scenario leaves it in."""
        return self.make(
            "/v1/payments",
            amount=10_000,
            currency="GHS",
            customer_id=self.customer()["id"],
            metadata={"sandbox": scenario},
        )

    def intent(self) -> dict[str, Any]:
        return self.make(
            "/v1/payments/intents", amount=10_000, currency="GHS", customer_id=self.customer()["id"]
        )

    def subscription(self, scenario: str = "succeed", **fields: Any) -> dict[str, Any]:
        """A subscription of a customer, with its first invoice as the sandbox's scenario leaves it."""
        terms = {"plan_id": "team", "amount": 10_000, "currency": "GHS", "interval": "monthly"}
        metadata = {"sandbox": scenario}
        customer_id = self.customer()["id"]
        return self.make("/v1/subscriptions", customer_id=customer_id, metadata=metadata, **terms, **fields)

    def paused_subscription(self) -> dict[str, Any]:
        answer = self.send("POST", f"/v1/subscriptions/{self.subscription()['id']}/pause", json={})
        assert answer.status_code == 200, answer.text
        paused: dict[str, Any] = answer.json()
        return paused

    def retry_policy(self, plan_id: str | None = None) -> None:
        answer = self.send("POST", "/v1/policies/retry", json={"plan_id": plan_id, "delays": ["1h"]})
        assert answer.status_code == 200, answer.text

    def event(self) -> dict[str, Any]:
        self.customer()
        answer = self.send("GET", "/v1/events", params={"limit": 1})
        assert answer.status_code == 200, answer.text
        event: dict[str, Any] = answer.json()["events"][0]
        return event

    def template(self) -> dict[str, Any]:
        """Of an e-mail, with all the parts that there are."""
        parts = {"subject": "Your receipt", "text": "Hi {{ customer.name }}", "html": "<p>Hi</p>"}
        name = f"Receipt {next(_numbers)}"
        return self.make("/v1/workflows/templates", name=name, channel="email", **parts)

    def api_key(self) -> dict[str, Any]:
        return self.make("/v1/api-keys", name="spare", scopes=["customers:read"])

    def webhook_config(self) -> None:
        answer = self.send("POST", "/v1/webhooks/config", json={"url": HOOKS})
        assert answer.status_code == 200, answer.text

    def endpoint(self) -> dict[str, Any]:
        """An endpoint; of those that were made before, only some are kept."""
        return self._kept("/v1/webhooks/endpoints", url=HOOKS)

    def listener(self) -> dict[str, Any]:
        return self._kept("/v1/webhooks/listeners")

    def delivery(self) -> dict[str, Any]:
        answer = self.send("POST", f"/v1/webhooks/endpoints/{self.endpoint()['id']}/test", json={})
        assert answer.status_code == 202, answer.text
        delivery: dict[str, Any] = answer.json()
        return delivery

    def _kept(self, path: str, **body: Any) -> dict[str, Any]:
        if len(self._endpoints) == _ENDPOINTS_KEPT:
            oldest = self.send("DELETE", f"{path}/{self._endpoints.pop(0)}")
            assert oldest.status_code in (204, 404), oldest.text
        made = self.make(path, **body)
        self._endpoints.append(made["id"])
        return made


# Whose id stands in an address: a maker for each parameter's name ...
IN_PATH: dict[str, Callable[[Shop], str]] = {
    "customer_id": lambda shop: shop.customer()["id"],
    "payment_id": lambda shop: shop.payment()["id"],
    "subscription_id": lambda shop: shop.subscription()["id"],
    "invoice_id": lambda shop: shop.subscription()["latest_invoice_id"],
    "event_id": lambda shop: shop.event()["id"],
    "key_id": lambda shop: shop.api_key()["id"],
    "endpoint_id": lambda shop: shop.endpoint()["id"],
    "delivery_id": lambda shop: shop.delivery()["id"],
    "template_id": lambda shop: shop.template()["id"],
}
# ... and for the operations that need a payment in another state than succeeded.
PAYMENTS: dict[str, Callable[[Shop], dict[str, Any]]] = {
    "update_payment_intent": Shop.intent,
    "confirm_payment": Shop.intent,
    "confirm_payment_intent": Shop.intent,
    "cancel_payment": Shop.intent,
    "retry_payment": lambda shop: shop.payment("fail"),
    "complete_sandbox_payment": lambda shop: shop.payment("processing"),
}
# The same for subscriptions, and for invoices that are not paid.
SUBSCRIPTIONS: dict[str, Callable[[Shop], dict[str, Any]]] = {
    "resume_subscription": Shop.paused_subscription,
}
UNPAID = ("retry_invoice", "cancel_invoice")
# Listeners are endpoints of their own kind.
LISTENING = ("poll_webhook_listener", "delete_webhook_listener")
# What must be there although no address names it.
PREPARED: dict[str, Callable[[Shop], None]] = {
    "get_webhook_config": Shop.webhook_config,
    "delete_webhook_config": Shop.webhook_config,
    "send_test_to_webhook_config": Shop.webhook_config,
}
