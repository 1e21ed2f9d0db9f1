"""Payments: money that came in, and money that went back."""

from reevit_server.payments.actions import create, get, refund
from reevit_server.payments.exporting import EXPORT
from reevit_server.payments.jobs import RECONCILE, queue_unsettled, reconcile
from reevit_server.payments.loading import import_of
from reevit_server.payments.models import CAPTURED
from reevit_server.payments.refunds import count_of_customer as count_refunds_of_customer
from reevit_server.payments.refunds import select_of_customer as select_refunds_of_customer
from reevit_server.payments.schemas import PaymentOut, RefundOut
from reevit_server.payments.store import count_of_customer, select_of_customer

__all__ = [
    "CAPTURED",
    "EXPORT",
    "RECONCILE",
    "PaymentOut",
    "RefundOut",
    "count_of_customer",
    "count_refunds_of_customer",
    "create",
    "get",
    "import_of",
    "queue_unsettled",
    "reconcile",
    "refund",
    "select_of_customer",
    "select_refunds_of_customer",
]
