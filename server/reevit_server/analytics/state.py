"""How things stand with a customer now: profile, subscriptions, open invoices, latest payments, in one answer."""

from reevit_server import customers, invoices, payments, subscriptions
from reevit_server.analytics import store
from reevit_server.analytics.schemas import PaymentMethodOut, StateOut
from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope

_MOST = 100
_RECENT_PAYMENTS = 10


async def get(conn: Connection, scope: Scope, ref: customers.CustomerRef) -> StateOut:
    """The whole picture of a customer.

    Run it in a snapshot, so that its parts speak of one instant. Raises CustomerNotFound, CustomerDeleted.
    """
    customer = customers.CustomerOut.of(await customers.get(conn, scope, ref))
    living = await store.select_living_subscriptions(conn, scope, customer_id=customer.id, limit=_MOST)
    unpaid = await store.select_open_invoices(conn, scope, customer_id=customer.id, limit=_MOST)
    latest = await payments.select_of_customer(
        conn, scope, customer_id=customer.id, after=None, limit=_RECENT_PAYMENTS
    )
    own_id = {"external_customer_id": customer.external_id}
    return StateOut(
        customer=customer,
        active_subscriptions=[subscriptions.SubscriptionOut.of(row, **own_id) for row in living],
        open_invoices=[invoices.InvoiceOut.of(row, **own_id) for row in unpaid],
        recent_payments=[payments.PaymentOut.of(row) for row in latest],
        default_payment_method=_method(customer),
    )


def _method(customer: customers.CustomerOut) -> PaymentMethodOut | None:
    """How the latest payment was made; None if there was none, or it did not say."""
    if customer.preferred_method is None:
        return None
    latest = max(customer.totals, key=lambda total: total.last_payment_at)
    return PaymentMethodOut(
        method=customer.preferred_method, currency=latest.currency, last_used_at=latest.last_payment_at
    )
