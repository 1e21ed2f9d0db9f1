"""However often an event is told, by however many workers, and wherever one dies: everything is done, and once."""

import asyncio
from collections import Counter

import pytest

from reevit_server import events, messages, workflows
from tests.makers import ok
from tests.messages.office import Office
from tests.workflows.ruling import LETTER, NOTE, VIP
from tests.workflows.stepping import dies, do_all, waiting
from tests.workflows.writing import latest

ADA = {"name": "Ada", "email": "ada@example.com", "phone": "+233501234567"}
CHAT = {"provider": "chat", "credentials": {"url": "https://chat.example.com/hooks/a"}}
ACTIONS = [VIP, NOTE, LETTER, {"type": "webhook"}, {"type": "remove_tag", "tag": "new"}]


async def nothing_twice(shop: Office, customer_id: str, *, events: int = 1, rules: int = 2) -> None:
    """Each rule has answered each event, with each action done once."""
    executions = await shop.executions()
    assert Counter((each["event_id"], each["workflow_id"]) for each in executions).total() == events * rules
    assert {each["status"] for each in executions} == {"done"}
    assert {action["status"] for each in executions for action in each["actions"]} == {"done"}
    written = Counter(message["execution_id"] for message in await shop.messages())
    assert written == {each["id"]: 3 for each in executions}
    assert ok(await shop.merchant.test.get(f"/v1/customers/{customer_id}"))["tags"] == ["vip"]
    changes = ok(await shop.merchant.test.get("/v1/events?type=customer.updated"))["events"]
    assert len(changes) == 2, "a tag is added once and another is taken away once"


async def two_rules(shop: Office) -> str:
    """Two rules that do the same, and the id of a customer whom they are about."""
    await shop.integration(**CHAT)
    for _ in range(2):
        await shop.rule("payment.succeeded", *ACTIONS)
    customer = await shop.merchant.customer(**ADA, tags=["new"])
    await shop.work.run()
    return customer["id"]


async def test_an_event_that_is_told_again_is_answered_once(shop: Office):
    customer_id = await two_rules(shop)
    await shop.merchant.payment(customer_id=customer_id)
    told = await waiting(shop.work, events.FAN_OUT)
    for job in [*told, *told]:
        await shop.work.do(job)
    (execute,) = await waiting(shop.work, workflows.EXECUTE)
    for job in [execute, *told, execute]:
        await shop.work.do(job)
    await shop.work.run()
    await nothing_twice(shop, customer_id)
    assert len(shop.outside.take()) == 2


async def test_two_workers_who_are_told_of_an_event_at_once_leave_one_execution(shop: Office):
    customer_id = await two_rules(shop)
    for _ in range(5):
        await shop.merchant.payment(customer_id=customer_id)
    told = await waiting(shop.work, events.FAN_OUT)
    await asyncio.gather(*(shop.work.do(job) for job in [*told, *told, *told]))
    assert len(await waiting(shop.work, workflows.EXECUTE)) == 5
    await shop.work.run()
    await nothing_twice(shop, customer_id, events=5)


async def test_two_workers_who_do_an_execution_at_once_do_each_action_once(shop: Office):
    customer_id = await two_rules(shop)
    await shop.merchant.payment(customer_id=customer_id)
    await do_all(shop.work, events.FAN_OUT)
    (job,) = await waiting(shop.work, workflows.EXECUTE)
    await asyncio.gather(*(shop.work.do(job) for _ in range(4)))
    await shop.work.run()
    await nothing_twice(shop, customer_id)
    assert len(shop.outside.take()) == 2


async def test_two_rules_that_tag_at_once_lose_no_tag(shop: Office):
    """Executions of two events are in two jobs, which two workers do at the same time."""
    for number in range(4):
        await shop.rule("payment.succeeded", *[{"type": "add_tag", "tag": f"t{number}{n}"} for n in range(3)])
    customer = await shop.merchant.customer(name="Ada")
    await shop.work.run()
    for _ in range(3):
        await shop.merchant.payment(customer_id=customer["id"])
    await do_all(shop.work, events.FAN_OUT)
    jobs = await waiting(shop.work, workflows.EXECUTE)
    await asyncio.gather(*(shop.work.do(job) for job in jobs))
    tags = ok(await shop.merchant.test.get(f"/v1/customers/{customer['id']}"))["tags"]
    assert sorted(tags) == [f"t{number}{n}" for number in range(4) for n in range(3)]


async def test_a_worker_who_dies_between_any_two_transactions_loses_nothing_and_repeats_nothing(shop: Office):
    """Whoever comes after it goes on with the same jobs."""
    await shop.integration(**CHAT)
    await shop.rule("payment.succeeded", VIP, NOTE, LETTER)
    deaths, died = 0, True
    while died:
        payment = await shop.merchant.payment(customer={**ADA, "external_id": f"usr_{deaths}"})
        event = await latest(shop.merchant, "payment.succeeded")
        died = await dies(shop.work, after=deaths)
        await shop.work.run()
        await shop.work.run_for(seconds=90)  # until an attempt that nobody ended is over
        (execution,) = await shop.executions(event_id=event["id"])
        assert [action["status"] for action in execution["actions"]] == ["done"] * 3, f"{deaths} transactions"
        sent = [action["message"] and action["message"]["status"] for action in execution["actions"]]
        assert sent == [None, "sent", "outbox"]
        written = await shop.messages(execution_id=execution["id"])
        assert len(written) == 2
        customer = ok(await shop.merchant.test.get(f"/v1/customers/{payment['customer_id']}"))
        assert customer["tags"] == ["vip"]
        assert await shop.work.queued() == []
        deaths += died
    assert deaths > 10, "there are many places to die at"


async def test_a_message_whose_job_was_never_written_leaves_by_the_clock(shop: Office):
    """Its execution died after it had written the message, and before it could say who sends it now."""
    await shop.integration(**CHAT)
    await shop.rule("payment.succeeded", NOTE)
    await shop.merchant.payment()
    await do_all(shop.work, events.FAN_OUT)
    assert await dies(shop.work, after=1)
    (message,) = await shop.messages()
    assert (message["status"], shop.outside.take()) == ("scheduled", [])
    for job in await waiting(shop.work, workflows.EXECUTE):
        await shop.work.do(job)
        await shop.work.take_out(job)
    assert await waiting(shop.work, messages.DELIVER) == []
    await shop.work.fulfil("messages.queue_due")
    await shop.work.run()
    (message,) = await shop.messages()
    assert (message["status"], len(shop.outside.take())) == ("sent", 1)


@pytest.mark.parametrize("workers", [1, 3])
async def test_what_was_purged_meanwhile_is_not_done_and_nobody_stumbles_over_it(shop: Office, workers: int):
    await shop.rule("payment.succeeded", NOTE)
    await shop.merchant.payment()
    told = await waiting(shop.work, events.FAN_OUT)
    await do_all(shop.work, events.FAN_OUT)
    jobs = await waiting(shop.work, workflows.EXECUTE)
    async with shop.work.tools.db.transaction() as conn:
        await conn.execute("DELETE FROM events WHERE org_id = $1", shop.merchant.org_id)
    await asyncio.gather(*(shop.work.do(job) for job in [*told, *jobs] for _ in range(workers)))
    assert await shop.executions() == []
    assert await shop.messages() == []
