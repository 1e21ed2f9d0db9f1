"""Every block of Python in the README runs, one after the other, and prints what the README says it prints."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from standardwebhooks import Webhook

from reevit import sign_webhook_payload

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
SECRET = "whsec_c2VjcmV0IG9mIHRoZSBzaG9w"
PROMISED = re.compile(r"^ *print\(.*\)  # (.*)$", re.MULTILINE)

Row = dict[str, Any]


class Registry:
    """As much of a server as the README asks: customers, their payments, a ranking, a rule."""

    def __init__(self) -> None:
        self.customers: dict[str, Row] = {}
        self.payments: dict[str, Row] = {}  # by Idempotency-Key
        self.rules: list[Row] = []
        self.asked: list[tuple[str, str | None]] = []

    def answer(self, method: str, url: str, body: Row, key: str) -> tuple[int, Row]:
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        match [method, *parts.path.split("/")[2:]]:
            case ["POST", "customers"] if body["external_id"] in self.customers:
                taken = {"customer_id": self.customers[body["external_id"]]["id"]}
                return 409, {"code": "external_id_taken", "message": "It is taken.", "details": taken}
            case ["POST", "customers"]:
                return 201, self._created(**body)
            case ["PUT", "customers", "external", external_id]:
                return 201, self._created(external_id, **body)
            case ["PATCH", "customers", "external", external_id]:
                self.customers[external_id].update(body)
                return 200, self.customers[external_id]
            case ["GET", "customers", "lookup"]:
                return 200, self.customers[query["external_id"]]
            case ["GET", "customers", "top"]:
                return 200, {"customers": self._ranked(int(query["limit"])), "currency": "GHS"}
            case ["GET", "customers"]:
                return 200, self._page(**query)
            case ["GET", "customers", *_, who, "payments"]:
                rows = [row for row in self.payments.values() if who in row.values()]
                return 200, {"payments": rows, "has_more": False, "next_cursor": None}
            case ["POST", "workflows", "rules"]:
                self.rules.append({"id": "wfr_1", **body})
                return 201, self.rules[-1]
            case ["POST", "workflows", "rules", "wfr_1", "simulate"]:
                return 200, self._simulated()
            case ["GET", "messages"]:
                return 200, {"messages": self._written(), "has_more": False, "next_cursor": None}
            case ["POST", "payments"]:
                return 201, self.payments.get(key) or self._paid(key, **body)
        raise AssertionError(f"the README asks {method} {url}")

    def _created(self, external_id: str, tags: tuple[str, ...] = (), **fields: Any) -> Row:
        row = {"id": f"cus_{len(self.customers) + 1}", "external_id": external_id, "tags": tags, **fields}
        self.customers[external_id] = {**row, "lifetime_value": 0, "preferred_currency": None}
        return row

    def _paid(self, key: str, amount: int, currency: str, **who: str) -> Row:
        (customer,) = [
            row
            for row in self.customers.values()
            if who in ({"customer_id": row["id"]}, {"external_customer_id": row["external_id"]})
        ]
        customer["lifetime_value"] += amount
        customer["preferred_currency"] = currency
        self.payments[key] = {
            "id": f"pay_{len(self.payments) + 1}",
            "customer_id": customer["id"],
            "external_customer_id": customer["external_id"],
            "amount": amount,
            "status": "succeeded",
            "created_at": "2026-03-01T12:00:00Z",
        }
        return self.payments[key]

    def _written(self) -> list[Row]:
        """What the last rule would write because of each payment."""
        subject = self.rules[-1]["actions"][0]["subject"]
        payers = {row["id"]: row for row in self.customers.values()}
        return [
            {"to": payers[payment["customer_id"]]["email"], "subject": subject}
            for payment in self.payments.values()
        ]

    def _simulated(self) -> Row:
        results = [{"matches": True, "actions": [message]} for message in self._written()]
        return {"rule_id": "wfr_1", "events": len(results), "matched": len(results), "results": results}

    def _ranked(self, limit: int) -> list[Row]:
        rows = sorted(self.customers.values(), key=lambda row: -row["lifetime_value"])[:limit]
        return [{**row, "rank": rank, "amount": row["lifetime_value"]} for rank, row in enumerate(rows, 1)]

    def _page(self, limit: str = "20", cursor: str = "0", tag: str = "", include_total: str = "") -> Row:
        newest_first = [row for row in reversed(self.customers.values()) if not tag or tag in row["tags"]]
        end = int(cursor) + int(limit)
        answer = {"customers": newest_first[int(cursor) : end]}
        more = len(newest_first) > end
        answer |= {"has_more": more, "next_cursor": str(end) if more else None}
        return {**answer, "total": len(newest_first)} if include_total else answer


@contextmanager
def served(registry: Registry) -> Iterator[str]:
    """Its address."""

    class Exchange(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"] or 0)) or "{}")
            registry.asked.append((self.path, self.headers["X-Reason"]))
            status, told = registry.answer(self.command, self.path, body, self.headers["Idempotency-Key"])
            content = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = answer  # noqa: N815 - as the base class looks for them

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Exchange) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Ran:
    """What running the README left: what each block printed, and all names."""

    def __init__(self) -> None:
        self.registry = Registry()
        self.printed: list[list[str]] = []
        self.names: dict[str, Any] = {"__name__": "readme"}


@pytest.fixture(scope="module")
def ran() -> Iterator[Ran]:
    ran = Ran()
    with served(ran.registry) as base_url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("REEVIT_API_KEY", "pfk_test_abc.def")
        environment.setenv("REEVIT_BASE_URL", base_url)
        environment.setenv("REEVIT_WEBHOOK_SECRET", SECRET)
        for number, block in enumerate(BLOCKS):
            lines: list[str] = []
            ran.names["print"] = lambda *said, lines=lines: lines.append(" ".join(map(str, said)))
            exec(compile(block, f"README block {number}", "exec"), ran.names)
            ran.printed.append(lines)
        yield ran


def test_no_block_of_python_is_left_out():
    languages = re.findall(r"^```(\w*)$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert languages.count("python") == len(BLOCKS) == 11
    assert set(languages) == {"python", "sh", ""}


def test_every_block_that_prints_says_what():
    assert all(PROMISED.search(block) for block in BLOCKS if "print" in block and "webhook" not in block)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_a_block_prints_what_it_says(ran: Ran, number: int):
    promised = PROMISED.findall(BLOCKS[number])
    rest = iter(ran.printed[number])
    assert [line for line in promised if line not in rest] == []


def test_a_loop_goes_over_all_pages_as_it_says(ran: Ran):
    (lists,) = [printed for block, printed in zip(BLOCKS, ran.printed, strict=True) if "upsert" in block]
    assert lists[:3] == ["Efua Sutherland", "Kofi Mensah", "Ada Lovelace"]


def test_an_order_is_paid_once(ran: Ran):
    assert len(ran.registry.payments) == 2
    assert ran.registry.payments["order-1001"]["amount"] == 15000


def test_options_do_what_it_says(ran: Ran):
    *tries, found = ran.printed[-1]
    assert tries == [
        "PATCH /v1/customers/external/usr_1234 200 1",
        "GET /v1/customers/top 200 1",
    ]
    assert found == "Ada King"
    reasons = [reason for path, reason in ran.registry.asked if path.endswith("/external/usr_1234")]
    assert reasons == ["asked for by phone"]


def _delivery() -> str:
    now = datetime.now(timezone.utc).isoformat()
    data = {"id": "pay_1", "customer": {"external_id": "usr_1234"}}
    return json.dumps({"id": "evt_1", "type": "payment.succeeded", "signature_timestamp": now, "data": data})


def _signed(body: str) -> list[dict[str, str]]:
    """Its headers, by either of the two signatures."""
    now = datetime.now(timezone.utc)
    standard = {"webhook-id": "evt_1", "webhook-timestamp": str(int(now.timestamp()))}
    standard["webhook-signature"] = Webhook(SECRET).sign("evt_1", now, body)
    return [{"X-Reevit-Signature": sign_webhook_payload(body, SECRET)}, standard]


@pytest.fixture(params=["Flask", "FastAPI"])
def receiver(request: pytest.FixtureRequest, ran: Ran) -> Any:
    """Posts to the README's receiver; returns the status."""
    if request.param == "Flask":
        transport: Any = httpx.WSGITransport(ran.names["app"])
        client = httpx.Client(transport=transport, base_url="http://shop")
        return lambda body, headers: (
            client.post("/webhooks/reevit", content=body, headers=headers).status_code
        )
    return lambda body, headers: _post_async(ran.names["api"], body, headers)


def _post_async(app: Any, body: str, headers: dict[str, str]) -> int:
    async def post() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            return (await client.post("/webhooks/reevit", content=body, headers=headers)).status_code

    return asyncio.run(post())


def test_a_receiver_takes_what_is_genuine_and_finds_its_own_user(ran: Ran, receiver: Any):
    said: list[str] = []
    ran.names["print"] = lambda *words: said.append(" ".join(words))
    body = _delivery()
    assert [receiver(body, headers) for headers in _signed(body)] == [204, 204]
    assert said == ["payment.succeeded usr_1234"] * 2


def test_a_receiver_refuses_what_was_changed_or_not_signed(ran: Ran, receiver: Any):
    said: list[str] = []
    ran.names["print"] = lambda *words: said.append(" ".join(words))
    body = _delivery()
    changed = body.replace("usr_1234", "usr_9999")
    assert [receiver(changed, headers) for headers in [*_signed(body), {}]] == [400, 400, 400]
    assert said == []
