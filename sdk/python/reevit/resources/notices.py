"""Notices: what is written to customers without a rule."""

from __future__ import annotations

from typing import TypedDict

from typing_extensions import Unpack

from reevit._call import Call, body_of, path_of
from reevit._model import Model
from reevit._resource import Kind, Resource, operation


class NoticeSwitches(Model):
    """Which notices are on: receipts by e-mail and by SMS, of failed payments, before a subscription is renewed."""

    receipt_email: bool
    receipt_sms: bool
    payment_failed: bool
    renewal_upcoming: bool


class NoticeChanges(TypedDict, total=False):
    """Switches that are left out stay."""

    receipt_email: bool
    receipt_sms: bool
    payment_failed: bool
    renewal_upcoming: bool


class Notices(Resource[Kind]):
    """``reevit.workflows.notices``: all are off until they are turned on."""

    @operation
    def get(self) -> Call[NoticeSwitches]:
        """Which are on."""
        return Call("GET", path_of("workflows", "notices"), NoticeSwitches)

    @operation
    def update(
        self,
        data: NoticeChanges | None = None,
        idempotency_key: str | None = None,
        **fields: Unpack[NoticeChanges],
    ) -> Call[NoticeSwitches]:
        """Turns them on and off, for events from now on."""
        path, body = path_of("workflows", "notices"), body_of(data, fields)
        return Call("PATCH", path, NoticeSwitches, body=body, idempotency_key=idempotency_key)
