"""The sandbox on the wire."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from reevit_server.core.text import Instant, in_the_form
from reevit_server.sandbox.models import SPAN

_SPAN = f"^{SPAN.pattern}$"
_NULL: dict[str, JsonValue] = {"type": "null"}
_STRING: dict[str, JsonValue] = {"type": "string"}
_ONE_OF_BOTH: list[JsonValue] = [
    {"required": ["to"], "properties": {"to": _STRING, "by": _NULL}},
    {"required": ["by"], "properties": {"by": _STRING, "to": _NULL}},
]
_OUTCOME = "^(succeed|succeeded|cancel|canceled|failed|fail(:[a-z][a-z0-9_]{0,63})?)$"


class ClockAdvance(BaseModel):
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"anyOf": _ONE_OF_BOTH, "examples": [{"by": "30d"}]}
    )

    to: Annotated[Instant | None, Field(description="The instant at which it stands then.")] = None
    by: Annotated[
        Annotated[
            str,
            StringConstraints(strict=True),
            in_the_form(
                _SPAN, "Write a span as seconds, minutes, hours, days or weeks: 90s, 15m, 1h, 30d, 2w"
            ),
        ]
        | None,
        Field(
            description="A span from where it stands: 90s, 15m, 1h, 30d, 2w.",
            json_schema_extra={"pattern": _SPAN},
        ),
    ] = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.to is None) == (self.by is None):
            raise ValueError("Say where to, once: with to or with by")
        return self


class ClockOut(BaseModel):
    now: Annotated[datetime, Field(description="What time it is in this organization's test mode.")]
    stands_still: Annotated[
        bool,
        Field(description="False until it is moved for the first time: it goes with the world until then."),
    ]


class ClockAdvancedOut(ClockOut):
    renewals: Annotated[int, Field(description="How many subscriptions' periods were over on the way.")]
    collections: Annotated[int, Field(description="How many invoices were charged again on the way.")]
    reconciliations: Annotated[int, Field(description="How often a payment's provider was asked on the way.")]


class SandboxCompletion(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"outcome": "succeed"}]})

    outcome: Annotated[
        str,
        StringConstraints(strict=True),
        in_the_form(_OUTCOME, "Write what the customer did: succeed, fail, fail:<code> or cancel"),
        Field(
            description="What the customer did: succeed, fail, fail:<code> or cancel.",
            json_schema_extra={"pattern": _OUTCOME},
        ),
    ]
