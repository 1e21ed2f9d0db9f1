"""The deeds on integrations: create, get, change, delete."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from reevit_server.core.database import Connection
from reevit_server.core.errors import ValidationError
from reevit_server.core.ids import new_id
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from reevit_server.messages import integrations, models, store, writing
from reevit_server.messages.errors import IntegrationNameTaken, IntegrationNotFound, TooManyIntegrations
from reevit_server.messages.schemas import IntegrationCreate, IntegrationPatch
from reevit_server.messages.sending import NOBODY_SENDS, lock_and_release
from reevit_server.providers import senders

_FIELDS = ("name", "credentials", "from_address", "from_name", "reply_to", "enabled")


class Rules(NamedTuple):
    """How credentials are sealed, and whether they may name private addresses, for local work."""

    sealer: Sealer
    private: bool


async def create(
    conn: Connection, scope: Scope, rules: Rules, new: IntegrationCreate, *, now: datetime
) -> asyncpg.Record:
    """Raises ValidationError with every fault of the credentials, TooManyIntegrations, IntegrationNameTaken."""
    id = new_id("itg")
    credentials = _credentials(scope, rules, id, new.provider, new.credentials)
    channel = senders.SENDERS[new.provider].channel
    fields = {name: getattr(new, name) for name in _FIELDS}
    fields |= {"provider": new.provider, "channel": channel, "credentials": credentials}
    _check_sender(channel, fields)
    await integrations.lock_all(conn, scope)
    if await integrations.count(conn, scope) >= models.INTEGRATIONS_MAX:
        raise TooManyIntegrations
    await _check_free(conn, scope, new.name)
    return await integrations.insert(conn, scope, id=id, fields=fields, now=now)


async def get(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """Raises IntegrationNotFound."""
    integration = await integrations.find(conn, scope, id=id)
    if integration is None:
        raise IntegrationNotFound
    return integration


async def update(
    conn: Connection, scope: Scope, rules: Rules, *, id: str, patch: IntegrationPatch, now: datetime
) -> asyncpg.Record:
    """Changes what is given; what waited for it to be on again is sent.

    Raises IntegrationNotFound, IntegrationNameTaken, ValidationError.
    """
    stored = await integrations.find_for_update(conn, scope, id=id)
    if stored is None:
        raise IntegrationNotFound
    given = patch.model_dump(exclude_unset=True)
    if patch.credentials is not None:
        given["credentials"] = _credentials(scope, rules, id, stored["provider"], patch.credentials)
    fields = {name: stored[name] for name in _FIELDS} | given
    if fields == {name: stored[name] for name in _FIELDS}:
        return stored
    _check_sender(stored["channel"], fields)
    if fields["name"] != stored["name"]:
        await integrations.lock_all(conn, scope)
        await _check_free(conn, scope, fields["name"])
    changed = await integrations.update(conn, scope, id=id, fields=fields, now=now)
    if changed["enabled"] and not stored["enabled"]:
        await store.put_into_outbox(
            conn,
            scope,
            integration_id=id,
            reason="waited_too_long",
            message="It waited for days for its integration to be on again; resend it if it still matters.",
            created_before=now - models.WAIT_MAX,
            now=now,
        )
    await lock_and_release(conn, scope, integration_id=id, now=now)
    return changed


async def delete(conn: Connection, scope: Scope, *, id: str, now: datetime) -> None:
    """Forgets its credentials; what it was still to send stays in the outbox. Raises IntegrationNotFound."""
    if await integrations.find_for_deletion(conn, scope, id=id) is None:
        raise IntegrationNotFound
    await integrations.delete(conn, scope, id=id, now=now)
    await store.put_into_outbox(
        conn,
        scope,
        integration_id=id,
        reason=NOBODY_SENDS.reason or "",
        message="The integration that was to send this was deleted.",
        now=now,
    )


def _credentials(scope: Scope, rules: Rules, id: str, provider: str, given: Mapping[str, object]) -> bytes:
    """Sealed, if they are what this provider takes. Raises ValidationError."""
    try:
        senders.credentials_of(provider, given, private=rules.private)
    except senders.BadCredentials as error:
        fields = [
            {
                "field": field if field == "provider" else f"credentials.{field}",
                "code": "credentials",
                "message": f"{fault}.",
            }
            for field, fault in error.faults.items()
        ]
        first = fields[0]
        raise ValidationError(f"`{first['field']}`: {first['message']}", fields=fields) from None
    return writing.sealed(rules.sealer, scope, id, dict(given))


def _check_sender(channel: str, fields: Mapping[str, Any]) -> None:
    if channel == "email" and fields["from_address"] is None:
        raise ValidationError.of(
            "from_address", "required", "`from_address` is needed: whom the e-mail is from."
        )
    faults = [
        {"field": name, "code": "unknown_field", "message": f"`{name}` is for e-mail; leave it out."}
        for name in ("from_address", "from_name", "reply_to")
        if channel != "email" and fields[name] is not None
    ]
    if faults:
        raise ValidationError(faults[0]["message"], fields=faults)


async def _check_free(conn: Connection, scope: Scope, name: str) -> None:
    """Who gives names waits for each other, so what is free here stays free until this transaction ends."""
    taken_by = await integrations.find_named(conn, scope, name=name)
    if taken_by is not None:
        raise IntegrationNameTaken(integration_id=taken_by)
