"""Real objects for the operations of the document to speak of: without them, a test would only ever meet 404."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.running import wait_until

_numbers = itertools.count(1)
# Of the 50 that an organization may have of many things, the rest is for what operations make themselves.
_KEPT = 20
_WORKED_SECONDS = 30
# Nobody is there, by RFC 6761: a server that is tested here also does its background work.
HOOKS = "https://shop.invalid/hooks"
# Who may send, and what each takes to know a merchant.
_SID = "AC" + "0" * 32
CREDENTIALS: dict[str, dict[str, Any]] = {
    "smtp": {"host": "mail.example.com", "port": 465, "security": "tls"},
    "resend": {"api_key": "re_1"},
    "sendgrid": {"api_key": "SG.1"},
    "twilio": {"account_sid": _SID, "auth_token": "correct-horse", "sender": "Shop"},
    "africas_talking": {"username": "sandbox", "api_key": "correct-horse"},
    "hubtel": {"client_id": "shop", "client_secret": "correct-horse", "sender": "Shop"},
    "chat": {"url": HOOKS},
    "webhook": {"url": HOOKS, "secret": "whsec_" + "A" * 32},
}
_PROVIDERS = {"email": "smtp", "sms": "twilio", "notification": "chat", "webhook": "webhook"}
_INTEGRATIONS = "/v1/workflows/integrations"


@dataclass(frozen=True)
class Shop:
    """A merchant at a server, in one mode: makes what its tests need, over HTTP."""

    url: str
    org_id: str
    key: str
    client: httpx.Client
    _used: set[str] = field(default_factory=set)
    _made: dict[str, list[str]] = field(default_factory=dict)
    _shared: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        headers = {"X-Reevit-Key": self.key, **arguments.pop("headers", {})}
        return self.client.request(method, self.url + path, headers=headers, **arguments)

    def unused(self, text: str, most: int = 255) -> str:
        """The text as an id of the shop's own; when it was used before, one as long or hardly longer."""
        suffix = f"~{len(self._used)}" if text in self._used else ""
        unused = text[: most - len(suffix)] + suffix
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

    def template(self, channel: str = "email") -> dict[str, Any]:
        """With all the parts that there are of its channel."""
        parts = {"text": "Hi {{ customer.name }}"}
        if channel == "email":
            parts |= {"subject": "Your receipt", "html": "<p>Hi</p>"}
        name = f"Receipt {next(_numbers)}"
        return self.make("/v1/workflows/templates", name=name, channel=channel, **parts)

    def rule(self) -> dict[str, Any]:
        """One that does nothing, until somebody turns it on."""
        thank = {"type": "add_tag", "tag": "thanked"}
        fields = {"trigger": "payment.succeeded", "actions": [thank], "enabled": False}
        return self._kept("/v1/workflows/rules", name=f"Rule {next(_numbers)}", **fields)

    def integration(self, channel: str = "email") -> dict[str, Any]:
        return self._kept(_INTEGRATIONS, **_integration(channel))

    def template_of_rules(self, channel: str) -> str:
        """The id of one that stays, because rules name it."""
        return self._one(f"template for {channel}", lambda: self.template(channel)["id"])

    def integration_of_rules(self, channel: str) -> str:
        return self._one(
            f"integration for {channel}", lambda: self.make(_INTEGRATIONS, **_integration(channel))["id"]
        )

    def message(self) -> str:
        """The id of what a rule wrote. It stays in the outbox, because nobody is there who sends."""
        answer = self.send("GET", f"/v1/workflows/executions/{self.execution()}/actions")
        assert answer.status_code == 200, answer.text
        (action,) = answer.json()["actions"]
        id: str = action["message"]["id"]
        return id

    def suppression(self) -> dict[str, Any]:
        address = f"nobody-{next(_numbers)}@example.com"
        return self.make("/v1/messages/suppressions", channel="email", address=address)

    def execution(self) -> str:
        """The id of what a rule did. One serves all that look at it: done in the background, it takes a while."""
        return self._one("execution", self._execute)

    def _execute(self) -> str:
        welcome = {"type": "send_email", "subject": "Welcome", "body": "Hello!", "to": "ada@example.com"}
        rule = self.make("/v1/workflows/rules", name="Welcome", trigger="customer.created", actions=[welcome])
        self.customer()
        found: list[dict[str, Any]] = []

        def is_done() -> bool:
            query = {"workflow_id": rule["id"], "status": "done"}
            answer = self.send("GET", "/v1/workflows/executions", params=query)
            found.extend(answer.json()["executions"])
            return bool(found)

        wait_until(is_done, _WORKED_SECONDS)
        disabled = self.send("POST", f"/v1/workflows/rules/{rule['id']}/disable", json={})
        assert disabled.status_code == 200, disabled.text
        id: str = found[0]["id"]
        return id

    def api_key(self) -> dict[str, Any]:
        return self.make("/v1/api-keys", name="spare", scopes=["customers:read"])

    def webhook_config(self) -> None:
        answer = self.send("POST", "/v1/webhooks/config", json={"url": HOOKS})
        assert answer.status_code == 200, answer.text

    def endpoint(self) -> dict[str, Any]:
        return self._kept("/v1/webhooks/endpoints", url=HOOKS)

    def listener(self) -> dict[str, Any]:
        return self._kept("/v1/webhooks/listeners")

    def delivery(self) -> dict[str, Any]:
        answer = self.send("POST", f"/v1/webhooks/endpoints/{self.endpoint()['id']}/test", json={})
        assert answer.status_code == 202, answer.text
        delivery: dict[str, Any] = answer.json()
        return delivery

    def _kept(self, path: str, **body: Any) -> dict[str, Any]:
        """A new one; of those that were made before, only some are kept."""
        earlier = self._made.setdefault(path, [])
        if len(earlier) == _KEPT:
            oldest = self.send("DELETE", f"{path}/{earlier.pop(0)}")
            assert oldest.status_code in (204, 404), oldest.text
        made = self.make(path, **body)
        earlier.append(made["id"])
        return made

    def clear(self, path: str, most: int) -> None:
        """Deletes all that there is, once there is so much of it: an organization may have little more."""
        answer = self.send("GET", path, params={"limit": most})
        assert answer.status_code == 200, answer.text
        rows = answer.json()[path.rpartition("/")[2]]
        for row in rows if len(rows) == most else ():
            gone = self.send("DELETE", f"{path}/{row['id']}")
            assert gone.status_code == 204, gone.text

    def _one(self, what: str, make: Callable[[], str]) -> str:
        """The id of the one that serves everybody; made when it is first asked for."""
        if what not in self._shared:
            self._shared[what] = make()
        return self._shared[what]


def _integration(channel: str) -> dict[str, Any]:
    provider = _PROVIDERS[channel]
    fields = {"name": f"Integration {next(_numbers)}", "provider": provider}
    if channel == "email":
        fields["from_address"] = "shop@example.com"
    return {**fields, "credentials": CREDENTIALS[provider]}


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
    "rule_id": lambda shop: shop.rule()["id"],
    "execution_id": Shop.execution,
    "integration_id": lambda shop: shop.integration()["id"],
    "message_id": Shop.message,
    "suppression_id": lambda shop: shop.suppression()["id"],
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
# What must be there although no address names it, or must not.
PREPARED: dict[str, Callable[[Shop], None]] = {
    "get_webhook_config": Shop.webhook_config,
    "delete_webhook_config": Shop.webhook_config,
    "send_test_to_webhook_config": Shop.webhook_config,
    "create_rule": lambda shop: shop.clear("/v1/workflows/rules", 90),
    "create_integration": lambda shop: shop.clear(_INTEGRATIONS, 45),
}
