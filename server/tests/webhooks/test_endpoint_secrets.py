"""What deliveries are signed with: made or given, shown to few, and nowhere readable."""

import base64

import pytest

from reevit_server import api_keys
from reevit_server.api_keys.models import SCOPES
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.sealing import WrongMasterKey
from reevit_server.core.signatures import secret_bytes
from tests.makers import Api, Merchant, created, ok, refused
from tests.webhooks import rows
from tests.webhooks.clockwork import Clockwork, Outside
from tests.webhooks.wire import HOOKS, do, endpoint

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
PATH = "/v1/webhooks/endpoints"


async def test_a_secret_is_made_that_nobody_can_guess(merchant: Merchant):
    secrets = {(await endpoint(merchant))["signing_secret"] for _ in range(3)}
    assert len(secrets) == 3
    assert all(len(secret_bytes(secret)) == 32 for secret in secrets)


async def test_a_secret_can_be_given(merchant: Merchant):
    assert (await endpoint(merchant, signing_secret=SECRET))["signing_secret"] == SECRET


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "secret",
        SECRET.removeprefix("whsec_"),
        SECRET.replace("whsec_", "whpk_"),
        SECRET + "=",
        SECRET[:-1],
        SECRET[:-4] + "!!!!",
        SECRET.replace("A", "_"),
        "whsec_" + base64.b64encode(bytes(25)).decode().replace("A==", "B=="),  # bits that belong to no byte
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        SECRET.replace("A", "Ä"),
        f" {SECRET}",
        f"{SECRET}\n",
        7,
    ],
)
async def test_what_is_no_secret_is_refused_and_not_repeated(merchant: Merchant, secret):
    for path in (PATH, "/v1/webhooks/config"):
        answer = await merchant.test.post(path, json={"url": HOOKS, "signing_secret": secret})
        refusal = refused(answer, 400, "validation_error")
        (fault,) = refusal["details"]["fields"]
        assert fault["field"] == "signing_secret"
        assert not isinstance(secret, str) or fault["message"].startswith("Write whsec_")
        assert not isinstance(secret, str) or len(secret) < 20 or secret.strip() not in answer.text


async def test_secrets_lie_sealed(db: Database, merchant: Merchant):
    made = await endpoint(merchant, signing_secret=SECRET)
    config = ok(await merchant.test.post("/v1/webhooks/config", json={"url": HOOKS}))
    listener = created(await merchant.test.post("/v1/webhooks/listeners", json={}))
    rotated = ok(await do(merchant, made, "rotate-secret"))
    shown = [
        SECRET,
        rotated["signing_secret"],
        config["signing_secret"],
        listener["signing_secret"],
    ]
    kept = await rows.endpoints(db, merchant)
    assert sorted(row["kind"] for row in kept) == ["config", "endpoint", "listener"]
    for row in kept:
        for secret in shown:
            for spelling in (secret.encode(), secret_bytes(secret)):
                assert spelling not in row["secret"]
                assert spelling.hex() not in row["text"]
                assert row["previous_secret"] is None or spelling not in row["previous_secret"]
    assert sum(row["previous_secret"] is not None for row in kept) == 1


async def test_a_secret_is_shown_to_those_who_could_replace_it(db: Database, api: Api, merchant: Merchant):
    made = await endpoint(merchant)
    ok(await merchant.test.post("/v1/webhooks/config", json={"url": HOOKS}))
    keys = {}
    for scopes in (["webhooks:read"], ["webhooks:read", "webhooks:write"]):
        async with db.transaction() as conn:
            _, keys[len(scopes)] = await api_keys.create(conn, merchant.scope, scopes=scopes, now=utc_now())
    assert set(scopes) < set(SCOPES)
    reader, writer = api.client(keys[1]), api.client(keys[2])
    for path in (f"{PATH}/{made['id']}", "/v1/webhooks/config"):
        assert ok(await reader.get(path))["signing_secret"] is None
        assert ok(await writer.get(path))["signing_secret"].startswith("whsec_")
    secrets = [shown["signing_secret"] for shown in ok(await reader.get(PATH))["endpoints"]]
    assert secrets == [None, None]
    assert made["signing_secret"] in (await writer.get(PATH)).text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/webhooks/endpoints", 201),
        ("/v1/webhooks/config", 200),
        ("/v1/webhooks/listeners", 201),
        ("/v1/webhooks/endpoints/{id}/rotate-secret", 200),
        ("/v1/webhooks/endpoints/{id}/pause", 200),
    ],
)
async def test_a_repeated_request_gets_the_same_secret_and_it_lies_sealed(
    db: Database, merchant: Merchant, path: str, status: int
):
    made = await endpoint(merchant)
    body = {} if "{" in path or path.endswith("listeners") else {"url": HOOKS}
    send = {"json": body, "headers": {"Idempotency-Key": "order-1"}}
    path = path.format(id=made["id"])
    first = await merchant.test.post(path, **send)
    assert first.status_code == status, first.text
    secret = first.json()["signing_secret"].encode()
    again = await merchant.test.post(path, **send)
    assert (again.status_code, again.content) == (status, first.content)
    assert again.headers["idempotent-replayed"] == "true"
    async with db.read() as conn:
        kept = await conn.fetchval("SELECT body FROM idempotency_keys WHERE org_id = $1", merchant.org_id)
    assert secret not in kept
    assert secret_bytes(secret.decode()) not in kept
    assert len(await rows.endpoints(db, merchant)) == (1 if made["id"] in path else 2)


async def test_an_endpoint_does_not_sign_with_the_secret_of_another(
    db: Database, merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    """Even if somebody who can write the table, but has no master key, puts it there."""
    first, second = await endpoint(merchant), await endpoint(merchant, events=["checkout.*"])
    async with db.transaction() as conn:
        await conn.execute(
            """
            UPDATE webhook_endpoints AS w SET secret = other.secret
            FROM webhook_endpoints AS other
            WHERE w.id = $1 AND other.id = $2
            """,
            first["id"],
            second["id"],
        )
    await merchant.customer(name="Ada")
    with pytest.raises(WrongMasterKey):
        await clockwork.run()
    assert outside.take() == []
