"""The provider that moves no money: it does what `metadata.sandbox` says, so that every road can be walked.

It decides at once and in this process, which is why charging by it needs no call to the outside.
"""

import re
import secrets

from reevit_server.providers.base import Outcome

SUCCEED = "succeed"
_FAILURE = re.compile(r"fail(?::([a-z][a-z0-9_]{0,63}))?")
_MESSAGES = {
    "insufficient_funds": "The customer's account has too little money.",
    "card_declined": "The card was declined.",
    "expired_card": "The card has expired.",
    "wrong_pin": "The PIN was wrong.",
    "limit_exceeded": "The customer's daily limit was reached.",
}


class UnknownScenario(ValueError):
    """A scenario is succeed, fail, fail:<code>, requires_action, processing or timeout."""


def charge(scenario: str | None) -> Outcome:
    """What happens to a payment with this scenario; without one it succeeds. Raises UnknownScenario."""
    if scenario is None or scenario == SUCCEED:
        return Outcome("succeeded", provider_ref_id=_reference())
    if failed := _failed(scenario):
        return failed
    if scenario == "requires_action":
        action = {
            "type": "sandbox_complete",
            "message": "Play the customer's part with POST /v1/sandbox/payments/{id}/complete.",
        }
        return Outcome("requires_action", next_action=action, provider_ref_id=_reference())
    if scenario == "processing":
        return Outcome("processing", provider_ref_id=_reference())
    if scenario == "timeout":
        return Outcome(
            "processing"
        )  # no answer: nobody knows the provider's reference, or whether there is one
    raise UnknownScenario(scenario)


def steps(scenario: str) -> list[str]:
    """`fail,fail,succeed` one by one: what happens to the first attempt, to the second, and to all after that."""
    return [step.strip() for step in scenario.split(",")]


def step(scenario: str, attempt: int) -> str:
    """What happens to an attempt, counted from 1."""
    every = steps(scenario)
    return every[min(attempt, len(every)) - 1]


def look_up(scenario: str | None) -> Outcome | None:
    """What the sandbox says when it is asked how a payment ended; None when that is still open.

    After a time-out the money turns out to have moved, as it may in the world; what is processing waits for the
    customer's part. Any other was decided when it was charged, and whoever charged it did not get to write it down.
    """
    if scenario == "processing":
        return None
    return charge(SUCCEED if scenario == "timeout" else scenario)


def complete(outcome: str) -> Outcome:
    """What the customer did: succeed, fail, fail:<code> or cancel. Raises UnknownScenario."""
    if outcome in (SUCCEED, "succeeded"):
        return Outcome("succeeded")
    if outcome in ("cancel", "canceled"):
        return Outcome("canceled")
    if failed := _failed("fail" if outcome == "failed" else outcome):
        return failed
    raise UnknownScenario(outcome)


def _failed(scenario: str) -> Outcome | None:
    if (match := _FAILURE.fullmatch(scenario)) is None:
        return None
    code = match[1] or "card_declined"
    return Outcome(
        "failed", code, _MESSAGES.get(code, "The payment was declined."), provider_ref_id=_reference()
    )


def _reference() -> str:
    return "sbx_" + secrets.token_hex(8)
