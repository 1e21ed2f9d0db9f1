"""Rules on the wire: when something is done, and what."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from reevit_server import events
from reevit_server.core.database import Row
from reevit_server.core.json_schema import never_null
from reevit_server.core.money import MAX_AMOUNT, Currency
from reevit_server.core.openapi import example_id
from reevit_server.core.paging import Page, PageQuery
from reevit_server.core.scope import Mode
from reevit_server.core.text import Metadata, ShortName, Word
from reevit_server.customers import Email, Phone
from reevit_server.payments import Country, Method
from reevit_server.workflows.schemas import Source, Subject

ACTIONS_MAX = 10
SIMULATED_MAX = 200
_LISTED_MAX = 100


def _known(type: str) -> str:
    if type not in events.TYPES:
        raise ValueError(f"{type!r} is no type of event; write one of {', '.join(events.TYPES)}")
    return type


Trigger = Annotated[
    str,
    StringConstraints(strict=True, max_length=64),
    AfterValidator(_known),
    Field(
        description="The type of event that it waits for.",
        examples=["payment.succeeded"],
        json_schema_extra={"enum": list(events.TYPES)},
    ),
]
Purpose = Annotated[
    Literal["transactional", "marketing"] | None,
    Field(
        description="Marketing carries a link to unsubscribe, and does not reach who did. "
        "Default: marketing for `customer.*`, transactional for all else."
    ),
]
IntegrationId = Annotated[
    str | None,
    Field(max_length=255, description="Who sends it. Default: the oldest of the channel that is on."),
]
TemplateId = Annotated[str | None, Field(max_length=255, description="What it says; or write a `body`.")]
Body = Annotated[Source | None, Field(description="What it says, in Liquid, without a template.")]
Priority = Annotated[
    StrictInt, Field(ge=-1000, le=1000, description="Of several rules for an event, the highest comes first.")
]


class LifetimeValue(BaseModel):
    """What a customer has paid in a currency, less what was refunded."""

    model_config = ConfigDict(extra="forbid")

    amount: Annotated[StrictInt, Field(ge=1, le=MAX_AMOUNT, description="In minor units.")]
    currency: Currency


class Conditions(BaseModel):
    """What must all be so. What an event does not say is not so: a customer's event has no amount."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"customer_tags_any": ["vip"]}]}
    )

    currencies: Annotated[list[Currency] | None, Field(min_length=1, max_length=_LISTED_MAX)] = None
    min_amount: Annotated[
        StrictInt | None,
        Field(ge=0, le=MAX_AMOUNT, description="In minor units; with one currency in `currencies`."),
    ] = None
    max_amount: Annotated[StrictInt | None, Field(ge=0, le=MAX_AMOUNT)] = None
    countries: Annotated[list[Country] | None, Field(min_length=1, max_length=_LISTED_MAX)] = None
    methods: Annotated[list[Method] | None, Field(min_length=1, max_length=_LISTED_MAX)] = None
    customer_tags_any: Annotated[list[Word] | None, Field(min_length=1, max_length=_LISTED_MAX)] = None
    customer_tags_all: Annotated[list[Word] | None, Field(min_length=1, max_length=_LISTED_MAX)] = None
    customer_tags_none: Annotated[list[Word] | None, Field(min_length=1, max_length=_LISTED_MAX)] = None
    customer_tags_added: Annotated[
        list[Word] | None,
        Field(
            min_length=1,
            max_length=_LISTED_MAX,
            description="Of a customer's event: one of these is new with it.",
        ),
    ] = None
    customer_ids: Annotated[
        list[Annotated[str, StringConstraints(strict=True, min_length=1, max_length=255)]] | None,
        Field(min_length=1, max_length=_LISTED_MAX, description="Our ids or your own."),
    ] = None
    metadata_match: (
        Annotated[
            Metadata,
            Field(
                min_length=1, max_length=20, description="Keys of the subject's metadata, and their values."
            ),
        ]
        | None
    ) = None
    min_lifetime_value: LifetimeValue | None = None

    @field_validator("min_amount", "max_amount")
    @classmethod
    def _of_one_currency(cls, amount: int | None, info: ValidationInfo) -> int | None:
        if amount is not None and len(info.data.get("currencies") or ()) != 1:
            raise ValueError("An amount is of one currency: name it, and no other, in `currencies`")
        if info.field_name == "max_amount" and amount is not None:
            least = info.data.get("min_amount")
            if least is not None and amount < least:
                raise ValueError("This is less than `min_amount`, so that nothing could meet both")
        return amount


class SendEmail(BaseModel):
    """An e-mail, from a template or as written here."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["send_email"]
    template_id: TemplateId = None
    subject: Subject | None = None
    body: Body = None
    html: Source | None = None
    to: Annotated[Email | None, Field(description="Default: the customer.")] = None
    attach_receipt: Annotated[StrictBool, Field(description="With the payment's receipt, as a PDF.")] = False
    purpose: Purpose = None
    integration_id: IntegrationId = None


class SendSms(BaseModel):
    """An SMS, from a template or as written here."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["send_sms"]
    template_id: TemplateId = None
    body: Body = None
    to: Annotated[Phone | None, Field(description="Default: the customer.")] = None
    purpose: Purpose = None
    integration_id: IntegrationId = None


class SendNotification(BaseModel):
    """A note to a chat."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["send_notification"]
    template_id: TemplateId = None
    body: Body = None
    integration_id: IntegrationId = None


class CallWebhook(BaseModel):
    """The event, signed, to a receiver of yours; unlike a webhook endpoint's, only when the conditions are met."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["webhook"]
    integration_id: IntegrationId = None


class AddTag(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["add_tag"]
    tag: Word


class RemoveTag(BaseModel):
    model_config = ConfigDict(extra="forbid")

    type: Literal["remove_tag"]
    tag: Word


_KINDS: dict[str, type[BaseModel]] = {
    "send_email": SendEmail,
    "send_sms": SendSms,
    "send_notification": SendNotification,
    "webhook": CallWebhook,
    "add_tag": AddTag,
    "remove_tag": RemoveTag,
}


def _of_its_type(given: Any) -> Any:
    """Read by its type alone, so that a fault is at `actions.0.to`: a union would say `actions.0.send_email.to`."""
    if isinstance(given, BaseModel):
        return given
    type_ = given.get("type") if isinstance(given, dict) else None
    if not isinstance(type_, str) or type_ not in _KINDS:
        raise ValueError(f"Say in `type` what is to be done: {', '.join(_KINDS)}")
    return _KINDS[type_].model_validate(given)


Action = Annotated[
    SendEmail | SendSms | SendNotification | CallWebhook | AddTag | RemoveTag,
    Discriminator("type"),
    BeforeValidator(_of_its_type),
]
Actions = Annotated[
    list[Action],
    Field(min_length=1, max_length=ACTIONS_MAX, description="Done in this order, each by itself."),
]

_EXAMPLE: dict[str, Any] = {
    "name": "Thank the big ones",
    "trigger": "payment.succeeded",
    "conditions": {"currencies": ["GHS"], "min_amount": 100000},
    "actions": [
        {
            "type": "send_email",
            "subject": "Thank you",
            "body": "Dear {{ customer.name | default: 'friend' }} …",
        },
        {"type": "add_tag", "tag": "vip"},
    ],
}


class RuleCreate(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    name: ShortName
    trigger: Trigger
    conditions: Conditions = Conditions()
    actions: Actions
    priority: Priority = 0
    enabled: StrictBool = True


class RulePatch(BaseModel):
    """Fields left out stay as they are; conditions and actions are replaced as a whole."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"priority": 10}]})

    name: Annotated[ShortName | None, Field(json_schema_extra=never_null)] = None
    trigger: Annotated[Trigger | None, Field(json_schema_extra=never_null)] = None
    conditions: Annotated[Conditions | None, Field(json_schema_extra=never_null)] = None
    actions: Annotated[Actions | None, Field(json_schema_extra=never_null)] = None
    priority: Annotated[Priority | None, Field(json_schema_extra=never_null)] = None
    enabled: Annotated[StrictBool | None, Field(json_schema_extra=never_null)] = None

    @field_validator("*")
    @classmethod
    def _not_cleared(cls, value: Any) -> Any:
        if value is None:
            raise ValueError("This can be changed, but not cleared")
        return value


class RuleOut(BaseModel):
    """When something is done, and what."""

    id: Annotated[str, Field(examples=[example_id("wfr")])]
    org_id: str
    mode: Mode
    name: str
    enabled: bool
    trigger: str
    conditions: dict[str, Any]
    actions: list[dict[str, Any]]
    priority: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, row: Row) -> "RuleOut":
        return cls.model_validate({name: row[name] for name in cls.model_fields})


class RulePage(Page):
    rules: list[RuleOut]


class RuleQuery(PageQuery):
    trigger: Annotated[str | None, Field(max_length=64)] = None
    enabled: bool | None = None


class Simulate(BaseModel):
    """With so many of the latest events of the rule's type."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"last": 50}]})

    last: Annotated[StrictInt, Field(ge=1, le=SIMULATED_MAX)] = 50
