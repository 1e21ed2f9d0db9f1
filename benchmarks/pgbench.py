"""PostgreSQL's own bench, running a recipe's statements: what the database would do if nobody stood before it."""

import json
import re
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ground import Ground, Merchant, postgres_program, socket_dir
from recipe import Recipe
from rounds import Round
from worlds import ID_BASE

_SEQUENCE = "('%s' || :sequence)"
_CUSTOMER = "('cus_0000000' || :customer)"


@dataclass(frozen=True)
class Pgbench:
    """A script for pgbench, and its variables."""

    ground: Ground
    merchant: Merchant
    script: Path
    variables: dict[str, str]
    clients: int = 16

    def turn(self, seconds: float) -> Round:
        """Runs the script on so many connections for so long. Raises when a transaction failed."""
        before = self.ground.postgres_cpu_seconds()
        variables = {**self.variables, "n": "0", "base": str(time.time_ns())}
        command = [
            *(postgres_program("pgbench"), "--no-vacuum", "--protocol=prepared", f"--file={self.script}"),
            *(
                f"--client={self.clients}",
                "--jobs=1",
                f"--time={max(1, round(seconds))}",
                "--username=reevit",
            ),
            *(f"--host={socket_dir(self.merchant.dsn)}", "--random-seed=7"),
            *(f"--define={name}={value}" for name, value in variables.items()),
            self.merchant.database,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60 + seconds)
        transactions = re.search(r"transactions actually processed: (\d+)", done.stdout)
        rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.MULTILINE)
        latency = re.search(r"^latency average = ([\d.]+) ms", done.stdout, re.MULTILINE)
        failed = re.search(r"number of failed transactions: (\d+)", done.stdout)
        if done.returncode or not (transactions and rate and latency and failed) or int(failed[1]):
            raise RuntimeError(f"pgbench failed:\n{done.stdout}\n{done.stderr}")
        used = self.ground.postgres_cpu_seconds() - before
        return Round(float(rate[1]), float(latency[1]), postgres_cpu_us=used / int(transactions[1]) * 1e6)


def of_recipe(ground: Ground, merchant: Merchant, recipe: Recipe, *, customers: int) -> Pgbench:
    """The recipe as a script: the same statements, with values of pgbench's own making where they are fresh."""
    variables: dict[str, str] = {}
    words = _words(recipe)
    for name, value in {**recipe.always, **recipe.samples}.items():
        if value is None:
            words[name] = "NULL"
        else:
            words[name] = f":{name}"
            variables[name] = _text(value)
    lines = [
        "\\set n :n + 1",
        "\\set sequence :base + :client_id * 100000000000000 + :n",
        f"\\set customer {ID_BASE} + random(1, {customers})",
        "BEGIN;",
        *(_filled(text, [words[name] for name in names]) for text, names in recipe.statements),
        "COMMIT;",
    ]
    script = ground.folder / "payment.pgbench"
    script.write_text("\n".join(lines) + "\n")
    return Pgbench(ground, merchant, script, variables)


def _words(recipe: Recipe) -> dict[str, str]:
    """What stands for each fresh value; made of 19 digits, ids have the length of the product's."""
    payment, times = _SEQUENCE % "pay_0000000", range(recipe.events)
    return {
        "now": "now()",
        "idempotency_key": _SEQUENCE % "key_",
        "reference": _SEQUENCE % "order_",
        "customer_id": _CUSTOMER,
        "customer_ids": _array([_CUSTOMER for _ in times]),
        "payment_id": payment,
        "payment_ids": _array([payment for _ in times]),
        "event_ids": _array([_SEQUENCE % f"evt_000000{number}" for number in times]),
    }


def _array(words: list[str]) -> str:
    return f"ARRAY[{', '.join(words)}]"


def _filled(text: str, words: list[str]) -> str:
    """A statement on one line, its parameters replaced."""
    bare = re.sub(r"--.*", "", text)
    return " ".join(re.sub(r"\$(\d+)", lambda found: words[int(found[1]) - 1], bare).split()) + ";"


def _text(value: Any) -> str:
    """A value as PostgreSQL reads it."""
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, list):
        items = (item.decode() if isinstance(item, bytes) else item for item in value)
        return "{" + ",".join(json.dumps(item) for item in items) + "}"
    if isinstance(value, dict):
        return json.dumps(value)
    if isinstance(value, timedelta):
        return str(value)
    assert isinstance(value, str | int) and not isinstance(value, bool | datetime), value
    return str(value)
