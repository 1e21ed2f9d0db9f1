"""A network that gives the answers it was told to give, one a request, and keeps what was asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import anyio
import httpx

KEY = "pfk_test_abc.secret"


class Answers(httpx.MockTransport):
    """Each answer is JSON, a response as it is, or an error to raise. Asked for more, it fails."""

    def __init__(self, *answers: Any) -> None:
        super().__init__(self._answer)
        self._answers = iter(answers)
        self.requests: list[httpx.Request] = []

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = next(self._answers, None)
        assert answer is not None, f"one request too many: {request.method} {request.url}"
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, httpx.Response) else httpx.Response(200, json=answer)


def refusal(status: int, code: str, **details: Any) -> httpx.Response:
    """An error as the server words it."""
    body = {"error": "refused", "code": code, "message": "It cannot be.", "details": details}
    return httpx.Response(status, json=body, headers={"X-Request-Id": "req_1"})


@contextmanager
def without_waiting() -> Iterator[list[float]]:
    """Pauses between tries are written down and take no time."""
    waits: list[float] = []

    async def asleep(seconds: float) -> None:
        waits.append(seconds)

    with patch("time.sleep", waits.append), patch.object(anyio, "sleep", asleep):
        yield waits
