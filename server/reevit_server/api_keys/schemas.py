"""API keys on the wire."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from reevit_server.api_keys.models import SCOPES
from reevit_server.core.paging import Page
from reevit_server.core.scope import Mode
from reevit_server.core.text import ShortName

Scope = Literal[SCOPES]  # type: ignore[valid-type]


def _unique(scopes: list[str]) -> list[str]:
    return list(dict.fromkeys(scopes))


class ApiKeyCreate(BaseModel):
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"name": "till", "scopes": ["customers:read", "payments:write"]}]},
    )

    name: Annotated[ShortName | None, Field(description="What it is for.")] = None
    scopes: Annotated[
        list[Scope] | None,
        Field(
            min_length=1, max_length=len(SCOPES), description="What it may do; default: all that yours may."
        ),
        AfterValidator(lambda scopes: scopes and _unique(scopes)),
    ] = None


class ApiKeyOut(BaseModel):
    """A key, without its secret."""

    id: str
    org_id: str
    mode: Mode
    name: str | None
    scopes: list[str]
    prefix: Annotated[str, Field(description="The part of the key that is not secret.")]
    created_at: datetime
    revoked_at: datetime | None


class NewApiKeyOut(ApiKeyOut):
    """A key with its secret, which is shown this once."""

    key: Annotated[str, Field(description="Keep it now: only its SHA-256 is stored.")]


class ApiKeyPage(Page):
    keys: list[ApiKeyOut]
