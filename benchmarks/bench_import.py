"""How quickly does a shop's history come in? `reevit import payments` of a file against COPY of the same file."""

import csv
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ground import Ground, Merchant, postgres_program, reevit, socket_dir
from load import Load
from report import Answer, Ratio
from rounds import Effort, Round, alternate, medians, rate_ratios

ROWS, CUSTOMERS = 200_000, 20_000
ROWS_QUICK = 20_000
LIMITED_BY = (
    "what COPY of the file alone does not do. Of 70 µs a row, the statement of the payments takes 20 (seven index "
    "entries, a foreign key), that of the customers' totals 17 (five index entries) and that of the days' sums 10. "
    "Python works 22, of which 9 to read and check a row; PostgreSQL's process works 47. COPY into a table with the "
    "payments' indexes, but without totals, days, foreign keys or anything to look up, is the nearer floor."
)
_ROUNDS_MAX = 3
_COLUMNS = (
    *("reference", "external_customer_id", "amount", "currency", "status", "method", "provider_ref_id"),
    *("occurred_at", "description"),
)
# The file's columns, and nothing else: no keys, no checks.
_PLAIN = """
    CREATE TABLE plain (
        reference text, external_customer_id text, amount bigint, currency text, status text, method text,
        provider_ref_id text, occurred_at timestamptz, description text
    )
"""
# The same rows where payments are kept: its keys, checks and indexes, but nobody to find or to count.
_INDEXED = """
    CREATE SEQUENCE ids;
    CREATE TABLE indexed (LIKE payments INCLUDING ALL);
    ALTER TABLE indexed ALTER org_id SET DEFAULT 'org', ALTER mode SET DEFAULT 'test',
        ALTER id SET DEFAULT 'pay_' || lpad(nextval('ids')::text, 26, '0'), ALTER provider SET DEFAULT 'external',
        ALTER source SET DEFAULT 'import', ALTER created_at SET DEFAULT now(), ALTER updated_at SET DEFAULT now();
    CREATE FUNCTION succeeded() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF NEW.status = ''succeeded'' THEN NEW.succeeded_at := NEW.occurred_at; END IF; RETURN NEW; END';
    CREATE TRIGGER succeeded BEFORE INSERT ON indexed FOR EACH ROW EXECUTE FUNCTION succeeded();
"""


def measure(ground: Ground, _: Load, effort: Effort, say: Callable[[str], None]) -> Answer:
    """A whole command each, its start included, into a fresh database; the import opens every customer too."""
    rows = ROWS_QUICK if effort.quick else ROWS
    file = ground.folder / "payments.csv"
    _write(file, rows)
    rounds = alternate(
        {
            "reevit import": lambda _: _imported(ground.merchant("bench_import"), file, rows),
            "COPY": lambda _: _copied(ground.merchant("bench_copy"), file, rows, _PLAIN, "plain", _COLUMNS),
            "COPY, indexed": lambda _: _copied(
                ground.merchant("bench_copy"),
                file,
                rows,
                _INDEXED,
                "indexed",
                tuple("customer_id" if name == "external_customer_id" else name for name in _COLUMNS),
            ),
        },
        Effort(min(effort.rounds, _ROUNDS_MAX), effort.seconds, quick=effort.quick),
        say,
    )
    return Answer(
        question="import",
        about=f"`reevit import payments` of {rows:,} rows against COPY of the same file",
        ratios=[
            Ratio("reevit import", against, aim, rate_ratios(rounds, "reevit import", against))
            for against, aim in (("COPY", 0.25), ("COPY, indexed", None))
        ],
        figures={name: {"rows_per_second": medians(turns)["rate"]} for name, turns in rounds.items()},
        limited_by=LIMITED_BY,
    )


def _write(file: Path, rows: int) -> None:
    """Two years of a shop: most customers come back a few times, one payment in thirty fails."""
    chance, begin = random.Random(7), datetime(2024, 1, 1, tzinfo=UTC)  # noqa: S311 - the same file every time
    with file.open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(_COLUMNS)
        for number in range(rows):
            at = begin + timedelta(seconds=number * 63_000_000 // rows)
            writer.writerow(
                (
                    *(f"order_{number}", f"usr_{int(CUSTOMERS * chance.random() ** 2)}"),
                    *(chance.randint(100, 50_000), "GHS", "failed" if number % 30 == 7 else "succeeded"),
                    *(
                        "mobile_money" if number % 3 else "card",
                        f"ext-{number:09}",
                        f"{at:%Y-%m-%dT%H:%M:%SZ}",
                    ),
                    f"Order of {number % 7 + 1} items",
                )
            )
    file.chmod(0o644)


def _imported(merchant: Merchant, file: Path, rows: int) -> Round:
    command = [
        reevit(),
        "import",
        "payments",
        str(file),
        "--org",
        merchant.org_id,
        "--mode",
        "test",
        "--json",
    ]
    began = time.perf_counter()
    done = subprocess.run(
        [*command, "--database-url", merchant.dsn],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    seconds = time.perf_counter() - began
    if done.returncode or json.loads(done.stdout)["created"] != rows:
        raise RuntimeError(f"reevit import failed:\n{done.stdout}\n{done.stderr}")
    return Round(rows / seconds, seconds * 1000)


def _copied(
    merchant: Merchant, file: Path, rows: int, table: str, name: str, columns: tuple[str, ...]
) -> Round:
    psql = [
        postgres_program("psql"),
        "--no-psqlrc",
        "--quiet",
        "--set",
        "ON_ERROR_STOP=1",
        "--username=reevit",
    ]
    psql += ["--host", socket_dir(merchant.dsn), merchant.database, "--command"]
    subprocess.run([*psql, table], check=True, capture_output=True)
    copy = f"\\copy {name} ({', '.join(columns)}) FROM '{file}' WITH (FORMAT csv, HEADER)"
    began = time.perf_counter()
    subprocess.run([*psql, copy], check=True, stdout=sys.stderr)
    seconds = time.perf_counter() - began
    return Round(rows / seconds, seconds * 1000)
