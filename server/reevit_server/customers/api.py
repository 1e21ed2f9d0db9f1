"""`/v1/customers`: the profile. What customers paid and are worth is in `payments` and `analytics`."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from reevit_server.core.answer import Answer, no_content, reply
from reevit_server.core.database import Connection
from reevit_server.core.errors import TooMuchMetadata
from reevit_server.core.http import Call
from reevit_server.core.openapi import refusals
from reevit_server.core.validation import validated
from reevit_server.customers import actions, select
from reevit_server.customers.errors import (
    CustomerNotFound,
    ExternalIdFixed,
    ExternalIdTaken,
    IdentityRequired,
    TooManyTags,
)
from reevit_server.customers.models import CustomerRef, ExternalId
from reevit_server.customers.refs import ExternalIdInPath, by_either_id
from reevit_server.customers.schemas import (
    CustomerCreate,
    CustomerOut,
    CustomerPage,
    CustomerPatch,
    CustomerQuery,
    CustomerUpsert,
    LookupQuery,
    TagsAdd,
)

router = APIRouter(tags=["customers"])


@router.post(
    "/v1/customers", status_code=201, response_model=CustomerOut, responses=refusals(ExternalIdTaken)
)
async def create_customer(call: Call, new: CustomerCreate) -> Answer:
    """Create a customer. A taken `external_id` is a conflict that names who has it."""

    async def deed(conn: Connection) -> Answer:
        customer = CustomerOut.of(await actions.create(conn, call.scope, new, now=await call.time(conn)))
        return reply(customer, status=201, about_customer_id=customer.id)

    return await call.once(deed)


@router.get("/v1/customers", response_model=CustomerPage)
async def list_customers(call: Call, query: Annotated[CustomerQuery, Query()]) -> Answer:
    """List customers: by your own id, contact, tags, metadata or words; newest first, or by what they paid."""
    async with call.db.read() as conn:
        page, total = await select.page(conn, call.scope, query)
    customers = [CustomerOut.of(row) for row in page.rows]
    return reply(
        CustomerPage(customers=customers, has_more=page.has_more, next_cursor=page.next_cursor, total=total)
    )


@router.get("/v1/customers/lookup", response_model=CustomerOut, responses=refusals(CustomerNotFound))
async def lookup_customer(call: Call, query: Annotated[LookupQuery, Query()]) -> Answer:
    """Get the customer with this `external_id`."""
    async with call.db.read() as conn:
        customer = await actions.get(conn, call.scope, ExternalId(query.external_id))
    return reply(CustomerOut.of(customer))


@router.put(
    "/v1/customers/external/{external_id}",
    response_model=CustomerOut,
    responses={201: {"model": CustomerOut}, **refusals(TooMuchMetadata)},
)
async def upsert_customer(call: Call, external_id: ExternalIdInPath, given: CustomerUpsert) -> Answer:
    """Create or update by your own id. Fields left out stay as they are; null clears; `metadata` is merged."""
    validated(LookupQuery, {"external_id": external_id})

    async def deed(conn: Connection) -> Answer:
        row, created = await actions.upsert(conn, call.scope, external_id, given, now=await call.time(conn))
        customer = CustomerOut.of(row)
        return reply(customer, status=201 if created else 200, about_customer_id=customer.id)

    return await call.once(deed)


@by_either_id(router, "GET", "", response_model=CustomerOut)
async def get_customer(call: Call, customer: CustomerRef) -> Answer:
    """Get a customer."""
    async with call.db.read() as conn:
        row = await actions.get(conn, call.scope, customer)
    return reply(CustomerOut.of(row))


@by_either_id(
    router,
    "PATCH",
    "",
    response_model=CustomerOut,
    refused=(ExternalIdFixed, ExternalIdTaken, IdentityRequired, TooMuchMetadata),
)
async def update_customer(call: Call, customer: CustomerRef, patch: CustomerPatch) -> Answer:
    """Update a customer: only what is sent changes, `metadata` is merged, null clears a field."""

    async def deed(conn: Connection) -> Answer:
        row = await actions.update(conn, call.scope, customer, patch, now=await call.time(conn))
        return reply(CustomerOut.of(row), about_customer_id=row["id"])

    return await call.once(deed)


@by_either_id(router, "DELETE", "", status_code=204, response_model=None)
async def delete_customer(call: Call, customer: CustomerRef) -> Answer:
    """Delete a customer's personal data. Payments stay; the `external_id` is free again."""

    async def deed(conn: Connection) -> Answer:
        await actions.delete(conn, call.scope, customer, now=await call.time(conn))
        return no_content()

    return await call.once(deed)


@by_either_id(router, "POST", "/tags", response_model=CustomerOut, refused=(TooManyTags,))
async def add_customer_tags(call: Call, customer: CustomerRef, given: TagsAdd) -> Answer:
    """Add tags, without reading the customer first."""

    async def deed(conn: Connection) -> Answer:
        row = await actions.add_tags(conn, call.scope, customer, given.tags, now=await call.time(conn))
        return reply(CustomerOut.of(row), about_customer_id=row["id"])

    return await call.once(deed)


@by_either_id(router, "DELETE", "/tags/{tag}", response_model=CustomerOut)
async def remove_customer_tag(
    call: Call,
    customer: CustomerRef,
    tag: Annotated[str, Path(description="As it was written, percent-encoded.", examples=["premium"])],
) -> Answer:
    """Remove a tag. It need not be there."""

    async def deed(conn: Connection) -> Answer:
        row = await actions.remove_tag(conn, call.scope, customer, tag, now=await call.time(conn))
        return reply(CustomerOut.of(row), about_customer_id=row["id"])

    return await call.once(deed)
