"""What docs/webhooks.md says where no command shows it: what is sent, when, and the words for what goes wrong."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from reevit_server import events
from reevit_server.core import egress
from reevit_server.webhooks import deliveries, listening, models
from tests.docs.pages import blocks, differences, section, span
from tests.docs.shop import Post, Shop
from tests.makers import created
from tests.running import wait_until

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "webhooks.md").read_text(encoding="utf-8")
# What every client sends, and is no promise of ours.
_OF_HTTP = {"Host", "Accept", "Accept-Encoding", "Content-Length"}
_SECONDS = 60


@pytest.fixture
def told(server: str, organization: dict[str, str], shop: Shop) -> Post:
    """The delivery that the page shows: of a payment that has succeeded."""
    key = {"X-Reevit-Key": organization["test_key"]}
    customer = {"external_id": "usr_1234", "name": "Ada Lovelace", "email": "ada@example.com"}
    payment = {"amount": 15000, "currency": "GHS", "method": "mobile_money", "reference": "order_4001"}
    with httpx.Client(base_url=server, headers=key, timeout=_SECONDS) as reevit:
        endpoint = {"url": f"{shop.url}/webhooks", "events": ["payment.succeeded"]}
        created(reevit.post("/v1/webhooks/endpoints", json=endpoint))
        created(reevit.post("/v1/payments", json={**payment, "customer": customer}))
    wait_until(lambda: len(shop.posts) == 1, _SECONDS)
    return shop.posts[0]


def test_the_body_on_the_page_is_the_whole_body_that_is_sent(told: Post):
    (shown,) = [json.loads(block.text) for block in blocks(PAGE) if '"signature_timestamp"' in block.text]
    sent = json.loads(told.body)
    assert differences(shown, sent) == []
    assert _keys(shown) == _keys(sent)


def test_the_headers_on_the_page_are_those_that_are_sent(told: Post):
    assert set(_rows("What is sent", "Header")) == set(told.headers) - _OF_HTTP


def test_the_waits_on_the_page_are_those_that_are_kept():
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.*)\|$", section(PAGE, "When it is sent again"), re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == [*range(1, len(models.DELAYS) + 1)]
    assert [span(wait) for _, wait, _ in rows] == list(models.DELAYS)
    for number, (_, _, since) in enumerate(rows, 1):
        exactly = sum(models.DELAYS[:number], timedelta(0))
        assert exactly - timedelta(seconds=5) <= span(since) <= exactly  # seconds are not told beside hours


def test_every_word_for_a_failed_attempt_is_on_the_page():
    sources = "\n".join(
        Path(str(module.__file__)).read_text(encoding="utf-8")
        for module in (egress, models, deliveries, listening)
    )
    used = set(
        re.findall(r"""(?:_failed\(|error=|error = |or \(None if [\w.]+ else )["'](\w+)["']""", sources)
    )
    assert set(_rows("Deliveries", "`error`")) == used


def test_every_type_of_event_is_told_of():
    section = (DOCS / "events.md").read_text(encoding="utf-8").partition("## What happens\n")[2]
    told = set(re.findall(r"`([a-z_]+\.[a-z_]+)`", section.partition("\n## ")[0]))
    assert told == {*events.TYPES, events.TEST}


def _rows(title: str, head: str) -> list[str]:
    """The first cells of a section's table with this head."""
    table = section(PAGE, title).partition(f"| {head} |")[2].partition("\n\n")[0]
    return re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE)


def _keys(value: Any) -> Any:
    """The keys of an object, and of those in it."""
    return {key: _keys(inner) for key, inner in value.items()} if isinstance(value, dict) else None
