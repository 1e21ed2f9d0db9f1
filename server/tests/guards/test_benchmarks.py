"""The benchmarks' floors still learn their statements from the product."""

import sys
from pathlib import Path

import pytest

from tests.makers import Merchant


async def test_the_statements_of_a_request_can_be_captured(
    dsn: str, merchant: Merchant, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[3] / "benchmarks")])
    from capture import Asking, capture

    customer = await merchant.customer(external_id="usr_1")
    headers = {"X-Reevit-Key": merchant.test_key}
    (found,) = await capture(dsn, Asking("GET", f"/v1/customers/{customer['id']}", headers))
    ((statement, values),) = found.statements
    assert "FROM customers AS c" in statement
    assert values == (merchant.org_id, "test", customer["id"])
