"""`reevit listen`: test-mode events reach a server on the developer's own machine, signed as in production."""

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Any
from urllib.parse import urlsplit

import aiohttp
import typer
from rich.markup import escape

from reevit_server.cli.client import LOCAL, ApiKey, BaseUrl, Client, Refused, Unreachable, connected, reason
from reevit_server.cli.connection import stdout

_LISTENERS = "/v1/webhooks/listeners"
_ASK_SECONDS = 0.5
_AGAIN_SECONDS = 2
_ANSWER_SECONDS = 15  # as in production
_KEPT_BYTES = 1000
_TYPE_WIDTH = len("webhook_endpoint.disabled")


def listen(
    forward_to: Annotated[str, typer.Option(help="Where to send events, such as localhost:3000/webhook.")],
    events: Annotated[
        list[str] | None,
        typer.Option("--events", help="Such as payment.*,customer.created; repeatable; default: everything."),
    ] = None,
    signing_secret: Annotated[
        str | None,
        typer.Option(envvar="REEVIT_WEBHOOK_SECRET", help="whsec_…; default: a new one each time."),
    ] = None,
    skip_verify: Annotated[
        bool, typer.Option("--skip-verify", help="Take any certificate of the local server.")
    ] = False,
    api_key: ApiKey = None,
    base_url: BaseUrl = LOCAL,
) -> None:
    """Send test-mode events to a local server, signed as in production. Ctrl-C ends it."""
    wanted: dict[str, Any] = {
        "events": [choice.strip() for given in events or ["*"] for choice in given.split(",")]
    }
    if signing_secret:
        wanted["signing_secret"] = signing_secret
    address = _address(forward_to)
    with suppress(asyncio.CancelledError):
        asyncio.run(_listen(wanted, address, api_key, base_url, verify=not skip_verify))


def _address(text: str) -> str:
    address = text if "://" in text else f"http://{text}"
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise typer.BadParameter(
            "write an address such as http://localhost:3000/webhook", param_hint="--forward-to"
        )
    return address


async def _listen(
    wanted: dict[str, Any], forward_to: str, api_key: str | None, base_url: str, *, verify: bool
) -> None:
    """Until it is cancelled, as Ctrl-C does."""
    task = asyncio.current_task()
    assert task is not None, "asyncio.run() makes one"
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    async with (
        connected(api_key, base_url) as client,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=verify, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=_ANSWER_SECONDS),
        ) as local,
    ):
        listener = await client.call("POST", _LISTENERS, wanted)
        stdout.print(f"Listening to {', '.join(listener['events'])}; sending to {escape(forward_to)}")
        stdout.print(f"Signing secret: [bold]{listener['signing_secret']}[/bold]")
        while True:
            path = f"{_LISTENERS}/{listener['id']}"
            try:
                await _pass_on(client, local, path, forward_to)
            finally:
                with suppress(Refused, Unreachable):  # it is gone already, or will be in two minutes
                    await client.call("DELETE", path)
            stdout.print("[yellow]The server had given this listener up; listening anew.[/yellow]")
            again = {"events": listener["events"], "signing_secret": listener["signing_secret"]}
            listener = await client.call("POST", _LISTENERS, again)


async def _pass_on(client: Client, local: aiohttp.ClientSession, path: str, forward_to: str) -> None:
    """Fetches, sends and reports as long as there is the listener. A server that is away is waited for."""
    results: list[dict[str, Any]] = []
    away = False
    while True:
        try:
            fetched = await client.call("POST", f"{path}/poll", {"results": results})
        except Unreachable as error:
            if not away:
                stdout.print(f"[yellow]{escape(str(error))}[/yellow]")
            away = True
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        except Refused as error:
            if error.status == 404:
                return
            if error.status != 429 and error.status < 500:
                raise
            await asyncio.sleep(_AGAIN_SECONDS)
            continue
        if away:
            stdout.print("The server answers again.")
        away = False
        # All at once, as in production: while one is looked at in a debugger, the server is still asked.
        results = await asyncio.gather(
            *(_send(local, forward_to, letter) for letter in fetched["deliveries"])
        )
        if not results:
            await asyncio.sleep(_ASK_SECONDS)


async def _send(local: aiohttp.ClientSession, forward_to: str, letter: Mapping[str, Any]) -> dict[str, Any]:
    """Sends one event, says what came of it, and returns that in the server's words."""
    started = time.monotonic()
    result: dict[str, Any] = {"delivery_id": letter["delivery_id"]}
    try:
        async with local.post(
            forward_to, data=letter["body"].encode(), headers=letter["headers"], allow_redirects=False
        ) as response:
            body = await response.content.read(_KEPT_BYTES)
            if response.status > 599:
                raise aiohttp.ClientError(f"{response.status} is no status of HTTP")
            result["status_code"] = response.status
            result["response_body"] = body.decode(errors="replace").replace("\0", "\N{REPLACEMENT CHARACTER}")
            said = str(response.status)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        said = reason(error)[:300]
        result |= {"error": "no_answer", "error_message": said}
    result["latency_ms"] = round((time.monotonic() - started) * 1000)
    color = "green" if 200 <= result.get("status_code", 0) < 300 else "red"
    stdout.print(
        f"{time.strftime('%H:%M:%S')}  {letter['type']:{_TYPE_WIDTH}}  {letter['event_id']}  "
        f"[{color}]{escape(said)}[/{color}]  {result['latency_ms']} ms"
    )
    return result
