"""Chains of requests, each about what an earlier one made: what was made is there, what was deleted is gone."""

from collections.abc import Callable
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, settings

from tests.openapi.fitting import fit
from tests.openapi.objects import CREDENTIALS, Shop
from tests.openapi.test_schemathesis import EXAMPLES, schema

STEPS = 8
# Few operations, so that chains which make, delete and look again come up often.
OPERATIONS = {
    "customers": [
        "create_customer",
        "get_customer",
        "update_customer",
        "delete_customer",
        "add_customer_tags",
        "list_customer_payments",
        "get_customer_value",
        "get_customer_history",
        "get_customer_state",
    ],
    "subscriptions": [
        "create_subscription",
        "get_subscription",
        "update_subscription",
        "pause_subscription",
        "resume_subscription",
        "cancel_subscription",
    ],
    "invoices": [
        "create_subscription",
        "list_invoices",
        "get_invoice",
        "update_invoice",
        "retry_invoice",
        "cancel_invoice",
    ],
    "webhook endpoints": [
        "create_webhook_endpoint",
        "get_webhook_endpoint",
        "update_webhook_endpoint",
        "pause_webhook_endpoint",
        "resume_webhook_endpoint",
        "send_test_to_webhook_endpoint",
        "get_webhook_delivery",
        "delete_webhook_endpoint",
    ],
    "templates": [
        "create_template",
        "get_template",
        "update_template",
        "preview_template",
        "list_templates",
        "delete_template",
    ],
    "rules": [
        "create_rule",
        "get_rule",
        "update_rule",
        "enable_rule",
        "disable_rule",
        "list_rules",
        "simulate_rule",
        "delete_rule",
    ],
    "integrations": [
        "create_integration",
        "get_integration",
        "update_integration",
        "list_integrations",
        "test_integration",
        "delete_integration",
    ],
    "suppressions": [
        "create_suppression",
        "list_suppressions",
        "delete_suppression",
    ],
}


@pytest.mark.parametrize("noun", OPERATIONS)
def test_what_was_made_is_there_and_what_was_deleted_is_gone(
    open_shop: Callable[[], Shop], connection: requests.Session, noun: str
):
    class Lifecycle(schema.include(operation_id=OPERATIONS[noun]).as_state_machine()):
        def setup(self) -> None:
            super().setup()
            self.shop = open_shop()  # a chain must not depend on what others before it left behind

        def before_call(self, case: Any) -> None:
            fit(case, self.shop, with_objects=False)
            if noun == "invoices":
                _leave_unpaid(case)
            elif noun == "templates":
                _leave_complete(case)
            elif noun in ("rules", "integrations"):
                _leave_of_one_kind(case)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:  # noqa: ARG002 - the machine passes it
            headers = {"X-Reevit-Key": self.shop.key}
            return {"base_url": self.shop.url, "session": connection, "headers": headers}

    Lifecycle.run(
        settings=settings(
            max_examples=2 * EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
    )


def _leave_unpaid(case: Any) -> None:
    """A first invoice that waits for its next attempt, and that the list shows: what is paid is at its end."""
    operation_id = case.operation.definition.raw["operationId"]
    if operation_id == "create_subscription" and isinstance(case.body, dict):
        case.body |= {"trial_days": 0, "start_at": None, "metadata": {"sandbox": "fail,succeed"}}
    elif operation_id == "list_invoices":
        case.query = {}


def _leave_of_one_kind(case: Any) -> None:
    """What a change says must fit what it does not say: to which events, or by which provider."""
    operation_id = case.operation.definition.raw["operationId"]
    if operation_id == "test_integration":
        case.body = {"to": "ada@example.com"}
    elif operation_id == "create_integration" and isinstance(case.body, dict):
        case.body |= {
            "provider": "smtp",
            "credentials": CREDENTIALS["smtp"],
            "from_address": "shop@example.com",
        }
    elif isinstance(case.body, dict):
        for action in case.body.get("actions", ()):
            action.pop("attach_receipt", None)


def _leave_complete(case: Any) -> None:
    """E-mails whose parts all stay: whether one may be taken away depends on those that were taken before."""
    operation_id = case.operation.definition.raw["operationId"]
    if operation_id == "create_template" and isinstance(case.body, dict):
        case.body |= {"channel": "email", "subject": "Your receipt", "text": "Paid.", "html": "<p>Paid.</p>"}
    elif operation_id == "update_template" and isinstance(case.body, dict):
        case.body = {name: value for name, value in case.body.items() if value is not None}
