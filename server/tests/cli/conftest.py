"""A shop at the operator's terminal."""

from pathlib import Path

import pytest

from reevit_server.core.database import Database
from tests.cli.shop import Shop
from tests.makers import Merchant


@pytest.fixture
def shop(merchant: Merchant, db: Database, dsn: str, tmp_path: Path) -> Shop:
    return Shop(merchant, db, dsn, tmp_path)


@pytest.fixture
def second_shop(other: Merchant, db: Database, dsn: str, tmp_path: Path) -> Shop:
    """Another organization of the same installation."""
    return Shop(other, db, dsn, tmp_path)
