"""`reevit work`: a worker alone, as many as there is work for, on as many machines."""

import asyncio
import os
import signal
import sys
from typing import Annotated

import typer
import uvloop
from prometheus_client import start_http_server

from reevit_server import worker
from reevit_server.cli.connection import DatabaseUrl, DataDir, database, dsn, settings, stderr
from reevit_server.cli.master_key import with_master_key
from reevit_server.cli.port import CannotListenError
from reevit_server.core import logs
from reevit_server.core.sealing import Sealer
from reevit_server.settings import Settings


def work(
    metrics_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Serve this worker's figures for Prometheus there, on loopback."),
    ] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Run a worker without the API: deliveries, and what runs by the clock. `reevit serve` has one already."""
    chosen = settings(data_dir=data_dir, database_url=database_url)
    logs.configure(chosen.log_format)
    signal.signal(signal.SIGTERM, _leave)  # until the worker takes it over
    with dsn(chosen) as address:
        chosen = with_master_key(chosen)
        asyncio.run(_prepare(chosen, address))
        if metrics_port is not None:
            _serve_figures(metrics_port)
        stderr.print(f"Working (process {os.getpid()}). Ctrl-C ends it, after what is under way.")
        uvloop.run(worker.until_told_to_stop(chosen, address))


def _leave(*_: object) -> None:
    sys.exit(0)


def _serve_figures(port: int) -> None:
    try:
        start_http_server(port, "127.0.0.1")
    except OSError as error:
        raise CannotListenError(
            f"Cannot listen on 127.0.0.1:{port}: {error.strerror}. Choose another port with --metrics-port."
        ) from None


async def _prepare(chosen: Settings, address: str) -> None:
    """Brings the schema up to date, and makes sure that this is the key that others seal with."""
    assert chosen.master_key is not None, "with_master_key() gave one"
    async with database(address) as db, db.transaction() as conn:
        await Sealer(chosen.master_key).prove(conn)
