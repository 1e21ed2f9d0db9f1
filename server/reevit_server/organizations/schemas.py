"""What may be said about an organization."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints

from reevit_server.core import locales, pictures
from reevit_server.core.text import ShortName, without_control

ADDRESS_LINES_MAX = 10


def _checked_address(text: str) -> str:
    lines = [without_control(line.strip()) for line in text.strip().splitlines()]
    if len(lines) > ADDRESS_LINES_MAX:
        raise ValueError(f"An address has at most {ADDRESS_LINES_MAX} lines; this one has {len(lines)}")
    return "\n".join(lines)


def _checked_logo(data: bytes) -> bytes:
    pictures.picture_of(data)
    return data


def _checked_locale(name: str) -> str:
    return locales.name_of(locales.locale_of(name))


class SellerPatch(BaseModel):
    """Who sells, as papers say it; what is not given stays, and null takes away."""

    model_config = ConfigDict(extra="forbid")

    seller_name: ShortName | None = None
    seller_address: Annotated[str, StringConstraints(max_length=500), AfterValidator(_checked_address)] = ""
    seller_logo: Annotated[bytes, AfterValidator(_checked_logo)] | None = None
    tax_line: ShortName | None = None
    locale: Annotated[str, AfterValidator(_checked_locale)] = "en"
