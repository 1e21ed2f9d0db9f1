"""`reevit listen`: test-mode events reach a server on the developer's own machine, signed as in production."""

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any

import aiohttp
import typer
from rich.markup import escape

from reevit_server.cli.client import LOCAL, ApiKey, BaseUrl, Client, Refused, Unreachable, connected
from reevit_server.cli.connection import stdout

_ASK_SECONDS = 0.5
_AGAIN_SECONDS = 2
_ANSWER_SECONDS = 15
_KEPT_BYTES = 1024


def listen(
    forward_to: Annotated[
        str, typer.Option(help="Where to send events, such as http://localhost:3000/webhook.")
    ],
    events: Annotated[
        list[str] | None, typer.Option("--events", help="Repeatable, such as payment.*; default: everything.")
    ] = None,
    signing_secret: Annotated[
        str | None,
        typer.Option(envvar="REEVIT_WEBHOOK_SECRET", help="whsec_…; default: a new one each time."),
    ] = None,
    api_key: ApiKey = None,
    base_url: BaseUrl = LOCAL,
) -> None:
    """Send test-mode events to a local server, signed as in production. Ctrl-C ends it."""
    if not forward_to.startswith(("http://", "https://")):
        raise typer.BadParameter("write an address with http:// or https://", param_hint="--forward-to")
    wanted: dict[str, Any] = {"events": events or ["*"]}
    if signing_secret:
        wanted["signing_secret"] = signing_secret
    asyncio.run(_listen(wanted, forward_to, api_key, base_url))


async def _listen(wanted: dict[str, Any], forward_to: str, api_key: str | None, base_url: str) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with (
        connected(api_key, base_url) as client,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS)) as local,
    ):
        listener = await client.call("POST", "/v1/webhooks/listeners", wanted)
        stdout.print(f"Listening to {', '.join(listener['events'])}; sending to {escape(forward_to)}")
        stdout.print(f"Signing secret: [bold]{listener['signing_secret']}[/bold]")
        path = f"/v1/webhooks/listeners/{listener['id']}"
        try:
            await _pass_on(client, local, path, forward_to, stopping)
        finally:
            await client.call("DELETE", path)


async def _pass_on(
    client: Client, local: aiohttp.ClientSession, path: str, forward_to: str, stopping: asyncio.Event
) -> None:
    """Fetches, sends and reports until it is told to stop. A server that is away is waited for."""
    results: list[dict[str, Any]] = []
    while not stopping.is_set() or results:
        try:
            fetched = await client.call("POST", f"{path}/poll", {"results": results})
        except Unreachable as error:
            stdout.print(f"[yellow]{escape(str(error))}[/yellow]")
            await _pause(stopping, _AGAIN_SECONDS)
            if stopping.is_set():
                return
            continue
        except Refused as error:
            if error.status not in (429, 503):
                raise
            await _pause(stopping, _AGAIN_SECONDS)
            continue
        results = [await _send(local, forward_to, letter) for letter in fetched["deliveries"]]
        if not results:
            await _pause(stopping, _ASK_SECONDS)


async def _send(local: aiohttp.ClientSession, forward_to: str, letter: Mapping[str, Any]) -> dict[str, Any]:
    started = time.monotonic()
    result: dict[str, Any] = {"delivery_id": letter["delivery_id"]}
    try:
        async with local.post(
            forward_to, data=letter["body"].encode(), headers=letter["headers"], allow_redirects=False
        ) as response:
            body = await response.content.read(_KEPT_BYTES)
            result["status_code"] = response.status
            result["response_body"] = body.decode(errors="replace").replace("\0", "")[:1000]
            said = str(response.status)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        result |= {"error": "no_answer", "error_message": (str(error) or type(error).__name__)[:300]}
        said = result["error_message"]
    result["latency_ms"] = round((time.monotonic() - started) * 1000)
    good = result.get("status_code", 500) < 300
    color = "green" if good else "red"
    stdout.print(
        f"{letter['type']}  {letter['event_id']}  [{color}]{escape(said)}[/{color}]  {result['latency_ms']} ms"
    )
    return result


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
