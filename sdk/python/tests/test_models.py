"""What comes back: the JSON of the answer as a dict, with typed attributes."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, get_type_hints

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

import reevit
from reevit import Customer, Model, Payment
from reevit.resources.customers import CustomerState, HistoryEntry, RankedCustomer, Totals

GHS = {"currency": "GHS", "total_spent": 15000, "last_payment_at": "2026-03-01T08:30:00Z"}
ADA = {
    "id": "cus_1",
    "external_id": "usr_1234",
    "email": None,
    "tags": ["vip"],
    "totals": [GHS, {"currency": "XOF", "total_spent": 500}],
    "created_at": "2026-02-28T23:59:59.123456Z",
    "loyalty": {"points": 7},
}


@pytest.fixture
def ada() -> Customer:
    """As it is made of an answer: from JSON that nobody else holds."""
    return Customer(json.loads(json.dumps(ADA)))


def test_it_is_the_json_as_a_dict_and_its_fields_are_attributes(ada: Customer):
    assert ada == ADA
    assert dict(ada) == {**ada} == ADA
    assert (ada["external_id"], ada.get("nickname")) == ("usr_1234", None)
    assert (ada.id, ada.external_id, ada.email, ada.tags) == ("cus_1", "usr_1234", None, ["vip"])


def test_an_instant_is_an_aware_datetime_where_the_dict_keeps_the_text(ada: Customer):
    assert ada.created_at == datetime(2026, 2, 28, 23, 59, 59, 123456, tzinfo=timezone.utc)
    assert ada.created_at.utcoffset() == timedelta(0)
    assert ada["created_at"] == "2026-02-28T23:59:59.123456Z"


def test_an_instant_within_an_object_is_one_too(ada: Customer):
    assert ada.totals[0].last_payment_at == datetime(2026, 3, 1, 8, 30, tzinfo=timezone.utc)


def test_objects_within_have_attributes_and_are_the_same_each_time(ada: Customer):
    assert [type(totals) for totals in ada.totals] == [Totals, Totals]
    assert [totals.total_spent for totals in ada.totals] == [15000, 500]
    assert ada.totals is ada.totals is ada["totals"]
    assert ada.totals[0] is ada.totals[0]


def test_one_object_within_is_the_same_each_time():
    state = CustomerState(customer=dict(ADA), default_payment_method=None, recent_payments=[])
    assert state.customer is state.customer is state["customer"]
    assert state.customer.totals[1].currency == "XOF"
    assert state.default_payment_method is None
    assert state.recent_payments is state.recent_payments


def test_what_is_changed_within_is_changed_in_the_json(ada: Customer):
    ada.totals[0]["total_spent"] = 16000
    ada.totals.append(Totals(currency="NGN", total_spent=1))
    assert [row["total_spent"] for row in json.loads(json.dumps(ada))["totals"]] == [16000, 500, 1]


def test_an_attribute_that_is_set_is_set_in_the_dict(ada: Customer):
    ada.email = "ada@example.com"
    assert ada["email"] == ada.email == "ada@example.com"
    assert json.loads(json.dumps(ada))["email"] == "ada@example.com"
    assert ada.copy().email == "ada@example.com"


def test_as_json_it_is_what_came_also_after_its_attributes_were_read(ada: Customer):
    before = json.dumps(ada)
    assert ada.totals[0].last_payment_at > ada.created_at
    assert json.dumps(ada) == before == json.dumps(ADA)


COPIES: dict[str, Callable[[Customer], Any]] = {
    "pickle": lambda customer: pickle.loads(pickle.dumps(customer)),
    "old pickle": lambda customer: pickle.loads(pickle.dumps(customer, protocol=2)),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "copy": lambda customer: customer.copy(),
}


@pytest.mark.parametrize("read_before", [False, True], ids=["unread", "read"])
@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_a_copy_is_a_customer_of_its_own(ada: Customer, copied: Callable[[Any], Any], read_before: bool):
    if read_before:
        assert ada.totals[0].currency == "GHS"
    other = copied(ada)
    assert (type(other), other) == (Customer, ADA)
    assert other.totals[0].last_payment_at == datetime(2026, 3, 1, 8, 30, tzinfo=timezone.utc)
    other["name"] = "Ada"
    assert "name" not in ada


def test_a_deep_copy_shares_nothing(ada: Customer):
    copy.deepcopy(ada).totals[0]["total_spent"] = 0
    assert ada.totals[0].total_spent == 15000


def test_a_field_that_this_version_does_not_know_is_there(ada: Customer):
    assert ada["loyalty"] == ada.loyalty == {"points": 7}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_at", "next Tuesday"),
        ("totals", "many"),
        ("totals", [GHS, "and others"]),
        ("subscription_status", "hibernating"),
        ("external_id", 1234),
    ],
)
def test_a_value_that_does_not_fit_is_handed_on_as_it_came(field: str, value: Any):
    customer = Customer({**ADA, field: value})
    assert getattr(customer, field) == value
    assert json.loads(json.dumps(customer))[field] == value


def test_a_field_that_may_be_null_and_was_left_out_is_none():
    assert Customer(id="cus_1").first_payment_at is None
    assert Customer(id="cus_1").email is None
    assert CustomerState().default_payment_method is None


def test_a_field_that_must_be_there_and_is_not_is_an_error_that_says_what_is():
    with pytest.raises(
        AttributeError, match=r"This Payment has no 'status'\. It has: id, amount\."
    ) as raised:
        Payment(id="pay_1", amount=1).status  # noqa: B018
    assert raised.value.__context__ is None  # no KeyError of ours above it in the traceback


def test_a_misspelt_attribute_is_an_error_that_says_what_is_there(ada: Customer):
    with pytest.raises(
        AttributeError, match=r"This Customer has no 'emial'\. It has: id, external_id, email"
    ):
        ada.emial  # noqa: B018
    assert not hasattr(ada, "emial")
    assert getattr(ada, "emial", "none") == "none"


def _models(kind: type[Model] = Model) -> Iterator[type[Model]]:
    for model in kind.__subclasses__():
        yield model
        yield from _models(model)


@pytest.mark.parametrize("model", list(_models()), ids=lambda model: f"{model.__module__}.{model.__name__}")
def test_no_field_has_the_name_of_something_that_a_dict_has(model: type[Model]):
    assert get_type_hints(model)
    assert not set(get_type_hints(model)) & set(dir(dict))


def test_the_attributes_of_what_happened_are_those_of_the_dict_it_was():
    entry = HistoryEntry(type="payment", at="2026-03-01T08:30:00Z", data={"amount": 5})
    assert (entry.at.day, entry.data) == (1, {"amount": 5})


class Order(BaseModel):
    """Somebody else's."""

    customer: Customer
    payment: Payment | None = None


def test_it_is_a_field_of_other_peoples_models_and_stays_itself(ada: Customer):
    order = Order(customer=ada)
    assert order.customer is ada
    assert json.loads(order.model_dump_json()) == {"customer": ADA, "payment": None}
    assert order.model_dump()["customer"] == ADA


def test_it_is_made_of_a_dict_or_of_json_by_other_peoples_models():
    for order in (Order(customer=dict(ADA)), Order.model_validate_json(json.dumps({"customer": ADA}))):
        assert type(order.customer) is Customer
        assert order.customer.totals[0].currency == "GHS"


def test_a_ranked_customer_stays_one_where_a_customer_is_asked_for():
    best = RankedCustomer({**ADA, "rank": 1, "amount": 15000})
    assert Order(customer=best).customer is best


def test_what_is_no_object_is_refused_by_other_peoples_models():
    with pytest.raises(ValidationError, match="customer"):
        Order(customer="cus_1")


def test_a_type_adapter_reads_and_writes_a_list_of_them():
    adapter = TypeAdapter(list[Customer])
    (customer,) = adapter.validate_json(json.dumps([ADA]))
    assert (type(customer), customer) == (Customer, ADA)
    assert customer.totals[0].currency == "GHS"
    assert json.loads(adapter.dump_json([customer])) == [ADA]


def test_it_has_a_json_schema_so_that_a_web_framework_can_document_it():
    assert Order.model_json_schema()["properties"]["customer"]["type"] == "object"


def test_its_repr_is_what_makes_it(ada: Customer):
    assert repr(Customer(id="cus_1")) == "Customer({'id': 'cus_1'})"
    assert eval(repr(ada), {"Customer": reevit.Customer}) == ada
