"""The nouns of the API, one file each: what they look like, what can be asked of them."""

from reevit.resources.api_keys import ApiKeys
from reevit.resources.customers import Customers
from reevit.resources.events import Events
from reevit.resources.invoices import Invoices
from reevit.resources.messages import Messages
from reevit.resources.payments import Payments, Refunds
from reevit.resources.sandbox import Sandbox
from reevit.resources.subscriptions import RetryPolicies, Subscriptions
from reevit.resources.webhooks import Webhooks
from reevit.resources.workflows import Workflows

__all__ = [
    "ApiKeys",
    "Customers",
    "Events",
    "Invoices",
    "Messages",
    "Payments",
    "Refunds",
    "RetryPolicies",
    "Sandbox",
    "Subscriptions",
    "Webhooks",
    "Workflows",
]
