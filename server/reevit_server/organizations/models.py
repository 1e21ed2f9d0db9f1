"""What others need to know of an organization."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seller:
    """Who sells, as papers say it."""

    name: str
    address: str  # several lines; "" if there is none
    logo: bytes | None  # a PNG or a JPEG
    tax_line: str | None  # printed as it is
    locale: str  # whose language and way to write money and days
