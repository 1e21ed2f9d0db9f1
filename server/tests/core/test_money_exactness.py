"""A major amount is exact or refused, however many digits it has."""

import pytest

from reevit_server.core.money import to_minor_units


@pytest.mark.parametrize("text", ["1.00000000000000000000000000000001", "1e3", "1_000", "٣"])
def test_what_is_no_plain_decimal_number_is_refused_and_not_rounded(text: str):
    with pytest.raises(ValueError, match="decimal"):
        to_minor_units(text, "USD")
