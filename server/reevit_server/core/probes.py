"""What machines ask: is it alive, is it ready, how is it doing."""

from contextlib import suppress
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from reevit_server.core import jobs, metrics
from reevit_server.core.answer import Answer, reply
from reevit_server.core.database import LOST_CONNECTION
from reevit_server.core.errors import Unavailable
from reevit_server.core.http import Call
from reevit_server.core.openapi import refusals

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/healthz", response_model=Health)
async def healthz() -> Answer:
    """Whether the process is alive."""
    return reply(Health())


@router.get("/readyz", response_model=Health, responses=refusals(Unavailable))
async def readyz(call: Call) -> Answer:
    """Whether requests should be sent here: 503 while the database cannot be reached, and before the server stops."""
    if call.leaving:
        raise Unavailable("This server is about to stop; send requests to another one.")
    async with call.db.read() as conn:
        await conn.fetchval("SELECT 1")
    return reply(Health())


@router.get("/metrics", response_model=str, response_class=PlainTextResponse)
async def get_metrics(call: Call) -> Answer:
    """Figures in the Prometheus text format. While the database is away, those of the queue are left out."""
    depths: list[jobs.Depth] = []
    with suppress(Unavailable, *LOST_CONNECTION):
        async with call.db.read() as conn:
            depths = await jobs.depths(conn)
    return Answer(200, metrics.exposition(depths), content_type=b"text/plain; version=0.0.4; charset=utf-8")
