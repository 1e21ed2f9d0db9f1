"""What machines ask: alive, ready, and the figures, which name routes and never a person."""

import re

from tests.makers import Api, Merchant, ok


async def figures(api: Api) -> str:
    async with api.client() as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.text


def value(text: str, name: str, **labels: str) -> float:
    """One figure; 0 when it was never counted."""
    for line in text.splitlines():
        found = re.fullmatch(rf"{name}\{{(.*)\}} (\S+)", line)
        if found and dict(re.findall(r'(\w+)="([^"]*)"', found[1])) == labels:
            return float(found[2])
    return 0


async def test_alive_and_ready_need_no_key(api: Api):
    async with api.client() as client:
        assert ok(await client.get("/healthz")) == {"status": "ok"}
        assert ok(await client.get("/readyz")) == {"status": "ok"}


async def test_every_request_is_counted_and_timed_by_its_route(api: Api, merchant: Merchant):
    labels = {"method": "POST", "route": "/v1/customers", "status": "201"}
    before = await figures(api)
    await merchant.customer()
    await merchant.customer()
    after = await figures(api)
    counted = value(after, "reevit_http_requests_total", **labels)
    assert counted - value(before, "reevit_http_requests_total", **labels) == 2
    timed = value(after, "reevit_http_request_seconds_count", route="/v1/customers")
    assert timed - value(before, "reevit_http_request_seconds_count", route="/v1/customers") == 2
    assert "# TYPE reevit_http_requests_total counter" in after
    assert "# TYPE reevit_http_request_seconds histogram" in after


async def test_no_id_and_no_word_of_a_client_becomes_a_label(api: Api, merchant: Merchant):
    """Labels must be few: each is kept in memory for ever."""
    customer = await merchant.customer(external_id="usr_secret")
    payment = await merchant.payment(customer_id=customer["id"])
    for method, path in (
        ("GET", f"/v1/customers/{customer['id']}"),
        ("GET", "/v1/customers/external/usr_secret"),
        ("GET", f"/v1/payments/{payment['id']}"),
        ("GET", "/nowhere/usr_secret"),
        ("GET", "/v1/customers?search=usr_secret"),
        ("USRSECRET", "/v1/customers"),
        ("USRSECRET", "/nowhere"),
    ):
        await merchant.test.request(method, path)
    text = await figures(api)
    assert 'route="/v1/customers/{customer_id}"' in text
    assert 'route="unmatched"' in text
    for word in (customer["id"], payment["id"], merchant.org_id, "usr_secret", "nowhere", "USRSECRET"):
        assert word not in text, word
