"""What a client may be set to and what it sends with every call; what cannot be is told before anything is sent."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from reevit import AsyncReevit, ConfigurationError, Customer, Reevit, ReevitConnectionError
from reevit.client import is_sandbox_key, mode_from_api_key
from tests.answers import KEY, Answers, without_waiting

BOTH = pytest.mark.parametrize("kind", [Reevit, AsyncReevit])


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("REEVIT_API_KEY", "REEVIT_BASE_URL", "REEVIT_ORG_ID"):
        monkeypatch.delenv(name, raising=False)


def asked(**settings: Any) -> httpx.Request:
    """The request of one call by a client with these settings."""
    wire = Answers({"id": "cus_1"})
    Reevit(**{"api_key": KEY, "transport": wire, **settings}).customers.get("cus_1")
    return wire.requests[0]


@BOTH
def test_what_is_not_given_comes_from_the_environment(kind: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REEVIT_API_KEY", "pfk_live_env.secret")
    monkeypatch.setenv("REEVIT_BASE_URL", "https://env.example/")
    client = kind()
    assert (client.mode, client.base_url) == ("live", "https://env.example")


@BOTH
def test_what_is_given_wins(kind: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REEVIT_API_KEY", "pfk_live_env.secret")
    monkeypatch.setenv("REEVIT_BASE_URL", "https://env.example")
    client = kind(KEY, base_url="https://shop.example")
    assert (client.mode, client.base_url) == ("test", "https://shop.example")
    assert asked().headers["X-Reevit-Key"] == KEY


def test_without_an_address_it_is_this_machine(monkeypatch: pytest.MonkeyPatch):
    assert str(asked().url) == "http://localhost:8000/v1/customers/cus_1"
    monkeypatch.setenv("REEVIT_BASE_URL", "")
    assert Reevit(KEY).base_url == "http://localhost:8000"


@BOTH
def test_without_a_key_there_is_no_client(kind: Any):
    with pytest.raises(ConfigurationError, match="REEVIT_API_KEY"):
        kind()


@BOTH
def test_an_empty_key_is_not_replaced_by_another(kind: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REEVIT_API_KEY", "pfk_live_env.secret")
    with pytest.raises(ConfigurationError, match="no API key"):
        kind("")


@pytest.mark.parametrize("key", [f"{KEY}\n", f" {KEY}", f"{KEY}\u200b", "pfk_test_abc .secret", "\x00"])
def test_a_key_that_was_copied_with_something_else_is_told_and_not_shown(key: str):
    with pytest.raises(ConfigurationError, match="copied") as raised:
        Reevit(key)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("path", ["", "/", "/reevit", "/reevit/"])
def test_an_address_may_have_a_path_and_may_end_in_a_slash(path: str):
    url = asked(base_url=f"https://shop.example{path}").url
    assert str(url) == f"https://shop.example{path.rstrip('/')}/v1/customers/cus_1"


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "localhost:8000",
        "shop.example",
        "ftp://shop.example",
        "https://",
        "https://shop.example/?a=1",
        "https://shop.example/?",
        "https://shop.example/#",
        "https://shop.example:port",
    ],
)
def test_an_address_that_is_none_is_told_at_once(base_url: str):
    with pytest.raises(ConfigurationError, match="base_url"):
        Reevit(KEY, base_url=base_url)


@pytest.mark.parametrize(
    "base_url",
    [
        "https://ada:hunter2@shop.example",
        "https://hunter2@shop.example:port",
        "ada:hunter2@shop.example",
        "https://shop.example/?token=hunter2",
        "https://shop.example#hunter2",
    ],
)
def test_an_address_with_a_password_is_refused_and_not_repeated(base_url: str):
    with pytest.raises(ConfigurationError, match="base_url") as raised:
        Reevit(KEY, base_url=base_url)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None


@BOTH
@pytest.mark.parametrize(
    "settings",
    [
        *({"max_retries": value} for value in (-1, 1.5, "2", True, None)),
        *({"timeout": value} for value in (0, -1, "5", True, float("nan"), float("inf"), (5, 5))),
        *({name: 5} for name in ("api_key", "org_id", "base_url")),
        {"api_key": KEY.encode()},
    ],
    ids=repr,
)
def test_a_setting_that_cannot_be_is_told_at_once(kind: Any, settings: dict[str, Any]):
    with pytest.raises(ConfigurationError) as raised:
        kind(**{"api_key": KEY, **settings})
    assert next(iter(settings)).replace("api_key", "API key") in str(raised.value)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "settings", [{"max_retries": -1}, {"max_retries": "2"}, {"timeout": 0}, {"timeout": "5"}]
)
def test_an_option_that_cannot_be_is_told_at_once(settings: dict[str, Any]):
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        Reevit(KEY).with_options(**settings)


def test_a_timeout_that_was_set_since_and_cannot_be_is_told_before_anything_is_sent():
    client = Reevit(KEY, transport=Answers())
    client.timeout = "5"  # type: ignore[assignment]
    with pytest.raises(ConfigurationError, match="timeout"):
        client.customers.get("cus_1")


def test_a_thousand_retries_are_waited_for_without_an_overflow():
    wire = Answers(*[httpx.ConnectError("refused")] * 1100, {"id": "cus_1"})
    with without_waiting() as waits:
        assert Reevit(KEY, transport=wire, max_retries=1100).customers.get("cus_1").id == "cus_1"
    assert len(waits) == 1100
    assert max(waits) <= 8


@pytest.mark.parametrize(
    ("said", "least", "most"),
    [
        ("0.2", 0.2, 0.7),
        ("0", 0, 0.5),
        ("59.5", 59.5, 60),
        ("-1", 0, 0.5),
        ("nan", 0, 0.5),
        ("9" * 400, 0, 0.5),
    ],
)
def test_retry_after_is_read_with_decimals_and_nonsense_is_no_wish(said: str, least: float, most: float):
    wire = Answers(httpx.Response(503, headers={"Retry-After": said}), {"id": "cus_1"})
    with without_waiting() as waits:
        Reevit(KEY, transport=wire).customers.get("cus_1")
    assert len(waits) == 1
    assert least <= waits[0] <= most


@BOTH
def test_its_repr_shows_where_and_the_mode_but_no_key(kind: Any):
    client = kind(KEY)
    assert repr(client) == f"{kind.__name__}(base_url='http://localhost:8000', mode='test')"
    assert "secret" not in repr(client.with_options(reason="x"))


@pytest.mark.parametrize(
    ("key", "mode"), [("pfk_test_a.b", "test"), ("pfk_live_a.b", "live"), ("sk_test_a", None), ("x", None)]
)
def test_the_key_alone_decides_the_mode(key: str, mode: str | None):
    assert Reevit(key).mode == mode_from_api_key(key) == mode
    assert is_sandbox_key(key) == (mode == "test")


def test_every_request_says_who_asks():
    headers = asked(org_id="org_1").headers
    assert (headers["X-Reevit-Key"], headers["X-Org-Id"]) == (KEY, "org_1")
    assert headers["User-Agent"].startswith("reevit-python/")
    assert headers["X-Reevit-Client"] == "@reevit/python"
    assert "Authorization" not in headers
    assert "X-Org-Id" not in asked().headers


def test_other_options_are_of_the_other_client_only_and_its_connections_are_the_same():
    wire = Answers(*[{"id": "cus_1"}] * 2)
    client = Reevit(KEY, "org_1", transport=wire)
    other = client.with_options(timeout=5, actor_id="staff_7", reason="Demandé par la cliente")
    other.customers.get("cus_1")
    client.customers.get("cus_1")
    first, second = wire.requests
    assert (first.headers["X-Actor-Id"], first.headers["X-Org-Id"]) == ("staff_7", "org_1")
    assert (b"X-Reason", "Demandé par la cliente".encode()) in first.headers.raw
    assert first.extensions["timeout"]["read"] == 5
    assert second.extensions["timeout"]["read"] == 30
    assert not {"X-Actor-Id", "X-Reason"} & set(second.headers)
    assert type(other) is Reevit


def test_options_add_up():
    wire = Answers({"id": "cus_1"})
    client = Reevit(KEY, transport=wire).with_options(actor_id="staff_7", timeout=5).with_options(reason="x")
    client.customers.get("cus_1")
    assert (wire.requests[0].headers["X-Actor-Id"], wire.requests[0].headers["X-Reason"]) == ("staff_7", "x")
    assert wire.requests[0].extensions["timeout"]["read"] == 5


def test_the_timeout_is_what_the_client_says_it_is():
    wire = Answers(*[{"id": "cus_1"}] * 3)
    client = Reevit(KEY, transport=wire, timeout=httpx.Timeout(10, connect=2))
    client.customers.get("cus_1")
    client.timeout = 7
    client.customers.get("cus_1")
    client.timeout = None
    client.customers.get("cus_1")
    told = [
        (request.extensions["timeout"]["connect"], request.extensions["timeout"]["read"])
        for request in wire.requests
    ]
    assert told == [(2, 10), (7, 7), (None, None)]


@pytest.mark.parametrize("max_retries", [0, 1, 3])
def test_it_is_tried_as_often_as_the_options_say(max_retries: int):
    wire = Answers(*[httpx.ConnectError("refused")] * (max_retries + 1))
    with without_waiting() as waits, pytest.raises(ReevitConnectionError, match="Cannot connect"):
        Reevit(KEY, transport=wire).with_options(max_retries=max_retries).customers.get("cus_1")
    assert (len(wire.requests), len(waits)) == (max_retries + 1, max_retries)


@pytest.mark.parametrize("value", ["one\ntwo", "one\rtwo", "nul\0", "escape\x1b[0m"])
def test_what_cannot_be_a_header_is_told_before_anything_is_sent(value: str):
    wire = Answers()
    client = Reevit(KEY, transport=wire)
    for call in (
        lambda: client.with_options(reason=value).customers.delete("cus_1"),
        lambda: client.customers.delete("cus_1", idempotency_key=value),
        lambda: client.request("GET", "/v1/customers", headers={"X-Note": value}),
    ):
        with pytest.raises(ValueError, match="one line of printable"):
            call()
    assert wire.requests == []


@pytest.mark.parametrize("value", [5, b"order-1", ["order-1"]], ids=repr)
def test_a_key_or_a_header_that_is_no_text_is_told_before_anything_is_sent(value: Any):
    wire = Answers()
    client = Reevit(KEY, transport=wire)
    for call in (
        lambda: client.customers.delete("cus_1", idempotency_key=value),
        lambda: client.request("POST", "/v1/x", headers={"Idempotency-Key": value}),
        lambda: client.request("GET", "/v1/x", headers={"X-Note": value}),
        lambda: client.with_options(reason=value).customers.get("cus_1"),
    ):
        with pytest.raises(TypeError, match="must be text, not"):
            call()
    assert wire.requests == []


@pytest.mark.parametrize("name", ["", 5, None, b"X-Note", "X Note", "X-Note:", "X-Nöte", "X-Note\r\nX-Other"])
def test_a_header_with_no_name_for_one_is_told_before_anything_is_sent(name: Any):
    with pytest.raises(ValueError, match="cannot be called"):
        Reevit(KEY, transport=Answers()).request("GET", "/v1/x", headers={name: "x"})


NO_CUSTOMERS = [
    {"id": "cus_1", "external_id": "usr_1"},
    {"id": "cus_1"},
    {"externalId": "usr_1"},
    {},
    Customer(id="cus_1", external_id=None),
]


@pytest.mark.parametrize("whole", NO_CUSTOMERS, ids=repr)
def test_a_customer_is_named_by_an_id_and_not_by_all_of_it(whole: Any):
    wire = Answers()
    client = Reevit(KEY, transport=wire)
    for call in (client.customers.get, client.customers.delete, client.customers.get_payment_history):
        with pytest.raises(ValueError, match="not the whole object"):
            call(whole)
    assert wire.requests == []


@pytest.mark.parametrize("id", [None, "", 5], ids=repr)
def test_an_id_that_is_none_is_refused_wherever_it_is_given(id: Any):
    wire = Answers()
    customers = Reevit(KEY, transport=wire).customers
    for call in (customers.get, customers.lookup, customers.upsert, customers.delete):
        with pytest.raises(ValueError, match="An id cannot be"):
            call(id)
    with pytest.raises(ValueError, match="An id cannot be"):
        customers.get({"external_id": id})
    assert wire.requests == []
