"""All who can send, by name: what each sends, and what it takes to send by it.

A sender is a function in its file, a line in this table and one in `send`.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, get_type_hints

from reevit_server.core.egress import Post
from reevit_server.providers import chat, email_apis, sms, smtp, webhook
from reevit_server.providers.sending import Call, Credentials, Email, Message, Note, Sent, Sms

Channel = Literal["email", "sms", "notification", "webhook"]


class Sender(NamedTuple):
    channel: Channel
    credentials: type[Any]  # a frozen dataclass with the `check` of `Credentials`


SENDERS: Mapping[str, Sender] = MappingProxyType(
    {
        "smtp": Sender("email", smtp.Smtp),
        "resend": Sender("email", email_apis.Resend),
        "sendgrid": Sender("email", email_apis.SendGrid),
        "twilio": Sender("sms", sms.Twilio),
        "africas_talking": Sender("sms", sms.AfricasTalking),
        "hubtel": Sender("sms", sms.Hubtel),
        "chat": Sender("notification", chat.IncomingWebhook),
        "webhook": Sender("webhook", webhook.Webhook),
    }
)


class Field(NamedTuple):
    """One thing to know about a sender's credentials."""

    name: str
    type: Literal["string", "integer"]
    required: bool
    secret: bool  # not to be shown again by whoever was given it


class BadCredentials(ValueError):
    """Something is missing or malformed; `faults` says what, by field."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {fault}" for field, fault in faults.items()))
        self.faults = dict(faults)


def fields_of(name: str) -> tuple[Field, ...]:
    """What a sender's credentials consist of, in the order in which people write them down."""
    kind = SENDERS[name].credentials
    types = get_type_hints(kind)
    return tuple(
        Field(
            name=field.name,
            type="integer" if types[field.name] is int else "string",
            required=field.default is MISSING,
            secret=not field.repr,
        )
        for field in fields(kind)
    )


def credentials_of(name: str, given: Mapping[str, object], *, private: bool) -> Credentials:
    """The credentials for a sender, of what somebody wrote as JSON. Raises BadCredentials, with all faults at once.

    `private` is what the operator allows for local work: servers on our own network, and mail without TLS.
    """
    if name not in SENDERS:
        raise BadCredentials(
            {"provider": f"There is no sender of this name; choose one of {', '.join(SENDERS)}"}
        )
    known = {field.name: field for field in fields_of(name)}
    faults = {field: f"{name} has no such field" for field in given if field not in known}
    values: dict[str, object] = {}
    for field in known.values():
        value = given.get(field.name)
        expected = int if field.type == "integer" else str
        if value is None:
            if field.required:
                faults[field.name] = f"Give the {field.name}"
        elif type(value) is not expected:  # nor is True a port
            faults[field.name] = f"Write the {field.name} as {'a number' if expected is int else 'text'}"
        else:
            values[field.name] = value
    if faults:
        raise BadCredentials(faults)
    made: Credentials = SENDERS[name].credentials(**values)
    if faults := made.check(private=private):
        raise BadCredentials(faults)
    return made


async def send(credentials: Credentials, message: Message, *, post: Post, connect: smtp.Connect) -> Sent:
    """Makes one attempt to send a message by whoever's credentials these are, of at most 30 seconds."""
    match credentials, message:
        case smtp.Smtp(), Email():
            return await smtp.send(credentials, message, connect=connect)
        case email_apis.Resend(), Email():
            return await email_apis.send_by_resend(credentials, message, post=post)
        case email_apis.SendGrid(), Email():
            return await email_apis.send_by_sendgrid(credentials, message, post=post)
        case sms.Twilio(), Sms():
            return await sms.send_by_twilio(credentials, message, post=post)
        case sms.AfricasTalking(), Sms():
            return await sms.send_by_africas_talking(credentials, message, post=post)
        case sms.Hubtel(), Sms():
            return await sms.send_by_hubtel(credentials, message, post=post)
        case chat.IncomingWebhook(), Note():
            return await chat.send(credentials, message, post=post)
        case webhook.Webhook(), Call():
            return await webhook.send(credentials, message, post=post)
    raise TypeError(f"{type(credentials).__name__} sends no {type(message).__name__}")
