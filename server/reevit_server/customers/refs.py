"""One operation, two addresses: `/v1/customers/{customer_id}…` and `/v1/customers/external/{external_id}…`."""

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import APIRouter

from reevit_server.core.answer import Answer
from reevit_server.customers.models import CustomerId, ExternalId

Door = TypeVar("Door", bound=Callable[..., Awaitable[Answer]])

_ADDRESSES: tuple[tuple[str, str, type[CustomerId | ExternalId]], ...] = (
    ("/v1/customers/{customer_id}", "customer_id", CustomerId),
    ("/v1/customers/external/{external_id}", "external_id", ExternalId),
)


def by_either_id(router: APIRouter, method: str, below: str, **route: Any) -> Callable[[Door], Door]:
    """Declares a door under both names of a customer; its parameter `customer` gets the one that was used."""

    def declare(door: Door) -> Door:
        for address, name, kind in _ADDRESSES:
            suffix = "" if kind is CustomerId else "_by_external_id"
            router.add_api_route(
                address + below,
                _taking(door, name, kind),
                methods=[method],
                operation_id=door.__name__ + suffix,
                name=door.__name__ + suffix,
                **route,
            )
        return door

    return declare


def _taking(door: Door, name: str, kind: type[CustomerId | ExternalId]) -> Callable[..., Awaitable[Answer]]:
    """The door, with its parameter `customer` read from the address's `name`."""

    @functools.wraps(door)
    async def taking(**arguments: Any) -> Answer:
        return await door(customer=kind(arguments.pop(name)), **arguments)

    signature = inspect.signature(door)
    parameters = [
        parameter.replace(name=name, annotation=str) if parameter.name == "customer" else parameter
        for parameter in signature.parameters.values()
    ]
    taking.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    taking.__annotations__ = {**door.__annotations__, name: str}
    del taking.__annotations__["customer"]
    return taking
