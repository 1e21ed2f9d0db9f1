"""Payments: money that came in, and money that went back."""

from reevit_server.payments.actions import create, get, refund
from reevit_server.payments.schemas import PaymentOut, RefundOut

__all__ = ["PaymentOut", "RefundOut", "create", "get", "refund"]
