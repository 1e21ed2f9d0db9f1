"""Everything that is kept of an organization, to look whether something is in it."""

from reevit_server.core.database import Database


async def everything_kept(db: Database, org_id: str) -> str:
    """All rows of all tables that an organization has, as text; bytes as the letters that they are in Latin-1."""
    kept = []
    async with db.read() as conn:
        tables = await conn.fetch(
            """
            SELECT table_name FROM information_schema.columns
            WHERE table_schema = 'public' AND column_name = 'org_id'
            """
        )
        for (table,) in tables:
            for row in await conn.fetch(f"SELECT * FROM {table} WHERE org_id = $1", org_id):
                kept += [
                    value.decode("latin-1") if isinstance(value, bytes) else str(value)
                    for value in row.values()
                ]
        kept += [row["payload"].decode() for row in await conn.fetch("SELECT payload FROM pgqueuer")]
    return "\n".join(kept)
