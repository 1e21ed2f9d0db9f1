"""Rules: when something is done, and what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, TypedDict

from typing_extensions import Unpack

from reevit._call import Call, ListCall, body_of, nothing, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, listing, operation
from reevit.resources._shared import Metadata, Paging

Purpose = Literal["transactional", "marketing"]


class Rule(Model):
    """When something is done, and what: what it waits for, what must be so, and its actions in order."""

    id: str
    org_id: str
    mode: str
    name: str
    enabled: bool
    trigger: str
    conditions: dict[str, Any]
    actions: list[dict[str, Any]]
    priority: int
    created_at: datetime
    updated_at: datetime


class SimulatedAction(Model):
    """What an action would have done; `not_sent` is why it would have sent nothing, None if it would have."""

    position: int
    type: str
    to: str | None
    subject: str | None
    text: str | None
    html: str | None
    segments: int | None
    integration_id: str | None
    not_sent: str | None


class SimulatedEvent(Model):
    """A past event, and what would have followed; `reason` is why nothing would have, None if it `matches`."""

    event_id: str
    event_type: str
    created_at: datetime
    customer_id: str | None
    matches: bool
    reason: str | None
    actions: list[SimulatedAction]


class Simulation(Model):
    """What a rule would have done with past events: how many there were, and how many met its conditions."""

    rule_id: str
    events: int
    matched: int
    results: list[SimulatedEvent]


class LifetimeValue(TypedDict, total=False):
    """What a customer has paid in a currency, less refunds; both are needed."""

    amount: int
    currency: str


class Conditions(TypedDict, total=False):
    """What must all be so. Amounts are in minor units, and need one currency in `currencies`."""

    currencies: Sequence[str] | None
    min_amount: int | None
    max_amount: int | None
    countries: Sequence[str] | None
    methods: Sequence[str] | None
    customer_tags_any: Sequence[str] | None
    customer_tags_all: Sequence[str] | None
    customer_tags_none: Sequence[str] | None
    customer_tags_added: Sequence[str] | None
    customer_ids: Sequence[str] | None
    metadata_match: Metadata | None
    min_lifetime_value: LifetimeValue | None


class SendEmail(TypedDict, total=False):
    """A `template_id`, or `subject` and `body` or `html` or both, in Liquid. To the customer unless said."""

    type: Literal["send_email"]
    template_id: str | None
    subject: str | None
    body: str | None
    html: str | None
    to: str | None
    attach_receipt: bool
    purpose: Purpose | None
    integration_id: str | None


class SendSms(TypedDict, total=False):
    """A `template_id`, or a `body` in Liquid. To the customer unless said."""

    type: Literal["send_sms"]
    template_id: str | None
    body: str | None
    to: str | None
    purpose: Purpose | None
    integration_id: str | None


class SendNotification(TypedDict, total=False):
    """To a chat: a `template_id`, or a `body` in Liquid."""

    type: Literal["send_notification"]
    template_id: str | None
    body: str | None
    integration_id: str | None


class CallWebhook(TypedDict, total=False):
    """The event, signed, to the receiver of an integration."""

    type: Literal["webhook"]
    integration_id: str | None


class AddTag(TypedDict, total=False):
    """The customer gets a tag."""

    type: Literal["add_tag"]
    tag: str


class RemoveTag(TypedDict, total=False):
    """The customer loses a tag."""

    type: Literal["remove_tag"]
    tag: str


RuleAction = SendEmail | SendSms | SendNotification | CallWebhook | AddTag | RemoveTag


class RuleFields(TypedDict, total=False):
    """`name`, `trigger` (``payment.succeeded``) and `actions` are needed. The highest `priority` comes first."""

    name: str
    trigger: str
    conditions: Conditions
    actions: Sequence[RuleAction]
    priority: int
    enabled: bool


class RuleFilters(Paging, total=False):
    """Those that wait for one type of event; those that are on, or off."""

    trigger: str
    enabled: bool


class SimulateFields(TypedDict, total=False):
    """With how many of the latest events, 1 to 200 (50 unless said)."""

    last: int


class Rules(Resource[Kind]):
    """``reevit.workflows.rules``."""

    @operation
    def create(
        self,
        data: RuleFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[RuleFields],
    ) -> Call[Rule]:
        """A new rule, for events from now on. What could never be done is refused, with its place."""
        path, body = path_of("workflows", "rules"), body_of(data, fields)
        return Call("POST", path, Rule, body=body, idempotency_key=idempotency_key)

    @listing
    def list(self, **filters: Unpack[RuleFilters]) -> ListCall[Rule]:
        """Rules, newest first."""
        return ListCall(path_of("workflows", "rules"), "rules", Rule, filters)

    @operation
    def get(self, rule_id: str) -> Call[Rule]:
        """Raises NotFoundError."""
        return Call("GET", path_of("workflows", "rules", rule_id), Rule)

    @operation
    def update(
        self,
        rule_id: str,
        data: RuleFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[RuleFields],
    ) -> Call[Rule]:
        """Changes what is given; `conditions` and `actions` are replaced as a whole."""
        path, body = path_of("workflows", "rules", rule_id), body_of(data, fields)
        return Call("PATCH", path, Rule, body=body, idempotency_key=idempotency_key)

    @operation
    def enable(self, rule_id: str, idempotency_key: str | None = None) -> Call[Rule]:
        """On, for events from now on."""
        return _deed(rule_id, "enable", idempotency_key)

    @operation
    def disable(self, rule_id: str, idempotency_key: str | None = None) -> Call[Rule]:
        """Off. What it has begun is done to its end."""
        return _deed(rule_id, "disable", idempotency_key)

    @operation
    def delete(self, rule_id: str, idempotency_key: str | None = None) -> Call[None]:
        """It is gone; what it has begun is done to its end, and its executions stay."""
        path = path_of("workflows", "rules", rule_id)
        return Call("DELETE", path, nothing, idempotency_key=idempotency_key)

    @operation
    def simulate(
        self,
        rule_id: str,
        data: SimulateFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[SimulateFields],
    ) -> Call[Simulation]:
        """What it would have done with past events: to whom, and why not to others. Nothing is sent."""
        path, body = path_of("workflows", "rules", rule_id, "simulate"), body_of(data, fields)
        return Call("POST", path, Simulation, body=body, idempotency_key=idempotency_key)


def _deed(rule_id: str, deed: str, idempotency_key: str | None) -> Call[Rule]:
    path = path_of("workflows", "rules", rule_id, deed)
    return Call("POST", path, Rule, body={}, idempotency_key=idempotency_key)
