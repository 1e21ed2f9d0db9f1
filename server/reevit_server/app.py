"""The web composition root: settings -> database -> routes -> front. The only list of routes."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from reevit_server.analytics.api import router as analytics
from reevit_server.api_keys import Authenticator
from reevit_server.api_keys.api import router as api_keys
from reevit_server.core import clock, openapi, probes
from reevit_server.core.database import Database
from reevit_server.core.front import Front
from reevit_server.core.rate_limit import RateLimiter
from reevit_server.core.routing import Routes
from reevit_server.core.sealing import Sealer
from reevit_server.customers.api import router as customers
from reevit_server.events.api import router as events
from reevit_server.invoices.api import router as invoices
from reevit_server.invoices.pages import router as invoice_pages
from reevit_server.messages.api import router as messages
from reevit_server.messages.pages import router as message_pages
from reevit_server.notices.pages import router as receipt_pages
from reevit_server.payments.api import router as payments
from reevit_server.sandbox.api import router as sandbox
from reevit_server.settings import Settings
from reevit_server.subscriptions.api import invoice_router as invoice_deeds
from reevit_server.subscriptions.api import router as subscriptions
from reevit_server.web import reference
from reevit_server.webhooks.api import router as webhooks
from reevit_server.workflows.api import router as templates
from reevit_server.workflows.rule_api import router as workflows

ROUTERS = (
    customers,
    payments,
    subscriptions,
    invoices,
    invoice_deeds,
    invoice_pages,
    receipt_pages,
    analytics,
    sandbox,
    events,
    webhooks,
    workflows,
    templates,
    messages,
    message_pages,
    api_keys,
    probes.router,
)


TAGS = {
    "customers": "One profile for each of your customers, found by your own id or by ours.",
    "payments": "Money that comes in, and money that goes back.",
    "subscriptions": "What customers pay for again and again, and what happens when a charge fails.",
    "invoices": "What each period of a subscription costs, and whether it was paid.",
    "analytics": "Who your best customers are, what each is worth, and what happened.",
    "sandbox": "In test mode: play the customer's part, and let time pass.",
    "events": "What happened, change by change, in the last 30 days.",
    "webhooks": "Your servers are told of events; what became of it, and telling again.",
    "workflows": "What is written to your customers, and when.",
    "messages": "What was written to whom, by whom, and how it went.",
    "api keys": "Who may call, and what they may do.",
    "operations": "For the machines that watch this one. No API key is needed.",
}


def describe() -> dict[str, Any]:
    """The OpenAPI document of every route."""
    return openapi.document((route for router in ROUTERS for route in router.routes), tags=TAGS)


def create_app(settings: Settings, dsn: str, *, now: Callable[[], datetime] = clock.utc_now) -> Front:
    """The whole API as an ASGI application on the database `dsn`; `now` is the time it lives in."""
    assert settings.master_key is not None, "who starts the server sees to it"

    async def open_database() -> Database:
        return await Database.open(dsn, connections_max=settings.database_connections)

    routers = (*ROUTERS, reference.router_of(describe()))
    return Front(
        Routes(route for router in routers for route in router.routes),
        open_database=open_database,
        authenticate=Authenticator(),
        rate_limiter=RateLimiter(settings.rate_limit / settings.workers),
        sealer=Sealer(settings.master_key),
        clock=now,
        log_requests=settings.log_requests,
        private_webhooks=settings.allow_private_webhooks,
    )
