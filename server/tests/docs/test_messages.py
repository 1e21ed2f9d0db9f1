"""What docs/messages.md says where no command shows it: who can send, when it is tried again, and the words for what
goes wrong.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

from reevit_server.core import egress, paper_words
from reevit_server.messages import models
from reevit_server.messages.schemas import MessageAttemptOut, MessageStatus, SuppressionOut
from reevit_server.providers import chat, email_apis, senders, sending, sms, smtp, webhook
from reevit_server.providers.sending import Sent
from tests.docs.pages import named, section, span, table

PAGE = (Path(__file__).parents[3] / "docs" / "messages.md").read_text(encoding="utf-8")
_NOW = datetime(2026, 1, 31, tzinfo=UTC)
_CODE = re.compile(r"""(?:refused|_silence|_broken|_Refusal|_failed)\(\s*"(\w+)"|code="(\w+)\"""")


def test_every_provider_is_on_the_page_with_its_credentials():
    told = {
        named(provider)[0]: (named(channel)[0], named(needed), named(optional))
        for provider, channel, needed, optional, _ in table(section(PAGE, "Who sends"), "`provider`")
    }
    assert told == {
        name: (
            sender.channel,
            [field.name for field in senders.fields_of(name) if field.required],
            [field.name for field in senders.fields_of(name) if not field.required],
        )
        for name, sender in senders.SENDERS.items()
    }


def test_every_status_is_on_the_page():
    told = [named(row[0])[0] for row in table(section(PAGE, "Statuses"), "Status")]
    assert told == list(get_args(MessageStatus))


def test_the_waits_on_the_page_are_those_that_are_kept():
    first, *later = table(section(PAGE, "When it is sent again"), "Attempt")
    assert first[1] == "at once"
    assert [span(wait) for _, wait, _ in later] == list(models.DELAYS)
    for number, (_, _, since) in enumerate(later, 1):
        exactly = sum(models.DELAYS[:number], timedelta(0))
        assert (
            exactly - timedelta(seconds=30) <= span(since) <= exactly
        )  # seconds are not told beside minutes
    assert f"up to {models.JITTER * 100:.0f} % shorter or longer" in PAGE
    last = models.standing_after("email", Sent("later", code="421"), failures=len(later), spread=0, now=_NOW)
    assert last.status == "failed"


def test_what_is_tried_again_is_what_the_page_says():
    outcomes = [came for came, _ in table(section(PAGE, "When it is sent again"), "What came of an attempt")]
    assert _numbers(outcomes, "It passes", "of HTTP") == _where(
        lambda code: sending.outcome_of_http(code) == "later", range(400, 500)
    )
    mended = _numbers(outcomes, "It is the integration's fault", "")
    assert {code for code in mended if code >= 500} == _where(
        lambda code: _standing("email", Sent("never", code=str(code))) == "scheduled", range(500, 600)
    )
    assert {code for code in mended if code < 500} == _where(
        lambda code: _standing("sms", Sent("never", code=f"http_{code}")) == "scheduled", range(400, 500)
    )


def test_of_all_channels_only_an_sms_that_may_have_arrived_is_not_repeated():
    lost = Sent("later", code="connection_lost")
    assert {channel: _standing(channel, lost) for channel in get_args(models.Channel)} == {
        "email": "scheduled",
        "sms": "failed",
        "notification": "scheduled",
        "webhook": "scheduled",
    }


def test_every_outcome_and_every_word_for_a_failed_attempt_is_on_the_page():
    attempts = section(PAGE, "Attempts")
    outcomes = get_args(get_args(MessageAttemptOut.model_fields["outcome"].annotation)[0])
    assert [named(row[0])[0] for row in table(attempts, "`outcome`")] == [*outcomes, "null"]
    modules = (chat, email_apis, sending, sms, smtp, webhook, egress)
    text = "\n".join(Path(module.__file__).read_text(encoding="utf-8") for module in modules)
    used = {code for found in _CODE.findall(text) for code in found if code} | {sms.REFUSED_RECIPIENT}
    told = {code for row in table(attempts, "`code`") for code in named(row[0])}
    assert {code for code in told if re.fullmatch("[a-z][a-z0-9_]+", code)} == used
    patterns = {code.removesuffix("_…") for code in told if code.endswith("_…")}
    assert patterns == set(re.findall(r'code=.*f"(\w+)_\{', text))


def test_who_is_suppressed_by_itself_is_who_the_page_says():
    reasons = table(section(PAGE, "Who is not written to"), "`reason`")
    assert {named(row[0])[0] for row in reasons} == set(
        get_args(SuppressionOut.model_fields["reason"].annotation)
    )
    (bounced,) = [row[1] for row in reasons if row[0] == "`bounced`"]
    codes = {int(code) for code in re.findall(r"\b5\d\d\b", bounced)}
    assert codes == _where(
        lambda code: (
            models.refuses_everything("email", Sent("never", code=str(code), message="5.1.1 no such user"))
            == "bounced"
        ),
        range(400, 600),
    )


def test_the_limits_on_the_page_are_those_that_are_kept():
    limits = {row[0]: row[1] for row in table(section(PAGE, "Limits"), "What")}
    assert limits["integrations"] == f"{models.INTEGRATIONS_MAX} in each mode"
    assert limits["messages at once by an integration"] == str(models.AT_ONCE_MAX)
    assert limits["attempts"] == str(len(models.DELAYS) + 1)
    assert limits["an attempt"] == (
        f"{smtp.TOTAL_SECONDS:.0f} seconds with a mail server, {egress.TOTAL_SECONDS:.0f} with others"
    )
    assert f"No connection within {egress.CONNECT_SECONDS:.0f} seconds" in PAGE
    assert egress.CONNECT_SECONDS == smtp.CONNECT_SECONDS


def test_the_languages_of_the_page_to_unsubscribe_at_are_those_it_has():
    assert sorted(paper_words.LANGUAGES) == ["en", "fr", "sw"]
    assert "in English, French or Swahili" in " ".join(PAGE.split())


def _standing(channel: str, sent: Sent) -> str:
    return models.standing_after(channel, sent, failures=0, spread=0, now=_NOW).status


def _numbers(outcomes: list[str], row: str, of: str) -> set[int]:
    """The codes in the part of a row that is about these."""
    (text,) = [came for came in outcomes if came.startswith(row)]
    part = next(part for part in text.split(";") if of in part) if of else text
    return {int(code) for code in re.findall(r"\b[45]\d\d\b", part)}


def _where(true: Callable[[int], bool], codes: range) -> set[int]:
    return {code for code in codes if true(code)}
