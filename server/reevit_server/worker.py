"""The background composition root: what is done later, what runs by the clock, and who is told of events."""

import asyncio
import os
import signal
from functools import partial

import uvloop

from reevit_server import events, messages, payments, subscriptions, webhooks, workflows
from reevit_server.core import egress, idempotency, jobs, lifeline, logs, queue
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.core.jobs import Duty, Kind, Tools
from reevit_server.core.sealing import Sealer
from reevit_server.providers import smtp
from reevit_server.settings import Settings, load

# Whoever is told of every event, once the change that it tells of is committed.
LISTENERS = (subscriptions.on_event, webhooks.on_event, messages.on_event, workflows.on_event)

# At a time, of one worker. Those that wait for the outside take no more than a socket each.
_INSIDE_MAX = 100
_OUTSIDE_MAX = 400
_CONNECTIONS = 10
_ACQUIRE_SECONDS = (
    20  # nobody waits for an answer here, and who had one from outside must get to write it down
)


def kinds(settings: Settings, connect: smtp.Connect) -> tuple[Kind, ...]:
    """What is done later. `connect` opens connections to mail servers."""
    way = messages.Way(
        connect,
        settings.links_begin_with,
        settings.test_recipients,
        is_reachable=settings.public_url is not None,
    )
    return (
        Kind(events.FAN_OUT, partial(events.fan_out, listeners=LISTENERS)),
        Kind(webhooks.DELIVER, webhooks.deliver, outside=True),
        Kind(payments.RECONCILE, partial(payments.reconcile, then=subscriptions.follow), outside=True),
        Kind(subscriptions.RENEW, subscriptions.renew, outside=True),
        Kind(subscriptions.COLLECT, subscriptions.collect, outside=True),
        Kind(workflows.EXECUTE, partial(workflows.execute, public_url=settings.links_begin_with)),
        Kind(messages.DELIVER, partial(messages.deliver, way=way), outside=True),
    )


def every(settings: Settings) -> tuple[Duty, ...]:
    """The clockwork: minute, hour, day, month, weekday, and seconds last."""
    return (
        Duty("webhooks.queue_due", "* * * * * *", webhooks.queue_due),
        Duty("messages.queue_due", "* * * * * *", messages.queue_due, 100),
        Duty("subscriptions.queue_renewals", "* * * * * *", subscriptions.queue_renewals, 1000),
        Duty("subscriptions.queue_collections", "* * * * * *", subscriptions.queue_collections, 1000),
        Duty("subscriptions.tell_upcoming", "* * * * * *", subscriptions.tell_upcoming, 100),
        Duty("payments.queue_unsettled", "* * * * *", payments.queue_unsettled),
        Duty("jobs.put_back", "* * * * *", jobs.put_back),
        Duty("webhooks.stop_gone", "* * * * *", webhooks.stop_gone, 100),
        Duty("webhooks.tend", "* * * * *", webhooks.tend, 10),
        Duty("webhooks.purge", "37 * * * *", webhooks.purge),
        Duty(
            "messages.purge", "47 * * * *", partial(messages.purge, kept_days=settings.events_kept_days), 1000
        ),
        Duty("idempotency_keys.purge", "7 * * * *", idempotency.purge),
        # Each takes its deliveries and their attempts along: up to fifty, with ten attempts and more.
        Duty("events.purge", "17 * * * *", partial(events.purge, kept_days=settings.events_kept_days), 100),
        Duty("jobs.purge_log", "27 * * * *", jobs.purge_log),
    )


async def work(settings: Settings, dsn: str, stopping: asyncio.Event, under_way: queue.UnderWay) -> None:
    """Everything above, until `stopping` is set and what is under way has ended."""
    assert settings.master_key is not None, "who starts a worker sees to it"
    async with (
        await Database.open(dsn, connections_max=_CONNECTIONS, acquire_seconds=_ACQUIRE_SECONDS) as db,
        egress.opened(private=settings.allow_private_webhooks) as post,
        smtp.opened(private=settings.allow_private_webhooks) as connect,
    ):
        await queue.run(
            dsn,
            Tools(db, utc_now, Sealer(settings.master_key), post),
            kinds=kinds(settings, connect),
            duties=every(settings),
            inside_max=_INSIDE_MAX,
            outside_max=_OUTSIDE_MAX,
            stopping=stopping,
            under_way=under_way,
        )


async def until_told_to_stop(settings: Settings, dsn: str) -> None:
    """Works until SIGTERM or Ctrl-C; a second one does not wait for what is under way, but gives it back."""
    stopping = asyncio.Event()
    under_way: queue.UnderWay = set()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            for job in under_way:
                job.cancel()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)  # a third one kills
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await work(settings, dsn, stopping, under_way)


def main() -> None:
    """The background process of `reevit serve`."""
    lifeline.hold()
    settings = load(os.environ)
    logs.configure(settings.log_format)
    assert settings.database_url is not None, "`reevit serve` passes it"
    uvloop.run(until_told_to_stop(settings, settings.database_url))


if __name__ == "__main__":
    main()
