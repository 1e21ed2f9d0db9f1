"""`/openapi.json` and `/docs`: the contract, for machines and for people; both written once, at the start."""

from typing import Any

import orjson
from fastapi import APIRouter

from reevit_server.core.answer import Answer


def router_of(document: dict[str, Any]) -> APIRouter:
    """The two doors to `document`."""
    router = APIRouter(include_in_schema=False)
    told = Answer(200, orjson.dumps(document))

    @router.get("/openapi.json", response_model=None)
    async def get_openapi() -> Answer:
        return told

    return router
