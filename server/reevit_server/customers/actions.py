"""The deeds on customers: create, update, tag, delete. The only place where a profile changes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from reevit_server import events
from reevit_server.core import idempotency
from reevit_server.core.answer import to_json
from reevit_server.core.database import Connection, Row
from reevit_server.core.errors import TooMuchMetadata, Unavailable
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.core.text import METADATA_KEYS_MAX, merged, same
from reevit_server.customers import store
from reevit_server.customers.errors import (
    CustomerDeleted,
    CustomerNotFound,
    ExternalIdFixed,
    ExternalIdTaken,
    IdentityRequired,
    TooManyTags,
    UnknownCustomer,
)
from reevit_server.customers.models import (
    TAGS_MAX,
    CustomerId,
    CustomerRef,
    ExternalId,
    Payer,
    search_terms,
    without_repeats,
)
from reevit_server.customers.schemas import (
    CustomerChangedOut,
    CustomerCreate,
    CustomerDeletedOut,
    CustomerDetails,
    CustomerPatch,
    CustomerUpsert,
    DeletedOut,
    PayerOut,
)

# Somebody may be quicker to create a customer, and delete it again before we have found it.
_TRIES = 5
_PROFILE = ("external_id", "email", "phone", "name", "tags", "metadata")


class Upserted(NamedTuple):
    customer: asyncpg.Record
    created: bool


async def create(conn: Connection, scope: Scope, new: CustomerCreate, *, now: datetime) -> asyncpg.Record:
    """A new customer. Raises ExternalIdTaken, which names the one who has it."""
    customer = await _insert(conn, scope, new.model_dump(), now=now)
    if customer is not None:
        return customer
    assert new.external_id is not None, "only an external_id can be taken"
    await _check_free(conn, scope, new.external_id)
    raise ExternalIdTaken


async def get(conn: Connection, scope: Scope, ref: CustomerRef) -> asyncpg.Record:
    """The customer. Raises CustomerNotFound, CustomerDeleted."""
    return _existing(await store.find(conn, scope, ref))


async def get_payer(conn: Connection, scope: Scope, ref: CustomerRef) -> Payer:
    """The customer that a payment names, kept from erasure until this transaction ends. Raises UnknownCustomer."""
    row = await store.find_payer(conn, scope, ref)
    if row is None:
        raise UnknownCustomer
    return Payer(**row)


async def find_payer(conn: Connection, scope: Scope, customer_id: str | None) -> Payer | None:
    """The customer of a stored payment, for its next event; of a deleted one only the id is left."""
    if customer_id is None:
        return None
    row = await store.find_payer(conn, scope, CustomerId(customer_id))
    return Payer(**row) if row else Payer(customer_id, None, None, None, None, [])


async def get_or_create_payer(
    conn: Connection, scope: Scope, details: CustomerDetails, *, now: datetime
) -> Payer:
    """The customer with these details' external_id, created if there is none.

    Only the external_id identifies: families share phones, and an e-mail address is no proof of anything. An
    existing profile is left as it is.
    """
    for _ in range(_TRIES):
        if details.external_id is not None:
            found = await store.find_payer(conn, scope, ExternalId(details.external_id))
            if found is not None:
                return Payer(**found)
        created = await _insert(conn, scope, details.model_dump(), now=now)
        if created is not None:
            return _payer(created)
        assert details.external_id is not None, "only an external_id can be taken"
    raise _come_and_gone()


async def upsert(
    conn: Connection, scope: Scope, external_id: str, given: CustomerUpsert, *, now: datetime
) -> Upserted:
    """The customer with this external_id, created or updated; fields left out of `given` stay as they are."""
    new = {**given.model_dump(), "external_id": external_id}
    for _ in range(_TRIES):
        stored = await store.find_for_update(conn, scope, ExternalId(external_id))
        if stored is not None:
            changed = await _change(conn, scope, stored, _given(stored, given), now=now)
            return Upserted(changed, created=False)
        created = await _insert(conn, scope, new, now=now)
        if created is not None:
            return Upserted(created, created=True)
    raise _come_and_gone()


async def update(
    conn: Connection, scope: Scope, ref: CustomerRef, patch: CustomerPatch, *, now: datetime
) -> asyncpg.Record:
    """Changes the fields that `patch` sets.

    An external_id is set once; changing or clearing it takes `rekey`, because other systems refer to it.
    Raises ExternalIdFixed, ExternalIdTaken, IdentityRequired, CustomerNotFound, CustomerDeleted.
    """
    stored = _existing(await store.find_for_update(conn, scope, ref))
    fields = _given(stored, patch)
    if "external_id" in patch.model_fields_set:
        if stored["external_id"] not in (None, patch.external_id) and not patch.rekey:
            raise ExternalIdFixed
        fields["external_id"] = patch.external_id
    return await _change(conn, scope, stored, fields, now=now)


async def add_tags(
    conn: Connection, scope: Scope, ref: CustomerRef, tags: list[str], *, now: datetime
) -> asyncpg.Record:
    """Adds tags that are not there yet. Raises TooManyTags, CustomerNotFound, CustomerDeleted."""
    stored = _existing(await store.find_for_update(conn, scope, ref))
    return await _change(
        conn, scope, stored, {**_profile(stored), "tags": without_repeats([*stored["tags"], *tags])}, now=now
    )


async def remove_tag(
    conn: Connection, scope: Scope, ref: CustomerRef, tag: str, *, now: datetime
) -> asyncpg.Record:
    """Takes a tag away; it need not be there. Raises CustomerNotFound, CustomerDeleted."""
    stored = _existing(await store.find_for_update(conn, scope, ref))
    tags = [kept for kept in stored["tags"] if kept != tag]
    return await _change(conn, scope, stored, {**_profile(stored), "tags": tags}, now=now)


async def delete(conn: Connection, scope: Scope, ref: CustomerRef, *, now: datetime) -> None:
    """Forgets the person: profile, events, stored answers. Payments stay, and the external_id is free again.

    Raises CustomerNotFound, CustomerDeleted.
    """
    stored = _existing(await store.find_for_update(conn, scope, ref, strength="UPDATE"))
    customer_id = stored["id"]
    await store.delete(conn, scope, id=customer_id, now=now)
    await idempotency.erase(conn, scope, customer_id=customer_id)
    await events.erase(conn, scope, customer_id=customer_id)
    forgotten = CustomerDeletedOut(
        id=customer_id, customer=DeletedOut(id=customer_id, external_id=stored["external_id"])
    )
    change = events.Change("customer.deleted", customer_id, customer_id, to_json(forgotten))
    await events.record(conn, scope, change, now=now)


async def count_subscriptions(conn: Connection, scope: Scope, *, id: str) -> None:
    """Brings a profile in line with the customer's subscriptions, of which one has just got another status.

    Locked first and counted then, in two statements: of two changes at once, the later one sees both.
    """
    await store.lock(conn, scope, id=id)
    await store.update_subscriptions(conn, scope, id=id)


def ref_of(customer_id: str | None, external_customer_id: str | None) -> CustomerRef | None:
    """Whom a body names by either id."""
    if customer_id is not None:
        return CustomerId(customer_id)
    return None if external_customer_id is None else ExternalId(external_customer_id)


def _existing(row: asyncpg.Record | None) -> asyncpg.Record:
    if row is None:
        raise CustomerNotFound
    if row["deleted_at"] is not None:
        raise CustomerDeleted
    return row


def _come_and_gone() -> Unavailable:
    return Unavailable("This customer is being created and deleted all the time; send the request again.")


def _payer(row: Row) -> Payer:
    return Payer(*(row[field] for field in Payer._fields))


def _profile(row: Row) -> dict[str, Any]:
    return {field: row[field] for field in _PROFILE}


def _given(stored: asyncpg.Record, given: CustomerUpsert) -> dict[str, Any]:
    """The profile after an update: only fields that were sent, and metadata merged key by key."""
    fields = _profile(stored)
    for field in given.model_fields_set & {"email", "phone", "name"}:
        fields[field] = getattr(given, field)
    if "tags" in given.model_fields_set:
        fields["tags"] = given.tags or []
    if "metadata" in given.model_fields_set:
        fields["metadata"] = merged(stored["metadata"], given.metadata)
    return fields


def _search(scope: Scope, fields: Mapping[str, Any]) -> list[str]:
    return search_terms(scope, fields["name"], fields["email"], fields["external_id"], phone=fields["phone"])


async def _insert(
    conn: Connection, scope: Scope, given: Mapping[str, Any], *, now: datetime
) -> asyncpg.Record | None:
    """A new customer and its event; None when its external_id is taken."""
    fields = {
        **given,
        "tags": given.get("tags") or [],
        "metadata": merged({}, given.get("metadata")),
    }
    row = await store.insert(
        conn, scope, id=new_id("cus"), fields=fields, search=_search(scope, fields), now=now
    )
    if row is not None:
        await events.record(conn, scope, _changed("customer.created", row), now=now)
    return row


async def _change(
    conn: Connection, scope: Scope, stored: asyncpg.Record, fields: dict[str, Any], *, now: datetime
) -> asyncpg.Record:
    """Writes a profile and its event, or nothing at all when nothing is different."""
    previous = {field: stored[field] for field in _PROFILE if not same(stored[field], fields[field])}
    if not previous:
        return stored
    if not any(fields[field] for field in ("external_id", "email", "phone", "name")):
        raise IdentityRequired
    if len(fields["tags"]) > TAGS_MAX:
        raise TooManyTags
    if len(fields["metadata"]) > METADATA_KEYS_MAX:
        raise TooMuchMetadata
    if fields["external_id"] is not None and "external_id" in previous:
        await _check_free(conn, scope, fields["external_id"])
    try:
        row = await store.update(
            conn, scope, id=stored["id"], fields=fields, search=_search(scope, fields), now=now
        )
    except asyncpg.UniqueViolationError as error:
        assert error.constraint_name == "customers_external_id_taken", error.constraint_name
        raise ExternalIdTaken from None
    await events.record(conn, scope, _changed("customer.updated", row, previous), now=now)
    return row


async def _check_free(conn: Connection, scope: Scope, external_id: str) -> None:
    """A courtesy, so that the refusal can name who has it; the constraint decides."""
    taken_by = await store.find(conn, scope, ExternalId(external_id))
    if taken_by is not None:
        raise ExternalIdTaken(customer_id=taken_by["id"])


def _changed(type: str, row: asyncpg.Record, previous: dict[str, Any] | None = None) -> events.Change:
    """The event that says how a customer is now, and what was different before."""
    more = {"customer": PayerOut.of(_payer(row))}
    out = CustomerChangedOut.of(row, previous_attributes=previous, **more)
    return events.Change(type, row["id"], row["id"], to_json(out))
