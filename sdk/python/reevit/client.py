"""The two clients: `Reevit`, whose calls return, and `AsyncReevit`, whose calls are awaited."""

from __future__ import annotations

import copy
import logging
import os
import platform
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic
from urllib.parse import parse_qs

import anyio  # comes with httpx, which runs on it
import httpx
from typing_extensions import Self

from reevit._attempts import Attempt, Steps, attempts
from reevit._call import Call, ListCall, encoded_body, encoded_query
from reevit._pages import AsyncPages, Page, fetch
from reevit._resource import Async, Kind, Sync
from reevit._sending import AsyncPools, send_async, send_sync
from reevit._settings import (
    DEFAULT_BASE_URL,
    WithoutClientSecret,
    checked_headers,
    checked_idempotency_key,
    checked_key,
    checked_org,
    checked_path,
    checked_retries,
    checked_timeout,
    checked_url,
)
from reevit._version import __version__
from reevit.errors import ReevitAPIError
from reevit.resources import (
    ApiKeys,
    Customers,
    Events,
    Invoices,
    Messages,
    Payments,
    Refunds,
    RetryPolicies,
    Sandbox,
    Subscriptions,
    Webhooks,
    Workflows,
)

__all__ = ["AsyncReevit", "Reevit", "ReevitAPIError", "is_sandbox_key", "mode_from_api_key"]

DEFAULT_TIMEOUT = 30.0
"""Seconds."""
DEFAULT_MAX_RETRIES = 2

LIVE_KEY_PREFIX, TEST_KEY_PREFIX = "pfk_live_", "pfk_test_"

_USER_AGENT = f"reevit-python/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"

_log = logging.getLogger("reevit")

# A payment is confirmed by a secret in the address, and httpx logs addresses.
logging.getLogger("httpx").addFilter(WithoutClientSecret())


def mode_from_api_key(api_key: str) -> str | None:
    """``"test"`` or ``"live"``: the key alone decides. None for a key that is not Reevit's."""
    for mode, prefix in {"test": TEST_KEY_PREFIX, "live": LIVE_KEY_PREFIX}.items():
        if api_key.startswith(prefix):
            return mode
    return None


def is_sandbox_key(api_key: str) -> bool:
    """Whether it is a key of test mode."""
    return mode_from_api_key(api_key) == "test"


@dataclass(frozen=True)
class _Options:
    max_retries: int
    headers: Mapping[str, str]
    observe: Callable[[Attempt], None]


class _Client(ABC, Generic[Kind]):
    """What both clients are: settings, and the resources."""

    def __init__(
        self,
        api_key: str | None,
        org_id: str | None,
        base_url: str | None,
        timeout: float | httpx.Timeout | None,
        max_retries: int,
        on_attempt: Callable[[Attempt], None] | None,
    ) -> None:
        # What is given and empty is not replaced: an unset variable must not choose another account's key.
        self._api_key = checked_key(os.environ.get("REEVIT_API_KEY") if api_key is None else api_key)
        self.org_id = checked_org(org_id)
        self.base_url = checked_url(
            (os.environ.get("REEVIT_BASE_URL") or DEFAULT_BASE_URL) if base_url is None else base_url
        )
        self.timeout = checked_timeout(timeout)
        named = {"X-Org-Id": org_id} if org_id else {}
        self._options = _Options(checked_retries(max_retries), named, on_attempt or _logged)
        self._bind()

    def _bind(self) -> None:
        self.customers: Customers[Kind] = Customers(self)
        self.payments: Payments[Kind] = Payments(self)
        self.refunds: Refunds[Kind] = Refunds(self)
        self.subscriptions: Subscriptions[Kind] = Subscriptions(self)
        self.invoices: Invoices[Kind] = Invoices(self)
        self.retry_policies: RetryPolicies[Kind] = RetryPolicies(self)
        self.events: Events[Kind] = Events(self)
        self.webhooks: Webhooks[Kind] = Webhooks(self)
        self.api_keys: ApiKeys[Kind] = ApiKeys(self)
        self.workflows: Workflows[Kind] = Workflows(self)
        self.messages: Messages[Kind] = Messages(self)
        self.sandbox: Sandbox[Kind] = Sandbox(self)

    @property
    def mode(self) -> str | None:
        """``"test"`` or ``"live"``, by the key; None when it is not one of Reevit's."""
        return mode_from_api_key(self._api_key)

    def with_options(
        self,
        *,
        timeout: float | httpx.Timeout | None = None,
        max_retries: int | None = None,
        actor_id: str | None = None,
        reason: str | None = None,
    ) -> Self:
        """The same client, on the same connections, with other settings for the calls made through it.

        `actor_id` and `reason` are kept with every event that those calls bring about: who did it, and why.
        """
        said = {"X-Actor-Id": actor_id, "X-Reason": reason}
        options = replace(
            self._options,
            headers={
                **self._options.headers,
                **{name: value for name, value in said.items() if value is not None},
            },
        )
        if max_retries is not None:
            options = replace(options, max_retries=checked_retries(max_retries))
        other = copy.copy(self)
        other._options = options  # noqa: SLF001
        if timeout is not None:
            other.timeout = checked_timeout(timeout)
        other._bind()  # noqa: SLF001
        return other

    @abstractmethod
    def send(self, call: Call[Any]) -> Any:
        """What a resource asks, sent in this client's way."""

    @abstractmethod
    def send_list(self, call: ListCall[Any]) -> Any:
        """The list that a resource asks for."""

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | httpx.Timeout | None = None,
    ) -> Any:
        """Any call of the API, also one that this version does not know: its JSON, or None.

        A write gets an idempotency key, and is retried, like any; your own is the header ``Idempotency-Key``.
        """
        path, _, query = checked_path(path).partition("?")
        said = dict(headers or {})
        keys = [said.pop(name) for name in list(said) if str(name).lower() == "idempotency-key"]
        client = self.with_options(timeout=timeout)
        client._options = replace(client._options, headers={**client._options.headers, **said})  # noqa: SLF001
        call = Call(
            method.upper(),
            path,
            lambda answer: answer,
            {**parse_qs(query, keep_blank_values=True), **(params or {})},
            json,
            keys[0] if keys else None,
        )
        return client.send(call)

    def _steps(self, http: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> Steps[Any]:
        options = self._options
        headers = checked_headers(options.headers)
        content = None
        if call.body is not None:
            content = encoded_body(call.body)
            headers["Content-Type"] = "application/json"
        # Kept for all tries of this call: the server answers the later ones from memory.
        if call.method != "GET":
            given = call.idempotency_key
            key = str(uuid.uuid4()) if given is None else checked_idempotency_key(given)
            headers.update(checked_headers({"Idempotency-Key": key}))
        request = http.build_request(
            call.method,
            self.base_url + call.path,
            params=encoded_query(call.query) or None,
            headers=headers,
            content=content,
            timeout=checked_timeout(self.timeout),  # it may have been set since
        )
        return attempts(call, request, max_retries=options.max_retries, observe=options.observe)

    def _http_settings(self) -> dict[str, Any]:
        return {
            "headers": {
                "Accept": "application/json",
                "User-Agent": _USER_AGENT,
                "X-Reevit-Key": self._api_key,
                "X-Reevit-Client": "@reevit/python",
                "X-Reevit-Client-Version": __version__,
            },
            "limits": httpx.Limits(max_connections=100, max_keepalive_connections=20),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r}, mode={self.mode!r})"


class Reevit(_Client[Sync]):
    """The API of Reevit Customers; its calls return what they ask for. Safe to share between threads.

    `api_key` defaults to ``REEVIT_API_KEY``, `base_url` to ``REEVIT_BASE_URL`` or ``http://localhost:8000``.
    `timeout` is how many seconds one try may take, until its answer is whole; None is no end, and an `httpx.Timeout`
    is as httpx keeps it, for each step of a try alone. `max_retries` is how often a call is sent again when the
    server could not be reached, was too busy, or broke off; nothing happens twice by it. `on_attempt` is told of
    every try, for metrics; without it they go to the logger "reevit", at DEBUG. `transport` replaces the network.

        with Reevit("pfk_test_…") as reevit:
            ada = reevit.customers.create(external_id="usr_1234", email="ada@example.com")
            reevit.payments.create(amount=15000, currency="GHS", customer_id=ada.id)
    """

    def __init__(
        self,
        api_key: str | None = None,
        org_id: str | None = None,
        base_url: str | None = None,
        timeout: float | httpx.Timeout | None = DEFAULT_TIMEOUT,
        *,
        max_retries: int = DEFAULT_MAX_RETRIES,
        on_attempt: Callable[[Attempt], None] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(api_key, org_id, base_url, timeout, max_retries, on_attempt)
        self._http = httpx.Client(transport=transport, **self._http_settings())

    def send(self, call: Call[Any]) -> Any:
        steps = self._steps(self._http, call)
        outcome: httpx.Response | httpx.RequestError | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return end.value
            if isinstance(step, float):
                time.sleep(step)
                continue
            try:
                outcome = send_sync(self._http, step, self.timeout)
            except httpx.RequestError as error:
                outcome = error

    def send_list(self, call: ListCall[Any]) -> Page[Any]:
        return fetch(call, self.send)

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncReevit(_Client[Async]):
    """The API of Reevit Customers for asyncio and trio: `Reevit`, with ``await`` and ``async for``. One that is made
    once may be used in several event loops.

    async with AsyncReevit("pfk_test_…") as reevit:
        ada = await reevit.customers.create(external_id="usr_1234", email="ada@example.com")
        async for payment in reevit.customers.get_payment_history(ada.id):
            print(payment.amount, payment.currency)
    """

    def __init__(
        self,
        api_key: str | None = None,
        org_id: str | None = None,
        base_url: str | None = None,
        timeout: float | httpx.Timeout | None = DEFAULT_TIMEOUT,
        *,
        max_retries: int = DEFAULT_MAX_RETRIES,
        on_attempt: Callable[[Attempt], None] | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(api_key, org_id, base_url, timeout, max_retries, on_attempt)
        self._pools = AsyncPools(self._http_settings(), transport)

    async def send(self, call: Call[Any]) -> Any:
        http = self._pools.here()
        steps = self._steps(http, call)
        outcome: httpx.Response | httpx.RequestError | None = None
        while True:
            try:
                step = steps.send(outcome)
            except StopIteration as end:
                return end.value
            if isinstance(step, float):
                await anyio.sleep(step)
                continue
            try:
                outcome = await send_async(http, step, self.timeout)
            except httpx.RequestError as error:
                outcome = error

    def send_list(self, call: ListCall[Any]) -> AsyncPages[Any]:
        return AsyncPages(call, self.send)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._pools.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


def _logged(attempt: Attempt) -> None:
    if _log.isEnabledFor(logging.DEBUG):
        told = attempt.status_code or attempt.error
        again = "" if attempt.wait_seconds is None else f", again in {attempt.wait_seconds:.1f} s"
        _log.debug(
            "%s %s: %s in %.0f ms (try %d%s, request_id=%s)",
            attempt.method,
            attempt.path,
            told,
            attempt.latency_seconds * 1000,
            attempt.number,
            again,
            attempt.request_id,
        )
