"""One operation, two addresses: `/v1/customers/{customer_id}…` and `/v1/customers/external/{external_id}…`."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NamedTuple, TypeVar

from fastapi import APIRouter, Path

from reevit_server.core.answer import Answer
from reevit_server.core.errors import AppError
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.customers.errors import CustomerDeleted, CustomerNotFound
from reevit_server.customers.models import CustomerId, ExternalId
from reevit_server.customers.schemas import ExternalIdText

Door = TypeVar("Door", bound=Callable[..., Awaitable[Answer]])
ExternalIdInPath = Annotated[
    ExternalIdText, Path(description="Your own id of this customer, percent-encoded.")
]


class _Address(NamedTuple):
    path: str
    name: str
    kind: type[CustomerId | ExternalId]
    told: Any  # what the OpenAPI document says of the parameter
    refused: tuple[type[AppError], ...]


_ADDRESSES = (
    _Address(
        "/v1/customers/{customer_id}",
        "customer_id",
        CustomerId,
        Annotated[str, id_in_path("cus")],
        (CustomerNotFound, CustomerDeleted),
    ),
    _Address(  # a deleted customer has no external_id any more
        "/v1/customers/external/{external_id}",
        "external_id",
        ExternalId,
        ExternalIdInPath,
        (CustomerNotFound,),
    ),
)


def by_either_id(
    router: APIRouter, method: str, below: str, *, refused: tuple[type[AppError], ...] = (), **route: Any
) -> Callable[[Door], Door]:
    """Declares a door under both names of a customer; its parameter `customer` gets the one that was used.

    `refused` is what it may refuse, besides a customer that is not there.
    """

    def declare(door: Door) -> Door:
        for address in _ADDRESSES:
            suffix = "" if address.kind is CustomerId else "_by_external_id"
            router.add_api_route(
                address.path + below,
                _taking(door, address),
                methods=[method],
                name=door.__name__ + suffix,
                responses=refusals(*address.refused, *refused),
                **route,
            )
        return door

    return declare


def _taking(door: Door, address: _Address) -> Callable[..., Awaitable[Answer]]:
    """The door, with its parameter `customer` read from the address."""

    @functools.wraps(door)
    async def taking(**arguments: Any) -> Answer:
        return await door(customer=address.kind(arguments.pop(address.name)), **arguments)

    signature = inspect.signature(door)
    parameters = [
        parameter.replace(name=address.name, annotation=address.told)
        if parameter.name == "customer"
        else parameter
        for parameter in signature.parameters.values()
    ]
    taking.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    taking.__annotations__ = {**door.__annotations__, address.name: address.told}
    del taking.__annotations__["customer"]
    return taking
