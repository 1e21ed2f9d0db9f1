"""Credentials go in and never come out: in no answer, event, log or replay, and in the database only sealed."""

import traceback
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import orjson
import pytest
from structlog.testing import capture_logs

from reevit_server.app import create_app
from reevit_server.core.database import Database
from reevit_server.core.sealing import Sealer, new_master_key
from reevit_server.messages import writing
from reevit_server.providers import senders
from reevit_server.providers.sending import Sent
from reevit_server.settings import Settings
from tests.makers import MASTER_KEY, Api, created, ok, refused
from tests.messages.kept import everything_kept
from tests.messages.office import INTEGRATIONS, Office
from tests.messages.writing import ACCOUNTS, found, later, sender, sent, write

SECRETS = {
    "smtp": ["correct horse"],
    "resend": ["re_123456789"],
    "sendgrid": ["SG.abc-def_1.23"],
    "twilio": ["t0ken-of-twilio"],
    "africas_talking": ["atsk_0123456789"],
    "hubtel": ["sgrorne-secret"],
    "chat": ["T0000secret"],
    "webhook": [str(ACCOUNTS["webhook"]["credentials"]["secret"])],
}
DO_NOT_OPEN = Sent(
    "never",
    code="invalid_settings",
    message="The credentials were sealed with another master key; give them to the integration again.",
)
everybody = pytest.mark.parametrize("provider", ACCOUNTS)


async def row_of(conn: Any, integration: dict[str, Any]) -> asyncpg.Record:
    row = await conn.fetchrow(
        "SELECT * FROM integrations WHERE org_id = $1 AND id = $2", integration["org_id"], integration["id"]
    )
    assert row is not None
    return row


@pytest.fixture(scope="module")
async def talkative(dsn: str) -> AsyncIterator[Api]:
    """The application, which logs every request."""
    settings = Settings(master_key=MASTER_KEY, rate_limit=0, allow_private_webhooks=True, log_requests=True)
    async with Api(create_app(settings, dsn)) as started:
        yield started


@everybody
async def test_they_are_in_no_answer_and_no_log_and_in_no_row(
    shop: Office, db: Database, talkative: Api, provider: str
):
    body = {"name": "Ours", "provider": provider, **ACCOUNTS[provider]}
    key = {"Idempotency-Key": "once"}
    async with talkative.client(shop.merchant.test_key) as client:
        with capture_logs() as log:
            first = await client.post(INTEGRATIONS, json=body, headers=key)
            replayed = await client.post(INTEGRATIONS, json=body, headers=key)
            assert replayed.headers["idempotent-replayed"] == "true"
            path = f"{INTEGRATIONS}/{first.json()['id']}"
            to = {"email": {"to": "ada@example.com"}, "sms": {"to": "+233501234567"}}
            answers = [
                first,
                replayed,
                await client.get(path),
                await client.get(INTEGRATIONS),
                await client.patch(path, json={"credentials": body["credentials"]}, headers=key),
                await client.patch(path, json={"credentials": body["credentials"]}),
                await client.post(f"{path}/test", json=to.get(first.json()["channel"], {})),
                await client.post(INTEGRATIONS, json=body),
                await client.post(INTEGRATIONS, json={**body, "provider": "pigeon"}),
                await client.post(INTEGRATIONS, json={**body, "colour": "red"}),
                await client.get("/v1/events"),
            ]
            await shop.work.run()
            answers.append(await client.get("/v1/messages"))
    assert len(log) >= len(answers), "every request is logged"
    assert [answer.status_code for answer in answers] == [
        *(201, 201, 200, 200, 422, 200, 202, 409, 400, 400, 200, 200)
    ]
    kept = await everything_kept(db, shop.merchant.org_id)
    for secret in SECRETS[provider]:
        assert all(secret not in answer.text + str(answer.headers) for answer in answers)
        assert secret not in str(log)
        assert secret not in kept
    for answer in answers:
        assert "credentials" not in answer.text or answer.status_code == 400


async def test_a_bug_while_they_are_in_hand_says_nothing_of_them(shop: Office):
    """The last resort of the worker logs its traceback."""
    await sender(shop, "twilio")

    def broken(_: object) -> Any:
        raise RuntimeError("a bug")

    shop.outside.answer(broken)
    id = await write(shop, channel="sms")
    with pytest.raises(RuntimeError) as caught:
        await shop.work.run()
    told = "".join(traceback.format_exception(caught.value))
    assert "a bug" in told
    assert "t0ken" not in told
    assert (await found(shop, id))["status"] == "sending"


@everybody
async def test_they_are_sealed_for_their_own_row(shop: Office, db: Database, provider: str):
    """Copied to another integration, mode or organization, they do not open."""
    made = await sender(shop, provider)
    sealer, scope = shop.work.tools.sealer, shop.merchant.scope
    async with db.read() as conn:
        row = await row_of(conn, made)
    opened = writing.credentials_of(sealer, scope, row, private=True)
    assert opened == senders.credentials_of(provider, ACCOUNTS[provider]["credentials"], private=True)
    for place in (scope._replace(org_id="org_01jd8w3v5qe2rvkz6n0c4m8x7a"), scope._replace(mode="live")):
        assert writing.credentials_of(sealer, place, row, private=True) == DO_NOT_OPEN
    elsewhere = {**dict(row), "id": "itg_01jd8w3v5qe2rvkz6n0c4m8x7a"}
    assert writing.credentials_of(sealer, scope, elsewhere, private=True) == DO_NOT_OPEN
    assert writing.credentials_of(Sealer(new_master_key()), scope, row, private=True) == DO_NOT_OPEN


async def test_bytes_that_were_copied_to_another_row_send_nothing_until_credentials_are_given_again(
    shop: Office, db: Database
):
    good, stolen = await sender(shop, "resend"), await sender(shop, "sendgrid")
    async with db.transaction() as conn:
        row = await row_of(conn, good)
        await conn.execute(
            "UPDATE integrations SET provider = 'resend', credentials = $3 WHERE org_id = $1 AND id = $2",
            stolen["org_id"],
            stolen["id"],
            row["credentials"],
        )
    message = await sent(shop, integration_id=stolen["id"])
    assert message["status"] == "scheduled"
    (attempt,) = message["attempts"]
    assert (attempt["code"], attempt["outcome"]) == ("invalid_settings", "never")
    assert "another master key" in attempt["message"]
    assert shop.outside.take() == []
    again = {"credentials": ACCOUNTS["resend"]["credentials"]}
    ok(await shop.merchant.test.patch(f"{INTEGRATIONS}/{stolen['id']}", json=again))
    await shop.work.run_for(minutes=1)
    assert (await found(shop, message["id"]))["status"] == "sent"


async def test_settings_that_the_operator_allows_no_more_send_nothing(shop: Office, db: Database):
    """A server on our own network was fine when it was named, for local work."""
    made = await shop.integration(provider="chat", credentials={"url": "http://localhost/hooks"})
    async with db.read() as conn:
        row = await row_of(conn, made)
    sealer, scope = shop.work.tools.sealer, shop.merchant.scope
    assert writing.credentials_of(sealer, scope, row, private=True).url == "http://localhost/hooks"
    refusal = writing.credentials_of(sealer, scope, row, private=False)
    assert (refusal.outcome, refusal.code) == ("never", "invalid_settings")


async def test_of_a_deleted_one_nothing_is_kept_but_that_there_was_one(shop: Office, db: Database):
    made = await sender(shop, "twilio")
    message = await sent(shop, channel="sms")
    assert (await shop.merchant.test.delete(f"{INTEGRATIONS}/{made['id']}")).status_code == 204
    async with db.read() as conn:
        row = await row_of(conn, made)
    assert (row["credentials"], row["enabled"], row["name"]) == (None, False, made["name"])
    assert (await found(shop, message["id"]))["integration_id"] == made["id"]
    await later(shop, days=1)
    assert (await found(shop, message["id"]))["attempts"][0]["provider"] == "twilio"


async def test_the_answer_that_is_kept_for_a_replay_is_the_answer(shop: Office, db: Database):
    body = {"name": "Ours", "provider": "resend", **ACCOUNTS["resend"]}
    made = created(await shop.merchant.test.post(INTEGRATIONS, json=body, headers={"Idempotency-Key": "k"}))
    async with db.read() as conn:
        kept = await conn.fetchval(
            "SELECT body FROM idempotency_keys WHERE org_id = $1", shop.merchant.org_id
        )
    assert orjson.loads(kept) == made
    other = {**body, "credentials": {"api_key": "re_other"}}
    answer = await shop.merchant.test.post(INTEGRATIONS, json=other, headers={"Idempotency-Key": "k"})
    refused(answer, 422, "idempotency_key_reused")
