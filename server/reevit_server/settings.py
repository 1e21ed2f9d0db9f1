"""What an operator can set: `REEVIT_…` variables and options of `reevit serve`, read once at the start.

`docs/settings.md` lists each (a test sees to that).
"""

import base64
import binascii
import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

PREFIX = "REEVIT_"
_BASE_OF_URLS = re.compile(r"https?://[a-z0-9.:\[\]-]{1,253}(/[A-Za-z0-9._~/-]{0,200})?")


class SettingsError(Exception):
    """Some settings are not valid; the message names each and says why."""


def _ip_address(text: str) -> str:
    if text == "localhost":
        return "127.0.0.1"
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("Write an IP address, such as 127.0.0.1, 0.0.0.0 or ::") from None


def _addresses(text: Any) -> Any:
    """Several addresses, with commas between them."""
    return tuple(part.strip() for part in text.split(",") if part.strip()) if isinstance(text, str) else text


def _base_of_urls(text: str | None) -> str | None:
    if text is not None and not _BASE_OF_URLS.fullmatch(text):
        raise ValueError("Write an address that begins with https://, such as https://pay.example.com")
    return text and text.rstrip("/")


def key_of_32_bytes(text: str | None) -> str | None:
    """The text, if it is 32 bytes in base64. Raises ValueError."""
    try:
        if text is None or len(base64.b64decode(text, validate=True)) == 32:
            return text
    except binascii.Error:
        pass
    raise ValueError("Write 32 random bytes in base64; `openssl rand -base64 32` makes some")


class Settings(BaseModel):
    """Everything that can be set, with its default."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_dir: Annotated[Path, Field(description="Where the embedded PostgreSQL keeps its data.")] = Path(
        "reevit-data"
    )
    database_url: Annotated[
        str | None,
        Field(pattern=r"^postgres(ql)?://", description="A PostgreSQL (15 or newer) to use instead."),
    ] = None
    master_key: Annotated[
        str | None,
        AfterValidator(key_of_32_bytes),
        Field(repr=False, description="32 random bytes in base64; seals the secrets in the database."),
    ] = None
    host: Annotated[str, AfterValidator(_ip_address), Field(description="Address to listen on.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, Field(ge=1, le=65535, description="Port to listen on.")] = 8000
    workers: Annotated[int, Field(ge=1, le=64, description="API processes.")] = 1
    database_connections: Annotated[
        int, Field(ge=2, le=200, description="Most database connections of each API process.")
    ] = 10
    rate_limit: Annotated[
        float,
        Field(
            ge=0,
            description="Requests a second per organization and mode, twice as many in a burst; 0: no limit.",
        ),
    ] = 5000
    drain_seconds: Annotated[
        float,
        Field(
            ge=0,
            le=300,
            allow_inf_nan=False,
            description="After SIGTERM, how long /readyz says 503 before connections are refused.",
        ),
    ] = 1
    allow_private_webhooks: Annotated[
        bool, Field(description="Let webhooks go to http, loopback and private networks: for local work.")
    ] = False
    public_url: Annotated[
        str | None,
        AfterValidator(_base_of_urls),
        Field(description="Where this server is reached from outside; links in messages begin with it."),
    ] = None
    test_recipients: Annotated[
        tuple[str, ...],
        BeforeValidator(_addresses),
        Field(
            description="Who may get messages of test mode: addresses, phone numbers, @domains; commas between."
        ),
    ] = ()
    events_kept_days: Annotated[
        int, Field(ge=1, le=3650, description="Days that events and their deliveries are kept.")
    ] = 30
    log_format: Annotated[Literal["console", "json"], Field(description="How log lines look.")] = "console"
    log_requests: Annotated[bool, Field(description="Log every request, not only what went wrong.")] = False

    @property
    def links_begin_with(self) -> str:
        """The base of links that strangers follow: on this machine, unless somebody said where it is reached."""
        return self.public_url or f"http://localhost:{self.port}"


def load(environ: Mapping[str, str], **options: Any) -> Settings:
    """Settings from the environment; options that are not None win over it.

    Raises SettingsError with every mistake at once.
    """
    given: dict[str, Any] = {
        name: environ[PREFIX + name.upper()]
        for name in Settings.model_fields
        if PREFIX + name.upper() in environ
    }
    given.update({name: value for name, value in options.items() if value is not None})
    try:
        return Settings(**given)
    except ValidationError as error:
        mistakes = [
            f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg'].removeprefix('Value error, ')}"
            for fault in error.errors()
        ]
        raise SettingsError("\n".join(mistakes)) from None
