"""The rules of messages by themselves: when to try again, who is not written to, what is shown of an address."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from reevit_server.messages import models
from reevit_server.providers.sending import Sent

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER, NEVER = Sent("later", code="http_503", message="Down."), Sent("never", code="550", message="No.")
DELAYS = [30, 300, 1800, 7200, 21_600, 43_200]


@pytest.mark.parametrize(("failures", "seconds"), list(enumerate(DELAYS)))
def test_each_failure_is_followed_by_a_longer_wait(failures: int, seconds: int):
    for spread in (-1, -0.5, 0, 0.5, 1):
        standing = models.standing_after("email", LATER, failures=failures, spread=spread, now=NOW)
        assert standing.status == "scheduled"
        assert standing.next_attempt_at is not None
        waited = (standing.next_attempt_at - NOW).total_seconds()
        assert waited == pytest.approx(seconds * (1 + 0.2 * spread))


def test_all_of_it_takes_less_than_a_day_and_a_half_whatever_the_jitter():
    assert sum(models.DELAYS, timedelta()) * (1 + models.JITTER) < timedelta(days=1.5)


@pytest.mark.parametrize("failures", [6, 7, 1000])
def test_after_the_last_delay_it_is_given_up_with_its_reason(failures: int):
    standing = models.standing_after("email", LATER, failures=failures, spread=0, now=NOW)
    assert standing == models.Standing("failed", "http_503", "Down.")
    asked = LATER._replace(retry_after=60)
    assert models.standing_after("email", asked, failures=failures, spread=0, now=NOW).status == "failed"


@pytest.mark.parametrize(("asked", "least"), [(10, 30), (30, 30), (3600, 3600), (86_400, 86_400)])
def test_who_asks_for_time_gets_at_least_that(asked: int, least: int):
    for spread in (-1, 0, 1):
        sent = Sent("later", code="http_429", retry_after=asked)
        standing = models.standing_after("email", sent, failures=0, spread=spread, now=NOW)
        assert standing.next_attempt_at is not None
        waited = (standing.next_attempt_at - NOW).total_seconds()
        assert max(asked, 0.8 * least) <= waited <= 1.2 * least


@pytest.mark.parametrize("code", ["timeout", "connection_lost", "bad_answer", "http_502", "http_504"])
def test_only_an_sms_that_may_have_arrived_is_not_sent_again(code: str):
    sent = Sent("later", code=code, message="Nobody said.")
    for channel in ("email", "notification", "webhook"):
        assert models.standing_after(channel, sent, failures=0, spread=0, now=NOW).status == "scheduled"
    assert models.standing_after("sms", sent, failures=0, spread=0, now=NOW) == models.Standing(
        "failed", code, "Nobody said."
    )


@pytest.mark.parametrize("code", ["connect_timeout", "connection_failed", "name_not_resolved", "http_429"])
def test_an_sms_that_never_left_is_sent_again(code: str):
    sent = Sent("later", code=code)
    assert models.standing_after("sms", sent, failures=0, spread=0, now=NOW).status == "scheduled"


@pytest.mark.parametrize(
    "code", ["535", "530", "534", "538", "http_401", "http_403", "invalid_settings", "twilio_20003"]
)
def test_what_is_wrong_with_the_integration_may_be_mended(code: str):
    for channel in ("email", "sms", "notification", "webhook"):
        sent = Sent("never", code=code)
        assert models.standing_after(channel, sent, failures=0, spread=0, now=NOW).status == "scheduled"
        assert models.standing_after(channel, sent, failures=6, spread=0, now=NOW).status == "failed"


def test_what_will_never_get_through_is_not_tried_again():
    assert models.standing_after("email", NEVER, failures=0, spread=0, now=NOW) == models.Standing(
        "failed", "550", "No."
    )
    assert models.standing_after("email", Sent("never"), failures=0, spread=0, now=NOW).reason == "failed"


@pytest.mark.parametrize(
    ("code", "said", "refuses"),
    [
        ("550", "5.1.1 <ada@example.com>: Recipient address rejected: User unknown in local table", True),
        ("550", "5.1.1 The email account that you tried to reach does not exist.", True),
        ("550", "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup", True),
        ("550", "5.2.1 The email account that you tried to reach is disabled.", True),
        ("550", "5.1.2 Bad destination system", True),
        ("553", "5.1.3 The recipient address is not valid", True),
        ("550", "No such user here", True),
        ("550", "Mailbox not found", True),
        ("551", "User not local; mailbox unknown", True),
        ("521", "5.1.2 This host takes no mail", True),
        ("550", "5.7.1 Our system has detected that this message is likely spam", False),
        ("550", "5.7.1 The user or domain that you are sending to (or from) is unknown to our policy", False),
        ("550", "5.4.1 Recipient address rejected: Access denied", False),
        ("550", "5.1.8 Bad from address", False),
        ("550", "5.1.1 User unknown Sender verify failed", False),
        ("550", "Sender account disabled: no such user", False),
        ("550", "Blocked: 5.188.10.2 is listed", False),
        ("550", "Requested action not taken", False),
        ("550", None, False),
        ("552", "5.2.2 The mailbox is over its quota", False),
        ("554", "5.1.1 User unknown", False),
        ("535", "5.7.8 User unknown", False),
    ],
)
def test_a_server_that_knows_no_such_mailbox_is_told_from_one_that_refuses_a_letter(
    code: str, said: str | None, refuses: bool
):
    found = models.refuses_everything("email", Sent("never", code=code, message=said))
    assert found == ("bounced" if refuses else None)


def test_what_passes_or_is_no_letter_bounces_nobody():
    unknown = Sent("later", code="450", message="5.1.1 User unknown")
    assert models.refuses_everything("email", unknown) is None
    assert models.refuses_everything("webhook", Sent("never", code="550", message="5.1.1")) is None
    assert models.refuses_everything("sms", Sent("never", code="twilio_21606")) is None
    assert models.refuses_everything("sms", Sent("never", code="refused_recipient")) == "opted_out"
    assert models.refuses_everything("email", Sent("never", code="refused_recipient")) is None


def test_what_is_owed_goes_through_when_only_offers_are_unwanted():
    table = {
        (covers, purpose): models.covered(covers, purpose)
        for covers, purpose in product(("marketing", "everything"), ("marketing", "transactional"))
    }
    assert table == {
        ("marketing", "marketing"): True,
        ("marketing", "transactional"): False,
        ("everything", "marketing"): True,
        ("everything", "transactional"): True,
    }


@pytest.mark.parametrize(
    ("recipient", "allowed", "leaves"),
    [
        ("ada@example.com", ["ada@example.com"], True),
        ("Ada@Example.COM", ["ada@example.com"], True),
        ("ada@example.com", ["ADA@EXAMPLE.COM"], True),
        ("ada@example.com", ["@example.com"], True),
        ("ada@example.com", ["@Example.com"], True),
        ("ada@example.com", ["example.com"], False),
        ("ada@sub.example.com", ["@example.com"], False),
        ("ada@notexample.com", ["@example.com"], False),
        ("ada@example.com", ["da@example.com", "@ample.com"], False),
        ('"a@example.com"@evil.example', ["@example.com"], False),
        ("ada@example.com", [], False),
        ("ada@example.com", ["@"], False),
        ("+233501234567", ["+233501234567"], True),
        ("+233501234568", ["+233501234567"], False),
        ("+233501234567", ["@233501234567", "233501234567"], False),
        (None, [], True),
    ],
)
def test_in_test_mode_a_message_reaches_whom_the_operator_listed(
    recipient: str | None, allowed: list[str], leaves: bool
):
    assert models.may_leave(recipient, allowed) is leaves


@pytest.mark.parametrize(
    ("channel", "address", "hint"),
    [
        ("email", "ada@example.com", "a***@example.com"),
        ("email", '"a@b"@example.com', '"***@example.com'),
        ("sms", "+233501234567", "+23350***67"),
        ("sms", "+12015550123", "+12015***23"),
        ("sms", "+2214567890", "+2214***90"),
        ("sms", "+6834002", "+6***02"),
    ],
)
def test_a_hint_tells_who_it_is_only_to_who_knows_them(channel: str, address: str, hint: str):
    assert models.hint(channel, address) == hint
    if channel == "sms":
        assert len(hint.replace("***", "")) <= len(address) - 4


def test_an_address_of_mail_is_the_same_in_any_case():
    assert models.normalized("email", "Ada@Example.COM") == models.normalized("email", "ada@example.com")
    assert models.normalized("email", "STRASSE@x.de") == models.normalized("email", "straße@x.de")
