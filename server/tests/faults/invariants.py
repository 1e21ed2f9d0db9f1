"""What must be true after any fault (I1 to I9, I13), each a function over what is stored, what clients were told and
what receivers and mail servers got. `check` asks for all of them. Those of billing are in `billing.py`, those of
workflows and messages in `workflows.py`.

None of it is asked of our own code, but for the proof of totals that operators have too, `reevit verify`.
"""

import base64
import hashlib
import hmac
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import standardwebhooks

from reevit_server.core.database import Database
from tests.faults import billing, workflows
from tests.faults.load import Endpoint, Load
from tests.faults.receiver import Received
from tests.providers import mailserver
from tests.running import reevit
from tests.scenarios import fold


class Evidence(NamedTuple):
    """All that there is to judge by. `dsn` and `base_url` are those of the server, which runs."""

    db: Database
    dsn: str
    base_url: str
    load: Load
    endpoints: list[Endpoint]
    received: list[Received]
    letters: list[mailserver.Received]


async def check(evidence: Evidence, *, database_was_killed: bool = False) -> None:
    """All of them. Nothing is on its way any more."""
    await every_acknowledged_write_is_there(evidence)
    await each_key_had_one_effect(evidence)
    await totals_are_the_fold(evidence)
    await no_more_is_refunded_than_was_captured(evidence)
    await billing.check(evidence.db)
    await workflows.check(evidence.db, evidence.letters, database_was_killed=database_was_killed)
    await each_change_has_its_event(evidence)
    await every_event_was_told_to_the_end(evidence)
    await retries_are_told_as_such(evidence, database_was_killed=database_was_killed)
    every_request_verifies(evidence)
    await nothing_left_its_scope(evidence)
    await nothing_is_left_open(evidence)


async def every_acknowledged_write_is_there(evidence: Evidence) -> None:
    """I1: what a client was told is stored, as it was told."""
    stored = await _fetch(
        evidence,
        """
        SELECT org_id, mode, id, amount, currency FROM payments
        UNION ALL SELECT org_id, mode, id, amount, currency FROM refunds
        UNION ALL SELECT org_id, mode, id, amount, currency FROM subscriptions
        UNION ALL SELECT org_id, mode, id, NULL, NULL FROM customers
        """,
    )
    rows = {row["id"]: tuple(row) for row in stored}
    for key, told in evidence.load.told.items():
        scope, said = evidence.load.sent[key].shop.scope, told.json
        expected = (scope.org_id, scope.mode, said["id"], said.get("amount"), said.get("currency"))
        assert rows.get(said["id"]) == expected, (key, said)


async def each_key_had_one_effect(evidence: Evidence) -> None:
    """I2: whatever was sent again, it was done once; and sent once more it is answered with the same bytes."""
    assert evidence.load.told.keys() == evidence.load.sent.keys()
    effects = await _fetch(
        evidence,
        """
        SELECT coalesce(reference, 'none') AS key, id FROM payments WHERE source <> 'subscription'
        UNION ALL SELECT coalesce(reason, 'none'), id FROM refunds
        UNION ALL SELECT coalesce(metadata ->> 'key', 'none'), id FROM subscriptions
        """,
    )
    told = evidence.load.told
    money = [
        (key, told[key].json["id"]) for key, request in evidence.load.sent.items() if request.method == "POST"
    ]
    assert sorted(tuple(row) for row in effects) == sorted(money)
    before = await _counts(evidence)
    assert await evidence.load.send_all_again(evidence.base_url) == []
    assert await _counts(evidence) == before


async def totals_are_the_fold(evidence: Evidence) -> None:
    """I3, and I9: per currency, nothing is kept that payments and refunds do not add up to."""
    for shop in evidence.load.shops:
        assert await fold.drift(evidence.db, shop.scope) == []
    verified = reevit("verify", "--database-url", evidence.dsn)
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def no_more_is_refunded_than_was_captured(evidence: Evidence) -> None:
    """I4."""
    too_much = """
        SELECT p.id
        FROM payments AS p
        LEFT JOIN refunds AS r ON r.org_id = p.org_id AND r.mode = p.mode AND r.payment_id = p.id
        GROUP BY p.org_id, p.mode, p.id
        HAVING coalesce(sum(r.amount), 0) > CASE WHEN p.succeeded_at IS NULL THEN 0 ELSE p.amount END
    """
    assert await _fetch(evidence, too_much) == []


async def each_change_has_its_event(evidence: Evidence) -> None:
    """I5: one event for each change that is stored, and none for what is not."""
    changes = await _fetch(
        evidence,
        """
        SELECT org_id, mode, 'payment.created' AS type, id AS subject_id FROM payments
        UNION ALL SELECT org_id, mode, 'payment.succeeded', id FROM payments WHERE succeeded_at IS NOT NULL
        UNION ALL SELECT org_id, mode, 'payment.failed', id
        FROM payments, generate_series(1, attempt_count - (succeeded_at IS NOT NULL)::integer)
        UNION ALL SELECT org_id, mode, 'payment.refunded', payment_id FROM refunds
        UNION ALL SELECT org_id, mode, 'customer.created', id FROM customers
        UNION ALL SELECT org_id, mode, 'customer.updated', id FROM customers, unnest(tags)
        """,
    )
    expected = Counter(tuple(row) for row in [*changes, *await billing.changes(evidence.db)])
    for key, told in evidence.load.told.items():
        if evidence.load.sent[key].method == "PUT" and told.status == 200:
            scope = evidence.load.sent[key].shop.scope
            expected[scope.org_id, scope.mode, "customer.updated", told.json["id"]] += 1
    events = await _fetch(
        evidence, "SELECT org_id, mode, type, subject_id FROM events WHERE type <> 'payment.processing'"
    )
    assert Counter(tuple(row) for row in events) == expected


async def every_event_was_told_to_the_end(evidence: Evidence) -> None:
    """I6: each endpoint was told of each event that it wants, or it was given up; and no work is left."""
    events = await _fetch(evidence, "SELECT org_id, mode, type, id FROM events")
    expected = Counter(
        (event["id"], endpoint.id)
        for event in events
        for endpoint in evidence.endpoints
        if (event["org_id"], event["mode"]) == (endpoint.scope.org_id, endpoint.scope.mode)
        and {"*", event["type"], event["type"].split(".")[0] + ".*"} & set(endpoint.events)
    )
    deliveries = await _fetch(evidence, "SELECT event_id, endpoint_id, status FROM webhook_deliveries")
    assert Counter((row["event_id"], row["endpoint_id"]) for row in deliveries) == expected
    assert {row["status"] for row in deliveries} <= {"delivered", "exhausted", "disabled"}
    assert await _fetch(evidence, "SELECT entrypoint, status, payload FROM pgqueuer") == []


async def retries_are_told_as_such(evidence: Evidence, *, database_was_killed: bool) -> None:
    """I6: an attempt follows another only if that one failed or nobody knows how it ended, and can be told from it.

    A database that is killed may forget that an attempt was begun, or how it ended; then there is another one with
    its number.
    """
    attempts = await _fetch(
        evidence,
        """
        SELECT d.id, d.event_id, d.endpoint_id, d.status, a.number, a.status_code, a.error
        FROM webhook_deliveries AS d
        JOIN webhook_attempts AS a ON a.org_id = d.org_id AND a.mode = d.mode AND a.delivery_id = d.id
        ORDER BY d.id, a.number
        """,
    )
    stored: dict[str, list[Any]] = defaultdict(list)
    for attempt in attempts:
        stored[attempt["id"]].append(attempt)
    got: dict[str, list[Received]] = defaultdict(list)
    for request in evidence.received:
        got[request.json["delivery_id"]].append(request)
    assert got.keys() <= stored.keys()
    paths = {endpoint.id: endpoint.path for endpoint in evidence.endpoints}
    for id, tries in stored.items():
        _attempts_are_told_as_they_were(tries, got[id], database_was_killed=database_was_killed)
        assert {request.path for request in got[id]} <= {paths[tries[0]["endpoint_id"]]}
        assert {request.headers["webhook-id"] for request in got[id]} <= {tries[0]["event_id"]}
    for requests in got.values():
        assert all(request.json["data"] == requests[0].json["data"] for request in requests)


def _attempts_are_told_as_they_were(
    tries: Sequence[Any], requests: Sequence[Received], *, database_was_killed: bool
) -> None:
    """Of one delivery: what is stored of its attempts, and what came of them."""
    seen = (tries, requests)
    assert [attempt["number"] for attempt in tries] == list(range(1, len(tries) + 1)), seen
    answers: dict[int, list[int | None]] = defaultdict(list)
    for request in requests:
        answers[request.json["attempt"]].append(request.answer)
    assert answers.keys() <= {attempt["number"] for attempt in tries}, seen
    for attempt in tries:
        assert attempt["error"] is not None or attempt["status_code"] == 200, seen
        if attempt["status_code"] is not None:
            assert attempt["status_code"] in answers[attempt["number"]], seen
        if not database_was_killed:
            assert len(answers[attempt["number"]]) <= 1, seen
            assert 200 not in answers[attempt["number"]] or attempt["error"] in (None, "interrupted"), seen
    assert all(attempt["error"] is not None for attempt in tries[:-1]), seen
    assert (tries[-1]["error"] is None) == (tries[-1]["status"] == "delivered"), seen


def every_request_verifies(evidence: Evidence) -> None:
    """I7: with the endpoint's secret and code that is not ours, over the bytes as they came."""
    by_path = {endpoint.path: endpoint for endpoint in evidence.endpoints}
    for request in evidence.received:
        endpoint, headers, said = by_path[request.path], request.headers, request.json
        digest = hmac.new(endpoint.secret.encode(), request.body, hashlib.sha256).hexdigest()
        assert headers["X-Reevit-Signature"] == f"sha256={digest}"
        key = base64.b64decode(endpoint.secret.removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
        standard = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{standard}"
        at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
        published = standardwebhooks.Webhook(endpoint.secret)
        assert headers["webhook-signature"] == published.sign(
            headers["webhook-id"], at, request.body.decode()
        )
        # What it says about itself inside the signed bytes.
        assert datetime.fromisoformat(said["signature_timestamp"]) == at
        assert (said["id"], said["type"]) == (headers["webhook-id"], headers["X-Reevit-Event"])
        assert said["delivery_id"] == headers["X-Reevit-Delivery"]
        assert (said["org_id"], said["mode"]) == (endpoint.scope.org_id, endpoint.scope.mode)


# Table, column, and where the id in it comes from.
_PARENTS = (
    ("customer_totals", "customer_id", "customers"),
    ("customer_days", "customer_id", "customers"),
    ("payments", "customer_id", "customers"),
    ("refunds", "customer_id", "customers"),
    ("refunds", "payment_id", "payments"),
    ("subscriptions", "customer_id", "customers"),
    ("invoices", "customer_id", "customers"),
    ("invoices", "subscription_id", "subscriptions"),
    ("invoices", "payment_id", "payments"),
    ("events", "customer_id", "customers"),
    ("idempotency_keys", "customer_id", "customers"),
    ("webhook_deliveries", "event_id", "events"),
    ("webhook_deliveries", "endpoint_id", "webhook_endpoints"),
    ("webhook_attempts", "delivery_id", "webhook_deliveries"),
    ("messages", "customer_id", "customers"),
    ("messages", "integration_id", "integrations"),
    ("messages", "event_id", "events"),
    ("messages", "execution_id", "executions"),
    ("message_attempts", "message_id", "messages"),
    ("message_attempts", "integration_id", "integrations"),
    ("executions", "event_id", "events"),
    ("executions", "customer_id", "customers"),
    ("execution_actions", "execution_id", "executions"),
    ("execution_actions", "message_id", "messages"),
)
_ROOTS = {
    *("organizations", "api_keys", "customers", "webhook_endpoints"),
    *("sandbox_clocks", "invoice_numbers", "retry_policies", "templates"),
    *("integrations", "suppressions", "rules", "notice_switches"),
}


async def nothing_left_its_scope(evidence: Evidence) -> None:
    """I8: no row's organization or mode differs from its parent's, whatever keys the schema has."""
    scoped = await _fetch(
        evidence,
        "SELECT table_name FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'org_id'",
    )
    assert {row["table_name"] for row in scoped} <= _ROOTS | {table for table, _, _ in _PARENTS}
    for table, column, parent in _PARENTS:
        astray = f"""
            SELECT c.{column}
            FROM {table} AS c
            LEFT JOIN {parent} AS p ON p.id = c.{column}
            WHERE c.{column} IS NOT NULL AND (p.org_id, p.mode) IS DISTINCT FROM (c.org_id, c.mode)
        """
        assert await _fetch(evidence, astray) == [], (table, column)
    subjects = """
        SELECT e.id
        FROM events AS e
        LEFT JOIN (
            SELECT id, org_id, mode FROM payments
            UNION ALL SELECT id, org_id, mode FROM customers
            UNION ALL SELECT id, org_id, mode FROM subscriptions
            UNION ALL SELECT id, org_id, mode FROM invoices
        ) AS p ON p.id = e.subject_id
        WHERE (p.org_id, p.mode) IS DISTINCT FROM (e.org_id, e.mode)
    """
    assert await _fetch(evidence, subjects) == []


# An API process has two pools of 10; a worker too, and listens and looks at its queue with three times 3.
_CONNECTIONS_MAX = 20 + 2 * (20 + 9)


async def nothing_is_left_open(evidence: Evidence) -> None:
    """Whoever was killed holds no transaction and no connection."""
    sessions = await _fetch(
        evidence,
        """
        SELECT state, count(*) AS count
        FROM pg_stat_activity
        WHERE application_name = 'reevit' AND datname = current_database() AND pid <> pg_backend_pid()
        GROUP BY state
        """,
    )
    assert sum(row["count"] for row in sessions) <= _CONNECTIONS_MAX, sessions
    stuck = """
        SELECT pid, query
        FROM pg_stat_activity
        WHERE datname = current_database() AND now() - xact_start > interval '30 seconds'
    """
    assert await _fetch(evidence, stuck) == []


async def _fetch(evidence: Evidence, statement: str) -> list[Any]:
    async with evidence.db.read() as conn:
        return await conn.fetch(statement)


async def _counts(evidence: Evidence) -> Any:
    (row,) = await _fetch(
        evidence,
        """
        SELECT (SELECT count(*) FROM payments), (SELECT count(*) FROM refunds), (SELECT count(*) FROM customers),
               (SELECT count(*) FROM subscriptions), (SELECT count(*) FROM invoices),
               (SELECT count(*) FROM events), (SELECT count(*) FROM webhook_deliveries),
               (SELECT count(*) FROM executions), (SELECT count(*) FROM messages),
               (SELECT count(*) FROM idempotency_keys)
        """,
    )
    return tuple(row)
