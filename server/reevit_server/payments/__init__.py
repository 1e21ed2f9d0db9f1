"""Payments: money that came in, and money that went back."""

from reevit_server.payments.actions import complete_in_sandbox, create, get, refund
from reevit_server.payments.charging import Follow, check_sandbox
from reevit_server.payments.errors import (
    PaymentNotFound,
    ProviderNotAvailable,
    UnknownSandboxScenario,
    WrongPaymentState,
)
from reevit_server.payments.exporting import EXPORT
from reevit_server.payments.jobs import RECONCILE, queue_unsettled, reconcile
from reevit_server.payments.loading import import_of
from reevit_server.payments.models import CAPTURED
from reevit_server.payments.recurring import (
    Recurring,
    begin,
    begin_again,
    cancel,
    charge,
    check,
    lock,
    reconcile_on_the_clock,
    settle,
)
from reevit_server.payments.refunds import count_of_customer as count_refunds_of_customer
from reevit_server.payments.refunds import select_of_customer as select_refunds_of_customer
from reevit_server.payments.schemas import Country, Method, PaymentOut, RefundOut
from reevit_server.payments.store import count_of_customer, select_of_customer

__all__ = [
    "CAPTURED",
    "EXPORT",
    "RECONCILE",
    "Country",
    "Follow",
    "Method",
    "PaymentNotFound",
    "PaymentOut",
    "ProviderNotAvailable",
    "Recurring",
    "RefundOut",
    "UnknownSandboxScenario",
    "WrongPaymentState",
    "begin",
    "begin_again",
    "cancel",
    "charge",
    "check",
    "check_sandbox",
    "complete_in_sandbox",
    "count_of_customer",
    "count_refunds_of_customer",
    "create",
    "get",
    "import_of",
    "lock",
    "queue_unsettled",
    "reconcile",
    "reconcile_on_the_clock",
    "refund",
    "select_of_customer",
    "select_refunds_of_customer",
    "settle",
]
