"""What docs/workflows.md says where no command shows it: every condition, action, switch, name and limit."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from reevit_server import events
from reevit_server.core.database import Database
from reevit_server.core.liquid import ANY
from reevit_server.workflows import composing, matching, models, rule_schemas
from reevit_server.workflows.execution_schemas import ExecutionStatus, NoticesOut
from reevit_server.workflows.rule_schemas import Conditions, RuleCreate
from tests.docs.pages import blocks, named, section, table
from tests.makers import Api
from tests.messages import office

PAGE = (Path(__file__).parents[3] / "docs" / "workflows.md").read_text(encoding="utf-8")
SOURCES = Path(composing.__file__).parent
_ACTIONS = (
    rule_schemas.SendEmail,
    rule_schemas.SendSms,
    rule_schemas.SendNotification,
    rule_schemas.CallWebhook,
    rule_schemas.AddTag,
    rule_schemas.RemoveTag,
)


def test_every_field_of_a_rule_is_on_the_page():
    rules = section(PAGE, "Rules").partition("\n### ")[0]
    told = [name for row in table(rules, "Field") for name in named(row[0])]
    assert set(told) == set(RuleCreate.model_fields)


def test_every_condition_is_on_the_page():
    conditions = section(PAGE, "Rules").partition("\n### Conditions\n")[2].partition("\n### ")[0]
    told = [name for row in table(conditions, "Field") for name in named(row[0])]
    assert set(told) == set(Conditions.model_fields)
    assert len(told) == len(set(told))


def test_every_action_is_on_the_page_with_its_fields():
    actions = section(PAGE, "Rules").partition("\n### Actions\n")[2].partition("\n### ")[0]
    told = {
        type: set(named(fields)) for types, _, fields in table(actions, "`type`") for type in named(types)
    }
    assert told == {
        get_args(model.model_fields["type"].annotation)[0]: set(model.model_fields) - {"type"}
        for model in _ACTIONS
    }
    explained = {name for row in table(actions, "Field") for name in named(row[0])}
    assert explained == set().union(*told.values()) - {"tag"}


def test_every_status_and_every_reason_to_skip_is_on_the_page():
    executions = section(PAGE, "Executions")
    statuses = {named(row[0])[0]: row for row in table(executions, "Status")}
    assert list(statuses) == list(get_args(ExecutionStatus))
    text = "\n".join(source.read_text(encoding="utf-8") for source in SOURCES.glob("*.py"))
    used = set(re.findall(r'NotSent\("(\w+)"', text)) | {"no_email", "no_phone"}
    assert 'NotSent(f"no_{field}"' in text
    told = {name for row in table(executions, "`reason` of a skipped action") for name in named(row[0])}
    assert told == used
    skipped = set(re.findall(r'skipped = \("(\w+)"', text))
    assert skipped
    assert skipped <= set(named(statuses["skipped"][2]))


def test_every_switch_is_on_the_page_with_what_it_follows():
    told = {
        named(switch)[0]: tuple(named(after))
        for switch, after, _ in table(section(PAGE, "Notices"), "Switch")
    }
    assert told == {name: types for name, (_, types) in models.NOTICES.items()}
    assert set(told) == set(NoticesOut.model_fields)
    assert f"within the last {models.NOTICE_DAYS_MAX} days" in section(PAGE, "Notices")


def test_every_name_that_a_template_may_use_is_on_the_page():
    objects = table(section(PAGE, "What a template may name"), "Object")
    told = {named(name)[0]: set(named(fields)) for name, fields, _ in objects}
    assert told == {
        name: set(fields) if isinstance(fields, dict) else set() for name, fields in models.VOCABULARY.items()
    }
    metadata = [
        fields["metadata"] for fields in models.VOCABULARY.values() if fields and "metadata" in fields
    ]
    assert metadata == [ANY, ANY, ANY]  # "you may name any key"


@pytest.mark.parametrize("type", events.TYPES)
def test_the_purpose_that_follows_from_an_event_is_the_one_on_the_page(type: str):
    (row,) = [
        row
        for row in table(section(PAGE, "Marketing, and what is owed"), "")
        if row[0].startswith("By default")
    ]
    family = f"{models.subject_of(type)}.*"
    assert (family in named(row[2])) == (matching.default_purpose(type) == "marketing")
    assert (family in named(row[1])) == (matching.default_purpose(type) == "transactional")


def test_the_limits_on_the_page_are_those_that_are_kept():
    limits = {row[0]: row[1] for row in table(section(PAGE, "Limits"), "What")}
    assert limits["rules"] == f"{models.RULES_MAX} in each mode"
    assert limits["actions of a rule"] == str(rule_schemas.ACTIONS_MAX)
    assert limits["events that a simulation looks at"] == str(rule_schemas.SIMULATED_MAX)
    assert limits["workflows that set each other off"] == str(models.CHAIN_MAX)
    assert f"up to {models.CHAIN_MAX} after each other" in " ".join(section(PAGE, "Rules").split())
    schema = Conditions.model_json_schema()["properties"]
    listed = {_of(schema[name], "maxItems") for name in schema} - {None}
    keys = _of(schema["metadata_match"], "maxProperties")
    assert limits["values in a list of a condition; keys of `metadata_match`"] == f"{listed.pop()}; {keys}"
    assert not listed
    priority = RuleCreate.model_json_schema()["properties"]["priority"]
    assert f"−{-priority['minimum']} to {priority['maximum']}, default {priority['default']}" in PAGE


async def test_the_call_on_the_page_has_the_fields_of_one_that_is_made(db: Database, local_api: Api):
    (shown,) = [json.loads(block.text) for block in blocks(PAGE) if '"workflow": {' in block.text]
    async with office.opened(db, local_api) as shop:
        await shop.rule("payment.succeeded", {"type": "webhook"})
        await shop.merchant.payment()
        await shop.work.run()
        (message,) = await shop.messages()
        made = json.loads(message["text"])
        assert list(shown) == list(made)
        assert set(shown["workflow"]) == set(made["workflow"])
        assert set(shown["data"]) <= set(made["data"])


def _of(schema: dict[str, object], key: str) -> object:
    """A bound of a field that may be null."""
    return next((each[key] for each in schema.get("anyOf", [schema]) if key in each), None)
