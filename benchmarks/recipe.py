"""How to run a captured payment again: its statements, and for each value whether it stays or is fresh every time.
The bare handler and pgbench both cook from it.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from reevit_server.events import FAN_OUT

from capture import Asking, Captured, capture
from worlds import payment_body

# What is different in every payment. `…s` are arrays with one element for each of its events.
FRESH = (
    "payment_id",
    "payment_ids",
    "customer_id",
    "customer_ids",
    "event_ids",
    "event_data",
    "idempotency_key",
    "fingerprint",
    "reference",
    "answer",
    "now",
)


class Recipe:
    """`statements` name the values that each takes; `always` holds those that stay the same."""

    def __init__(self, captured: Captured, asked: bytes, idempotency_key: str) -> None:
        payment, request = orjson.loads(captured.body), orjson.loads(asked)
        self._known = {
            payment["id"]: "payment_id",
            request["customer_id"]: "customer_id",
            request["reference"]: "reference",
            idempotency_key: "idempotency_key",
            captured.body: "answer",
        }
        self.always: dict[str, Any] = {}
        self.statements: list[tuple[str, list[str]]] = [
            (text, [self._name(value) for value in values]) for text, values in captured.statements
        ]
        named = {name for _, names in self.statements for name in names}
        assert named >= set(FRESH), f"this payment has no {set(FRESH) - named}: mend the recipe"
        # One that was: pgbench, which cannot make JSON or hashes, stores these every time.
        self.samples = {
            name: value
            for _, values in captured.statements
            for value in values
            if (name := self._name(value)) in ("event_data", "answer", "fingerprint")
        }
        self.events = len(self.samples["event_data"])

    def _name(self, value: Any) -> str:
        if isinstance(value, datetime):
            return "now"
        if isinstance(value, list) and value:
            first = value[0]
            if isinstance(first, bytes) and first.startswith(b"{"):
                return "event_data"
            if isinstance(first, str) and first.startswith("evt_"):
                return "event_ids"
            if first in self._known:
                return self._known[first] + "s"
            if first == FAN_OUT:
                value = ["bench.nothing"]  # a job like the product's, which no worker takes
        elif isinstance(value, str | bytes) and value in self._known:
            return self._known[value]
        elif isinstance(value, bytes) and len(value) == 32:
            return "fingerprint"
        name = next((name for name, kept in self.always.items() if kept == value), None)
        if name is None:
            name = f"always_{len(self.always)}"
            self.always[name] = value
        return name


async def payment_recipe(dsn: str, headers: Mapping[str, str]) -> Recipe:
    """Makes a payment of customer 1 and writes down how."""
    name = secrets.token_hex(8)
    asked = [
        (payment_body(1, reference=f"order-{name}-{number}"), f"key-{name}-{number}")
        # At the first one the driver also asks for the types of its values.
        for number in ("rehearsal", "recipe")
    ]
    requests = [
        Asking("POST", "/v1/payments", {**headers, "idempotency-key": key}, body) for body, key in asked
    ]
    _, captured = await capture(dsn, *requests)
    return Recipe(captured, *asked[-1])
