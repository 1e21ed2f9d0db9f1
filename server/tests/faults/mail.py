"""A mail server that may be slow, silent or away, and shops that write to whoever has paid."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress

import httpx
from aiosmtpd.smtp import SMTP

from tests.faults.stage import Stage
from tests.makers import created
from tests.providers.mailserver import Postbox, mail_server
from tests.running import free_port
from tests.webhooks.hostile import LOOPBACK

BOOKS = "books@example.com"
_FROM = "shop@example.com"
_TAG = "has_paid"
_SUBJECT = "Payment {{ payment.id }}"
_RULE = {
    "name": "Thank whoever has paid",
    "trigger": "payment.succeeded",
    "actions": [
        {"type": "send_email", "subject": _SUBJECT, "body": "Thank you, {{ customer.external_id }}."},
        {"type": "add_tag", "tag": _TAG},
        {"type": "send_email", "subject": _SUBJECT, "body": "Write it down.", "to": BOOKS},
    ],
}


class PostOffice:
    """A mail server. It outlives whatever a test kills."""

    def __init__(self) -> None:
        self.box = Postbox()
        self.port = free_port()
        self._seconds = 0.0
        self._holds = False
        self._way: asyncio.Server
        self._passing: set[asyncio.Task[None]] = set()

    def answer(self, *, within_seconds: float = 0) -> None:
        """From now on it greets after that time at most, and says after as much again that it took a letter.

        So it does of what it held.
        """
        self._seconds, self._holds = within_seconds, False

    def hold(self) -> None:
        """Takes letters and says nothing of them, until it is told to."""
        self._holds = True

    def count(self) -> int:
        """How many letters have reached it."""
        return len(self.box.received)

    def letters(self, since: int) -> Counter[str]:
        """How often each came of those after so many, by the name by which a reader knows one that comes again."""
        return Counter(received.letter["Message-ID"] for received in self.box.received[since:])

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Somebody listens, until the block ends; then who is handing over a letter is cut off."""
        self._way = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        try:
            yield
        finally:
            await self._close()

    @asynccontextmanager
    async def down(self) -> AsyncIterator[None]:
        """Nobody listens while the block runs."""
        await self._close()
        try:
            yield
        finally:
            self._way = await asyncio.start_server(self._accept, LOOPBACK, self.port)

    async def _close(self) -> None:
        self._way.close()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)
        await self._way.wait_closed()

    async def take(self, _: SMTP) -> str:
        """In the mail server's own thread."""
        await asyncio.sleep(random.uniform(0, self._seconds))
        while self._holds:  # noqa: ASYNC110 - which another thread says
            await asyncio.sleep(0.01)
        return "250 OK"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._pass_on(reader, writer))
        self._passing.add(task)
        task.add_done_callback(self._passing.discard)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Everything between who has a letter and the server, until either hangs up."""
        with ExitStack() as lines:
            lines.callback(writer.transport.abort)
            await asyncio.sleep(random.uniform(0, self._seconds))
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self.box.port)
            lines.callback(far_writer.transport.abort)
            await asyncio.gather(_carry(reader, far_writer), _carry(far_reader, writer))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):  # cut off
        while data := await reader.read(2**16):
            writer.write(data)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def post_office() -> AsyncIterator[PostOffice]:
    """A mail server that takes every letter at once, until it is told otherwise or the block ends."""
    office = PostOffice()
    with mail_server(on_data=office.take) as office.box:
        async with office.open():
            yield office


async def open_mail(stage: Stage, office: PostOffice) -> None:
    """Every shop writes to whoever has paid, and to its own books, and tags the payer, by a rule of its own."""
    stage.postboxes.append(office.box)
    by_smtp = {
        "name": "Our mail server",
        "provider": "smtp",
        "credentials": {"host": LOOPBACK, "port": office.port, "security": "none"},
        "from_address": _FROM,
    }
    for shop in stage.load.shops:
        async with httpx.AsyncClient(base_url=stage.base_url, headers={"X-Reevit-Key": shop.key}) as client:
            created(await client.post("/v1/workflows/integrations", json=by_smtp))
            created(await client.post("/v1/workflows/rules", json=_RULE))


async def check_everybody_was_written_to(stage: Stage, office: PostOffice) -> None:
    """Whoever paid got a letter about each payment, and so did the books; whatever came twice had one name."""
    paid = await stage.fetch(
        """
        SELECT p.id, c.email, c.tags
        FROM payments AS p
        JOIN customers AS c ON c.org_id = p.org_id AND c.mode = p.mode AND c.id = p.customer_id
        WHERE p.succeeded_at IS NOT NULL
        """
    )
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    for received in office.box.received:
        (recipient,) = received.recipients
        names[received.letter["Subject"], recipient].add(received.letter["Message-ID"])
    expected = {(f"Payment {row['id']}", to) for row in paid for to in (row["email"], BOOKS)}
    astray = names.keys() ^ expected
    assert not astray, astray
    renamed = {letter: found for letter, found in names.items() if len(found) > 1}
    assert not renamed, renamed
    without_tag = [tuple(row) for row in paid if row["tags"] != [_TAG]]
    assert not without_tag, without_tag
