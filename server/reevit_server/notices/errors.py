"""What can go wrong with a notice."""

from reevit_server.core.errors import Conflict


class PaymentNotPaid(Conflict):
    """This payment is not paid; a receipt is for what was paid."""

    code = "payment_not_paid"
