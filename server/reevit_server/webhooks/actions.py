"""The deeds on webhook endpoints: create, change, rotate, pause, resume, test, delete."""

from datetime import datetime, timedelta
from typing import Any, NamedTuple

import asyncpg

from reevit_server import events
from reevit_server.core.addresses import checked_url
from reevit_server.core.database import Connection
from reevit_server.core.errors import ValidationError
from reevit_server.core.ids import new_id
from reevit_server.core.jobs import Job, enqueue
from reevit_server.core.scope import Scope
from reevit_server.core.sealing import Sealer
from reevit_server.webhooks import deliveries, models, outbound, store, telling
from reevit_server.webhooks.endpoint_secrets import current, sealed
from reevit_server.webhooks.errors import (
    ConfigNotFound,
    DeliveryNotFound,
    EndpointDisabled,
    EndpointNotFound,
    TooManyEndpoints,
)
from reevit_server.webhooks.schemas import ConfigUpsert, EndpointCreate, EndpointPatch


class Rules(NamedTuple):
    """What this installation lets be told: `private` addresses too, for local work; and how secrets are sealed."""

    sealer: Sealer
    private: bool


async def create(
    conn: Connection, scope: Scope, rules: Rules, new: EndpointCreate, *, now: datetime
) -> tuple[asyncpg.Record, str]:
    """A new endpoint, and its signing secret. Raises TooManyEndpoints."""
    return await insert(
        conn,
        scope,
        rules,
        kind="endpoint",
        fields={"url": _url(new.url, rules), "events": new.events, "description": new.description},
        enabled=new.enabled,
        secret=new.signing_secret,
        now=now,
    )


async def insert(
    conn: Connection,
    scope: Scope,
    rules: Rules,
    *,
    kind: str,
    fields: dict[str, Any],
    enabled: bool,
    secret: str | None,
    now: datetime,
) -> tuple[asyncpg.Record, str]:
    """A new row of any kind, and its signing secret. Raises TooManyEndpoints."""
    await store.lock_all(conn, scope)
    if await store.count(conn, scope, listeners=True) >= models.ENDPOINTS_MAX:
        raise TooManyEndpoints
    id, secret = new_id("whk"), secret or models.new_secret()
    status = {
        "status": "active" if enabled else "disabled",
        "disabled_reason": None if enabled else "turned_off",
    }
    fields = {**fields, **status, "secret": sealed(rules.sealer, scope, id, secret)}
    return await store.insert(conn, scope, id=id, kind=kind, fields=fields, now=now), secret


async def get(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """The endpoint. Raises EndpointNotFound."""
    endpoint = await store.find(conn, scope, id=id)
    if endpoint is None:
        raise EndpointNotFound
    return endpoint


async def get_config(conn: Connection, scope: Scope) -> asyncpg.Record:
    """The endpoint that the published clients know. Raises ConfigNotFound."""
    endpoint = await store.find_config(conn, scope)
    if endpoint is None:
        raise ConfigNotFound
    return endpoint


async def upsert_config(
    conn: Connection, scope: Scope, rules: Rules, given: ConfigUpsert, *, now: datetime
) -> tuple[asyncpg.Record, str]:
    """The one endpoint of the published clients, made or changed, and its signing secret. Raises TooManyEndpoints."""
    url = _url(given.url, rules)
    await store.lock_all(conn, scope)
    found = await store.find_config(conn, scope)
    if found is None:
        return await insert(
            conn,
            scope,
            rules,
            kind="config",
            fields={"url": url, "events": given.events or [events.CHOICES[0]], "description": None},
            enabled=given.enabled is not False,
            secret=given.signing_secret,
            now=now,
        )
    endpoint = await _locked(conn, scope, found["id"])
    fields: dict[str, Any] = {"url": url, "events": given.events or endpoint["events"]}
    if given.signing_secret is not None:
        fields["secret"] = sealed(rules.sealer, scope, endpoint["id"], given.signing_secret)
        fields |= {"previous_secret": None, "previous_secret_until": None}
    endpoint = await _change(conn, scope, endpoint, fields, enabled=given.enabled, now=now)
    return endpoint, current(rules.sealer, scope, endpoint)


async def update(
    conn: Connection, scope: Scope, rules: Rules, *, id: str, patch: EndpointPatch, now: datetime
) -> asyncpg.Record:
    """Changes what `patch` sets. Raises EndpointNotFound."""
    endpoint = await _locked(conn, scope, id)
    fields = {field: getattr(patch, field) for field in patch.model_fields_set - {"enabled"}}
    if "url" in fields:
        fields["url"] = _url(fields["url"], rules)
    return await _change(conn, scope, endpoint, fields, enabled=patch.enabled, now=now)


async def rotate(
    conn: Connection, scope: Scope, rules: Rules, *, id: str, now: datetime
) -> tuple[asyncpg.Record, str]:
    """A new signing secret; the one before it signs too for 24 hours. Raises EndpointNotFound."""
    endpoint = await _locked(conn, scope, id)
    secret = models.new_secret()
    changed = await store.update(
        conn,
        scope,
        id=id,
        fields={
            "secret": sealed(rules.sealer, scope, id, secret),
            "previous_secret": endpoint["secret"],
            "previous_secret_until": now + timedelta(hours=models.ROTATION_HOURS),
        },
        now=now,
    )
    return changed, secret


async def pause(conn: Connection, scope: Scope, *, id: str, now: datetime) -> asyncpg.Record:
    """What happens from now on is kept for the endpoint. Raises EndpointNotFound, EndpointDisabled."""
    await _enabled(conn, scope, id)
    return await store.update(conn, scope, id=id, fields={"status": "paused"}, now=now)


async def resume(conn: Connection, scope: Scope, *, id: str, now: datetime) -> asyncpg.Record:
    """The endpoint is told what was kept, and all that follows. Raises EndpointNotFound, EndpointDisabled."""
    await _enabled(conn, scope, id)
    changed = await store.update(
        conn, scope, id=id, fields={"status": "active", "failing_since": None}, now=now
    )
    await telling.release(conn, scope, endpoint_id=id, limit=models.AT_ONCE_MAX)
    return changed


async def delete(conn: Connection, scope: Scope, *, id: str, now: datetime) -> None:
    """Takes an endpoint away; its deliveries can still be read. Raises EndpointNotFound."""
    await _locked(conn, scope, id)
    await store.delete(conn, scope, id=id, now=now)
    await telling.give_up(conn, scope, endpoint_id=id, now=now)


async def purge(conn: Connection, *, now: datetime, limit: int) -> int:
    """Deletes endpoints that were deleted a day ago and of which no delivery is kept; how many."""
    return await store.purge(conn, deleted_before=now - timedelta(days=1), limit=limit)


async def send_test(
    conn: Connection, scope: Scope, *, endpoint: asyncpg.Record, now: datetime
) -> asyncpg.Record:
    """Tells one endpoint of an event that did not happen; the delivery. Raises EndpointDisabled."""
    if endpoint["status"] == "disabled":
        raise EndpointDisabled  # if it is so only now, its job will find out
    data = b'{"message":"This is a test. Nothing has happened.","customer":null}'
    change = events.Change(events.TEST, endpoint["id"], None, data)
    (event_id,) = await events.record_quietly(conn, scope, change, now=now)
    id = new_id("dlv")
    await deliveries.insert(
        conn,
        scope,
        ids=[id],
        event_ids=[event_id],
        endpoint_ids=[endpoint["id"]],
        statuses=["queued"],
        now=now,
    )
    await enqueue(conn, Job(telling.DELIVER, scope, (id,)))
    return await get_delivery(conn, scope, id=id)


async def get_delivery(conn: Connection, scope: Scope, *, id: str) -> asyncpg.Record:
    """The delivery with its attempts. Raises DeliveryNotFound."""
    delivery = await outbound.find(conn, scope, id=id)
    if delivery is None:
        raise DeliveryNotFound
    return delivery


async def _change(
    conn: Connection,
    scope: Scope,
    endpoint: asyncpg.Record,
    fields: dict[str, Any],
    *,
    enabled: bool | None,
    now: datetime,
) -> asyncpg.Record:
    """Writes fields, and turns the endpoint on or off if that is asked for. It is locked."""
    is_enabled = endpoint["status"] != "disabled"
    if enabled and not is_enabled:
        fields |= {"status": "active", "disabled_reason": None, "failing_since": None}
    if fields.get("url", endpoint["url"]) != endpoint["url"]:
        fields["failing_since"] = None  # it was another address that failed
    if fields:
        endpoint = await store.update(conn, scope, id=endpoint["id"], fields=fields, now=now)
    if enabled is False and is_enabled:
        endpoint = await telling.disable(conn, scope, endpoint, reason="turned_off", now=now)
    return endpoint


async def _locked(conn: Connection, scope: Scope, id: str) -> asyncpg.Record:
    endpoint = await store.find_for_update(conn, scope, id=id)
    if endpoint is None or endpoint["deleted_at"] is not None or endpoint["kind"] == "listener":
        raise EndpointNotFound
    return endpoint


async def _enabled(conn: Connection, scope: Scope, id: str) -> asyncpg.Record:
    endpoint = await _locked(conn, scope, id)
    if endpoint["status"] == "disabled":
        raise EndpointDisabled
    return endpoint


def _url(text: str, rules: Rules) -> str:
    """The address in its plain form. Raises ValidationError for one that is not to be told."""
    try:
        return checked_url(text, private=rules.private)
    except ValueError as error:
        fault = {"field": "url", "code": "value_error", "message": str(error)}
        raise ValidationError(f"`url`: {error}.", fields=[fault]) from None
