"""`reevit import payments`: a batch of rows stored whole or not at all, with its refunds and totals, by COPY.

A reference is one payment, however often its row comes. What is loaded is history: it records no events, so that
no receipt and no webhook goes out for it.
"""

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

import orjson

from reevit_server import customers
from reevit_server.core import bulk
from reevit_server.core.bulk import Loaded
from reevit_server.core.database import Connection, Row
from reevit_server.core.ids import id_pattern, new_id
from reevit_server.core.scope import Scope
from reevit_server.core.tabular import Fault, Refusal
from reevit_server.core.text import merged
from reevit_server.payments.errors import ReferenceTaken
from reevit_server.payments.importing import FIELDS, PaymentRow, parse
from reevit_server.payments.models import CAPTURED

COUNTS = ("created", "already_there", "customers_opened")
_OUR_ID = re.compile(id_pattern("pay"))
_PAYMENT = """
    org_id mode id customer_id amount amount_refunded currency status method country reference description metadata
    provider provider_ref_id fee_amount failure_code failure_message source occurred_at succeeded_at
    created_at updated_at
"""
_REFUND = "org_id mode id payment_id customer_id amount currency status occurred_at created_at"


class Known(NamedTuple):
    """The payment that has a reference already. Before its customer is opened, only the external_id is known."""

    amount: int
    currency: str
    status: str
    amount_refunded: int
    customer_id: str | None
    external_id: str | None
    customer_deleted: bool = False


class _Payers(NamedTuple):
    """The customers that rows name, by our id and by theirs. Who is named by theirs and not here is to be opened."""

    by_id: Mapping[str, Row]
    named: Mapping[str, Row]

    def of(self, row: PaymentRow) -> Row | None:
        if row.customer_id is not None:
            return self.by_id.get(row.customer_id)
        return None if row.external_customer_id is None else self.named.get(row.external_customer_id)


async def load(
    conn: Connection, scope: Scope, rows: list[tuple[int, PaymentRow]], *, now: datetime, dry_run: bool
) -> Loaded:
    """Creates the payments that are not there yet, and opens customers for the external_ids that are not.

    A payment that is there is left alone, if its row agrees with it. Rows count in their order.
    """
    loaded = Loaded()
    references = sorted({row.reference for _, row in rows})
    known = await _find_known(conn, scope, references)
    if dry_run:
        known |= await _foreseen(conn, references)
    payers = await _find_payers(
        conn, scope, [row for _, row in rows if row.reference not in known], lock=not dry_run
    )
    new: dict[str, PaymentRow] = {}
    for line, row in rows:
        if row.reference in known:
            fault = _contradiction(row, known[row.reference])
            loaded.counts["already_there"] += fault is None
        elif (fault := _fault(scope, row, payers)) is None:
            known[row.reference] = _as_known(row, payers)
            new[row.reference] = row
            loaded.counts["created"] += 1
            if row.status in CAPTURED:
                loaded.amounts[row.currency] += row.amount
        if fault is not None:
            loaded.refusals.append(Refusal(line, *fault))
    unopened = {
        name for row in new.values() if (name := row.external_customer_id) and name not in payers.named
    }
    if dry_run:
        unopened -= await _opened_before(conn, unopened)
        await _foresee(conn, {reference: known[reference] for reference in new})
    elif new:
        opened = await customers.open_named(conn, scope, sorted(unopened), now=now)
        ids = {**{name: payer["id"] for name, payer in payers.named.items()}, **opened}
        await _store(conn, scope, [new[reference] for reference in sorted(new)], ids, now=now)
    loaded.counts["customers_opened"] += len(unopened)
    return loaded


def import_of(*, major: bool) -> bulk.Import:
    """How payments are taken in; `major` says that the file's amounts are decimals such as 29.33."""
    return bulk.Import(FIELDS, COUNTS, partial(parse, major=major), load, money=True)


def _fault(scope: Scope, row: PaymentRow, payers: _Payers) -> Fault | None:
    """What is wrong with a new payment here, though its row is right by itself."""
    payer = payers.of(row)
    if row.customer_id is not None and payer is None:
        return Fault("customer_id", "customer_not_found", f"There is no customer {row.customer_id!r} here")
    if payer is not None and payer["deleted_at"] is not None:
        field = "external_customer_id" if row.customer_id is None else "customer_id"
        return Fault(field, "customer_deleted", f"The customer {payer['id']} was deleted")
    if scope.mode == "live" and row.provider == "sandbox":
        return Fault(
            "provider", "provider_not_available", "The sandbox moves no money: it has no live payments"
        )
    return None


def _as_known(row: PaymentRow, payers: _Payers) -> Known:
    payer = payers.of(row)
    names = (payer["id"], payer["external_id"]) if payer else (None, row.external_customer_id)
    return Known(row.amount, row.currency, row.status, row.amount_refunded, *names)


def _contradiction(row: PaymentRow, known: Known) -> Fault | None:
    """Where a row says something else than the payment that has its reference.

    What a payment went through since, such as a refund, contradicts nothing; money of which only the row knows
    does. Of a deleted customer nothing is left to compare.
    """
    differences = []
    if (row.amount, row.currency) != (known.amount, known.currency):
        differences.append(
            f"the row says {row.amount} {row.currency}, stored is {known.amount} {known.currency}"
        )
    if not known.customer_deleted and not _same_payer(row, known):
        stored = known.external_id or known.customer_id or "nobody"
        differences.append(
            f"the row says customer {row.customer_id or row.external_customer_id or 'nobody'!r}, stored is {stored!r}"
        )
    if row.status in CAPTURED and known.status not in CAPTURED:
        differences.append(f"the row says {row.status}, stored is {known.status}")
    if row.amount_refunded > known.amount_refunded:
        differences.append(f"the row says {row.amount_refunded} refunded, stored is {known.amount_refunded}")
    if not differences:
        return None
    return Fault(
        "reference", ReferenceTaken.code, f"{row.reference!r} is stored already: {'; '.join(differences)}"
    )


def _same_payer(row: PaymentRow, known: Known) -> bool:
    if row.customer_id is not None:
        return row.customer_id == known.customer_id
    return row.external_customer_id == (known.external_id or known.customer_id)


async def _find_payers(
    conn: Connection, scope: Scope, rows: Collection[PaymentRow], *, lock: bool
) -> _Payers:
    ids = sorted({row.customer_id for row in rows if row.customer_id is not None})
    names = sorted({row.external_customer_id for row in rows if row.external_customer_id is not None})
    return _Payers(
        await customers.find_by_id(conn, scope, ids, lock=lock),
        await customers.find_named(conn, scope, names, lock=lock),
    )


async def _find_known(conn: Connection, scope: Scope, references: Collection[str]) -> dict[str, Known]:
    """By reference; what is not found so, and looks like our id, by that: exports name payments without one so."""
    known = await _select_known(conn, scope, "reference", references)
    ids = [reference for reference in references if reference not in known and _OUR_ID.fullmatch(reference)]
    return {**await _select_known(conn, scope, "id", ids), **known}


async def _select_known(
    conn: Connection, scope: Scope, column: str, values: Collection[str]
) -> dict[str, Known]:
    if not values:
        return {}
    rows = await conn.fetch(
        f"""
        SELECT p.{column}, p.amount, p.currency, p.status, p.amount_refunded, p.customer_id, c.external_id,
               c.deleted_at IS NOT NULL AS customer_deleted
        FROM payments AS p
        LEFT JOIN customers AS c ON c.org_id = p.org_id AND c.mode = p.mode AND c.id = p.customer_id
        WHERE p.org_id = $1 AND p.mode = $2 AND p.{column} = ANY($3) AND ($4 OR p.reference IS NULL)
        """,
        scope.org_id,
        scope.mode,
        values,
        column == "reference",
    )
    return {row[0]: Known(*row[1:]) for row in rows}


async def _store(
    conn: Connection, scope: Scope, rows: list[PaymentRow], ids: Mapping[str, str], *, now: datetime
) -> None:
    """Payments in the order given, then refunds, then totals. `ids` are our ids by theirs. Raises Overtaken."""
    payments, refunds, counted = [], [], []
    for row in rows:
        id = new_id("pay")
        payer = row.customer_id if row.external_customer_id is None else ids[row.external_customer_id]
        occurred_at = row.occurred_at or now  # a date may be missing where no money came in
        succeeded_at = occurred_at if row.status in CAPTURED else None
        payments.append(
            (
                *(scope.org_id, scope.mode, id, payer),
                *(row.amount, row.amount_refunded, row.currency, row.status, row.method, row.country),
                *(
                    row.reference,
                    row.description,
                    merged({}, row.metadata),
                    row.provider,
                    row.provider_ref_id,
                ),
                *(row.fee_amount, row.failure_code, row.failure_message, "import"),
                *(occurred_at, succeeded_at, now, now),
            )
        )
        if row.amount_refunded:
            refunds.append(
                (
                    *(scope.org_id, scope.mode, new_id("ref"), id, payer),
                    *(row.amount_refunded, row.currency, "succeeded", succeeded_at, now),
                )
            )
        if payer is not None and succeeded_at is not None:
            counted.append(
                customers.PastPayment(
                    id, payer, row.currency, row.amount, row.amount_refunded, row.method, succeeded_at
                )
            )
    await bulk.append(conn, "payments", _PAYMENT, payments)
    await bulk.survey(conn, "payments")
    await bulk.append(conn, "refunds", _REFUND, refunds)
    await customers.add_history(conn, scope, counted)


async def _foreseen(conn: Connection, references: Collection[str]) -> dict[str, Known]:
    """The payments that the batches before this one would have created."""
    await conn.execute(
        """
        CREATE TEMPORARY TABLE IF NOT EXISTS foreseen_payments (
            reference text PRIMARY KEY,
            payment jsonb NOT NULL,
            opens text  -- the external_id of the customer that it would have opened
        ) ON COMMIT DROP
        """
    )
    await conn.execute("CREATE INDEX IF NOT EXISTS foreseen_payments_opens ON foreseen_payments (opens)")
    rows = await conn.fetch(
        "SELECT reference, payment FROM foreseen_payments WHERE reference = ANY($1)", references
    )
    return {row["reference"]: Known(*row["payment"]) for row in rows}


async def _opened_before(conn: Connection, names: Collection[str]) -> set[str]:
    rows = await conn.fetch("SELECT DISTINCT opens FROM foreseen_payments WHERE opens = ANY($1)", names)
    return {row["opens"] for row in rows}


async def _foresee(conn: Connection, payments: Mapping[str, Known]) -> None:
    await conn.execute(
        """
        INSERT INTO foreseen_payments (reference, payment, opens)
        SELECT given.reference, given.payment::jsonb, given.opens
        FROM unnest($1::text[], $2::text[], $3::text[]) AS given (reference, payment, opens)
        """,
        list(payments),
        [orjson.dumps(list(payment)).decode() for payment in payments.values()],
        [payment.external_id if payment.customer_id is None else None for payment in payments.values()],
    )
