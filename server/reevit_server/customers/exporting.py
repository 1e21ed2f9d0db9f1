"""`reevit export customers`: every profile as a table that `reevit import` takes back, here or elsewhere."""

from collections.abc import AsyncIterator

from reevit_server.core import bulk
from reevit_server.core.database import Connection, Row
from reevit_server.core.scope import Scope


async def metadata_keys(conn: Connection, scope: Scope) -> list[str]:
    """Every metadata key in use: the columns of a CSV."""
    rows = await conn.fetch(
        """
        SELECT DISTINCT key
        FROM customers AS c, jsonb_object_keys(c.metadata) AS key
        WHERE c.org_id = $1 AND c.mode = $2 AND c.metadata <> '{}'
        ORDER BY key
        LIMIT $3
        """,
        scope.org_id,
        scope.mode,
        bulk.METADATA_COLUMNS_MAX + 1,
        timeout=bulk.SURVEY_SECONDS,
    )
    return [row["key"] for row in rows]


async def rows(conn: Connection, scope: Scope) -> AsyncIterator[Row]:
    """The oldest first; deleted ones left out. Who has no external_id is named by our id, to be known again."""
    cursor = conn.cursor(
        """
        SELECT coalesce(c.external_id, c.id) AS external_id, c.email, c.phone, c.name, c.tags, c.metadata,
               c.created_at
        FROM customers AS c
        WHERE c.org_id = $1 AND c.mode = $2 AND c.deleted_at IS NULL
        ORDER BY c.id
        """,
        scope.org_id,
        scope.mode,
        prefetch=bulk.FETCHED_ROWS,
    )
    async for row in cursor:
        yield row


EXPORT = bulk.Export(
    columns=("external_id", "email", "phone", "name", "tags", "created_at", "metadata"),
    metadata_keys=metadata_keys,
    rows=rows,
)
