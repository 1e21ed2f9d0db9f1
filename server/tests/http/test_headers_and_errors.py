"""What every answer carries, whatever became of the request."""

import re
from datetime import datetime

import httpx
import pytest

from tests.makers import Api, Merchant, created, ok, refused

_CLASSES = {
    400: "validation_error",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "validation_error",
    409: "conflict",
    413: "validation_error",
    415: "validation_error",
    422: "unprocessable",
}


async def answers(api: Api, merchant: Merchant) -> list[httpx.Response]:
    """One answer of every kind that a client can bring about."""
    send = merchant.test.request
    await merchant.customer(external_id="usr_1")
    payment = await merchant.payment()
    async with api.client() as nobody, api.client("pfk_test_none") as stranger:
        return [
            await send("GET", "/v1/customers"),
            await send("POST", "/v1/customers", json={"name": "Ada"}),
            await send("DELETE", "/v1/customers/external/usr_1"),
            await send("GET", "/healthz"),
            await send("POST", "/v1/customers", json={}),
            await send("POST", "/v1/customers", content=b"{", headers={"Content-Type": "application/json"}),
            await nobody.get("/v1/customers"),
            await stranger.get("/v1/customers"),
            await send("GET", "/v1/customers", headers={"X-Org-Id": "org_another"}),
            await send("GET", "/v1/customers/cus_1"),
            await send("GET", "/nowhere"),
            await send("PUT", "/v1/customers"),
            await send("POST", f"/v1/payments/{payment['id']}/cancel"),
            await send("POST", "/v1/customers", content=b" " * 300_000),
            await send("POST", "/v1/customers", content=b"{}", headers={"Content-Type": "text/plain"}),
        ]


async def test_every_answer_has_a_request_id_of_its_own(api: Api, merchant: Merchant):
    ids = [answer.headers["x-request-id"] for answer in await answers(api, merchant)]
    assert all(re.fullmatch(r"req_[0-9a-f]{24}", id) for id in ids)
    assert len(set(ids)) == len(ids)


async def test_every_refusal_has_the_one_shape_and_its_class(api: Api, merchant: Merchant):
    refusals = [answer for answer in await answers(api, merchant) if answer.is_error]
    assert {answer.status_code for answer in refusals} == {400, 401, 403, 404, 405, 413, 415, 422}
    for answer in refusals:
        body = refused(answer, answer.status_code, answer.json()["code"])
        assert body["error"] == _CLASSES[answer.status_code]
        assert re.fullmatch(r"[a-z][a-z_]*", body["code"])
        assert isinstance(body["details"], dict)
        assert answer.headers["content-type"] == "application/json"


async def test_a_request_id_that_the_client_sends_is_not_taken_over(merchant: Merchant):
    answer = await merchant.test.get("/v1/customers", headers={"X-Request-Id": "req_mine\nX-Evil: 1"[:8]})
    assert re.fullmatch(r"req_[0-9a-f]{24}", answer.headers["x-request-id"])


async def test_head_answers_as_get_does_but_without_the_body(merchant: Merchant):
    customer = await merchant.customer()
    for path in ("/v1/customers", f"/v1/customers/{customer['id']}", "/healthz", "/v1/customers?limit=0"):
        got = await merchant.test.get(path)
        head = await merchant.test.head(path)
        assert head.content == b""
        assert head.status_code == got.status_code
        assert head.headers["content-type"] == got.headers["content-type"]
        if got.is_success:  # a refusal names its own request
            assert head.headers["content-length"] == got.headers["content-length"] == str(len(got.content))


async def test_204_has_neither_body_nor_length(merchant: Merchant):
    customer = await merchant.customer()
    answer = await merchant.test.delete(f"/v1/customers/{customer['id']}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not {"content-type", "content-length"} & set(answer.headers)


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/payments", "/v1/api-keys"])
async def test_instants_are_rfc_3339_in_utc_and_end_in_z(merchant: Merchant, path: str):
    await merchant.payment(customer={"name": "Ada"})
    text = (await merchant.test.get(path)).text
    instants = re.findall(r'"[a-z_]+_at":"([^"]+)"', text)
    assert instants
    for instant in instants:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", instant)
        assert datetime.fromisoformat(instant).utcoffset() is not None


async def test_text_of_every_script_comes_back_as_it_went_in(merchant: Merchant):
    name = "Ọ̀ṣun · አበበ · محمد · 😀 · e\u0301 · \u202e"
    customer = await merchant.customer(name=name)
    answer = await merchant.test.get(f"/v1/customers/{customer['id']}")
    assert ok(answer)["name"] == name
    assert name.encode() in answer.content


async def test_what_was_written_is_read_at_once(merchant: Merchant):
    for number in range(5):
        customer = await merchant.customer(external_id=f"usr_{number}")
        payment = await merchant.payment(customer_id=customer["id"])
        assert ok(await merchant.test.get("/v1/customers?limit=1"))["customers"][0]["id"] == customer["id"]
        assert ok(await merchant.test.get(f"/v1/payments/{payment['id']}"))["id"] == payment["id"]
        assert ok(await merchant.test.get(f"/v1/customers/{customer['id']}"))["total_spent"] == 15000


async def test_a_conflict_names_who_has_it(merchant: Merchant):
    customer = await merchant.customer(external_id="usr_1")
    body = refused(
        await merchant.test.post("/v1/customers", json={"external_id": "usr_1"}), 409, "external_id_taken"
    )
    assert body["error"] == "conflict"
    assert body["details"] == {"customer_id": customer["id"]}


async def test_trailing_slashes_lead_to_the_same_place(merchant: Merchant):
    created(await merchant.test.post("/v1/customers/", json={"external_id": "usr_1"}))
    assert len(ok(await merchant.test.get("/v1/customers/"))["customers"]) == 1
