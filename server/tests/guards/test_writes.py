"""A noun writes its own tables only; what others keep is changed through their front."""

import ast
import re
from pathlib import Path

SERVER = Path(__file__).parents[2] / "reevit_server"
OWNERS = {
    "organizations": {"organizations"},
    "api_keys": {"api_keys"},
    "customers": {"customers", "customer_totals", "customer_days"},
    "events": {"events"},
    "payments": {"payments", "refunds"},
    "subscriptions": {"subscriptions", "retry_policies"},
    "workflows": {"templates", "rules", "notice_switches", "executions", "execution_actions"},
    "messages": {"integrations", "messages", "message_attempts", "suppressions"},
    "invoices": {"invoices", "invoice_numbers"},
    "sandbox": {"sandbox_clocks"},
    "webhooks": {"webhook_endpoints", "webhook_deliveries", "webhook_attempts"},
    "core": {
        "idempotency_keys",
        "schema_migrations",
        "master_key_proof",
        "crash_witness",
        "pgqueuer",
        "pgqueuer_log",
        "pgqueuer_schedules",
        "pgqueuer_statistics",
    },
}
_WRITE = re.compile(r"\b(?:INSERT INTO|DELETE FROM|UPDATE(?! SET\b))\s+(?!OF\b)([a-z_]+)")
_TEMPORARY = re.compile(r"CREATE TEMP(?:ORARY)? TABLE (?:IF NOT EXISTS )?([a-z_]+)")


def test_every_table_has_an_owner_and_nobody_else_writes_it():
    tables = set().union(*OWNERS.values())
    for path in sorted(SERVER.rglob("*.py")):
        owner = path.relative_to(SERVER).parts[0]
        statements = _statements(path)
        temporary = {name for text in statements for name in _TEMPORARY.findall(text)}
        for text in statements:
            foreign = set(_WRITE.findall(text)) - OWNERS.get(owner, set()) - temporary
            assert not foreign & tables, f"{path.relative_to(SERVER)} writes {foreign}"


def test_every_table_of_the_schema_is_in_the_list_of_owners():
    migrations = "\n".join(file.read_text(encoding="utf-8") for file in (SERVER / "migrations").glob("*.sql"))
    created = set(re.findall(r"CREATE (?:UNLOGGED )?TABLE ([a-z_]+)", migrations))
    assert created == set().union(*OWNERS.values()) - {"schema_migrations"}


def _statements(path: Path) -> list[str]:
    """Every string constant of a module, f-strings with their holes left out."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.append(
                "".join(part.value if isinstance(part, ast.Constant) else " " for part in node.values)
            )
    return found
