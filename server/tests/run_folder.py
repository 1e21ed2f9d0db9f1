"""The folder in which a run of the tests keeps its data directories, and the process that clears it away.

That process outlives the run, however it ends: Ctrl-C, a failure, `kill -9`. It sees this folder only, so every data
directory of a test is in it. `python -m tests.run_folder FOLDER` is that process.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from reevit_server.core import embedded

NAME = "REEVIT_TESTS_FOLDER"
_SECONDS = 60  # for servers to stop that were told to


def open_for_run() -> "subprocess.Popen[bytes] | None":
    """Makes the folder and starts its cleaner; None in a worker process of a run that has both already."""
    if NAME in os.environ:
        return None
    folder = tempfile.mkdtemp(prefix="reevit-tests-")
    os.environ[NAME] = folder  # worker processes inherit it
    command = [sys.executable, "-m", "tests.run_folder", folder]
    # A session of its own: Ctrl-C is not for it. It waits for its standard input to end, as it does when we do.
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, cwd=Path(__file__).parents[1], start_new_session=True
    )


def path() -> Path:
    return Path(os.environ[NAME])


def new_folder() -> Path:
    """A folder of one's own. Not pytest's: run as root, pytest closes that to others, and so to PostgreSQL."""
    return Path(tempfile.mkdtemp(prefix="test-", dir=path()))


def clear(folder: Path) -> None:
    """Waits for whoever still uses a database in there, stops it as its last user, and removes everything."""
    deadline = time.monotonic() + _SECONDS
    for running in list(folder.rglob("postgres/postmaster.pid")):
        while running.exists() and time.monotonic() < deadline:
            with (
                suppress(embedded.EmbeddedPostgresError),
                embedded.running(running.parents[1], wait_seconds=10),
            ):
                pass
            time.sleep(0.2)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.stdin.read()
    clear(Path(sys.argv[1]))
