"""Whether an event meets conditions, against a model that knows nothing of how it is done."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.workflows import matching
from reevit_server.workflows.rule_schemas import Conditions

_TAGS = ("vip", "new", "VIP")
_CURRENCIES = ("GHS", "XOF", "KWD")
_COUNTRIES = ("GH", "NG")
_METHODS = ("card", "mobile_money")
_IDS = ("cus_1", "cus_2", "usr_1", "usr_2")
_AMOUNTS = (0, 5, 2**53, 2**53 + 1)
_WORTHS = (*_AMOUNTS, 10**18 + 1)
_VALUES = (1, 0, True, False, "1", "true", "True", 1.5, "", -1, 2**53, 2**53 + 1)


def _some(choices: tuple[Any, ...]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(choices), min_size=1, max_size=3)


def _sometimes(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def _metadata(least: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(("a", "b")), st.sampled_from(_VALUES), min_size=least, max_size=2)


_CUSTOMER = _sometimes(
    id=st.sampled_from(_IDS[:2]),
    external_id=st.sampled_from((*_IDS[2:], None)),
    tags=st.lists(st.sampled_from(_TAGS), max_size=3),
)
_SUBJECT = _sometimes(
    amount=st.sampled_from((*_AMOUNTS, None)),
    currency=st.sampled_from((*_CURRENCIES, None)),
    country=st.sampled_from((*_COUNTRIES, None)),
    method=st.sampled_from((*_METHODS, None)),
    metadata=_metadata(0) | st.none(),
    customer=_CUSTOMER | st.none(),
)
_CHANGED = _sometimes(tags=st.lists(st.sampled_from(_TAGS), max_size=3), name=st.none())
_EVENT = st.builds(lambda data: {"type": "payment.succeeded", "data": data}, _SUBJECT) | st.builds(
    lambda customer, more: {"type": "customer.updated", "data": {**customer, **more}},
    _CUSTOMER,
    _sometimes(metadata=_metadata(0), previous_attributes=_CHANGED),
)
_CONDITION: dict[str, st.SearchStrategy[Any]] = {
    "currencies": _some(_CURRENCIES),
    "min_amount": st.sampled_from(_AMOUNTS),
    "max_amount": st.sampled_from(_AMOUNTS),
    "countries": _some(_COUNTRIES),
    "methods": _some(_METHODS),
    "customer_tags_any": _some(_TAGS),
    "customer_tags_all": _some(_TAGS),
    "customer_tags_none": _some(_TAGS),
    "customer_tags_added": _some(_TAGS),
    "customer_ids": _some(_IDS),
    "metadata_match": _metadata(1),
    "min_lifetime_value": st.fixed_dictionaries(
        {"amount": st.sampled_from(_WORTHS[1:]), "currency": st.sampled_from(_CURRENCIES)}
    ),
}
# A few at a time, or next to nothing would meet them.
_CONDITIONS = st.lists(st.sampled_from(list(_CONDITION)), unique=True, max_size=3).flatmap(
    lambda names: st.fixed_dictionaries({name: _CONDITION[name] for name in names})
)
_WORTH = st.dictionaries(st.sampled_from(_CURRENCIES), st.sampled_from(_WORTHS))


def model(name: str, wanted: Any, event: dict[str, Any], worth: dict[str, int]) -> bool:
    """What each condition means, in the words of docs and in no other order of thought."""
    data = event["data"]
    customer = data if event["type"].startswith("customer.") else data.get("customer") or {}
    tags = customer.get("tags", [])
    match name:
        case "min_amount":
            return data.get("amount") is not None and not data["amount"] < wanted
        case "max_amount":
            return data.get("amount") is not None and not data["amount"] > wanted
        case "currencies" | "countries" | "methods":
            field = {"currencies": "currency", "countries": "country", "methods": "method"}[name]
            return any(data.get(field) == one for one in wanted)
        case "customer_tags_any":
            return any(tag in tags for tag in wanted)
        case "customer_tags_all":
            return all(tag in tags for tag in wanted)
        case "customer_tags_none":
            return not any(tag in tags for tag in wanted)
        case "customer_tags_added":
            before = data.get("previous_attributes", {"tags": []}).get("tags", data.get("tags"))
            return any(tag in data.get("tags", []) and tag not in before for tag in wanted)
        case "customer_ids":
            return any(one in (customer.get("id"), customer.get("external_id")) for one in wanted)
        case "metadata_match":
            known = [(key, repr(value)) for key, value in (data.get("metadata") or {}).items()]
            return all((key, repr(value)) in known for key, value in wanted.items())
        case "min_lifetime_value":
            return wanted["currency"] in worth and worth[wanted["currency"]] >= wanted["amount"]
    raise AssertionError(f"{name} is not in the model")


@given(_CONDITIONS, _EVENT, _WORTH)
def test_all_conditions_are_met_or_the_first_that_is_not_is_told(
    conditions: dict[str, Any], event: dict[str, Any], worth: dict[str, int]
):
    told = matching.unmet(conditions, matching.facts_of(event, worth))
    unmet = [name for name, wanted in conditions.items() if not model(name, wanted, event, worth)]
    assert (told is None) == (unmet == [])
    assert told is None or told.startswith(f"`{unmet[0]}` is not met: ")


def test_the_model_knows_every_condition():
    for name in Conditions.model_fields:
        assert isinstance(model(name, _EXAMPLES[name], _PAID, {"GHS": 5}), bool)


_EXAMPLES: dict[str, Any] = {
    "currencies": ["GHS"],
    "min_amount": 1,
    "max_amount": 1,
    "countries": ["GH"],
    "methods": ["card"],
    "customer_tags_any": ["vip"],
    "customer_tags_all": ["vip"],
    "customer_tags_none": ["vip"],
    "customer_tags_added": ["vip"],
    "customer_ids": ["usr_1"],
    "metadata_match": {"a": 1},
    "min_lifetime_value": {"amount": 5, "currency": "GHS"},
}
_PAID = {
    "type": "payment.succeeded",
    "data": {
        "amount": 2**53 + 1,
        "currency": "GHS",
        "country": None,
        "metadata": {"a": True},
        "customer": {"id": "cus_1", "external_id": "usr_1", "tags": ["new", "churned"], "name": "Ada"},
    },
}


@pytest.mark.parametrize(
    ("conditions", "says"),
    [
        ({"currencies": ["XOF"]}, "the currency is GHS"),
        ({"min_amount": 2**53 + 2}, "the amount is 9007199254740993"),
        ({"max_amount": 2**53}, "the amount is 9007199254740993"),
        ({"countries": ["GH"]}, "there is no country"),
        ({"methods": ["card"]}, "there is no method"),
        ({"customer_tags_any": ["vip"]}, "the customer's tags are churned, new"),
        ({"customer_tags_all": ["new", "vip"]}, "the customer's tags are churned, new"),
        ({"customer_tags_none": ["new"]}, "the customer's tags are churned, new"),
        ({"customer_tags_added": ["new"]}, "no tag is new"),
        ({"customer_ids": ["usr_2"]}, "the customer is cus_1"),
        ({"metadata_match": {"a": 1}}, "the metadata differs"),
        (
            {"min_lifetime_value": {"amount": 2**53 + 2, "currency": "GHS"}},
            "the customer is worth 9007199254740993 GHS, 7 XOF",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_there_is_instead_is_told_and_names_nobody(conditions: dict[str, Any], says: str):
    told = matching.unmet(conditions, matching.facts_of(_PAID, {"XOF": 7, "GHS": 2**53 + 1}))
    assert told == f"`{next(iter(conditions))}` is not met: {says}."


def test_of_tags_that_are_new_it_is_told_which_are():
    data = {"id": "cus_1", "tags": ["b", "a", "old"], "previous_attributes": {"tags": ["old", "gone"]}}
    facts = matching.facts_of({"type": "customer.updated", "data": data}, {})
    told = matching.unmet({"customer_tags_added": ["old", "gone"]}, facts)
    assert told == "`customer_tags_added` is not met: what is new is a, b."
    assert matching.unmet({"customer_tags_added": ["old", "b"]}, facts) is None
    renamed = {**data, "previous_attributes": {"name": "Ada"}}
    facts = matching.facts_of({"type": "customer.updated", "data": renamed}, {})
    told = matching.unmet({"customer_tags_added": ["a"]}, facts)
    assert told == "`customer_tags_added` is not met: no tag is new."


@pytest.mark.parametrize(
    "conditions",
    [
        {"min_amount": 2**53 + 1, "max_amount": 2**53 + 1},
        {"min_lifetime_value": {"amount": 2**53 + 1, "currency": "GHS"}},
    ],
    ids=["amount", "lifetime value"],
)
def test_a_bound_is_met_by_itself_to_the_last_unit(conditions: dict[str, Any]):
    assert matching.unmet(conditions, matching.facts_of(_PAID, {"GHS": 2**53 + 1})) is None


def test_what_an_event_is_not_about_is_told_too():
    nobody = {"type": "webhook_endpoint.disabled", "data": {"id": "whe_1"}}
    for conditions, says in (
        ({"customer_tags_any": ["vip"]}, "the customer has no tags"),
        ({"customer_ids": ["usr_1"]}, "the customer is unknown"),
        ({"min_lifetime_value": {"amount": 1, "currency": "GHS"}}, "the customer is worth nothing"),
        ({"min_amount": 0}, "there is no amount"),
    ):
        told = matching.unmet(conditions, matching.facts_of(nobody, {}))
        assert told == f"`{next(iter(conditions))}` is not met: {says}."
