"""Customers: one profile each, and what they are worth. The model noun: others are built in its shape."""

from reevit_server.customers.actions import (
    count_subscriptions,
    find_payer,
    get,
    get_or_create_payer,
    get_payer,
    ref_of,
)
from reevit_server.customers.errors import CustomerDeleted, CustomerNotFound, UnknownCustomer
from reevit_server.customers.exporting import EXPORT
from reevit_server.customers.importing import IMPORT, find_by_id, find_named, open_named
from reevit_server.customers.models import CustomerId, CustomerRef, ExternalId, Payer
from reevit_server.customers.refs import by_either_id
from reevit_server.customers.schemas import CustomerDetails, CustomerOut, PayerOut, TotalsOut
from reevit_server.customers.store import COLUMNS
from reevit_server.customers.totals import PastPayment, add_history, add_payment, add_refund

__all__ = [
    "COLUMNS",
    "EXPORT",
    "IMPORT",
    "CustomerDeleted",
    "CustomerDetails",
    "CustomerId",
    "CustomerNotFound",
    "CustomerOut",
    "CustomerRef",
    "ExternalId",
    "PastPayment",
    "Payer",
    "PayerOut",
    "TotalsOut",
    "UnknownCustomer",
    "add_history",
    "add_payment",
    "add_refund",
    "by_either_id",
    "count_subscriptions",
    "find_by_id",
    "find_named",
    "find_payer",
    "get",
    "get_or_create_payer",
    "get_payer",
    "open_named",
    "ref_of",
]
