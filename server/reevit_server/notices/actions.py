"""What a notice has to say, read from where it is kept."""

from reevit_server import customers, organizations, payments
from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.notices.errors import PaymentNotPaid
from reevit_server.notices.models import Facts


async def facts_of_payment(conn: Connection, scope: Scope, *, id: str) -> Facts:
    """What the receipt of a payment says: what was paid, whatever went back since.

    Raises PaymentNotFound, PaymentNotPaid.
    """
    payment = await payments.get(conn, scope, id=id)
    if payment["succeeded_at"] is None:
        raise PaymentNotPaid(status=payment["status"])
    customer = await customers.find_payer(conn, scope, payment["customer_id"])
    return Facts(
        kind="receipt",
        seller=await organizations.get_seller(conn, id=scope.org_id),
        test_mode=scope.mode == "test",
        amount=payment["amount"],
        currency=payment["currency"],
        at=payment["succeeded_at"],
        customer_name=customer and customer.name,
        customer_email=customer and customer.email,
        customer_phone=customer and customer.phone,
        customer_external_id=customer and customer.external_id,
        description=payment["description"],
        payment_method=payment["method"],
        payment_reference=payment["reference"],
        receipt_number=payment["id"],
    )
