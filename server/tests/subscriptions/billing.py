"""A merchant's subscriptions by the test clock: what a story does, and what it can see of it, through the API."""

from calendar import isleap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from reevit_server.core.clock import utc_now
from tests.makers import Merchant, created, ok

TEAM = {"plan_id": "team", "amount": 1500, "currency": "GHS", "interval": "monthly"}

PAID = ["payment.created", "payment.succeeded", "invoice.paid"]
DECLINED = ["payment.created", "payment.failed", "invoice.failed"]
DECLINED_AGAIN = ["payment.failed", "invoice.failed"]
BEGUN = ["subscription.created", "invoice.created"]
RENEWED = ["subscription.renewed", "invoice.created"]
UPCOMING = "subscription.renewal_upcoming"
NOTICE = timedelta(days=3)

_NOUNS = {"cus": "customers", "sub": "subscriptions", "inv": "invoices", "pay": "payments"}


def coming(month: int, day: int, *, leap: bool = False) -> datetime:
    """Such a day in a year to come, in a leap year if asked; at an odd time, which is to be kept."""
    year = utc_now().year + 1
    while leap and not isleap(year):
        year += 1
    return datetime(year, month, day, 9, 30, 15, 250_000, tzinfo=UTC)


def instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def text(at: datetime) -> str:
    """As the API writes it."""
    return at.isoformat().replace("+00:00", "Z")


def days(start: datetime, *months_and_days: tuple[int, int]) -> list[datetime]:
    """These days, each in a later month than the one before, from the year of `start` on; at its time of day."""
    found = []
    year, last = start.year, 0
    for month, day in months_and_days:
        year += month <= last
        last = month
        found.append(start.replace(year=year, month=month, day=day))
    return found


def periods(invoices: list[dict[str, Any]]) -> list[tuple[datetime | None, datetime | None]]:
    return [(instant(invoice["period_start"]), instant(invoice["period_end"])) for invoice in invoices]


def each(invoices: list[dict[str, Any]], name: str) -> list[Any]:
    """One field of each."""
    return [invoice[name] for invoice in invoices]


def types(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in events]


def standing(customer: dict[str, Any]) -> tuple[str, int, int]:
    """How a customer stands: by its subscriptions, how many of them are active, and what it has paid."""
    return customer["subscription_status"], customer["active_subscriptions"], customer["lifetime_value"]


@dataclass
class Billing:
    """A story's merchant. `at` and `later` let time pass in the organization's test mode."""

    merchant: Merchant
    _heard: str | None = None

    async def at(self, to: datetime) -> dict[str, Any]:
        return await self.deed("sandbox/clock/advance", to=to.isoformat())

    async def later(self, by: str) -> dict[str, Any]:
        return await self.deed("sandbox/clock/advance", by=by)

    async def deed(self, path: str, **body: Any) -> dict[str, Any]:
        return ok(await self.merchant.test.post(f"/v1/{path}", json=body))

    async def subscribe(
        self, customer: dict[str, Any], scenario: str | None = None, **fields: Any
    ) -> dict[str, Any]:
        """To team for 15.00 GHS a month, unless said otherwise."""
        body = {**TEAM, "customer_id": customer["id"], **fields}
        if scenario is not None:
            body["metadata"] = {"sandbox": scenario}
        return created(await self.merchant.test.post("/v1/subscriptions", json=body))

    async def change(self, subscription: dict[str, Any], **fields: Any) -> dict[str, Any]:
        address = f"/v1/subscriptions/{subscription['id']}"
        return ok(await self.merchant.test.patch(address, json=fields))

    async def play(self, subscription: dict[str, Any], scenario: str) -> None:
        """From now on the sandbox does this with the subscription's charges."""
        await self.change(subscription, metadata={"sandbox": scenario})

    async def see(self, id: str) -> dict[str, Any]:
        """Whatever has this id, as it is now."""
        return ok(await self.merchant.test.get(f"/v1/{_NOUNS[id[:3]]}/{id}"))

    async def invoices(self, subscription: dict[str, Any]) -> list[dict[str, Any]]:
        """A subscription's invoices, the first one first."""
        return (await self._all("invoices", subscription_id=subscription["id"]))[::-1]

    async def payments(self, customer: dict[str, Any]) -> list[dict[str, Any]]:
        """A customer's payments, the first one first."""
        return (await self._all("payments", customer_id=customer["id"]))[::-1]

    async def news(self, *subjects: str) -> list[dict[str, Any]]:
        """What happened since this was last asked, in order; of some, if they are named."""
        fresh = await self._all("events", until=self._heard)
        self._heard = fresh[0]["id"] if fresh else self._heard
        return [event for event in fresh[::-1] if not subjects or event["data"]["id"] in subjects]

    async def _all(self, noun: str, *, until: str | None = None, **query: Any) -> list[dict[str, Any]]:
        """The newest first; `until` is one that is known."""
        found: list[dict[str, Any]] = []
        while True:
            page = ok(await self.merchant.test.get(f"/v1/{noun}", params={"limit": 100, **query}))
            for one in page[noun]:
                if one["id"] == until:
                    return found
                found.append(one)
            if not page["has_more"]:
                return found
            query["cursor"] = page["next_cursor"]
