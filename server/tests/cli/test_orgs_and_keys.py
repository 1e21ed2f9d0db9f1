"""`reevit orgs` and `reevit keys`: the operator's way in, whether or not a server runs."""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from reevit_server import cli
from reevit_server.api_keys.models import SCOPES, SecretKey
from tests import run_folder
from tests.running import reevit, serving


@dataclass
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        assert self.status == 0, self.err
        answer: dict[str, Any] = json.loads(self.out)
        return answer

    @property
    def lines(self) -> list[dict[str, Any]]:
        assert self.status == 0, self.err
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Done]


@pytest.fixture
def run(empty_dsn: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """A command in this process, on a database of this test's own."""

    def run_command(*arguments: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["reevit", *arguments, "--database-url", empty_dsn])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capfd.readouterr()
        status = ended.value.code
        return Done(status if isinstance(status, int) else 0, said.out, said.err)

    return run_command


def test_an_organization_comes_with_a_key_of_each_mode(run: Run):
    made = run("orgs", "create", "My shop", "--currency", "NGN", "--json").json
    assert set(made) == {"org_id", "name", "test_key", "live_key"}
    assert made["org_id"].startswith("org_")
    assert made["name"] == "My shop"
    for mode in ("test", "live"):
        key = SecretKey.parse(made[f"{mode}_key"])
        assert key is not None
        assert key.mode == mode
    assert run("orgs", "list", "--json").lines == [
        {"org_id": made["org_id"], "name": "My shop", "currency": "NGN"}
    ]


def test_people_are_told_the_same(run: Run):
    said = run("orgs", "create", "My shop")
    assert said.status == 0
    for told in ("My shop", "org_", "pfk_test_", "pfk_live_", "Keep the keys now"):
        assert told in said.out
    listed = run("orgs", "list").out
    assert "My shop" in listed
    assert "GHS" in listed
    assert "pfk_" not in listed


@pytest.mark.parametrize("name", ["[red]Shop[/red]", "Ama [/b] & sons", "100% [bold]", "Ọ̀ṣun 😀", "a\\[b]"])
def test_any_name_is_shown_as_it_is(run: Run, name: str):
    said = run("orgs", "create", name)
    assert (said.status, said.err) == (0, "")
    assert name in said.out
    assert run("orgs", "list", "--json").lines[0]["name"] == name


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("orgs", "create", ""), "1 to 200"),
        (("orgs", "create", "x" * 201), "1 to 200"),
        (("orgs", "create", "Shop", "--currency", "ghs"), "ISO 4217"),
        (("orgs", "create", "Shop", "--currency", "XXX"), "ISO 4217"),
        (("orgs", "create"), "NAME"),
        (("keys", "create"), "--org"),
        (("keys", "create", "--org", "org_1", "--mode", "prod"), "test or live"),
        (("keys", "create", "--org", "org_1", "--scope", "customers:all"), "customers:read"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_explained(run: Run, arguments: tuple[str, ...], named: str):
    said = run(*arguments)
    assert said.status == 2
    assert named.lower() in said.err.lower()
    assert run("orgs", "list").out == ""


def test_keys_are_made_listed_and_revoked(run: Run):
    org = run("orgs", "create", "Shop", "--json").json["org_id"]
    made = run("keys", "create", "--org", org, "--name", "till", "--scope", "customers:read", "--json").json
    assert made["scopes"] == ["customers:read"]
    assert made["key"].startswith("pfk_test_")
    live = run("keys", "create", "--org", org, "--mode", "live", "--json").json
    assert live["key"].startswith("pfk_live_")
    assert live["scopes"] == list(SCOPES)
    listed = run("keys", "list", "--org", org, "--json").lines
    assert [(key["id"] == made["id"], key["name"], key["state"]) for key in listed] == [
        (True, "till", "active"),
        (False, "first test key", "active"),
    ]
    assert made["key"].startswith(listed[0]["prefix"])
    assert made["key"] not in run("keys", "list", "--org", org).out
    assert run("keys", "revoke", made["id"], "--org", org).status == 0
    assert run("keys", "revoke", made["id"], "--org", org).status == 0
    states = [key["state"] for key in run("keys", "list", "--org", org, "--json").lines]
    assert states == ["revoked", "active"]
    assert {key["id"] for key in run("keys", "list", "--org", org, "--mode", "live", "--json").lines} >= {
        live["id"]
    }


def test_all_keys_are_listed_however_many(run: Run, empty_dsn: str):
    org = run("orgs", "create", "Shop", "--json").json["org_id"]

    async def make_keys() -> None:
        conn = await asyncpg.connect(empty_dsn)
        await conn.execute(
            """
            INSERT INTO api_keys (org_id, mode, id, public_id, secret_sha256, scopes, created_at)
            SELECT $1, 'test', 'key_' || n, lpad(n::text, 12, '0'), sha256(n::text::bytea), '{customers:read}', now()
            FROM generate_series(1, 2000) AS n
            """,
            org,
        )
        await conn.close()

    asyncio.run(make_keys())
    listed = [key["id"] for key in run("keys", "list", "--org", org, "--json").lines]
    assert len(listed) == len(set(listed)) == 2001
    assert {f"key_{number}" for number in range(1, 2001)} < set(listed)


@pytest.mark.parametrize("name", ["", "x" * 201, " ", "till\x1b[2J"])
def test_a_key_gets_a_name_of_1_to_200_characters_or_none(run: Run, name: str):
    org = run("orgs", "create", "Shop", "--json").json["org_id"]
    said = run("keys", "create", "--org", org, "--name", name)
    assert said.status in (1, 2)
    assert "1 to 200" in said.err
    assert len(run("keys", "list", "--org", org, "--json").lines) == 1


def test_what_is_not_there_is_said_in_one_sentence(run: Run):
    org = run("orgs", "create", "Shop", "--json").json["org_id"]
    live = run("keys", "create", "--org", org, "--mode", "live", "--json").json["id"]
    for arguments, named in (
        (("keys", "create", "--org", "org_unknown"), "org_unknown"),
        (("keys", "list", "--org", "org_unknown"), "org_unknown"),
        (("keys", "revoke", "key_unknown", "--org", org), "API key"),
        (("keys", "revoke", live, "--org", org, "--mode", "test"), "API key"),
        (("keys", "revoke", live, "--org", "org_unknown", "--mode", "live"), "org_unknown"),
    ):
        said = run(*arguments)
        assert said.status == 1
        assert said.out == ""
        assert said.err.startswith("Error: ")
        assert named in said.err
        assert len(said.err.splitlines()) == 1
    states = [key["state"] for key in run("keys", "list", "--org", org, "--mode", "live", "--json").lines]
    assert states == ["active", "active"]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = run_folder.new_folder()
    yield folder / "data"
    shutil.rmtree(folder)


def test_commands_work_on_a_data_directory_with_and_without_a_server(data_dir: Path):
    where = {"REEVIT_DATA_DIR": str(data_dir)}
    before = json.loads(reevit("orgs", "create", "Before", "--json", "--data-dir", str(data_dir)).stdout)
    till = json.loads(reevit("keys", "create", "--org", before["org_id"], "--json", **where).stdout)
    assert not (data_dir / "postgres/postmaster.pid").exists(), "the last user stops the database"

    def status(base_url: str, key: str) -> int:
        return httpx.get(f"{base_url}/v1/customers", headers={"X-Reevit-Key": key}).status_code

    with serving("--data-dir", str(data_dir)) as server:
        during = json.loads(reevit("orgs", "create", "During", "--json", **where).stdout)
        assert [status(server.base_url, org["test_key"]) for org in (before, during)] == [200, 200]
        assert status(server.base_url, till["key"]) == 200
        revoked = reevit("keys", "revoke", till["id"], "--org", before["org_id"], **where)
        assert revoked.returncode == 0, revoked.stderr
        assert server.stop() == 0
    names = [
        json.loads(line)["name"] for line in reevit("orgs", "list", "--json", **where).stdout.splitlines()
    ]
    assert names == ["Before", "During"]
    listed = reevit("keys", "list", "--org", before["org_id"], "--json", **where).stdout.splitlines()
    assert [json.loads(line)["state"] for line in listed] == ["revoked", "active"]
    assert not (data_dir / "postgres/postmaster.pid").exists()
