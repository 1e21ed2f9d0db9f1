"""What can go wrong with an invoice."""

from reevit_server.core.errors import NotFound, Unprocessable


class InvoiceNotFound(NotFound):
    """There is no such invoice in this organization and mode."""

    code = "invoice_not_found"


class WrongInvoiceState(Unprocessable):
    """This invoice's status does not allow that; `details.status` tells it."""

    code = "wrong_invoice_state"
