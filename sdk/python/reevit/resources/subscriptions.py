"""Subscriptions, and what happens when a renewal cannot be charged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from typing_extensions import Unpack

from reevit._call import Call, ListCall, body_of, nothing, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, listing, operation
from reevit.resources._shared import Instant, Metadata, OfCustomer, Paging

Interval = Literal["daily", "weekly", "monthly", "yearly"]
SubscriptionStatus = Literal["trialing", "active", "past_due", "paused", "canceled"]


class Subscription(Model):
    """A customer's recurring payment: `amount`, in minor units, every `interval_count` intervals."""

    id: str
    org_id: str
    mode: str
    customer_id: str
    external_customer_id: str | None
    plan_id: str | None
    amount: int
    currency: str
    method: str | None
    interval: Interval | str
    interval_count: int
    status: SubscriptionStatus | str
    start_at: datetime
    trial_end_at: datetime | None
    current_period_start: datetime
    current_period_end: datetime
    next_renewal_at: datetime | None
    cancel_at_period_end: bool
    pending_changes: dict[str, Any] | None
    latest_invoice_id: str | None
    metadata: dict[str, Any]
    paused_at: datetime | None
    canceled_at: datetime | None
    created_at: datetime
    updated_at: datetime


class RetryPolicy(Model):
    """When a failed renewal is charged again, and what then. A plan may have its own; the rest share one."""

    plan_id: str | None
    delays: list[str]
    max_retries: int
    on_exhausted: Literal["past_due", "pause", "cancel"] | str
    created_at: datetime
    updated_at: datetime


class SubscriptionFields(TypedDict, total=False):
    """A customer, `amount`, `currency` and `interval` are needed. `start_at` may lie in the future."""

    customer_id: str | None
    external_customer_id: str | None
    plan_id: str | None
    amount: int
    currency: str
    method: str | None
    interval: Interval
    interval_count: int
    trial_days: int
    start_at: Instant | None
    metadata: Metadata | None


class SubscriptionChanges(TypedDict, total=False):
    """They hold from the next period; `metadata` is merged at once."""

    plan_id: str | None
    amount: int
    interval: Interval
    interval_count: int
    method: str | None
    metadata: Metadata | None


class SubscriptionFilters(OfCustomer, total=False):
    """Every one narrows."""

    status: SubscriptionStatus
    plan_id: str


class RetryPolicyFields(TypedDict, total=False):
    """`delays` (``["15m", "1h", "24h"]``) are needed; without `plan_id` it is the organization's."""

    plan_id: str | None
    delays: Sequence[str]
    max_retries: int | None
    on_exhausted: Literal["past_due", "pause", "cancel"]


class Subscriptions(Resource[Kind]):
    """``reevit.subscriptions``."""

    @operation
    def create(
        self,
        data: SubscriptionFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[SubscriptionFields],
    ) -> Call[Subscription]:
        """Subscribes a customer. The first period is charged at once, unless there is a trial or a later start."""
        body = body_of(data, fields)
        return Call(
            "POST", path_of("subscriptions"), Subscription, body=body, idempotency_key=idempotency_key
        )

    @listing
    def list(self, **filters: Unpack[SubscriptionFilters]) -> ListCall[Subscription]:
        """Subscriptions, newest first."""
        return ListCall(path_of("subscriptions"), "subscriptions", Subscription, filters)

    @operation
    def get(self, subscription_id: str) -> Call[Subscription]:
        """Raises NotFoundError."""
        return Call("GET", path_of("subscriptions", subscription_id), Subscription)

    @operation
    def update(
        self,
        subscription_id: str,
        data: SubscriptionChanges | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[SubscriptionChanges],
    ) -> Call[Subscription]:
        """Changes what is given, from the next period."""
        path, body = path_of("subscriptions", subscription_id), body_of(data, fields)
        return Call("PATCH", path, Subscription, body=body, idempotency_key=idempotency_key)

    @operation
    def cancel(
        self, subscription_id: str, idempotency_key: str | None = None, *, at_period_end: bool = False
    ) -> Call[Subscription]:
        """Ends it now, or with the period that is paid."""
        body = {"at_period_end": True} if at_period_end else {}
        return _deed(subscription_id, "cancel", body, idempotency_key)

    @operation
    def pause(self, subscription_id: str, idempotency_key: str | None = None) -> Call[Subscription]:
        """No renewals until it is resumed."""
        return _deed(subscription_id, "pause", {}, idempotency_key)

    @operation
    def resume(self, subscription_id: str, idempotency_key: str | None = None) -> Call[Subscription]:
        """Goes on after a pause, or calls off a cancellation at the period's end."""
        return _deed(subscription_id, "resume", {}, idempotency_key)


class RetryPolicies(Resource[Kind]):
    """``reevit.retry_policies``."""

    @operation
    def set(
        self,
        data: RetryPolicyFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[RetryPolicyFields],
    ) -> Call[RetryPolicy]:
        """The policy of a plan, or of the organization; replaces the one before."""
        body = body_of(data, fields)
        return Call(
            "POST", path_of("policies", "retry"), RetryPolicy, body=body, idempotency_key=idempotency_key
        )

    @listing
    def list(self, **paging: Unpack[Paging]) -> ListCall[RetryPolicy]:
        """The organization's policy and its plans'."""
        return ListCall(path_of("policies", "retry"), "policies", RetryPolicy, paging)

    @operation
    def delete(self, plan_id: str | None = None, idempotency_key: str | None = None) -> Call[None]:
        """Without `plan_id`, the organization's: the default holds again, after 15 minutes, an hour and a day."""
        query = {"plan_id": plan_id}
        return Call("DELETE", path_of("policies", "retry"), nothing, query, idempotency_key=idempotency_key)


def _deed(
    subscription_id: str, deed: str, body: dict[str, Any], idempotency_key: str | None
) -> Call[Subscription]:
    path = path_of("subscriptions", subscription_id, deed)
    return Call("POST", path, Subscription, body=body, idempotency_key=idempotency_key)
