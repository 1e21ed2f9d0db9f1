"""Notices: what is written to customers without anybody having written a template. Nothing is sent here."""

from reevit_server.notices.actions import facts_of_payment
from reevit_server.notices.errors import PaymentNotPaid
from reevit_server.notices.letters import letter
from reevit_server.notices.models import Facts, Kind, Letter
from reevit_server.notices.receipts import receipt_html, receipt_pdf
from reevit_server.notices.texts import sms

__all__ = [
    "Facts",
    "Kind",
    "Letter",
    "PaymentNotPaid",
    "facts_of_payment",
    "letter",
    "receipt_html",
    "receipt_pdf",
    "sms",
]
