"""Data directories of this folder's own: the servers here are killed."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reevit_server.core import embedded
from tests import run_folder


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """A data directory for the tests of one file. Whatever they left running is stopped at the end."""
    folder = run_folder.new_folder()
    yield folder / "data"
    with embedded.running(folder / "data"):
        pass
    shutil.rmtree(folder)
