"""Whether an event meets a rule's conditions. Pure: what is looked up for it is given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from reevit_server.core.database import Row
from reevit_server.workflows import models
from reevit_server.workflows.rendering import customer_of


@dataclass(frozen=True, slots=True)
class Facts:
    """What an event says of itself, and what its customer is worth by now, by currency."""

    data: Mapping[str, Any]
    customer: Mapping[str, Any]
    lifetime_values: Mapping[str, int]


def facts_of(event: Row, lifetime_values: Mapping[str, int]) -> Facts:
    return Facts(event["data"], customer_of(event), lifetime_values)


def unmet(conditions: Mapping[str, Any], facts: Facts) -> str | None:
    """What is not as the conditions want it, in words; None when all are met."""
    for name, wanted in conditions.items():
        if wanted is not None and not _CHECKS[name](facts, wanted):
            return f"`{name}` is not met: {_found(name, facts)}."
    return None


def needs_lifetime_value(conditions: Mapping[str, Any]) -> bool:
    return conditions.get("min_lifetime_value") is not None


def default_purpose(trigger: str) -> Literal["marketing", "transactional"]:
    """A message about a customer's own payment is owed to them; one about nothing of theirs is marketing."""
    return "marketing" if models.subject_of(trigger) == "customer" else "transactional"


def _amount(facts: Facts) -> int | None:
    amount = facts.data.get("amount")
    return amount if isinstance(amount, int) else None


def _at_least(facts: Facts, least: int) -> bool:
    amount = _amount(facts)
    return amount is not None and amount >= least


def _at_most(facts: Facts, most: int) -> bool:
    amount = _amount(facts)
    return amount is not None and amount <= most


def _tags(facts: Facts) -> set[str]:
    return set(facts.customer.get("tags") or ())


def _added(facts: Facts) -> set[str]:
    """The tags that are new with a customer's event: all of a new customer, none where others changed."""
    if "tags" not in facts.data:
        return set()
    previous = facts.data.get("previous_attributes")
    before = () if previous is None else previous.get("tags", facts.data["tags"])
    return set(facts.data["tags"]) - set(before)


def _is_one_of(facts: Facts, ids: list[str]) -> bool:
    known = {facts.customer.get("id"), facts.customer.get("external_id")} - {None}
    return not known.isdisjoint(ids)


def _has_metadata(facts: Facts, wanted: Mapping[str, Any]) -> bool:
    metadata = facts.data.get("metadata") or {}
    return all(
        key in metadata and type(metadata[key]) is type(value) and metadata[key] == value
        for key, value in wanted.items()
    )


def _is_worth(facts: Facts, least: Mapping[str, Any]) -> bool:
    return facts.lifetime_values.get(least["currency"], 0) >= int(least["amount"])


_CHECKS: dict[str, Callable[[Facts, Any], bool]] = {
    "currencies": lambda facts, wanted: facts.data.get("currency") in wanted,
    "min_amount": _at_least,
    "max_amount": _at_most,
    "countries": lambda facts, wanted: facts.data.get("country") in wanted,
    "methods": lambda facts, wanted: facts.data.get("method") in wanted,
    "customer_tags_any": lambda facts, wanted: not _tags(facts).isdisjoint(wanted),
    "customer_tags_all": lambda facts, wanted: _tags(facts).issuperset(wanted),
    "customer_tags_none": lambda facts, wanted: _tags(facts).isdisjoint(wanted),
    "customer_tags_added": lambda facts, wanted: not _added(facts).isdisjoint(wanted),
    "customer_ids": _is_one_of,
    "metadata_match": _has_metadata,
    "min_lifetime_value": _is_worth,
}
_FIELDS = {
    "currencies": "currency",
    "min_amount": "amount",
    "max_amount": "amount",
    "countries": "country",
    "methods": "method",
}


def _found(name: str, facts: Facts) -> str:
    """What there is instead, without anybody's name in it."""
    if name in _FIELDS:
        value = facts.data.get(_FIELDS[name])
        return f"there is no {_FIELDS[name]}" if value is None else f"the {_FIELDS[name]} is {value}"
    if name == "customer_tags_added":
        added = sorted(_added(facts))
        return f"what is new is {', '.join(added)}" if added else "no tag is new"
    if name.startswith("customer_tags"):
        tags = sorted(_tags(facts))
        return f"the customer's tags are {', '.join(tags)}" if tags else "the customer has no tags"
    if name == "customer_ids":
        return f"the customer is {facts.customer.get('id') or 'unknown'}"
    if name == "min_lifetime_value":
        worth = [f"{amount} {currency}" for currency, amount in sorted(facts.lifetime_values.items())]
        return f"the customer is worth {', '.join(worth) or 'nothing'}"
    return "the metadata differs"
