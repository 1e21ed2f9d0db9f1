"""Whoever has the secret can prove that a delivery is ours and whole, with code that is not ours."""

import base64
import hashlib
import hmac
from datetime import timedelta

import pytest
import standardwebhooks

from reevit_server.core.egress import Reply
from tests.makers import Merchant, created, ok
from tests.webhooks.clockwork import BROKEN, FINE, Answer, Clock, Clockwork, Outside, Sent
from tests.webhooks.wire import do, endpoint, seen


def verify_standard(sent: Sent, secret: str) -> bool:
    """By the published package; its clock is the true one."""
    try:
        found = standardwebhooks.Webhook(secret).verify(sent.body, sent.headers)
    except standardwebhooks.WebhookVerificationError:
        return False
    assert found == sent.json
    return True


def standard_by_hand(sent: Sent, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{sent.headers['webhook-id']}.{sent.headers['webhook-timestamp']}.".encode() + sent.body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def reevit_by_hand(sent: Sent, secret: str) -> str:
    return "sha256=" + hmac.new(secret.encode(), sent.body, hashlib.sha256).hexdigest()


def standard_signatures(sent: Sent) -> list[str]:
    return sent.headers["webhook-signature"].split(" ")


async def test_both_signatures_verify_with_the_secret_that_was_shown(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    await merchant.payment(customer={"name": "Zoë 👩‍👩‍👧‍👦"}, metadata={"order": 2**53 + 1})
    await clockwork.run()
    sent = outside.take()
    assert len(sent) == 3
    for one in sent:
        assert verify_standard(one, made["signing_secret"])
        assert standard_signatures(one) == [standard_by_hand(one, made["signing_secret"])]
        assert one.headers["X-Reevit-Signature"] == reevit_by_hand(one, made["signing_secret"])
        assert one.headers["webhook-id"] == one.json["id"]


@pytest.mark.parametrize("size", [24, 32, 33, 64])
async def test_a_secret_of_any_size_that_is_accepted_verifies(
    merchant: Merchant, clockwork: Clockwork, outside: Outside, size: int
):
    """Slashes, plus signs and padding of base64 included."""
    secret = "whsec_" + base64.b64encode(bytes(255 - number for number in range(size))).decode()
    await endpoint(merchant, signing_secret=secret)
    await merchant.customer(name="Ada")
    await clockwork.run()
    (sent,) = outside.take()
    assert verify_standard(sent, secret)
    assert sent.headers["X-Reevit-Signature"] == reevit_by_hand(sent, secret)


async def test_whatever_is_changed_on_the_way_does_not_verify(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made, other = await endpoint(merchant), await endpoint(merchant, url="https://other.example/")
    await merchant.customer(name="Ada")
    await clockwork.run()
    (sent,) = [one for one in outside.take() if one.url == made["url"]]
    secret = made["signing_secret"]
    assert verify_standard(sent, secret)
    assert not verify_standard(sent, other["signing_secret"])
    for changed in (
        sent._replace(body=sent.body.replace(b"Ada", b"Eve")),
        sent._replace(body=sent.body + b" "),
        sent._replace(headers={**sent.headers, "webhook-id": "evt_another"}),
        sent._replace(
            headers={**sent.headers, "webhook-timestamp": str(int(sent.headers["webhook-timestamp"]) + 1)}
        ),
    ):
        assert not verify_standard(changed, secret)
    assert reevit_by_hand(sent._replace(body=sent.body + b" "), secret) != sent.headers["X-Reevit-Signature"]


async def test_the_time_of_signing_is_in_the_signed_body_too(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    """So that who checks only `X-Reevit-Signature` can refuse what is old."""
    await endpoint(merchant)
    outside.answer(BROKEN, FINE)
    await merchant.customer(name="Ada")
    await clockwork.run_for(minutes=1)
    first, second = outside.take()
    for one in (first, second):
        at = clock.now.fromisoformat(one.json["signature_timestamp"])
        assert str(int(at.timestamp())) == one.headers["webhook-timestamp"]
    assert first.headers["webhook-timestamp"] < second.headers["webhook-timestamp"]
    assert first.headers["X-Reevit-Signature"] != second.headers["X-Reevit-Signature"]


async def test_after_a_rotation_both_secrets_are_good_for_a_day(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    rotated = ok(await do(merchant, made, "rotate-secret"))
    old, new = made["signing_secret"], rotated["signing_secret"]
    assert old != new
    until = clock() + timedelta(days=1)
    assert clock.now.fromisoformat(rotated["previous_secret_until"]) == until
    assert await seen(merchant, made) == rotated
    await merchant.customer(name="Ada")
    await clockwork.run()
    (sent,) = outside.take()
    assert standard_signatures(sent) == [standard_by_hand(sent, new), standard_by_hand(sent, old)]
    assert verify_standard(sent, new)
    assert verify_standard(sent, old)
    for at, secrets in ((until - timedelta(seconds=1), [new, old]), (until, [new])):
        clock.now = at
        await merchant.customer(name="Ada")
        await clockwork.run()
        (sent,) = outside.take()
        assert standard_signatures(sent) == [standard_by_hand(sent, secret) for secret in secrets]
    assert sent.headers["X-Reevit-Signature"] == reevit_by_hand(sent, new)


async def test_meanwhile_the_other_signature_takes_turns_so_that_the_second_attempt_is_understood(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    """It has room for one: who still knows the old secret refuses the first attempt, and takes the second."""
    made = await endpoint(merchant)
    old = made["signing_secret"]
    new = ok(await do(merchant, made, "rotate-secret"))["signing_secret"]

    def receive(knows: str) -> Answer:
        def answer(sent: Sent) -> Reply:
            return FINE if sent.headers["X-Reevit-Signature"] == reevit_by_hand(sent, knows) else BROKEN

        return answer

    for secret, attempts in ((new, 1), (old, 2)):
        outside.answer(receive(secret))
        await merchant.customer(name="Ada")
        await clockwork.run_for(minutes=1)
        assert len(outside.take()) == attempts
    outside.answer(BROKEN)
    await merchant.customer(name="Ada")
    await clockwork.run_for(hours=3)
    signed_with = [
        next(
            secret
            for secret in (old, new)
            if sent.headers["X-Reevit-Signature"] == reevit_by_hand(sent, secret)
        )
        for sent in outside.take()
    ]
    assert signed_with == [new, old, new, old, new]


async def test_a_second_rotation_ends_the_first_ones_day(
    merchant: Merchant, clockwork: Clockwork, clock: Clock, outside: Outside
):
    made = await endpoint(merchant)
    secrets = [made["signing_secret"]]
    for _ in range(2):
        clock.advance(hours=1)
        secrets.append(ok(await do(merchant, made, "rotate-secret"))["signing_secret"])
    await merchant.customer(name="Ada")
    await clockwork.run()
    (sent,) = outside.take()
    assert standard_signatures(sent) == [
        standard_by_hand(sent, secret) for secret in (secrets[2], secrets[1])
    ]


async def test_a_rotation_reaches_what_is_under_way(
    merchant: Merchant, clockwork: Clockwork, outside: Outside
):
    made = await endpoint(merchant)
    outside.answer(BROKEN, FINE)
    await merchant.customer(name="Ada")
    await clockwork.run()
    new = ok(await do(merchant, made, "rotate-secret"))["signing_secret"]
    await clockwork.run_for(minutes=1)
    first, second = outside.take()
    assert standard_by_hand(first, new) not in standard_signatures(first)
    assert standard_by_hand(second, new) in standard_signatures(second)


async def test_what_a_listener_fetches_is_signed_alike(merchant: Merchant, clockwork: Clockwork):
    listener = created(await merchant.test.post("/v1/webhooks/listeners", json={}))
    await merchant.customer(name="Zoë")
    await clockwork.run()
    answer = ok(await merchant.test.post(f"/v1/webhooks/listeners/{listener['id']}/poll", json={}))
    (letter,) = answer["deliveries"]
    sent = Sent("", letter["body"].encode(), letter["headers"])
    assert verify_standard(sent, listener["signing_secret"])
    assert sent.headers["X-Reevit-Signature"] == reevit_by_hand(sent, listener["signing_secret"])
    assert (sent.json["id"], sent.json["delivery_id"]) == (letter["event_id"], letter["delivery_id"])
