"""Reevit Customers for Python: who your customers are, what they paid, and what they are worth."""

from reevit._attempts import Attempt
from reevit._call import ByExternalId
from reevit._model import Model
from reevit._pages import AsyncPage, Page
from reevit._version import __version__
from reevit.client import AsyncReevit, Reevit
from reevit.errors import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ReevitAPIError,
    ReevitConnectionError,
    ReevitError,
    ReevitTimeoutError,
    ServerError,
    UnavailableError,
    UnexpectedAnswer,
    UnprocessableError,
    WebhookVerificationError,
)
from reevit.resources.customers import Customer
from reevit.resources.events import Event
from reevit.resources.invoices import Invoice
from reevit.resources.messages import Message
from reevit.resources.payments import Payment, Refund
from reevit.resources.rules import Rule
from reevit.resources.subscriptions import Subscription
from reevit.resources.workflows import Template
from reevit.webhooks import (
    construct_event,
    sign_webhook_payload,
    verify_webhook_signature,
    verify_webhook_signature_with_tolerance,
)

__all__ = [
    "AsyncPage",
    "AsyncReevit",
    "Attempt",
    "AuthenticationError",
    "ByExternalId",
    "ConfigurationError",
    "ConflictError",
    "Customer",
    "Event",
    "InvalidRequestError",
    "Invoice",
    "Message",
    "Model",
    "NotFoundError",
    "Page",
    "Payment",
    "PermissionDeniedError",
    "ProviderError",
    "RateLimitError",
    "Reevit",
    "ReevitAPIError",
    "ReevitConnectionError",
    "ReevitError",
    "ReevitTimeoutError",
    "Refund",
    "Rule",
    "ServerError",
    "Subscription",
    "Template",
    "UnavailableError",
    "UnexpectedAnswer",
    "UnprocessableError",
    "WebhookVerificationError",
    "__version__",
    "construct_event",
    "sign_webhook_payload",
    "verify_webhook_signature",
    "verify_webhook_signature_with_tolerance",
]
