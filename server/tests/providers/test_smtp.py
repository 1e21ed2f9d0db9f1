"""Mail by a real mail server: what it takes, what it refuses, and what each refusal means."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import trustme
import uvloop
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from reevit_server.providers import smtp
from reevit_server.providers.sending import Attachment, Sent
from reevit_server.providers.smtp import Connect, Smtp
from tests.providers.letters import MESSAGE_ID, email
from tests.providers.mailserver import Postbox, answering, breaks, hangs, mail_server, scripted
from tests.webhooks.hostile import LOOPBACK

HOST = "mail.example.com"
PASSWORD = "hunter2 ☕"
_SHORT_SECONDS = 1.0


async def _on_loopback(host: str, port: int) -> list[str]:
    return [LOOPBACK]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def certified(authority: trustme.CA, name: str = HOST) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def local(tls: ssl.SSLContext | None = None, **limits: float) -> AbstractAsyncContextManager[Connect]:
    """The way to a mail server of this machine, by whatever name."""
    return smtp.opened(private=True, resolve=_on_loopback, tls=tls or ssl.create_default_context(), **limits)


@pytest.fixture
async def connect(trusting: ssl.SSLContext) -> AsyncIterator[Connect]:
    async with local(trusting) as opened:
        yield opened


def plain(box: Postbox, **fields: Any) -> Smtp:
    return Smtp(**{"host": HOST, "port": box.port, "security": "none", **fields})


def _knows_password(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
) -> AuthResult:
    if data == LoginPassword(b"ama", PASSWORD.encode()):
        return AuthResult(success=True)
    said = f"535 5.7.8 No {data.password.decode()} ({base64.b64encode(data.password).decode()}) here"
    return AuthResult(success=False, handled=False, message=said)


LOGIN: dict[str, Any] = {"auth_required": True, "auth_require_tls": False, "authenticator": _knows_password}


async def test_a_letter_is_handed_to_the_server(connect: Connect):
    content = bytes(range(256)) * 1000
    with mail_server() as box:
        sent = await smtp.send(
            plain(box),
            email(
                subject="💸 Paid",
                html="<p>é</p>",
                attachments=(Attachment("é.pdf", "application/pdf", content),),
            ),
            connect=connect,
        )
    assert (sent.outcome, sent.provider_ref, sent.code, sent.is_unsure) == ("sent", MESSAGE_ID, None, False)
    (received,) = box.received
    assert (received.sender, received.recipients) == ("hello@shop.example.com", ["ada@example.com"])
    assert received.letter["Subject"] == "💸 Paid"
    assert received.letter["Message-ID"] == MESSAGE_ID
    (attached,) = received.letter.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("é.pdf", content)
    # Not this machine's name, which is nobody's business.
    assert received.greeted_as == "shop.example.com"
    assert box.commands == ["EHLO", "MAIL", "RCPT", "QUIT"]


async def test_what_the_server_calls_it_is_its_reference(connect: Connect):
    with mail_server(answers={"DATA": "250 2.0.0 Ok: queued as 4Zx7Kq2hJ1z9sW"}) as box:
        sent = await smtp.send(plain(box), email(), connect=connect)
    assert (sent.provider_ref, sent.message) == ("4Zx7Kq2hJ1z9sW", "2.0.0 Ok: queued as 4Zx7Kq2hJ1z9sW")


async def test_lines_of_dots_arrive_as_they_were_written(connect: Connect):
    with mail_server() as box:
        await smtp.send(plain(box), email(text=".\n..\n.a\nQUIT\n"), connect=connect)
    assert box.received[0].text == ".\n..\n.a\nQUIT\n"


@pytest.mark.parametrize(
    ("command", "answer", "outcome"),
    [
        ("MAIL", "451 4.3.0 Try again", "later"),
        ("MAIL", "452 4.3.1 Disk full", "later"),
        ("MAIL", "530 5.7.0 Authentication required", "never"),
        ("MAIL", "553 5.7.1 Not your address", "never"),
        ("RCPT", "421 4.7.0 Too many connections", "later"),
        ("RCPT", "450 4.2.1 Mailbox busy", "later"),
        ("RCPT", "451 4.7.1 Greylisted", "later"),
        ("RCPT", "550 5.1.1 No such user", "never"),
        ("RCPT", "554 5.7.1 Relay denied", "never"),
        ("DATA", "451 4.3.0 Out of order", "later"),
        ("DATA", "550 5.7.1 Spam", "never"),
        ("DATA", "552 5.3.4 Too big", "never"),
    ],
)
async def test_a_refusal_of_4xx_passes_and_one_of_5xx_does_not(
    connect: Connect, command: str, answer: str, outcome: str
):
    with mail_server(answers={command: answer}) as box:
        sent = await smtp.send(plain(box), email(), connect=connect)
    assert (sent.outcome, sent.code, sent.message) == (outcome, answer[:3], answer[4:])
    assert (sent.provider_ref, sent.is_unsure) == (None, False)
    # Whoever says 421 hangs up.
    assert box.commands[-1] == (command if sent.code == "421" else "QUIT")


@pytest.mark.parametrize(
    ("greeting", "outcome", "code"),
    [
        (b"421 4.3.2 Shutting down\r\n", "later", "421"),
        (b"421-4.3.2 Shutting\r\n421 4.3.2 down\r\n", "later", "421"),
        (b"554 5.7.1 Go away\r\n", "never", "554"),
    ],
)
async def test_a_server_may_refuse_to_begin(connect: Connect, greeting: bytes, outcome: str, code: str):
    async with scripted(answering(greeting)) as box:
        sent = await smtp.send(plain(box), email(), connect=connect)
    assert (sent.outcome, sent.code) == (outcome, code)


async def test_a_letter_larger_than_the_server_takes_is_not_even_handed_over(connect: Connect):
    with mail_server(data_size_limit=1000) as box:
        sent = await smtp.send(plain(box), email(text="x" * 2000), connect=connect)
    assert (sent.outcome, sent.code) == ("never", "552")
    assert "RCPT" not in box.commands


async def test_a_server_that_has_the_letter_and_is_silent_may_be_sent_it_again(trusting: ssl.SSLContext):
    with mail_server(on_data=hangs) as box:
        async with local(trusting, total_seconds=_SHORT_SECONDS) as connect:
            sent = await smtp.send(plain(box), email(), connect=connect)
            await smtp.send(plain(box), email(), connect=connect)
    assert (sent.outcome, sent.code, sent.is_unsure) == ("later", "timeout", True)
    assert sent.message is not None
    assert "handed over" in sent.message
    first, second = box.received
    assert first.letter["Message-ID"] == second.letter["Message-ID"] == MESSAGE_ID


async def test_a_line_that_breaks_after_the_letter_leaves_it_open_whether_it_was_sent(connect: Connect):
    with mail_server(on_data=breaks) as box:
        sent = await smtp.send(plain(box), email(), connect=connect)
    assert (sent.outcome, sent.code, sent.is_unsure) == ("later", "connection_lost", True)
    assert len(box.received) == 1


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_a_letter_goes_over_tls_to_the_server_that_was_named(
    connect: Connect, authority: trustme.CA, security: str
):
    certificate = certified(authority)
    by = {"starttls": certificate} if security == "starttls" else {"from_the_start": certificate}
    with mail_server(**by, **LOGIN) as box:
        settings = plain(box, security=security, username="ama", password=PASSWORD)
        sent = await smtp.send(settings, email(), connect=connect)
    assert sent.outcome == "sent"
    assert box.received[0].over_tls


@pytest.mark.parametrize("security", ["tls", "starttls"])
@pytest.mark.parametrize("flaw", ["another's name", "another authority"])
async def test_a_server_that_is_another_is_told_nothing(
    connect: Connect, authority: trustme.CA, security: str, flaw: str
):
    name, issuer = ("thief.example.com", authority) if flaw == "another's name" else (HOST, trustme.CA())
    certificate = certified(issuer, name)
    by = {"starttls": certificate} if security == "starttls" else {"from_the_start": certificate}
    with mail_server(**by, **LOGIN) as box:
        settings = plain(box, security=security, username="ama", password=PASSWORD)
        sent = await smtp.send(settings, email(), connect=connect)
    assert (sent.outcome, sent.code, sent.is_unsure) == ("later", "tls_failed", False)
    assert sent.message is not None
    assert "certificate" in sent.message
    assert set(box.commands) <= {"EHLO"}
    assert box.received == []


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_the_certificate_is_held_against_the_name_in_the_settings(
    connect: Connect, authority: trustme.CA, security: str
):
    certificate = certified(authority, "smtp.xn--bcher-kva.example")
    by = {"starttls": certificate} if security == "starttls" else {"from_the_start": certificate}
    with mail_server(**by) as box:
        named = plain(box, security=security, host="SMTP.bücher.example")
        assert (await smtp.send(named, email(), connect=connect)).outcome == "sent"
        other = plain(box, security=security, host="smtp.example.com")
        assert (await smtp.send(other, email(), connect=connect)).code == "tls_failed"


async def test_a_server_without_tls_is_told_nothing_if_tls_was_asked_for(connect: Connect):
    heard: list[bytes] = []
    hello = b"250-mail.example.com\r\n250 AUTH PLAIN\r\n"
    async with scripted(answering(b"220 hi\r\n", hello, b"221 Bye\r\n", heard=heard)) as box:
        settings = plain(box, security="starttls", username="ama", password=PASSWORD)
        sent = await smtp.send(settings, email(), connect=connect)
    assert (sent.outcome, sent.code) == ("never", "starttls_unsupported")
    assert heard == [b"EHLO shop.example.com\r\n", b"QUIT\r\n"]


async def test_what_was_said_before_tls_counts_for_nothing_after_it(connect: Connect, authority: trustme.CA):
    """Who sits on the way cannot slip in an answer that is read as the server's own (CVE-2011-0411)."""
    certificate = certified(authority)

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hi\r\n")
        await reader.readuntil(b"\n")
        writer.write(b"250-mail.example.com\r\n250 STARTTLS\r\n")
        await reader.readuntil(b"\n")
        writer.write(b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n")
        await writer.start_tls(certificate)
        await reader.readuntil(b"\n")
        writer.write(b"250 mail.example.com\r\n")
        await reader.readuntil(b"\n")
        writer.write(b"221 Bye\r\n")

    async with scripted(play) as box:
        settings = plain(box, security="starttls", username="ama", password=PASSWORD)
        sent = await smtp.send(settings, email(), connect=connect)
    assert (sent.outcome, sent.code) == ("never", "auth_unsupported")


@pytest.mark.parametrize("known", ["PLAIN", "LOGIN"])
async def test_a_server_that_wants_a_password_gets_it(connect: Connect, known: str):
    other = {"PLAIN": "LOGIN", "LOGIN": "PLAIN"}[known]
    with mail_server(**LOGIN, auth_exclude_mechanism=[other]) as box:
        settings = plain(box, username="ama", password=PASSWORD)
        sent = await smtp.send(settings, email(), connect=connect)
    assert sent.outcome == "sent"
    assert f"AUTH {known}" in box.commands


async def test_a_wrong_password_is_tried_once_and_told_to_nobody(connect: Connect):
    with mail_server(**LOGIN) as box:
        settings = plain(box, username="ama", password="hunter3")
        sent = await smtp.send(settings, email(), connect=connect)
    assert (sent.outcome, sent.code, sent.message) == ("never", "535", "5.7.8 No *** (***) here")
    assert [command for command in box.commands if command.startswith("AUTH")] == ["AUTH PLAIN"]
    assert "hunter" not in repr(settings)
    assert "hunter" not in repr(sent)


async def test_a_login_that_fails_for_now_passes(connect: Connect):
    with mail_server(**LOGIN, answers={"AUTH": "454 4.7.0 Temporary authentication failure"}) as box:
        sent = await smtp.send(plain(box, username="ama", password=PASSWORD), email(), connect=connect)
    assert (sent.outcome, sent.code) == ("later", "454")


async def test_a_mailbox_beyond_ascii_needs_a_server_that_knows_such(connect: Connect):
    ama = email(to="ámá@bücher.example")
    with mail_server(enable_SMTPUTF8=True) as box:
        sent = await smtp.send(plain(box), ama, connect=connect)
    assert sent.outcome == "sent"
    assert box.received[0].recipients == ["ámá@xn--bcher-kva.example"]
    with mail_server() as box:
        sent = await smtp.send(plain(box), ama, connect=connect)
    assert (sent.outcome, sent.code, box.received) == ("never", "smtputf8_unsupported", [])


@pytest.mark.parametrize("to", ["a{b}'`|~!#$%&*+/=?^_-.c@example.com", "A.B@EXAMPLE.com", "1@example.com"])
async def test_an_address_is_used_as_it_is_written(connect: Connect, to: str):
    with mail_server() as box:
        await smtp.send(plain(box), email(to=to), connect=connect)
    assert box.received[0].recipients == [to.replace("EXAMPLE", "example")]
    assert box.received[0].letter["To"].addresses[0].addr_spec == box.received[0].recipients[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"to": "a@x.com, b@x.com"},
        {"to": "a@x.com\r\nRCPT TO:<b@x.com>"},
        {"subject": "Hi\r\nBcc: b@x.com"},
        {"from_name": "Ama\nX: y"},
        {"subject": "x" * 2**20},
    ],
)
async def test_what_would_be_another_letter_reaches_no_server(connect: Connect, fields: dict[str, str]):
    with mail_server() as box:
        sent = await smtp.send(plain(box), email(**fields), connect=connect)
    assert (sent.outcome, sent.code, box.connections) == ("never", "invalid_message", 0)


def test_in_the_loop_of_the_workers_it_is_the_same(authority: trustme.CA, trusting: ssl.SSLContext):
    """The worker runs on uvloop, which has transports and TLS of its own."""
    certificate = certified(authority)

    async def send(box: Postbox, security: str, **limits: float) -> Sent:
        async with local(trusting, **limits) as connect:
            return await smtp.send(plain(box, security=security), email(), connect=connect)

    def run(coroutine: Callable[[], Any]) -> Sent:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(coroutine())

    with mail_server(starttls=certificate) as box:
        assert run(lambda: send(box, "starttls")).outcome == "sent"
    with mail_server(from_the_start=certificate) as box:
        assert run(lambda: send(box, "tls")).outcome == "sent"
    for by in (
        {"starttls": certified(authority, "x.example.com")},
        {"from_the_start": certified(trustme.CA())},
    ):
        with mail_server(**by) as box:
            security = "starttls" if "starttls" in by else "tls"
            assert run(lambda: send(box, security)).code == "tls_failed"  # noqa: B023 - called at once
    with mail_server(on_data=hangs) as box:
        sent = run(lambda: send(box, "none", total_seconds=_SHORT_SECONDS))
        assert (sent.code, sent.is_unsure) == ("timeout", True)
    with mail_server(on_data=breaks) as box:
        assert run(lambda: send(box, "none")).code == "connection_lost"
    with mail_server(answers={"RCPT": "550 No"}) as box:
        assert run(lambda: send(box, "none")).code == "550"
