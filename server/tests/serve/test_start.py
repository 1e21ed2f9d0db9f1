"""How a server starts, or says in one go why it cannot."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from reevit_server.core.sealing import new_master_key
from tests.running import REEVIT, Server, environment, free_port, reevit, serving, start, wait_until


def sentence(stderr: str) -> str:
    """What was said, which must be words for people and nothing of ours."""
    assert "Traceback" not in stderr
    return " ".join(stderr.split())


def test_a_port_in_use_is_one_clear_sentence(dsn: str):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = reevit("serve", "--database-url", dsn, "--port", str(port))
    assert done.returncode == 1
    assert done.stdout == ""
    said = sentence(done.stderr)
    assert said == (
        f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Stop what listens there, or choose another port with --port."
    )


def test_of_two_servers_that_start_at_once_on_one_port_one_serves_and_the_other_says_why_not(
    empty_dsn: str,
):
    """Neither listens yet when the other one looks."""
    port = free_port()
    command = [REEVIT, "serve", "--database-url", empty_dsn, "--port", str(port)]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    both = [start(command, env=environment(), **streams) for _ in range(2)]
    try:
        wait_until(lambda: any(process.poll() is not None for process in both), 30)
        (loser,) = [process for process in both if process.poll() is not None]
        (winner,) = [process for process in both if process is not loser]
        assert loser.returncode == 1
        assert sentence(loser.communicate()[0]) == (
            f"Error: Cannot listen on 127.0.0.1:{port}: Another `reevit serve` does. "
            "Stop that one, or choose another port with --port."
        )
        Server(f"http://127.0.0.1:{port}", winner, winner.stdout).wait_until_ready()
    finally:
        for process in both:
            process.terminate()
            process.communicate(timeout=30)
    assert winner.returncode == 0


def test_a_port_is_kept_while_its_api_process_is_started_again(dsn: str):
    """Nobody listens for a second, and nobody else may begin to."""
    with serving("--database-url", dsn) as server:
        port = httpx.URL(server.base_url).port
        os.kill(server.api_process(), signal.SIGKILL)
        done = reevit("serve", "--database-url", dsn, "--port", str(port))
        assert done.returncode == 1
        assert "Another `reevit serve` does." in sentence(done.stderr)
        server.wait_until_ready()


def test_a_server_that_was_killed_leaves_its_port_to_the_next(dsn: str):
    port = free_port()
    with serving("--database-url", dsn, port=port) as server:
        server.process.kill()
        server.process.wait()
        with serving("--database-url", dsn, port=port):
            pass


@pytest.mark.parametrize(
    ("host", "said"),
    [
        ("192.0.2.1", "Cannot assign requested address. Choose another with --host."),
    ],
)
def test_an_address_that_is_not_of_this_machine_is_one_clear_sentence(dsn: str, host: str, said: str):
    done = reevit("serve", "--database-url", dsn, "--host", host, "--port", str(free_port()))
    assert done.returncode == 1
    assert said in sentence(done.stderr)


def test_all_mistakes_in_the_settings_are_reported_at_once():
    done = reevit(
        "serve",
        REEVIT_PORT="eighty",
        REEVIT_WORKERS="0",
        REEVIT_RATE_LIMIT="-1",
        REEVIT_DATABASE_URL="mysql://localhost/shop",
        REEVIT_LOG_FORMAT="loud",
        REEVIT_LOG_REQUESTS="perhaps",
    )
    assert done.returncode == 1
    said = sentence(done.stderr)
    for name in ("PORT", "WORKERS", "RATE_LIMIT", "DATABASE_URL", "LOG_FORMAT", "LOG_REQUESTS"):
        assert f"REEVIT_{name}:" in said


@pytest.mark.parametrize(
    "command", ["serve", "work", "migrate", "orgs list", "keys list --org org_1", "verify"]
)
def test_a_database_that_cannot_be_reached_is_one_clear_sentence(command: str):
    nobody = f"postgresql://reevit:hunter2@127.0.0.1:{free_port()}/reevit"
    done = reevit(*command.split(), "--database-url", nobody, REEVIT_PORT=str(free_port()))
    assert done.returncode == 1
    said = sentence(done.stderr)
    assert "--database-url" in said
    assert "hunter2" not in said


@pytest.mark.parametrize("name", ["data", "data [old]", "data [red]"])
def test_a_data_directory_that_is_none_is_one_clear_sentence(tmp_path: Path, name: str):
    data_dir = tmp_path / name
    data_dir.write_text("a file")
    done = reevit("orgs", "list", "--data-dir", str(data_dir))
    assert done.returncode == 1
    assert str(data_dir) in sentence(done.stderr)


def test_the_first_demo_run_shows_a_key_and_a_line_that_works_as_pasted_and_the_second_makes_no_other(
    empty_dsn: str,
):
    with serving("--demo", "--database-url", empty_dsn) as server:
        (line,) = [line.strip() for line in server.output.splitlines() if line.strip().startswith("curl ")]
        (key, *_) = re.findall(r"pfk_test_\S+", server.output)
        assert key in line
        if shutil.which("curl"):
            done = subprocess.run(
                ["/bin/sh", "-c", line], capture_output=True, text=True, timeout=20, check=True
            )
            customer = json.loads(done.stdout)
            assert (customer["external_id"], customer["name"]) == ("usr_1234", "Ada Lovelace")
        listed = httpx.get(f"{server.base_url}/v1/customers", headers={"X-Reevit-Key": key})
        assert listed.status_code == 200
        assert server.base_url.replace("127.0.0.1", "localhost") in server.output
    with serving("--demo", "--database-url", empty_dsn) as server:
        assert "pfk_" not in server.output
        assert "1 organization(s)" in server.output
    orgs = reevit("orgs", "list", "--json", "--database-url", empty_dsn)
    assert [json.loads(line)["name"] for line in orgs.stdout.splitlines()] == ["Demo"]


def test_options_win_over_the_environment_an_empty_server_says_how_to_begin_and_ctrl_c_ends_it(
    empty_dsn: str,
):
    elsewhere = {"REEVIT_PORT": "1", "REEVIT_DATABASE_URL": "postgresql://nowhere/x"}
    with serving("--database-url", empty_dsn, **elsewhere) as server:
        assert "reevit orgs create" in server.output
        assert "pfk_" not in server.output
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(30) == 0
        assert "Traceback" not in server.output


def test_help_names_every_option_and_starts_nothing():
    done = reevit("serve", "--help", COLUMNS="200")
    assert done.returncode == 0
    for option in ("--host", "--port", "--workers", "--data-dir", "--database-url", "--demo"):
        assert option in done.stdout


def test_a_database_of_ones_own_needs_a_master_key_and_always_the_same(empty_dsn: str):
    command = [REEVIT, "serve", "--database-url", empty_dsn, "--port", str(free_port())]
    without = {name: value for name, value in environment().items() if name != "REEVIT_MASTER_KEY"}
    done = subprocess.run(command, env=without, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert sentence(done.stderr).startswith("Error: REEVIT_MASTER_KEY is missing: it seals the secrets")
    with serving("--database-url", empty_dsn):
        pass
    wrong = environment(REEVIT_MASTER_KEY=new_master_key())
    done = subprocess.run(command, env=wrong, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "were sealed with another master key. Set REEVIT_MASTER_KEY to that one" in sentence(done.stderr)


def test_the_embedded_start_keeps_a_master_key_of_its_own(data_dir: Path):
    without = {name: value for name, value in environment().items() if name != "REEVIT_MASTER_KEY"}
    command = [REEVIT, "serve", "--data-dir", str(data_dir), "--port", str(free_port())]
    key = data_dir / "master.key"
    for _ in range(2):
        process = start(command, env=without, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            Server(f"http://127.0.0.1:{command[-1]}", process, process.stdout).wait_until_ready()
            kept = key.read_text()
        finally:
            process.terminate()
            process.communicate(timeout=30)
        assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text() == kept
    key.write_text("not a key")
    done = subprocess.run(command, env=without, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert sentence(done.stderr).endswith("does not hold 32 bytes in base64; put the copy of it back.")
