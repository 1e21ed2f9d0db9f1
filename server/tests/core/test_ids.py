"""Ids tell what they name, sort by their birth and never meet."""

import re
import time

import pytest

from reevit_server.core.ids import new_id, new_request_id

_PREFIXES = [
    *("org", "key", "cus", "pay", "ref", "sub", "inv", "evt", "whk"),
    *("dlv", "wfl", "exe", "tpl", "int", "chk", "mrg"),
]


@pytest.mark.parametrize("prefix", _PREFIXES)
def test_an_id_is_its_prefix_and_26_characters_of_crockford_base32(prefix: str):
    assert re.fullmatch(rf"{prefix}_[0-7][0-9a-hjkmnp-tv-z]{{25}}", new_id(prefix))


def test_ids_sort_by_their_birth():
    ids = []
    for _ in range(5):
        ids.append(new_id("pay"))
        time.sleep(0.002)
    assert ids == sorted(ids)


def test_ten_thousand_ids_are_ten_thousand_different_ones():
    assert len({new_id("evt") for _ in range(10_000)}) == 10_000
    assert len({new_request_id() for _ in range(10_000)}) == 10_000


def test_a_request_id_is_safe_in_a_header_and_a_log():
    assert re.fullmatch(r"req_[0-9a-f]{24}", new_request_id())
