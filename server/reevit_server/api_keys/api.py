"""`/v1/api-keys`."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query

from reevit_server.api_keys import actions, store
from reevit_server.api_keys.errors import ApiKeyNotFound
from reevit_server.api_keys.schemas import ApiKeyCreate, ApiKeyOut, ApiKeyPage, NewApiKeyOut
from reevit_server.core.answer import Answer, no_content, reply
from reevit_server.core.database import Connection
from reevit_server.core.http import Call
from reevit_server.core.openapi import id_in_path, refusals
from reevit_server.core.paging import PageQuery, cut

router = APIRouter(tags=["api keys"])


@router.post("/v1/api-keys", status_code=201, response_model=NewApiKeyOut)
async def create_api_key(call: Call, new: ApiKeyCreate) -> Answer:
    """Create a key for this organization and mode. The key is shown this once."""

    async def deed(conn: Connection) -> Answer:
        row, text = await actions.create(
            conn, call.scope, name=new.name, scopes=new.scopes, granted_by=call.permissions, now=call.now
        )
        answer = reply(NewApiKeyOut.model_validate({**row, "key": text}), status=201)
        return answer._replace(shown_once=True)

    return await call.once(deed)


@router.get("/v1/api-keys", response_model=ApiKeyPage)
async def list_api_keys(call: Call, query: Annotated[PageQuery, Query()]) -> Answer:
    """List the keys of this organization and mode, newest first, without their secrets."""
    after = query.after("created_at", (datetime, str))
    async with call.db.read() as conn:
        rows = await actions.select(
            conn,
            call.scope,
            after=(after[0], after[1]) if after else None,
            limit=query.limit + 1,
            offset=query.offset,
        )
        total = await store.count(conn, call.scope) if query.include_total else None
    page = cut(rows, query.limit, "created_at", "created_at", "id")
    keys = [ApiKeyOut.model_validate(dict(row)) for row in page.rows]
    return reply(ApiKeyPage(keys=keys, has_more=page.has_more, next_cursor=page.next_cursor, total=total))


@router.delete(
    "/v1/api-keys/{key_id}", status_code=204, response_model=None, responses=refusals(ApiKeyNotFound)
)
async def revoke_api_key(call: Call, key_id: Annotated[str, id_in_path("key")]) -> Answer:
    """Revoke a key: it stops within a second, everywhere."""

    async def deed(conn: Connection) -> Answer:
        await actions.revoke(conn, call.scope, id=key_id, now=call.now)
        return no_content()

    return await call.once(deed)
