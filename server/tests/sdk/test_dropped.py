"""A connection breaks after the server has done what it was asked: the SDK asks again, and nothing is done twice."""

import asyncio
import shutil
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
import pytest

from reevit_server.core.database import Database
from tests.docs.alone import run_node, run_python
from tests.makers import Api, Merchant, make_merchant
from tests.running import Server, environment, serving

PYTHON = """
from reevit import Reevit

with Reevit() as reevit:
    print(reevit.payments.create(amount=15000, currency="GHS").id)
"""
AWAITED = """
import asyncio
from reevit import AsyncReevit

async def main():
    async with AsyncReevit() as reevit:
        print((await reevit.payments.create(amount=15000, currency="GHS")).id)

asyncio.run(main())
"""
NODE = """
import { Reevit } from '@reevit/node';

const payment = await new Reevit().payments.create({ amount: 15000, currency: 'GHS' });
console.log(payment.id);
"""


class Line:
    """Between a client and a server: passes everything on, but for the first answers, at which it breaks."""

    def __init__(self, target: str, breaks: int) -> None:
        self._host, _, port = target.removeprefix("http://").partition(":")
        self._port, self.left = int(port), breaks
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.create_connection((self._host, self._port)) as server:
            there = threading.Thread(target=_pass_on, args=(client, server), daemon=True)
            there.start()
            while answer := server.recv(65536):
                if self.left > 0:
                    self.left -= 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(answer)


def _pass_on(client: socket.socket, server: socket.socket) -> None:
    try:
        while asked := client.recv(65536):
            server.sendall(asked)
    except OSError:
        return  # the other side has gone


@contextmanager
def line_to(server: Server, *, breaks: int) -> Iterator[Line]:
    line = Line(server.base_url, breaks)
    try:
        yield line
    finally:
        line.close()


@pytest.fixture(scope="module")
def server(dsn_of_file: str) -> Iterator[Server]:
    with serving("--database-url", dsn_of_file) as running:
        yield running


@asynccontextmanager
async def merchant_of(dsn: str, api: Api) -> AsyncIterator[Merchant]:
    async with await Database.open(dsn, connections_max=2) as db:
        yield await make_merchant(db, api)


@pytest.mark.parametrize(
    ("program", "run"),
    [(PYTHON, run_python), (AWAITED, run_python), (NODE, run_node)],
    ids=["python", "python awaited", "node"],
)
async def test_one_payment_is_made(
    program: str, run, server: Server, dsn_of_file: str, api: Api, tmp_path: Path
):
    if run is run_node and shutil.which("node") is None:
        pytest.skip("there is no Node here")
    async with merchant_of(dsn_of_file, api) as merchant:
        with line_to(server, breaks=2) as line:
            told = environment(REEVIT_API_KEY=merchant.test_key, REEVIT_BASE_URL=line.url)
            printed = await asyncio.to_thread(run, program, tmp_path, told)
            assert line.left == 0, "it broke twice, each time after the server had answered"
        async with httpx.AsyncClient(headers={"X-Reevit-Key": merchant.test_key}) as client:
            found = (await client.get(f"{server.base_url}/v1/payments")).json()["payments"]
    assert [payment["id"] for payment in found] == [printed.strip()]
