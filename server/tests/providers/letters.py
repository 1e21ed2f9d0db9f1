"""Messages to send, whole but for what a test is about."""

from datetime import UTC, datetime
from typing import Any

from reevit_server.providers.sending import Attachment, Call, Email, Note, Sms

MESSAGE_ID = "<msg_0001@shop.example.com>"
KEY = "wf_1/evt_1/0/ada"
CALL_ID = "msg_0001"
PDF = Attachment("Réçu.pdf", "application/pdf", b"%PDF-1.7\x00\xff")
LOGO = Attachment("logo.png", "image/png", b"\x89PNG\r\n\x1a\n\x00\xff", content_id="logo")
HTML = '<p><img src="cid:logo" alt="Ama"> é</p>\n'


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


def call(**fields: Any) -> Call:
    return Call(
        **{
            "id": CALL_ID,
            "body": '{"name":"Zoë","amount":4200}'.encode(),
            "idempotency_key": KEY,
            "written_at": datetime.now(UTC),
            **fields,
        }
    )
