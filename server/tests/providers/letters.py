"""Messages to send, whole but for what a test is about."""

from typing import Any

from reevit_server.providers.sending import Email, Note, Sms

MESSAGE_ID = "<msg_0001@shop.example.com>"
KEY = "wf_1/evt_1/0/ada"


def email(**fields: Any) -> Email:
    return Email(
        **{
            "message_id": MESSAGE_ID,
            "from_name": "Ama's Shop",
            "from_address": "hello@shop.example.com",
            "to": "ada@example.com",
            "subject": "Your receipt",
            "text": "Thank you, Ada.\n",
            "idempotency_key": KEY,
            **fields,
        }
    )


def sms(**fields: Any) -> Sms:
    return Sms(
        **{
            "sender": None,
            "to": "+233501234567",
            "text": "Thank you & welcome: 50 % off",
            "idempotency_key": KEY,
            **fields,
        }
    )


def note(text: str = "Ada paid.") -> Note:
    return Note(text=text, idempotency_key=KEY)
