"""What workflows did, as it is read: by whom, because of what, for whom, and with what end."""

from typing import Any

import pytest

from tests.makers import Merchant, ok, refused
from tests.messages.office import Office
from tests.workflows.ruling import NOTE, TEXT, VIP

EXECUTIONS = "/v1/workflows/executions"
NOBODYS = "exe_01jd8w3v5qe2rvkz6n0c4m8x7a"


async def listed(shop: Office, **query: Any) -> dict[str, Any]:
    return ok(await shop.merchant.test.get(EXECUTIONS, params=query))


async def test_executions_are_listed_newest_first_by_pages_and_by_what_they_are_about(shop: Office):
    fails = {**TEXT, "to": "+233501234567", "body": "{{ payment.method | money }}"}
    for action, name in ((NOTE, "Note"), (fails, "Text"), (VIP, "Tag")):
        await shop.rule("payment.succeeded", action, name=name)
    customer = await shop.merchant.customer(name="Ada")
    await shop.work.run()
    for payer in ({"customer_id": customer["id"]}, {}):
        shop.work.clock.advance(minutes=1)
        await shop.merchant.payment(**payer)
        await shop.work.run()
    newest = (await listed(shop))["executions"]
    assert len(newest) == 6
    assert [each["created_at"] for each in newest] == sorted(
        (each["created_at"] for each in newest), reverse=True
    )
    rows, query = [], {"limit": 4, "include_total": True}
    for more in (True, False):
        page = await listed(shop, **query)
        assert (page["total"], page["has_more"]) == (6, more)
        rows += page["executions"]
        query["cursor"] = page["next_cursor"]
    assert rows == newest
    first = newest[-1]
    for query, wanted in (
        (
            {"workflow_id": first["workflow_id"]},
            [e for e in newest if e["workflow_id"] == first["workflow_id"]],
        ),
        ({"status": "failed"}, [e for e in newest if e["workflow_name"] == "Text"]),
        ({"status": "skipped"}, []),
        ({"event_id": first["event_id"]}, newest[3:]),
        ({"customer_id": customer["id"]}, newest[3:]),
        (
            {"customer_id": customer["id"], "status": "failed"},
            [e for e in newest[3:] if e["status"] == "failed"],
        ),
        ({"created_after": newest[0]["created_at"]}, newest[:3]),
        ({"created_before": newest[0]["created_at"]}, newest[3:]),
        ({"workflow_id": "receipt_email"}, []),
        ({"offset": 5}, newest[5:]),
    ):
        page = await listed(shop, **query, include_total=True)
        assert page["executions"] == wanted, query
        assert page["total"] == (6 if "offset" in query else len(wanted)), query


async def test_what_is_not_done_yet_is_queued(shop: Office):
    await shop.rule("payment.succeeded", VIP, NOTE)
    await shop.merchant.payment()
    for job in await shop.work.queued():
        await shop.work.do(job)
    (execution,) = await shop.executions(status="queued")
    assert (execution["finished_at"], execution["reason"]) == (None, None)
    assert [(each["status"], each["finished_at"]) for each in execution["actions"]] == [("queued", None)] * 2


@pytest.mark.parametrize("query", ["status=lost", "limit=0", "rule_id=x", "created_after=noon", "cursor=x"])
async def test_a_filter_of_executions_is_what_it_says(shop: Office, query: str):
    answer = await shop.merchant.test.get(f"{EXECUTIONS}?{query}")
    refused(answer, 400, "invalid_cursor" if query == "cursor=x" else "validation_error")


async def test_an_execution_of_another_organization_or_mode_is_not_there(shop: Office, other: Merchant):
    await shop.rule("payment.succeeded", NOTE)
    await shop.merchant.payment()
    await shop.work.run()
    (execution,) = await shop.executions()
    for client, id in (
        (other.test, execution["id"]),
        (shop.merchant.live, execution["id"]),
        (shop.merchant.test, NOBODYS),
        (shop.merchant.test, "exe_1"),
    ):
        for address in (f"{EXECUTIONS}/{id}", f"{EXECUTIONS}/{id}/actions"):
            refused(await client.get(address), 404, "execution_not_found")
    assert ok(await other.test.get(EXECUTIONS))["executions"] == []


async def test_executions_go_with_their_events_and_messages_that_are_gone_are_nothing(shop: Office):
    await shop.rule("payment.succeeded", NOTE)
    await shop.merchant.payment()
    await shop.work.run()
    (execution,) = await shop.executions()
    async with shop.work.tools.db.transaction() as conn:
        await conn.execute("DELETE FROM messages WHERE org_id = $1", shop.merchant.org_id)
    (action,) = (await shop.executions())[0]["actions"]
    assert (action["status"], action["message"]) == ("done", None)
    async with shop.work.tools.db.transaction() as conn:
        await conn.execute("DELETE FROM events WHERE org_id = $1", shop.merchant.org_id)
    refused(await shop.merchant.test.get(f"{EXECUTIONS}/{execution['id']}"), 404, "execution_not_found")
