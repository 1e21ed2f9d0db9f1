"""What must be true of executions and messages after any fault: what a rule wants is done once, no letter is lost.

Tests of faults have rules without conditions, from before the first event that these wait for; and what they write
can be sent.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from reevit_server.core.database import Database
from tests.providers.mailserver import Received

# One for each event and workflow, done to its end.
_EXECUTIONS_ASTRAY = """
    SELECT event_id, workflow_id, x.id, x.status, x.done
    FROM (
        SELECT e.org_id, e.mode, e.id AS event_id, r.id AS workflow_id, jsonb_array_length(r.actions) AS actions
        FROM rules AS r
        JOIN events AS e ON e.org_id = r.org_id AND e.mode = r.mode AND e.type = r.trigger
    ) AS wanted
    FULL JOIN (
        SELECT x.org_id, x.mode, x.event_id, x.workflow_id, x.id, x.status,
               (
                   SELECT count(*)
                   FROM execution_actions AS a
                   WHERE a.org_id = x.org_id AND a.mode = x.mode AND a.execution_id = x.id AND a.status = 'done'
               ) AS done
        FROM executions AS x
    ) AS x USING (org_id, mode, event_id, workflow_id)
    WHERE x.status IS DISTINCT FROM 'done' OR x.done IS DISTINCT FROM wanted.actions
"""
# One for each action that writes, and none that nobody wanted.
_MESSAGES_ASTRAY = """
    SELECT execution_id, position, a.message_id, m.id, m.status
    FROM (SELECT * FROM execution_actions WHERE action ->> 'type' = 'send_email') AS a
    FULL JOIN messages AS m USING (org_id, mode, execution_id, position)
    WHERE a.message_id IS DISTINCT FROM m.id OR m.status IS DISTINCT FROM 'sent'
"""
# Numbered as they were counted; the last one sent it, and no other.
_ATTEMPTS_ASTRAY = """
    SELECT m.id, m.attempt_count, m.failure_count, a.numbers, a.outcomes
    FROM messages AS m
    LEFT JOIN (
        SELECT org_id, mode, message_id, array_agg(number ORDER BY number) AS numbers,
               array_agg(outcome ORDER BY number) AS outcomes, count(*) FILTER (WHERE outcome = 'sent') AS sent,
               count(*) FILTER (WHERE outcome IN ('later', 'never')) AS failed
        FROM message_attempts
        GROUP BY org_id, mode, message_id
    ) AS a ON a.org_id = m.org_id AND a.mode = m.mode AND a.message_id = m.id
    WHERE (a.numbers, a.sent, a.failed, a.outcomes[m.attempt_count])
          IS DISTINCT FROM (ARRAY(SELECT generate_series(1, m.attempt_count)), 1, m.failure_count, 'sent')
"""
# How often it may have come: once by the attempt that sent it, and by each of whose end nothing is known.
_LETTERS = """
    SELECT m.id, m.recipient,
           count(*) FILTER (
               WHERE a.outcome IN ('sent', 'interrupted') OR a.code IN ('timeout', 'connection_lost')
           ) AS copies_max
    FROM messages AS m
    JOIN message_attempts AS a ON a.org_id = m.org_id AND a.mode = m.mode AND a.message_id = m.id
    WHERE m.channel = 'email'
    GROUP BY m.org_id, m.mode, m.id
"""


async def check(db: Database, received: Sequence[Received], *, database_was_killed: bool) -> None:
    """Executions and messages are as events and rules want them; letters came as attempts say.

    A database that is killed may forget that an attempt was begun: then a letter may come once more than that. It is
    the same letter all the same.
    """
    for astray in (_EXECUTIONS_ASTRAY, _MESSAGES_ASTRAY, _ATTEMPTS_ASTRAY):
        rows = await _fetch(db, astray)
        assert rows == [], (astray, rows)
    letters: dict[str, list[Received]] = defaultdict(list)
    for each in received:
        letters[each.letter["Message-ID"].strip("<>").partition("@")[0]].append(each)
    stored = await _fetch(db, _LETTERS)
    astray = letters.keys() ^ {message["id"] for message in stored}
    assert not astray, astray
    for message in stored:
        first, *others = letters[message["id"]]
        assert first.recipients == [message["recipient"]], (message, first)
        # To the last byte, but for the way that it took.
        assert all(other.content == first.content for other in others), (message, first, others)
        assert all(other.recipients == first.recipients for other in others), (message, first, others)
        assert database_was_killed or len(others) < message["copies_max"], (message, len(others))


async def _fetch(db: Database, statement: str) -> list[Any]:
    async with db.read() as conn:
        return [dict(row) for row in await conn.fetch(statement)]
