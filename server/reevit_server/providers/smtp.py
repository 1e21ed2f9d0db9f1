"""Mail by the merchant's own mail server (SMTP, RFC 5321).

The server is a host that a stranger named, so it is met as `core/egress.py` meets one: its name is resolved once, no
connection goes to an address of our own network, and the certificate is checked by name. aiosmtplib speaks; it reads
32 KiB of an answer at most, and the time is limited here, by the clock on the wall.
"""

import asyncio
import functools
import os
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import aiosmtplib

from reevit_server.core.addresses import AddressDenied, checked_url, is_denied
from reevit_server.core.egress import Resolve
from reevit_server.providers import mail
from reevit_server.providers.sending import (
    Email,
    Outcome,
    Sent,
    for_people,
    outcome_of_silence,
    outcome_of_smtp,
    refused,
    unfit,
)

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 30.0
_FAREWELL_SECONDS = 2.0
_ADDRESSES_TRIED = 3
_RESOLVING_AT_ONCE = 16
# One of them, once: some servers lock an account after a few wrong passwords.
_AUTH = ("plain", "login")
_QUEUED_AS = re.compile(r"queued as ([!-~]{1,100})", re.IGNORECASE)
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Smtp:
    """A mail server, and how to talk to it: TLS from the first byte (465), STARTTLS (587), or none for local work."""

    host: str
    port: int = 587
    security: Literal["tls", "starttls", "none"] = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def check(self, *, private: bool = False) -> dict[str, str]:
        """What is missing or malformed, by field. `private` allows local servers, and those without TLS."""
        faults = {}
        try:
            plain_host(self.host, private=private)
        except ValueError:
            faults["host"] = "Write the name of the mail server, such as smtp.example.com"
        if not 1 <= self.port <= 65535:
            faults["port"] = "Write the port of the mail server, such as 587"
        if self.security not in ("tls", "starttls", "none"):
            faults["security"] = "Choose tls or starttls"
        elif self.security == "none" and not private:
            faults["security"] = "Choose tls or starttls: without, anybody on the way reads the letters"
        if (self.username is None) != (self.password is None):
            missing = "username" if self.username is None else "password"
            faults[missing] = "Give username and password, or neither"
        for name, value in (("username", self.username), ("password", self.password)):
            if value is not None and (not value or len(value) > 512 or _UNSPEAKABLE.search(value)):
                faults[name] = f"Write the {name} without control characters, at most 512"
        return faults


@dataclass(frozen=True, kw_only=True)
class Connect:
    """Opens connections to mail servers, of which none is on our own network unless `private` allows it."""

    private: bool
    resolve: Resolve
    tls: ssl.SSLContext
    connect_seconds: float = CONNECT_SECONDS
    total_seconds: float = TOTAL_SECONDS

    async def __call__(self, host: str, port: int) -> socket.socket:
        """A connection to one of the host's addresses. Raises AddressDenied, TimeoutError, OSError."""
        addresses = await self.resolve(host, port)
        if not addresses:
            raise socket.gaierror("a name without addresses")
        if not self.private and any(is_denied(address) for address in addresses):
            raise AddressDenied(f"{host} is, among others, an address that is not on the public internet.")
        tried = addresses[:_ADDRESSES_TRIED]
        for address in tried[:-1]:
            # A machine without IPv6 is told so late, or never: the next address gets its share of the time.
            with suppress(OSError):
                async with asyncio.timeout(self.connect_seconds / len(tried)):
                    return await _connected(address, port)
        return await _connected(tried[-1], port)


@asynccontextmanager
async def opened(
    *,
    private: bool,
    resolve: Resolve | None = None,
    tls: ssl.SSLContext | None = None,
    connect_seconds: float = CONNECT_SECONDS,
    total_seconds: float = TOTAL_SECONDS,
) -> AsyncIterator[Connect]:
    """The way to mail servers, until the block ends. `private` lets it lead to loopback and private networks too."""
    threads = ThreadPoolExecutor(_RESOLVING_AT_ONCE, "resolve-mail")
    asked: dict[tuple[str, int], asyncio.Future[Any]] = {}

    async def ask_the_system(host: str, port: int) -> list[str]:
        """As in `core/egress.py`: a name that is not answered holds one thread, however many ask for it."""
        if (answer := asked.get((host, port))) is None:
            ask = functools.partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
            answer = asyncio.get_running_loop().run_in_executor(threads, ask)
            asked[host, port] = answer
            answer.add_done_callback(lambda _: asked.pop((host, port), None))
        return [str(address[4][0]) for address in await asyncio.shield(answer)]

    if tls is None:
        tls = await asyncio.to_thread(ssl.create_default_context)  # which reads all authorities of the system
    try:
        yield Connect(
            private=private,
            resolve=resolve or ask_the_system,
            tls=tls,
            connect_seconds=connect_seconds,
            total_seconds=total_seconds,
        )
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


async def send(settings: Smtp, email: Email, *, connect: Connect) -> Sent:
    """Hands a letter to the mail server. `sent` says that the server took it, not yet that anybody got it."""
    started = time.monotonic()
    sent = await _send(settings, email, connect)
    return sent._replace(latency_ms=round((time.monotonic() - started) * 1000))


async def _send(settings: Smtp, email: Email, connect: Connect) -> Sent:
    if (fault := unfit(settings, private=connect.private)) is not None:
        return fault
    try:
        email = mail.checked(email)
        data = mail.built(email)
    except ValueError as error:
        return refused("invalid_message", str(error))
    host = plain_host(settings.host, private=connect.private)
    deadline = asyncio.get_running_loop().time() + connect.total_seconds
    try:
        async with asyncio.timeout(min(connect.connect_seconds, connect.total_seconds)):
            line = await connect(host, settings.port)
    except TimeoutError:
        return _silence("connect_timeout", f"No connection within {connect.connect_seconds:g} seconds.")
    except AddressDenied as error:
        return _silence("address_denied", str(error))
    except (socket.gaierror, UnicodeError):
        return _silence("name_not_resolved", "The mail server's name could not be resolved.")
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else type(error).__name__
        return _silence("connection_failed", f"No connection: {reason}.")
    # The name in EHLO is the sender's domain: the machine's own may be nobody's business, and looking it up may hang.
    client = aiosmtplib.SMTP(
        hostname=host,
        sock=line,
        local_hostname=email.from_address.rpartition("@")[2],
        use_tls=settings.security == "tls",
        start_tls=False,
        tls_context=connect.tls,
        timeout=None,
    )
    try:
        return await _Conversation(client, settings, host).held(email, data, deadline)
    finally:
        # Not closed but cut: a server that does not listen would keep what is still to be written, and its line.
        with suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)
        client.close()


class _Refusal(Exception):
    """The server cannot do what we will not do without."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Conversation:
    """One letter, one connection."""

    def __init__(self, client: aiosmtplib.SMTP, settings: Smtp, host: str) -> None:
        self._client = client
        self._settings = settings
        self._host = host
        self._handed_over = False
        password = settings.password or ""
        self._secrets = (password, f"\0{settings.username}\0{password}") if password else ()

    async def held(self, email: Email, data: bytes, deadline: float) -> Sent:
        """How it went, at the latest by the deadline on the loop's clock."""
        try:
            async with asyncio.timeout_at(deadline):
                sent = await self._deliver(email, data)
        except TimeoutError:
            return self._broken("timeout", "The mail server did not answer in time.")
        except _Refusal as error:
            sent = refused(error.code, str(error))
        except aiosmtplib.SMTPResponseException as error:
            message = for_people(error.message, hide=self._secrets)
            if not 400 <= error.code < 600:
                return self._broken("bad_answer", f"What came is no answer of SMTP: {message}")
            sent = Sent(outcome_of_smtp(error.code), code=str(error.code), message=message)
        except ssl.SSLError as error:
            return _tls_failed(error)
        except aiosmtplib.SMTPException as error:
            if isinstance(error.__cause__, ssl.SSLError):
                return _tls_failed(error.__cause__)
            return self._broken("connection_lost", "The mail server hung up before it was done.")
        except OSError:
            return self._broken("connection_lost", "The connection broke off.")
        # The letter's fate is known; goodbye is only polite.
        with suppress(aiosmtplib.SMTPException, OSError):
            async with asyncio.timeout_at(
                min(deadline, asyncio.get_running_loop().time() + _FAREWELL_SECONDS)
            ):
                await self._client.quit()
        return sent

    async def _deliver(self, email: Email, data: bytes) -> Sent:
        client = self._client
        await client.connect()
        await self._greet()
        if self._settings.security == "starttls":
            if not client.supports_extension("starttls"):
                raise _Refusal("starttls_unsupported", "The mail server offers no STARTTLS on this port.")
            await client.starttls(server_hostname=self._host)
            await self._greet()
        await self._log_in()
        options = [f"SIZE={len(data)}"] if client.supports_extension("size") else []
        encoding = "ascii"
        if mail.needs_utf8(email):
            if not client.supports_extension("smtputf8"):
                raise _Refusal("smtputf8_unsupported", "The mail server takes no addresses beyond ASCII.")
            options += ["SMTPUTF8", "BODY=8BITMIME"]
            encoding = "utf-8"
        await client.mail(email.from_address, options=options, encoding=encoding)
        await client.rcpt(email.to, encoding=encoding)
        self._handed_over = True
        answer = await client.data(data)
        queued = _QUEUED_AS.search(answer.message)
        return Sent(
            "sent",
            provider_ref=queued[1] if queued else email.message_id,
            message=for_people(answer.message, hide=self._secrets),
        )

    async def _greet(self) -> None:
        try:
            await self._client.ehlo()
        except aiosmtplib.SMTPHeloError as error:
            # Without extensions there is neither TLS nor login; only a local server may be as old as that.
            if self._settings.security != "none" or outcome_of_smtp(error.code) == "later":
                raise
            await self._client.helo()

    async def _log_in(self) -> None:
        username, password = self._settings.username, self._settings.password
        if username is None or password is None:
            return
        client = self._client
        way = next((way for way in _AUTH if way in client.server_auth_methods), None)
        if way == "plain":
            await client.auth_plain(username, password)
        elif way == "login":
            await client.auth_login(username, password)
        else:
            raise _Refusal("auth_unsupported", "The mail server offers no way to log in that is known here.")

    def _broken(self, code: str, message: str) -> Sent:
        if self._handed_over:
            message = f"{message} The letter was handed over, but nobody said that it was taken."
        return _silence(code, message)


def plain_host(text: str, *, private: bool) -> str:
    """The host's name in ASCII. Raises ValueError for what is none, or is not public unless `private`."""
    in_url = f"[{text}]" if ":" in text else text
    url = checked_url(f"https://{in_url}/", private=private)
    host = urlsplit(url).hostname or ""
    if url not in (f"https://{host}/", f"https://[{host}]/"):
        raise ValueError("There is more than a host here.")
    return host


def _silence(code: str, message: str) -> Sent:
    outcome: Outcome = outcome_of_silence(code)
    return Sent(outcome, code=code, message=for_people(message))


def _tls_failed(error: ssl.SSLError) -> Sent:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _silence("tls_failed", f"The certificate is not good: {error.verify_message}.")
    return _silence("tls_failed", f"TLS failed: {error.reason or error}.")


async def _connected(address: str, port: int) -> socket.socket:
    line = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    with ExitStack() as unless_connected:
        unless_connected.callback(line.close)
        line.setblocking(False)
        await asyncio.get_running_loop().sock_connect(line, (address, port))
        unless_connected.pop_all()
    return line
