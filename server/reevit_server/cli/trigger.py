"""`reevit trigger`: makes an event happen in test mode, by doing what it tells of."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

import typer

from reevit_server.cli.client import LOCAL, ApiKey, BaseUrl, Client, connected
from reevit_server.cli.connection import stdout

Deed = Callable[[Client, str | None], Awaitable[str]]


def trigger(
    event: Annotated[str, typer.Argument(help="A type of event, such as payment.succeeded.")],
    external_id: Annotated[
        str | None,
        typer.Option(help="Your own id of the customer that it is about; default: a new customer."),
    ] = None,
    api_key: ApiKey = None,
    base_url: BaseUrl = LOCAL,
) -> None:
    """Make an event happen in test mode: a customer is made, a payment is declined ..."""
    deed = _DEEDS.get(event)
    if deed is None:
        raise typer.BadParameter(
            f"{event} cannot be triggered; there are {', '.join(_DEEDS)}", param_hint="EVENT"
        )
    asyncio.run(_do(event, deed, external_id, api_key, base_url))


async def _do(event: str, deed: Deed, external_id: str | None, api_key: str | None, base_url: str) -> None:
    async with connected(api_key, base_url) as client:
        subject = await deed(client, external_id)
    stdout.print(f"{event}  {subject}")


async def _customer_created(client: Client, external_id: str | None) -> str:
    name = f"trigger_{secrets.token_hex(4)}"
    body = {
        "external_id": external_id or name,
        "name": "Ada Lovelace",
        "email": f"{name}@example.com",
        "phone": "+233501234567",
        "tags": ["trigger"],
    }
    return str((await client.call("POST", "/v1/customers", body))["id"])


async def _customer(client: Client, external_id: str | None) -> str:
    """The one that is named, new if there is none; its id."""
    if external_id is None:
        return await _customer_created(client, None)
    path = f"/v1/customers/external/{quote(external_id, safe='')}"
    return str((await client.call("PUT", path, {}))["id"])


async def _customer_updated(client: Client, external_id: str | None) -> str:
    id = await _customer(client, external_id)
    await client.call("PATCH", f"/v1/customers/{id}", {"metadata": {"trigger": secrets.token_hex(4)}})
    return id


async def _customer_deleted(client: Client, external_id: str | None) -> str:
    id = await _customer(client, external_id)
    await client.call("DELETE", f"/v1/customers/{id}")
    return id


async def _intent(client: Client, external_id: str | None) -> str:
    body = {"amount": 15000, "currency": "GHS", "customer_id": await _customer(client, external_id)}
    return str((await client.call("POST", "/v1/payments/intents", body))["id"])


async def _updated(client: Client, external_id: str | None) -> str:
    id = await _intent(client, external_id)
    await client.call("PATCH", f"/v1/payments/intents/{id}", {"amount": 20000})
    return id


async def _canceled(client: Client, external_id: str | None) -> str:
    id = await _intent(client, external_id)
    await client.call("POST", f"/v1/payments/{id}/cancel", {})
    return id


def _payment(scenario: str) -> Deed:
    async def deed(client: Client, external_id: str | None) -> str:
        body = {
            "amount": 15000,
            "currency": "GHS",
            "method": "mobile_money",
            "customer_id": await _customer(client, external_id),
            "metadata": {"sandbox": scenario},
        }
        return str((await client.call("POST", "/v1/payments", body))["id"])

    return deed


async def _refunded(client: Client, external_id: str | None) -> str:
    id = await _payment("succeed")(client, external_id)
    await client.call("POST", f"/v1/payments/{id}/refund", {"amount": 5000, "reason": "triggered"})
    return id


async def _subscribed(
    client: Client, external_id: str | None, scenario: str = "succeed", **fields: str
) -> dict[str, Any]:
    body = {
        "amount": 15000,
        "currency": "GHS",
        "method": "mobile_money",
        "interval": "monthly",
        "plan_id": "trigger",
        "customer_id": await _customer(client, external_id),
        "metadata": {"sandbox": scenario},
        **fields,
    }
    subscription: dict[str, Any] = await client.call("POST", "/v1/subscriptions", body)
    return subscription


def _subscription(*steps: tuple[str, str, dict[str, Any]], scenario: str = "succeed") -> Deed:
    """A subscription, and what is done to it: method, path below it, body."""

    async def deed(client: Client, external_id: str | None) -> str:
        id = str((await _subscribed(client, external_id, scenario))["id"])
        for method, below, body in steps:
            await client.call(method, f"/v1/subscriptions/{id}{below}", body)
        return id

    return deed


def _invoice(*steps: tuple[str, str, dict[str, Any]], scenario: str = "succeed") -> Deed:
    """The first invoice of a subscription, and what is done to it."""

    async def deed(client: Client, external_id: str | None) -> str:
        id = str((await _subscribed(client, external_id, scenario))["latest_invoice_id"])
        for method, below, body in steps:
            await client.call(method, f"/v1/invoices/{id}{below}", body)
        return id

    return deed


async def _upcoming(client: Client, external_id: str | None) -> str:
    """A week that began five days ago and so is charged again in two. The worker tells of it within a second; where a
    test clock stands still, whoever moves it does, if only to where it stands.
    """
    clock = await client.call("GET", "/v1/sandbox/clock")
    start_at = datetime.fromisoformat(clock["now"]) - timedelta(days=5)
    subscription = await _subscribed(client, external_id, interval="weekly", start_at=start_at.isoformat())
    if clock["stands_still"]:
        await client.call("POST", "/v1/sandbox/clock/advance", {"to": clock["now"]})
    return str(subscription["id"])


_PAUSE: tuple[str, str, dict[str, Any]] = ("POST", "/pause", {})

# All but `subscription.renewed`: for that, time has to pass. The test clock lets it.
_DEEDS: dict[str, Deed] = {
    "customer.created": _customer_created,
    "customer.updated": _customer_updated,
    "customer.deleted": _customer_deleted,
    "payment.created": _intent,
    "payment.updated": _updated,
    "payment.requires_action": _payment("requires_action"),
    "payment.processing": _payment("processing"),
    "payment.succeeded": _payment("succeed"),
    "payment.failed": _payment("fail:insufficient_funds"),
    "payment.canceled": _canceled,
    "payment.refunded": _refunded,
    "subscription.created": _subscription(),
    "subscription.updated": _subscription(("PATCH", "", {"amount": 20000})),
    "subscription.canceled": _subscription(("POST", "/cancel", {})),
    "subscription.paused": _subscription(_PAUSE),
    "subscription.resumed": _subscription(_PAUSE, ("POST", "/resume", {})),
    "subscription.past_due": _subscription(scenario="fail:lost_card"),
    "subscription.renewal_upcoming": _upcoming,
    "invoice.created": _invoice(),
    "invoice.updated": _invoice(("PATCH", "", {"metadata": {"trigger": "yes"}})),
    "invoice.paid": _invoice(),
    "invoice.failed": _invoice(scenario="fail:insufficient_funds"),
    "invoice.canceled": _invoice(("POST", "/cancel", {}), scenario="fail:insufficient_funds"),
}
