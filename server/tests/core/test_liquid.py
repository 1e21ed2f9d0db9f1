"""Templates that merchants write: what they say, what is found wrong when they are saved, what they cannot do."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reevit_server.core.liquid import ANY, SOURCE_CHARACTERS_MAX, Fault, TemplateFault, parse
from reevit_server.core.liquid_filters import FILTERS, Amount
from reevit_server.core.locales import locale_of

VOCABULARY = {
    "customer": {"name": None, "email": None, "tags": None, "metadata": ANY},
    "payment": {"amount": None, "currency": None, "succeeded_at": None},
}
DATA: dict[str, Any] = {
    "customer": {
        "name": "Ada Lovelace",
        "email": None,
        "tags": ["vip", "early"],
        "metadata": {"plan": "pro"},
    },
    "payment": {
        "amount": Amount(15000, "GHS"),
        "currency": "GHS",
        "succeeded_at": datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
    },
}


def rendered(source: str, channel: Any = "text", locale: str = "en-GH", **data: Any) -> str:
    template = parse(source, channel=channel, vocabulary=VOCABULARY)
    return template.render({**DATA, **data}, locale=locale_of(locale))


def faults(source: str) -> list[Fault]:
    with pytest.raises(TemplateFault) as found:
        parse(source, channel="text", vocabulary=VOCABULARY)
    return list(found.value.faults)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Hi {{ customer.name | first_name }}!", "Hi Ada!"),
        ("{{ customer.email | default: 'nowhere' }}", "nowhere"),
        ("{{ customer.email }}", ""),
        ("{{ payment.amount | money }}", "GH₵150.00"),
        ("{{ 5 | money: 'XOF' }}", "F\u202fCFA\u00a05"),
        ("{{ payment.succeeded_at | date }}", "25 November 2026"),
        ("{{ payment.succeeded_at | date: 'short' }}", "25/11/2026"),
        ("{% for tag in customer.tags %}{{ forloop.index }}{{ tag }} {% endfor %}", "1vip 2early "),
        ("{{ customer.tags | join }}", "vip, early"),
        ("{{ customer.tags.size }}", "2"),
        ("{% if customer.tags contains 'vip' %}yes{% else %}no{% endif %}", "yes"),
        ("{{ customer.metadata.plan | upcase }}{{ customer.metadata.never }}", "PRO"),
        ("{% assign half = payment.amount | divided_by: 2 %}{{ half }}", "7500"),
        ("{% case customer.metadata.plan %}{% when 'pro' %}P{% endcase %}", "P"),
        ("{{ customer.name | truncate: 4 }}", "Ada…"),
        ("{% raw %}{{ customer.name }}{% endraw %}", "{{ customer.name }}"),
    ],
)
def test_what_a_template_says(source: str, said: str):
    assert rendered(source) == said


def test_money_and_days_are_written_as_the_reader_does():
    source = "{{ payment.amount | money }} {{ payment.succeeded_at | date }}"
    assert rendered(source, locale="fr-SN") == "150,00\u00a0GHS 25 novembre 2026"


@pytest.mark.parametrize(
    ("source", "told", "line", "column"),
    [
        ("{{ customer.nmae }}", "`customer` has no `nmae`", 1, 4),
        ("Hi\n  {{ custmer.name }}", "There is no `custmer` here", 2, 6),
        ("{{ customer.name.first_letter }}", "`customer.name` has no fields", 1, 4),
        ("{{ customer.name | shout }}", "There is no filter 'shout'", 1, 20),
        ("a\nb {% include 'x' %}", "include", 2, 6),
        ("{% render 'x' %}", "render", 1, 4),
        ("{% if customer.name %}", "", 1, 1),
        ("{{ customer.name | }}", "", 1, 1),
        ("{{ _locale }}", "There is no `_locale` here", 1, 4),
        ("{{ payment.currency }}{{ customer[payment.currency] }}", "has no", 1, 26),
    ],
)
def test_what_is_wrong_is_told_with_its_place(source: str, told: str, line: int, column: int):
    (fault,) = faults(source)
    assert told in fault.message
    assert (fault.line, fault.column) == (line, column)


def test_everything_that_is_wrong_is_told_at_once():
    assert len(faults("{{ a }} {{ customer.b }} {{ customer.name | c }}")) == 3


def test_values_are_escaped_in_html_and_are_themselves_in_text():
    ada = {"name": "<b>Ada</b> & co", "email": None, "tags": [], "metadata": {}}
    assert (
        rendered("<p>{{ customer.name }}</p>", "html", customer=ada)
        == "<p>&lt;b&gt;Ada&lt;/b&gt; &amp; co</p>"
    )
    assert rendered("{{ customer.name }}", customer=ada) == "<b>Ada</b> & co"
    upper = rendered("{{ customer.name | upcase | append: '<i>' }}", "html", customer=ada)
    assert upper == "&lt;B&gt;ADA&lt;/B&gt; &amp; CO<i>", "what the merchant writes is meant"
    lines = {**ada, "name": "a<\nb"}
    assert rendered("{{ customer.name | newline_to_br }}", "html", customer=lines) == "a&lt;<br>\nb"


@given(st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=60))
def test_what_a_customer_is_called_is_never_read_as_a_template(name: str):
    ada = {"name": name, "email": None, "tags": [name], "metadata": {"plan": name}}
    source = "{{ customer.name }}{{ customer.tags[0] }}{{ customer.metadata.plan }}"
    assert rendered(source, customer=ada) == name * 3


def test_a_template_in_a_name_is_text():
    ada = {**DATA["customer"], "name": "{{7*7}}{% include 'x' %}"}
    assert rendered("{{ customer.name }}", customer=ada) == "{{7*7}}{% include 'x' %}"


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in (1..1000000000) %}x{% endfor %}",
        "{% for i in (1..999) %}{% for j in (1..999) %}x{% endfor %}{% endfor %}",
        "{% assign a = 'x' %}{% for i in (1..100) %}{% assign a = a | append: a %}{% endfor %}",
        "{% assign a = 'x' %}{% for i in (1..100) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}",
        "{% assign n = 9 %}{% for i in (1..100) %}{% assign n = n | times: n %}{% endfor %}",
        "{{ 'aaaaaaaaaa' | replace: 'a', '" + "b" * 5000 + "' }}",
        "{% for i in (1..900) %}" + "x" * 1000 + "{% endfor %}",
        "{{ (1..1000000000) | join }}",
        "{{ 1 | divided_by: 0 }}",
        "{{ customer.name | money }}",
        "{{ payment.amount | append: 'x' | money }}",
        "{{ customer.name | date }}",
        "{{ 5 | money }}",
        "{% if 1 %}" * 40 + "{% endif %}" * 40,
    ],
    ids=lambda source: source[:40],
)
def test_what_does_too_much_or_makes_no_sense_is_refused(source: str):
    with pytest.raises(TemplateFault):
        rendered(source)


def test_the_longest_template_is_rendered_within_its_limits():
    """Every place an output: as much work as a source of that length can ask for without a loop."""
    source = ("{{ customer.name }}" * SOURCE_CHARACTERS_MAX)[: SOURCE_CHARACTERS_MAX // 19 * 19]
    assert rendered(source) == "Ada Lovelace" * (SOURCE_CHARACTERS_MAX // 19)


@pytest.mark.parametrize("name", sorted(FILTERS))
@given(value=st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text()) | st.floats())
def test_a_filter_makes_something_or_says_what_it_is_for(name: str, value: Any):
    source = "{{ customer.metadata.plan | " + name + " }}"
    try:
        rendered(source, customer={**DATA["customer"], "metadata": {"plan": value}})
    except TemplateFault as fault:
        assert fault.faults[0].message.endswith(".")
