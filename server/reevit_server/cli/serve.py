"""`reevit serve`: database, API and background work under one supervisor."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from reevit_server import organizations
from reevit_server.cli import leave
from reevit_server.cli.connection import DatabaseUrl, DataDir, database, dsn, settings, stderr, stdout
from reevit_server.cli.master_key import with_master_key
from reevit_server.cli.orgs import create_with_keys
from reevit_server.cli.port import only_listener
from reevit_server.core import embedded, logs
from reevit_server.core.sealing import Sealer
from reevit_server.settings import PREFIX, Settings

_DRAIN_SECONDS = 25
_RESTART_SECONDS = 1
_DATABASE_SECONDS = 3  # how often the embedded database is looked at


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [REEVIT_HOST; 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [REEVIT_PORT; 8000]")] = None,
    workers: Annotated[int | None, typer.Option(help="API processes. [REEVIT_WORKERS; 1]")] = None,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="On the first run, create a Demo organization and show its test key."),
    ] = False,
) -> None:
    """Run the API and background work; without --database-url, PostgreSQL too."""
    chosen = settings(host=host, port=port, workers=workers, data_dir=data_dir, database_url=database_url)
    logs.configure(chosen.log_format)
    signal.signal(signal.SIGTERM, _leave)  # until Granian takes it over
    with only_listener(chosen.host, chosen.port), dsn(chosen) as address:
        chosen = with_master_key(chosen)
        asyncio.run(_prepare(chosen, address, demo=demo))
        _pass_on(chosen, address)
        with _shared_metrics(), _background(None if chosen.database_url else chosen.data_dir):
            _serve_api(chosen)


def from_environment() -> object:
    """The ASGI application of one API process, as Granian calls for it."""
    from reevit_server.app import create_app
    from reevit_server.core import lifeline

    lifeline.hold()
    chosen = settings()
    logs.configure(chosen.log_format)
    assert chosen.database_url is not None, "serve() passes it on"
    app = create_app(chosen, chosen.database_url)
    leave.when_the_word_comes(app.leave)
    return app


def _leave(*_: object) -> None:
    sys.exit(0)


async def _prepare(chosen: Settings, address: str, *, demo: bool) -> None:
    """Brings the schema up to date and says where to begin."""
    assert chosen.master_key is not None, "with_master_key() gave one"
    async with database(address) as db:
        async with db.transaction() as conn:
            await Sealer(chosen.master_key).prove(conn)
        nearby = chosen.host in ("127.0.0.1", "0.0.0.0")  # noqa: S104 - compared, not bound
        host = f"[{chosen.host}]" if ":" in chosen.host else chosen.host
        base = f"http://{'localhost' if nearby else host}:{chosen.port}"
        stdout.print(f"\n  [bold]Reevit Customers[/bold]  {base}   (API reference: {base}/docs)")
        known = [row["id"] async for row in organizations.every(db)]
        if known:
            stdout.print(
                f"  {len(known)} organization(s); a further key: reevit keys create --org {known[0]}\n"
            )
            return
        if not demo:
            stdout.print('  No organization yet; create one: reevit orgs create "My shop" --currency GHS\n')
            return
        created = await create_with_keys(db, name="Demo", currency="GHS")
        stdout.print(f"  Demo organization {created['org_id']}, its test key (shown this once):\n")
        stdout.print(f"    {created['test_key']}\n")
        stdout.print("  Try it:\n")
        stdout.print(
            f"    curl {base}/v1/customers -H 'X-Reevit-Key: {created['test_key']}' "
            """-H 'Content-Type: application/json' -d '{"external_id": "usr_1234", "name": "Ada Lovelace"}'""",
            markup=False,
        )
        stdout.print()


def _pass_on(chosen: Settings, address: str) -> None:
    """Settings reach the child processes as the environment that they read them from."""
    for name, value in chosen.model_dump(mode="json", exclude_none=True).items():
        os.environ[PREFIX + name.upper()] = ",".join(value) if isinstance(value, list) else str(value)
    os.environ[PREFIX + "DATABASE_URL"] = address


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which all processes of this server keep their figures, so that any of them can tell of all."""
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        yield  # the operator's own
        return
    with tempfile.TemporaryDirectory(prefix="reevit-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


@contextmanager
def _background(data_dir: Path | None) -> Iterator[None]:
    """The background process, and the embedded database: either is started again should it ever end by itself."""
    stopping = threading.Event()
    tending = [threading.Thread(target=_tend_worker, args=(stopping,), name="worker")]
    if data_dir is not None:
        tending.append(threading.Thread(target=_tend_database, args=(stopping, data_dir), name="database"))
    for thread in tending:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in tending:
            thread.join()


def _tend_worker(stopping: threading.Event) -> None:
    while not stopping.is_set():
        # A session of its own: Ctrl-C in the terminal is for the supervisor, which then tells the others.
        process = subprocess.Popen([sys.executable, "-m", "reevit_server.worker"], start_new_session=True)
        while process.poll() is None and not stopping.wait(0.2):
            pass
        if stopping.is_set():
            process.terminate()
            try:
                process.wait(_DRAIN_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()  # what it was doing comes back to another worker
                process.wait()
            return
        stderr.print(f"The background process ended with status {process.returncode}; starting it again.")
        stopping.wait(_RESTART_SECONDS)


def _tend_database(stopping: threading.Event, data_dir: Path) -> None:
    while not stopping.wait(_DATABASE_SECONDS):
        try:
            with embedded.running(data_dir, wait_seconds=_DATABASE_SECONDS):
                pass  # it runs, or does so again
        except embedded.EmbeddedPostgresError as error:
            stderr.print(f"The embedded database is down; trying again. {error}")


def _serve_api(chosen: Settings) -> None:
    from granian import Granian
    from granian.constants import Interfaces, Loops
    from granian.log import LogLevels

    # Not fork: a copy of a process with threads may inherit a lock that nobody will ever release.
    multiprocessing.set_start_method("spawn")
    leave.expect_the_word()
    server = Granian(
        "reevit_server.cli.serve:from_environment",
        factory=True,
        address=chosen.host,
        port=chosen.port,
        interface=Interfaces.ASGI,
        loop=Loops.uvloop,
        workers=chosen.workers,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=_DRAIN_SECONDS,
        log_level=LogLevels.warning,
    )
    # When it starts up, Granian has just taken the signals over; Ctrl-C stays with it, and stops at once.
    server.on_startup(
        lambda: leave.say_so_before(server.signal_handler_interrupt, seconds=chosen.drain_seconds)
    )
    server.serve()
