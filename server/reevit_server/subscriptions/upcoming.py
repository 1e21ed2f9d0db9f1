"""That a subscription's next charge is near: told some days before it, so that its customer can be."""

from datetime import datetime

import asyncpg

from reevit_server import customers
from reevit_server.core.database import Connection
from reevit_server.core.scope import Scope
from reevit_server.subscriptions import standing, store


async def tell(conn: Connection, scope: Scope, *, id: str, now: datetime) -> bool:
    """Tells of one renewal that is near; False when there is nothing to tell (any more, or yet)."""
    subscription = await store.take_upcoming_of(conn, scope, id=id, now=now)
    if subscription is None:
        return False
    await record(conn, scope, subscription, now=now)
    return True


async def record(conn: Connection, scope: Scope, subscription: asyncpg.Record, *, now: datetime) -> None:
    """The event of a renewal that was taken to be told of, in the transaction that took it.

    None of a customer who was deleted: that subscription is about to end, and will not be charged.
    """
    try:
        payer = await customers.get_payer(conn, scope, customers.CustomerId(subscription["customer_id"]))
    except customers.UnknownCustomer:
        return
    await standing.record(conn, scope, subscription, payer, "subscription.renewal_upcoming", now=now)
