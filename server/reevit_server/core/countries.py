"""The countries of ISO 3166-1, by their two letters.

Source: the regions of `phonenumbers`, which follow the standard and are updated with every release. Two of them ISO
only reserves (Ascension, Tristan da Cunha); seven of ISO's have no telephones. XK is not ISO's either, but what banks
and payment providers call Kosovo.
"""

import phonenumbers

COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS) - {"AC", "TA"} | {
    "AQ",
    "BV",
    "GS",
    "HM",
    "PN",
    "TF",
    "UM",
}
