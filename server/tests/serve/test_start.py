"""How a server starts, or says in one go why it cannot."""

import json
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.running import free_port, reevit, serving


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
    assert (
        said
        == f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use. Choose another with --port."
    )


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


@pytest.mark.parametrize("command", ["serve", "migrate", "orgs list", "keys list --org org_1", "verify"])
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
