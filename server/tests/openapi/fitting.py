"""What no schema can say: valid data that is also about something real, and not the same thing twice."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from schemathesis import Case
from schemathesis.core.parameters import ParameterLocation

from reevit_server.providers.senders import SENDERS
from reevit_server.subscriptions.models import DELAY, DELAY_SECONDS_MAX, INTERVAL_COUNT_MAX, span
from reevit_server.workflows.composing import CHANNELS
from reevit_server.workflows.models import is_about_a_customer
from tests.openapi.formats import is_address, is_liquid, is_number, is_secret, is_told
from tests.openapi.objects import (
    CREDENTIALS,
    HOOKS,
    IN_PATH,
    LISTENING,
    PAYMENTS,
    PREPARED,
    SUBSCRIPTIONS,
    UNPAID,
    Shop,
)

_ADDRESS, _NUMBER = "ada@example.com", "+233501234567"
_PARTS = ("subject", "body", "html")


def fit(case: Case[Any], shop: Shop, *, with_objects: bool = True) -> None:
    """Gives the valid parts of a case real objects of the shop's to speak of; invalid parts stay as they are.

    Without objects, for a case that already speaks of what earlier ones made.
    """
    operation_id = case.operation.definition.raw["operationId"].removesuffix("_as_workflow")
    if case.meta is None or case.meta.generation.mode.is_positive:
        _fit_numbers(case.body)
    query = case.query if _is_valid(case, ParameterLocation.QUERY) else {}
    body = case.body if _is_valid(case, ParameterLocation.BODY) and isinstance(case.body, dict) else {}
    if with_objects and _is_valid(case, ParameterLocation.PATH):
        _fit_path(case.path_parameters, query, operation_id, shop)
    if with_objects and operation_id in PREPARED:
        PREPARED[operation_id](shop)
    if with_objects and operation_id == "test_integration" and _is_valid(case, ParameterLocation.PATH):
        case.path_parameters["integration_id"] = shop.integration(_channel_to(body.get("to")))["id"]
    _fit_headers(case, shop)
    _fit_query(case, query, shop)
    _fit_body(body, operation_id, shop)


def _is_valid(case: Case[Any], location: ParameterLocation) -> bool:
    return case.meta is None or not case.meta.is_negative_at(location)


def _fit_path(path: dict[str, Any], query: dict[str, Any], operation_id: str, shop: Shop) -> None:
    for name, made_up in path.items():
        if name == "external_id" and operation_id == "upsert_customer":
            continue  # it makes the customer that it does not find
        if name == "external_id":
            _be_known(unquote(str(made_up)), shop)
        elif name == "payment_id" and (maker := PAYMENTS.get(operation_id)):
            payment = maker(shop)
            path[name] = payment["id"]
            if "client_secret" in query:
                query["client_secret"] = payment["client_secret"]
        elif name == "subscription_id" and (maker := SUBSCRIPTIONS.get(operation_id)):
            path[name] = maker(shop)["id"]
        elif name == "invoice_id" and operation_id in UNPAID:
            path[name] = shop.subscription("fail,succeed")["latest_invoice_id"]
        elif name == "endpoint_id" and operation_id in LISTENING:
            path[name] = shop.listener()["id"]
        elif name != "tag":  # any tag will do
            assert name in IN_PATH, f"{name} is new in an address: say in IN_PATH how to make one"
            path[name] = IN_PATH[name](shop)


def _fit_headers(case: Case[Any], shop: Shop) -> None:
    headers = case.headers
    if "X-Org-Id" in headers and "X-Org-Id" not in _made_invalid(case):
        headers["X-Org-Id"] = shop.org_id
    if not _is_valid(case, ParameterLocation.HEADER):
        return
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = shop.unused(headers["Idempotency-Key"])
    for name in ("X-Actor-Id", "X-Reason"):
        if name in headers:  # the schema speaks of text, the wire of its bytes in UTF-8
            headers[name] = headers[name].encode().decode("latin-1")


def _made_invalid(case: Case[Any]) -> set[str | None]:
    """The parameters whose faults a case is about."""
    if case.meta is None:
        return set()
    data = case.meta.phase.data
    return {data.parameter, *(mutation.parameter for mutation in data.mutations)}


def _fit_query(case: Case[Any], query: dict[str, Any], shop: Shop) -> None:
    if case.path == "/v1/customers/lookup" and "external_id" in query:
        _be_known(query["external_id"], shop)
    if case.operation.definition.raw["operationId"] == "delete_retry_policy":
        if "plan_id" in query and (not query["plan_id"] or not query["plan_id"].isprintable()):
            query["plan_id"] = "team"  # what a policy can be for; the query itself may ask for anything
        shop.retry_policy(query.get("plan_id"))
    if "cursor" in query:
        query["cursor"] = _cursor(case, query, shop)
        if query["cursor"] is None:
            del query["cursor"]
    if "period" in query:  # of /v1/customers/top: a period, or from and to
        query.pop("from", None)
        query.pop("to", None)
    if "from" in query and "to" in query:
        del query["to"]
    if "explain" in _known(case) and query.keys() & {"cursor", "include_total"}:
        query["explain"] = True  # pages are of the entries that it lists


def _known(case: Case[Any]) -> set[str]:
    """The names of an operation's query parameters."""
    return {parameter.name for parameter in case.operation.query}


def _fit_body(body: dict[str, Any], operation_id: str, shop: Shop) -> None:
    for person in (body, body.get("customer") or {}):
        _fit_address(person, "email")
        _fit_number(person, "phone")
    for name in ("external_id", "reference"):
        if isinstance(body.get(name), str):
            body[name] = shop.unused(body[name])
    if operation_id in ("create_template", "create_integration") and isinstance(body.get("name"), str):
        body["name"] = shop.unused(body["name"], 200)
    if "external_id" in body and operation_id.startswith("update_customer"):
        body["rekey"] = True
    if body.get("customer_id") is not None:
        body["customer_id"] = shop.customer()["id"]
    if body.get("external_customer_id") is not None:
        _be_known(body["external_customer_id"], shop)
    if body.get("fee_amount") is not None:
        body["fee_amount"] = min(body["fee_amount"], body["amount"])
    if isinstance(body.get("occurred_at"), str) and not "0002" < body["occurred_at"] < "2026":
        body["occurred_at"] = datetime.now(UTC).isoformat()  # it must not lie in the future, nor out of reach
    if isinstance(body.get("url"), str) and not is_told(body["url"]):
        body["url"] = HOOKS
    if isinstance(body.get("signing_secret"), str) and not is_secret(body["signing_secret"]):
        del body["signing_secret"]
    if body.get("endpoint_id") is not None:
        body["endpoint_id"] = shop.endpoint()["id"]
    _fit_terms(body)
    _fit_template(body, operation_id)
    if operation_id in ("create_rule", "update_rule"):
        _fit_rule(body, shop)
    elif operation_id in ("create_integration", "update_integration"):
        _fit_integration(body)
    elif operation_id == "create_suppression" and "address" in body:
        (_fit_address if body.get("channel") == "email" else _fit_number)(body, "address")
    elif operation_id == "test_integration" and _channel_to(body.get("to")) == "email":
        _fit_address(body, "to")
    if "event_id" in body:
        body["event_id"] = shop.event()["id"]
    if operation_id == "advance_sandbox_clock" and isinstance(body.get("to"), str):
        body["to"] = _a_little_later(shop)


def _fit_address(fields: dict[str, Any], name: str) -> None:
    if isinstance(fields.get(name), str) and not is_address(fields[name]):
        fields[name] = _ADDRESS


def _fit_number(fields: dict[str, Any], name: str) -> None:
    if isinstance(fields.get(name), str) and not is_number(fields[name]):
        fields[name] = _NUMBER


def _fit_terms(body: dict[str, Any]) -> None:
    """Of subscriptions and retry policies: rules between fields, and spans that a pattern cannot limit."""
    now = datetime.now(UTC)
    if isinstance(body.get("start_at"), str) and not "0002" < body["start_at"] < now.isoformat():
        body["start_at"] = (now + timedelta(days=1)).isoformat()  # it must not lie too far away
    if body.get("interval") in INTERVAL_COUNT_MAX:
        body.setdefault("interval_count", 1)  # a change of the one alone must go together with what is stored
    if isinstance(body.get("interval_count"), int):
        most = INTERVAL_COUNT_MAX[body.get("interval") or "yearly"]
        body["interval_count"] = min(body["interval_count"], most)
    if isinstance(body.get("delays"), list):
        body["delays"] = [delay if _is_bearable(delay) else "30d" for delay in body["delays"]]
        if not body["delays"]:
            body["max_retries"] = 0


def _fit_template(body: dict[str, Any], operation_id: str) -> None:
    """What each part says, and which parts there are: an e-mail has a subject and a text or HTML, others a text."""
    if operation_id not in ("create_template", "update_template"):
        return
    for part in ("subject", "text", "html"):
        if isinstance(body.get(part), str) and not is_liquid(body[part]):
            body[part] = "Hi {{ customer.name | default: 'there' }}"
    if operation_id == "update_template":  # of an e-mail that has all of them
        _without_null(body, "subject")
        if body.get("html", "") is None:
            _without_null(body, "text")
    elif body.get("channel") == "email":
        body["subject"] = body.get("subject") or "Your receipt"
        if body.get("html") is None:
            body["text"] = body.get("text") or "Paid."
    elif "channel" in body:
        body["text"] = body.get("text") or "Paid."
        body["subject"] = body["html"] = None


def _fit_rule(body: dict[str, Any], shop: Shop) -> None:
    """What its conditions and actions must have in common, and names that are those of something real."""
    trigger = body.get("trigger", "payment.succeeded")  # as of a rule of the shop's
    if not is_about_a_customer(trigger):
        trigger = body["trigger"] = "payment.succeeded"
    conditions = body.get("conditions", {})
    amounts = [conditions.get(name) for name in ("min_amount", "max_amount")]
    if amounts != [None, None]:
        conditions["currencies"] = ["GHS"]
    if None not in amounts:
        conditions["max_amount"] = max(amounts)
    for action in body.get("actions", ()):
        _fit_action(action, shop)
        if trigger not in ("payment.succeeded", "payment.refunded"):
            action.pop("attach_receipt", None)


def _fit_action(action: dict[str, Any], shop: Shop) -> None:
    """A message says what its template says, or what stands here: an e-mail also in its subject."""
    channel = CHANNELS.get(action["type"])
    if channel is None:
        return  # a tag
    (_fit_address if channel == "email" else _fit_number)(action, "to")
    if action.get("integration_id") is not None:
        action["integration_id"] = shop.integration_of_rules(channel)
    if action.get("template_id") is not None:
        action["template_id"] = shop.template_of_rules(channel)
        for part in _PARTS:
            action.pop(part, None)
    elif channel != "webhook":
        for part in _PARTS:
            if isinstance(action.get(part), str) and not is_liquid(action[part]):
                action[part] = "Hi {{ customer.name | default: 'there' }}"
        if action.get("html") is None:
            action["body"] = action.get("body") or "Thank you."
        if channel == "email":
            action["subject"] = action.get("subject") or "Thank you"


def _fit_integration(body: dict[str, Any]) -> None:
    """Credentials of its provider, and somebody whom e-mails are from. A changed one sends by SMTP."""
    for name in ("from_address", "reply_to"):
        _fit_address(body, name)
    provider = body.get("provider", "smtp")
    if "credentials" in body:
        body["credentials"] = CREDENTIALS[provider]
    if SENDERS[provider].channel != "email":
        for name in ("from_address", "from_name", "reply_to"):
            body.pop(name, None)
    elif "provider" in body:
        body["from_address"] = body.get("from_address") or "shop@example.com"


def _channel_to(address: str | None) -> str:
    """By which channel an integration is put to the test: a chat needs nobody to write to."""
    if address is None:
        return "notification"
    return "sms" if is_number(address) else "email"


def _without_null(body: dict[str, Any], name: str) -> None:
    if body.get(name, "") is None:
        del body[name]


def _is_bearable(delay: str) -> bool:
    return DELAY.fullmatch(delay) is not None and span(delay).total_seconds() <= DELAY_SECONDS_MAX


def _a_little_later(shop: Shop) -> str:
    """Where a test clock can be moved to: it goes forward only."""
    now = datetime.fromisoformat(shop.send("GET", "/v1/sandbox/clock").json()["now"])
    return (now + timedelta(hours=1)).isoformat()


def _fit_numbers(value: Any) -> None:
    """To a schema, 5.0 is an integer; to this API, it is a float where none belongs."""
    for key, inner in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        if isinstance(inner, float) and inner.is_integer():
            value[key] = int(inner)
        else:
            _fit_numbers(inner)


def _be_known(external_id: str, shop: Shop) -> None:
    """Makes sure that there is a customer with this id."""
    answer = shop.send("POST", "/v1/customers", json={"external_id": external_id})
    assert answer.status_code in (201, 409), answer.text


def _cursor(case: Case[Any], query: dict[str, Any], shop: Shop) -> str | None:
    """A real cursor of this list, if it has a second page."""
    first = {name: value for name, value in query.items() if name != "cursor"} | {"limit": 1, "offset": 0}
    answer = shop.send("GET", case.formatted_path, params=first)
    return answer.json().get("next_cursor") if answer.status_code == 200 else None
