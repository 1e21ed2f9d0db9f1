"""An organization and the command line: files go in and out, the API and the tables show what became of them."""

import asyncio
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from click.testing import Result
from typer.testing import CliRunner

from reevit_server.cli import cli
from reevit_server.core.database import Database
from tests.makers import Merchant, ok
from tests.scenarios.fold import drift

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Shop:
    merchant: Merchant
    db: Database
    dsn: str
    folder: Path

    async def run(self, *arguments: str, stdin: bytes | None = None) -> Result:
        """`reevit` with these arguments, against this shop. In a thread: a command brings its own event loop."""
        where = ("--org", self.merchant.org_id, "--database-url", self.dsn)
        words = [*arguments[:2], *where, *arguments[2:]]
        return await asyncio.to_thread(CliRunner().invoke, cli, words, input=stdin)

    def file(self, content: str | bytes, suffix: str = ".csv") -> str:
        path = self.folder / f"rows-{next(_numbers)}{suffix}"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    async def load(
        self, noun: str, content: str | bytes, *options: str, suffix: str = ".csv"
    ) -> dict[str, Any]:
        """Imports a file whose rows are all good; what the command reports."""
        result = await self.run("import", noun, self.file(content, suffix), "--json", *options)
        assert result.exit_code == 0, result.output
        report: dict[str, Any] = json.loads(result.stdout)
        return report

    async def load_some(
        self, noun: str, content: str | bytes, *options: str, suffix: str = ".csv"
    ) -> tuple[dict[str, Any], list[str]]:
        """Imports a file of which rows are refused; what the command reports, and the lines of its refusals."""
        result = await self.run("import", noun, self.file(content, suffix), "--json", *options)
        assert result.exit_code == 1, result.output
        return json.loads(result.stdout), result.stderr.splitlines()

    async def unusable(self, noun: str, content: str | bytes, *options: str, suffix: str = ".csv") -> str:
        """What is said of a file that is refused as a whole, on one line. Nothing of it is stored."""
        before = await self.rows("SELECT (SELECT count(*) FROM customers), (SELECT count(*) FROM payments)")
        result = await self.run("import", noun, self.file(content, suffix), *options)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        assert before == await self.rows(
            "SELECT (SELECT count(*) FROM customers), (SELECT count(*) FROM payments)"
        )
        return " ".join(result.stderr.split())

    async def dump(self, noun: str, *options: str) -> str:
        """What `reevit export` writes to standard output."""
        result = await self.run("export", noun, *options)
        assert result.exit_code == 0, result.output
        return result.stdout_bytes.decode()

    async def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        async with self.db.read() as conn:
            return list(await conn.fetch(statement, *arguments))

    async def customer(self, external_id: str) -> dict[str, Any]:
        return ok(await self.merchant.test.get(f"/v1/customers/external/{external_id}"))

    async def payment(self, reference: str) -> dict[str, Any]:
        found = ok(await self.merchant.test.get("/v1/payments", params={"reference": reference}))["payments"]
        assert len(found) == 1, found
        payment: dict[str, Any] = found[0]
        return payment

    async def totals(self) -> list[asyncpg.Record]:
        """What every customer is worth, by names that outlive a move to another organization."""
        return await self.rows(
            """
            SELECT coalesce(c.external_id, c.id) AS name, t.currency, t.total_spent, t.total_refunded,
                   t.payment_count, t.first_payment_at, t.last_payment_at, t.last_method
            FROM customer_totals AS t
            JOIN customers AS c ON c.org_id = t.org_id AND c.mode = t.mode AND c.id = t.customer_id
            WHERE t.org_id = $1 AND t.mode = 'test'
            ORDER BY name, t.currency
            """,
            self.merchant.org_id,
        )

    async def state(self) -> list[list[asyncpg.Record]]:
        """Every row of this organization, to see that something changed nothing."""
        return [
            await self.rows(f"SELECT * FROM {table} WHERE org_id = $1 ORDER BY {key}", self.merchant.org_id)
            for table, key in (
                ("customers", "id"),
                ("payments", "id"),
                ("refunds", "id"),
                ("customer_totals", "customer_id, currency"),
                ("customer_days", "customer_id, currency, day"),
                ("events", "id"),
            )
        ]

    async def drift(self) -> list[dict[str, Any]]:
        return await drift(self.db, self.merchant.scope)
