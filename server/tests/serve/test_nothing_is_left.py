"""The tests clean up after themselves, also when nobody lets them: what they started ends with them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests import run_folder
from tests.running import gone, wait_until

SERVER = Path(__file__).parents[2]
# What a test does, in a process that can be killed: pytest's own, had it been this one.
A_TEST = """
import sys, time
from tests.running import serving
with serving("--data-dir", sys.argv[1]) as server:
    print(server.process.pid, *server.children(), flush=True)
    time.sleep(600)
"""


def test_a_killed_test_leaves_no_server_and_no_database(data_dir: Path):
    command = [sys.executable, "-c", A_TEST, str(data_dir)]
    with subprocess.Popen(command, cwd=SERVER, stdout=subprocess.PIPE, text=True) as test:
        pids = [int(pid) for pid in test.stdout.readline().split()]
        pids.append(int((data_dir / "postgres/postmaster.pid").read_text().split()[0]))
        test.kill()
    wait_until(lambda: all(gone(pid) for pid in pids), 15)


def test_a_killed_run_leaves_no_database_and_no_folder():
    """Of a database that the tests use without a server."""
    code = """
import time
from reevit_server.core import embedded
from tests import run_folder
cleaner = run_folder.open_for_run()
with embedded.running(run_folder.new_folder() / "data"):
    print(run_folder.path(), flush=True)
    time.sleep(600)
"""
    environ = {name: value for name, value in os.environ.items() if name != run_folder.NAME}
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=SERVER, stdout=subprocess.PIPE, text=True, env=environ) as run:
        folder = Path(run.stdout.readline().strip())
        (running,) = folder.rglob("postgres/postmaster.pid")
        database = int(running.read_text().split()[0])
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: gone(database) and not folder.exists(), 15)
