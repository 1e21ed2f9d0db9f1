"""API keys: who may do what."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

from typing_extensions import Unpack

from reevit._call import Call, ListCall, body_of, nothing, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, listing, operation
from reevit.resources._shared import Paging


class ApiKey(Model):
    """A key without its secret; `key` is there once, when it is created."""

    id: str
    org_id: str
    mode: str
    name: str | None
    scopes: list[str]
    prefix: str
    created_at: datetime
    revoked_at: datetime | None
    key: str | None


class ApiKeyFields(TypedDict, total=False):
    """`scopes`: ``customers:read`` and so on; all of the creating key's when left out."""

    name: str | None
    scopes: Sequence[str] | None


class ApiKeys(Resource[Kind]):
    """``reevit.api_keys``."""

    @operation
    def create(
        self,
        data: ApiKeyFields | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[ApiKeyFields],
    ) -> Call[ApiKey]:
        """A new key of this organization and mode. Its `key` is shown here and never again."""
        body = body_of(data, fields)
        return Call("POST", path_of("api-keys"), ApiKey, body=body, idempotency_key=idempotency_key)

    @listing
    def list(self, **paging: Unpack[Paging]) -> ListCall[ApiKey]:
        """Keys, newest first, revoked ones too."""
        return ListCall(path_of("api-keys"), "keys", ApiKey, paging)

    @operation
    def revoke(self, key_id: str, idempotency_key: str | None = None) -> Call[None]:
        """Stops a key within a second, for good."""
        return Call("DELETE", path_of("api-keys", key_id), nothing, idempotency_key=idempotency_key)
