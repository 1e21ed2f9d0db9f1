"""Customers: one profile each, and what they are worth. The model noun: others are built in its shape."""

from reevit_server.customers.actions import (
    add_tags,
    count_subscriptions,
    find_payer,
    get,
    get_or_create_payer,
    get_payer,
    ref_of,
    remove_tag,
)
from reevit_server.customers.errors import CustomerDeleted, CustomerNotFound, UnknownCustomer
from reevit_server.customers.exporting import EXPORT
from reevit_server.customers.importing import IMPORT, find_by_id, find_named, open_named
from reevit_server.customers.models import CustomerId, CustomerRef, ExternalId, Payer
from reevit_server.customers.refs import by_either_id
from reevit_server.customers.schemas import (
    CustomerDetails,
    CustomerOut,
    Email,
    PayerOut,
    Phone,
    TotalsOut,
    checked_email,
    checked_phone,
)
from reevit_server.customers.store import COLUMNS
from reevit_server.customers.totals import (
    PastPayment,
    add_history,
    add_payment,
    add_refund,
    select_lifetime_values,
)

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
    "Email",
    "ExternalId",
    "PastPayment",
    "Payer",
    "PayerOut",
    "Phone",
    "TotalsOut",
    "UnknownCustomer",
    "add_history",
    "add_payment",
    "add_refund",
    "add_tags",
    "by_either_id",
    "checked_email",
    "checked_phone",
    "count_subscriptions",
    "find_by_id",
    "find_named",
    "find_payer",
    "get",
    "get_or_create_payer",
    "get_payer",
    "open_named",
    "ref_of",
    "remove_tag",
    "select_lifetime_values",
]
