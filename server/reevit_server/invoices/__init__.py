"""Invoices: what each period of a subscription costs, and whether it was paid."""

from reevit_server.invoices.actions import (
    cancel,
    charging,
    check_state,
    create,
    due_again,
    fail,
    get,
    get_locked,
    pay,
    tell_due,
)
from reevit_server.invoices.errors import InvoiceNotFound, WrongInvoiceState
from reevit_server.invoices.models import CANCELABLE, COLLECTIBLE, RETRYABLE, Period, number_text
from reevit_server.invoices.schemas import InvoiceOut
from reevit_server.invoices.store import (
    count_of_customer,
    find_by_payment_for_update,
    find_draft,
    has_given_up,
    select_of_customer,
    select_open,
    take_due,
)

__all__ = [
    "CANCELABLE",
    "COLLECTIBLE",
    "RETRYABLE",
    "InvoiceNotFound",
    "InvoiceOut",
    "Period",
    "WrongInvoiceState",
    "cancel",
    "charging",
    "check_state",
    "count_of_customer",
    "create",
    "due_again",
    "fail",
    "find_by_payment_for_update",
    "find_draft",
    "get",
    "get_locked",
    "has_given_up",
    "number_text",
    "pay",
    "select_of_customer",
    "select_open",
    "take_due",
    "tell_due",
]
