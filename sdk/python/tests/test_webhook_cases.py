"""Every delivery of the contract: whether `construct_event` takes it, as bytes and as text."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

import reevit
from tests.contract import CONTRACT

DELIVERIES: list[dict[str, Any]] = json.loads((CONTRACT / "webhooks.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("delivery", DELIVERIES, ids=lambda delivery: delivery["name"])
def test_a_delivery_as_bytes(delivery: dict[str, Any]):
    _check(delivery, delivery["body"].encode())


@pytest.mark.parametrize("delivery", DELIVERIES, ids=lambda delivery: delivery["name"])
def test_a_delivery_as_text(delivery: dict[str, Any]):
    _check(delivery, delivery["body"])


def _check(delivery: dict[str, Any], body: str | bytes) -> None:
    signature = delivery["signature"] if "signature" in delivery else delivery["headers"]
    # Python 3.10 does not read the Z.
    options: dict[str, Any] = {"now": datetime.fromisoformat(delivery["now"].replace("Z", "+00:00"))}
    if "tolerance_seconds" in delivery:
        options["tolerance_seconds"] = delivery["tolerance_seconds"]
    if "error" in delivery:
        with pytest.raises(reevit.WebhookVerificationError) as refused:
            reevit.construct_event(body, signature, delivery["secret"], **options)
        assert refused.value.code == delivery["error"]
    else:
        event = reevit.construct_event(body, signature, delivery["secret"], **options)
        assert json.loads(json.dumps(event)) == delivery["event"]
