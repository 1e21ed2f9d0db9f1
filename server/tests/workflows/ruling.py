"""Rules to try: what they wait for and do, and what is said of those that could never work."""

import itertools
from typing import Any

import httpx

from tests.makers import Merchant, created, ok, refused

RULES = "/v1/workflows/rules"
NOBODYS = "wfr_01jd8w3v5qe2rvkz6n0c4m8x7a"
VIP = {"type": "add_tag", "tag": "vip"}
LETTER = {"type": "send_email", "subject": "Hi {{ customer.name }}", "body": "Paid."}
TEXT = {"type": "send_sms", "body": "Paid."}
NOTE = {"type": "send_notification", "body": "Paid."}
_numbers = itertools.count(1)


def written(*actions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A rule on a payment that succeeded, which tags, unless said otherwise."""
    return {
        "name": f"Rule {next(_numbers)}",
        "trigger": "payment.succeeded",
        "actions": list(actions) or [VIP],
        **fields,
    }


async def rule(merchant: Merchant, *actions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """The same, saved in test mode."""
    return created(await merchant.test.post(RULES, json=written(*actions, **fields)))


async def get(merchant: Merchant, id: str) -> dict[str, Any]:
    return ok(await merchant.test.get(f"{RULES}/{id}"))


def faults(answer: httpx.Response) -> list[tuple[str, str]]:
    """The place and the code of everything that is wrong with a rule that was refused."""
    told = refused(answer, 400, "validation_error")["details"]["fields"]
    return [(fault["field"], fault["code"]) for fault in told]
