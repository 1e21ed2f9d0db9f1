"""What the operator's log may not hold: keys and contact data, not even when a bug is logged whole."""

import subprocess
import sys

import pytest

_A_BUG = """
import sys
import structlog
from reevit_server.core import logs
logs.configure(sys.argv[1])
log = structlog.get_logger("reevit.http")
def charge(key, email):
    customer = {"phone": "+233501234567"}
    return {}["amount"]
try:
    charge("pfk_test_ABCDEFGHJKMN.secret", "ada@example.com")
except KeyError:
    log.exception("unexpected_error", request_id="req_1")
"""


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_a_logged_bug_tells_where_it_is_and_nothing_of_the_customer(log_format: str):
    done = subprocess.run(
        [sys.executable, "-c", _A_BUG, log_format], capture_output=True, text=True, timeout=20, check=True
    )
    assert done.stdout == ""
    for told in ("unexpected_error", "req_1", "KeyError", "charge"):
        assert told in done.stderr
    for personal in ("pfk_test_", "ada@", "233501234567"):
        assert personal not in done.stderr
