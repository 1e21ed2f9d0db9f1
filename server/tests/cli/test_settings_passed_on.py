"""What `reevit serve` was told reaches the processes that it starts, as the environment that they read."""

import os
from pathlib import Path

import pytest

from reevit_server.cli import serve
from reevit_server.settings import Settings, load
from tests.makers import MASTER_KEY


def test_every_setting_arrives_as_it_was(monkeypatch: pytest.MonkeyPatch):
    for name in list(os.environ):
        if name.startswith("REEVIT_"):
            monkeypatch.delenv(name)
    chosen = Settings(
        data_dir=Path("somewhere"),
        master_key=MASTER_KEY,
        public_url="https://pay.example.com/",
        test_recipients="ada@example.com, @example.org,+233501234567",  # type: ignore[arg-type]
        allow_private_webhooks=True,
        rate_limit=0.5,
    )
    address = "postgresql://reevit@/reevit"
    monkeypatch.setattr(os, "environ", dict(os.environ))
    serve._pass_on(chosen, address)
    assert load(os.environ) == chosen.model_copy(update={"database_url": address})


def test_several_addresses_are_written_with_commas_between():
    given = {"REEVIT_TEST_RECIPIENTS": " ada@example.com ,, @example.org"}
    assert load(given).test_recipients == ("ada@example.com", "@example.org")
