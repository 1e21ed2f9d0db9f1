"""The reader of pages overlooks nothing: a difference between a page and the truth is told."""

from typing import Any

import pytest

from tests.docs.pages import blocks, differences, last_json, missing_lines


def test_a_block_is_found_with_its_place_and_whether_it_is_refused():
    page = "words\n\n```sh\none\ntwo\n```\n\n<!-- refused -->\n```sh\nthree\n```\n```json\n{}\n```\n"
    assert [tuple(block) for block in blocks(page)] == [
        (3, "sh", "one\ntwo", False),
        (9, "sh", "three", True),
        (12, "json", "{}", False),
    ]


@pytest.mark.parametrize("fence", ["```", "```bash", "  ```sh"])
def test_a_block_that_could_be_overlooked_is_an_error(fence: str):
    with pytest.raises(ValueError, match="line 2"):
        blocks(f"words\n{fence}\nls\n```\n")


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"list": [{"a": 1}]}, {"list": [{"a": 1, "b": 2}, {"a": 3}]}),
        ({"id": "cus_01jd8w3v5qe2rvkz6n0c4m8x7a"}, {"id": "cus_01m82wb1vaeg49b121akq2d5v7"}),
        ({"at": "2026-11-23T00:19:21Z"}, {"at": "2027-01-01T09:30:00.123456Z"}),
        ({"key": "pfk_test_…"}, {"key": "pfk_test_abc.def"}),
        ({"a": None}, {"a": None}),
    ],
)
def test_an_answer_may_be_shown_shortened(shown: Any, real: Any):
    assert differences(shown, real) == []


@pytest.mark.parametrize(
    ("shown", "real", "told"),
    [
        ({"a": 1}, {"b": 1}, "the answer has no 'a'"),
        ({"a": 1}, {"a": "1"}, 'the answer.a is 1 on the page and "1" in truth'),
        ({"a": 1}, {"a": True}, "the answer.a is 1 on the page and true in truth"),
        ({"a": None}, {"a": 0}, "the answer.a is null on the page and 0 in truth"),
        (
            {"a": "succeeded"},
            {"a": "failed"},
            'the answer.a is "succeeded" on the page and "failed" in truth',
        ),
        ({"id": "cus_1"}, {"id": "pay_1"}, 'the answer.id is "cus_1" on the page and "pay_1" in truth'),
        ({"key": "pfk_live_…"}, {"key": "pfk_test_1"}, 'the answer.key is "pfk_live_\\u2026" on the page'),
        ({"a": [1, 2]}, {"a": [1]}, "the answer.a has 1 elements, not 2"),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, "the answer.a[0].b is 1 on the page and 2 in truth"),
    ],
)
def test_what_a_page_says_and_the_answer_does_not_is_told(shown: Any, real: Any, told: str):
    (difference,) = differences(shown, real)
    assert difference.startswith(told)


def test_of_several_answers_the_last_one_is_shown():
    assert last_json('{"a":1}{"a":2}\n [3] ') == [3]
    assert last_json("") is None


def test_lines_are_looked_for_in_their_order():
    printed = "progress\nread 2\nkey_01m82wd11v  active\n"
    assert missing_lines("read 2\nkey_…  active", printed) == []
    assert len(missing_lines("key_…  active\nread 2", printed)) == 1
    assert len(missing_lines("read 3", printed)) == 1
