"""The web composition root: settings -> database -> routes -> front. The only list of routes."""

from collections.abc import Callable
from datetime import datetime

from fastapi import FastAPI

from reevit_server.analytics.api import router as analytics
from reevit_server.api_keys import Authenticator
from reevit_server.api_keys.api import router as api_keys
from reevit_server.core import clock, probes
from reevit_server.core.database import Database
from reevit_server.core.front import Front
from reevit_server.core.rate_limit import RateLimiter
from reevit_server.core.routing import Routes
from reevit_server.customers.api import router as customers
from reevit_server.payments.api import router as payments
from reevit_server.settings import Settings

ROUTERS = (customers, payments, analytics, api_keys, probes.router)


def describe() -> FastAPI:
    """Every route, declared: what the front dispatches to and the OpenAPI document tells."""
    app = FastAPI(title="Reevit Customers", version="1")
    for router in ROUTERS:
        app.include_router(router)
    return app


def create_app(settings: Settings, dsn: str, *, now: Callable[[], datetime] = clock.utc_now) -> Front:
    """The whole API as an ASGI application on the database `dsn`; `now` is the time it lives in."""

    async def open_database() -> Database:
        return await Database.open(dsn, connections_max=settings.database_connections)

    return Front(
        Routes(route for router in ROUTERS for route in router.routes),
        open_database=open_database,
        authenticate=Authenticator(),
        rate_limiter=RateLimiter(settings.rate_limit / settings.workers),
        clock=now,
        log_requests=settings.log_requests,
    )
