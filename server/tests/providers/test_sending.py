"""The words in which all senders say how it went, and the one rule of which answers mean later and which never."""

import base64
import math
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core.egress import Reply
from reevit_server.providers import sending


@pytest.mark.parametrize("code", [421, 450, 451, 452, 454])
def test_a_refusal_of_mail_by_4xx_passes(code: int):
    assert sending.outcome_of_smtp(code) == "later"


@pytest.mark.parametrize("code", [500, 503, 521, 530, 535, 550, 552, 553, 554])
def test_a_refusal_of_mail_by_5xx_does_not(code: int):
    assert sending.outcome_of_smtp(code) == "never"


@pytest.mark.parametrize(
    ("outcome", "statuses"),
    [
        ("sent", [200, 201, 202, 204, 299]),
        ("later", [408, 425, 429, 500, 502, 503, 504, 599]),
        ("never", [300, 301, 302, 307, 308, 400, 401, 403, 404, 410, 413, 422, 451]),
    ],
)
def test_of_http_only_what_passes_by_itself_is_tried_again(outcome: str, statuses: list[int]):
    assert [sending.outcome_of_http(status) for status in statuses] == [outcome] * len(statuses)


@pytest.mark.parametrize(
    ("error", "outcome", "unsure"),
    [
        ("connect_timeout", "later", False),
        ("name_not_resolved", "later", False),
        ("connection_failed", "later", False),
        ("tls_failed", "later", False),
        ("timeout", "later", True),
        ("connection_lost", "later", True),
        ("bad_answer", "later", True),
        ("address_denied", "never", False),
    ],
)
def test_without_a_connection_it_is_later_and_without_an_answer_nobody_knows(
    error: str, outcome: str, unsure: bool
):
    sent = sending.judged(Reply(12, error=error, error_message="So it was."))
    assert (sent.outcome, sent.code, sent.message, sent.latency_ms) == (outcome, error, "So it was.", 12)
    assert sent.is_unsure is unsure


@pytest.mark.parametrize("secret", ["hunter2", "p@ss word/+=", "密码 ☕"])
def test_no_secret_that_was_repeated_is_passed_on(secret: str):
    for spelling in (
        secret,
        base64.b64encode(secret.encode()).decode(),
        quote(secret, safe=""),
    ):
        said = sending.for_people(f"No {spelling}, no {spelling}!", hide=(secret, ""))
        assert said == "No ***, no ***!"


def test_of_a_secret_that_begins_like_another_nothing_is_left():
    assert sending.for_people("key_1234", hide=("key_1", "key_1234")) == "***"


@given(st.text(st.characters(exclude_categories=()), max_size=3000))
def test_what_people_read_is_one_short_line(text: str):
    said = sending.for_people(text)
    assert said is None or (len(said.encode()) <= 1024 and "\n" not in said and "\0" not in said)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("0", 0),
        (" 120 ", 120),
        ("1.2", 2),
        ("86401", 86400),
        ("9" * 400, None),
        ("-1", None),
        ("1e9", None),
        ("١٢", None),
        ("nan", None),
        ("Fri, 31 Dec 1999 23:59:59 GMT", None),
    ],
)
def test_a_wait_is_in_whole_seconds_of_up_to_a_day(text: str | None, seconds: int | None):
    assert sending.seconds(text) == seconds
    assert seconds is None or math.ceil(seconds) == seconds


@pytest.mark.parametrize("body", [None, "", "[]", "1", "{", '{"a":', "[" * 900, "\ufffd"])
def test_an_answer_that_is_no_object_says_nothing(body: str | None):
    assert sending.answered(Reply(1, 200, body=body)) == {}


@pytest.mark.parametrize("value", [None, 1, True, [], "", "a\nb", "a\0b"])
def test_a_reference_is_text_that_can_be_shown(value: object):
    assert sending.reference(value) is None


def test_a_reference_has_an_end():
    assert sending.reference("x" * 10_000) == "x" * 200
