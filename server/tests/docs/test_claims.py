"""What the pages promise of every refusal, where examples cannot show it: it is clear, and never a 500."""

from typing import Any

import pytest

from tests.makers import Merchant, refused


@pytest.mark.parametrize("phone", ["+431110", "+491640"])
async def test_a_phone_number_of_a_short_plan_is_taken_or_refused_but_is_no_mistake_of_ours(
    merchant: Merchant, phone: str
):
    response = await merchant.test.post("/v1/customers", json={"phone": phone})
    assert response.status_code in (201, 400), response.text


@pytest.mark.parametrize(
    "value",
    [["pro"], None, "x" * 501, 2.0**63, 1e300],
    ids=["list", "null", "long text", "65 bits", "huge number"],
)
async def test_a_metadata_value_that_is_refused_is_one_fault_at_its_key(merchant: Merchant, value: Any):
    response = await merchant.test.post("/v1/customers", json={"name": "Ada", "metadata": {"plan": value}})
    fields = refused(response, 400, "validation_error")["details"]["fields"]
    assert [fault["field"] for fault in fields] == ["metadata.plan"]


async def test_a_message_ends_in_one_full_stop(merchant: Merchant):
    response = await merchant.test.post("/v1/customers", json={"email": "ada"})
    assert ".." not in refused(response, 400, "validation_error")["message"]
