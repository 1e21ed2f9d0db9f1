"""What every import does alike: files, columns, refusals, reports, exit status."""

import csv
import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from reevit_server.core import bulk
from tests.cli.shop import Shop
from tests.running import REEVIT, environment

_HEADER = "reference,external_customer_id,amount,currency,occurred_at\n"


async def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(shop: Shop):
    content = b"\xef\xbb\xbfexternal_id,name\r\nu1,Ad\xc3\xa9la\r\n\r\n"
    assert (await shop.load("customers", content))["created"] == 1
    assert (await shop.customer("u1"))["name"] == "Adéla"


async def test_standard_input_is_read_when_the_format_is_said(shop: Shop):
    result = await shop.run("import", "customers", "-", "--format", "csv", stdin=b"external_id\nu1\nu2\n")
    assert (result.exit_code, result.stdout) == (
        0,
        "customers: 2 read, 2 created, 0 updated, 0 unchanged, 0 refused\n",
    )
    assert (await shop.run("import", "customers", "-", stdin=b"external_id\nu3\n")).exit_code == 2


async def test_a_file_without_rows_is_no_mistake(shop: Shop):
    assert (await shop.load("customers", "external_id\n"))["read"] == 0
    assert (await shop.load("customers", "", suffix=".jsonl"))["read"] == 0


@pytest.mark.parametrize(
    ("content", "options", "said"),
    [
        (
            "external_id,colour\nu1,red\n",
            [],
            "The column 'colour' is no field. Known fields: external_id, email",
        ),
        ("external_id,\nu1,red\n", [], "The column '' is no field"),
        ("external_id,[/b]\nu1,red\n", [], "The column '[/b]' is no field"),
        ("name\nAda\n", [], "No column gives 'external_id'"),
        ("external_id,id2\nu1,u2\n", ["--map", "id2=external_id"], "Two columns give 'external_id'"),
        ("external_id\nu1\n", ["--map", "id=external_id"], "--map names the column 'id'"),
        ("external_id\nu1\n", ["--map", "external_id=ident"], "there is no field 'ident'"),
        ("external_id\nu1\n", ["--map", "external_id"], "write column=field"),
        ("external_id,metadata\nu1,x\n", [], "'metadata' is a column for each key"),
        ("external_id,metadata.\nu1,x\n", [], "The column 'metadata.' is no field"),
        ("", [], "The file has no header"),
        ('"external_id\nu1\n', [], "The header is not CSV"),
        ("external_id\nu1\n".encode("utf-16"), [], "The file is UTF-16; save it as UTF-8"),
        ("external_id\nu1\n".encode("utf-16-le"), [], "NUL character"),
        (b"external_id,n\xe4me\nu1,x\n", [], "The byte 0xE4 is not UTF-8"),
        ("external_id\n" + "x" * 1024 * 1025, [], "Line 2 is longer than 1 MiB"),
    ],
)
async def test_a_table_that_is_not_understood_is_refused_before_anything_lands(
    shop: Shop, content: str | bytes, options: list[str], said: str
):
    assert said in await shop.unusable("customers", content, *options)


async def test_the_first_json_line_is_checked_as_a_header_would_be(shop: Shop):
    lines = '{"external_id": "u1", "colour": "red"}\n{"external_id": "u2"}\n'
    assert "'colour' is no field" in await shop.unusable("customers", lines, suffix=".jsonl")


async def test_a_file_that_is_not_there_is_a_usage_error(shop: Shop):
    result = await shop.run("import", "customers", str(shop.folder / "nothing.csv"))
    assert (result.exit_code, "No such file" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "options",
    [["--mode", "prod"], ["--format", "xml"], ["--amounts", "cents"]],
    ids=lambda options: options[0],
)
async def test_an_option_with_an_unknown_value_is_a_usage_error(shop: Shop, options: list[str]):
    result = await shop.run("import", "payments", shop.file(_HEADER), *options)
    assert result.exit_code == 2


async def test_columns_are_renamed_and_dropped(shop: Shop):
    content = "User ID,Full=Name,Colour,Notes\nu1,Ada,red,secret\n"
    maps = ["User ID=external_id", "Full=Name=name", "Colour=metadata.colour", "Notes="]
    await shop.load("customers", content, *(part for option in maps for part in ("--map", option)))
    customer = await shop.customer("u1")
    assert (customer["name"], customer["metadata"]) == ("Ada", {"colour": "red"})


async def test_bad_rows_are_told_with_their_line_and_the_good_ones_land(shop: Shop):
    content = (
        "external_id,email,name\n"
        "u1,ada@example.com,Ada\n"
        "u2,not-an-address,Bo\n"
        'u3,,"two\nlines"\n'
        ",c@example.com,Cy\n"
        "u5,d@example.com\n"
        "u6,e@example.com,Eve\n"
    )
    report, said = await shop.load_some("customers", content)
    assert report == {
        "noun": "customers",
        "dry_run": False,
        "read": 6,
        "created": 2,
        "updated": 0,
        "unchanged": 0,
        "refused": 4,
    }
    assert [line.partition(": ")[0] for line in said] == ["line 3", "line 4", "line 6", "line 7"]
    assert said[0].startswith("line 3: email: This is not an e-mail address")
    assert "Control characters are not allowed (U+000A" in said[1]
    assert said[2] == "line 6: external_id: This field is required (required)"
    assert said[3] == "line 7: The row has 2 cells and the header 3 (malformed_csv)"
    assert (await shop.customer("u6"))["name"] == "Eve"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"u2,B\xe9a\n", "The byte 0xE9 is not UTF-8"),
        (b"u2,B\0a\n", "A NUL character cannot be stored"),
        (b'u2,"B"a\n', "Not CSV"),
        (b"u2,B\x85a\n", "not UTF-8"),
        ("u2,B\u0085a\n".encode(), "Control characters"),
    ],
)
async def test_a_row_that_cannot_be_stored_as_text_is_refused_alone(shop: Shop, row: bytes, reason: str):
    report, said = await shop.load_some("customers", b"external_id,name\nu1,Ada\n" + row + b"u3,Cy\n")
    assert (report["created"], report["refused"]) == (2, 1)
    assert said[0].startswith("line 3: ")
    assert reason in said[0]


async def test_a_quote_that_is_never_closed_costs_the_rows_it_swallows_and_says_which(shop: Shop):
    report, said = await shop.load_some("customers", 'external_id,name\nu1,Ada\nu2,"Bo\nu3,Cy\n')
    assert (report["created"], report["refused"]) == (1, 1)
    assert said[0].startswith("line 3: Not CSV from line 3 to 4, perhaps for a quote that is not closed")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "The line is not valid JSON"),
        ("[1]", "The line is not a JSON object"),
        ('{"external_id": "u2", "external_id": "u3"}', "given twice"),
        ('{"external_id": "u2", "name": NaN}', "NaN is not JSON"),
        ('{"external_id": "u2", "name": "a\\u0000b"}', "NUL character"),
        ('{"external_id": "u2", "name": "\\ud800"}', "lone surrogate"),
        ('{"external_id": 17}', "external_id"),
        ('{"external_id": "u2", "colour": "red"}', "There is no such field"),
        ('{"external_id": "u2", "metadata": {"a": 1}, "metadata.a": 2}', "'metadata.a' is given twice"),
        ('{"external_id": "u2", "metadata": {"a": []}}', "metadata"),
    ],
)
async def test_a_bad_json_line_is_refused_alone(shop: Shop, line: str, reason: str):
    content = f'{{"external_id": "u1"}}\n{line}\n\n{{"external_id": "u9"}}\n'
    report, said = await shop.load_some("customers", content, suffix=".jsonl")
    assert (report["created"], report["refused"]) == (2, 1)
    assert said[0].startswith("line 2: ")
    assert reason in said[0]


async def test_a_line_without_end_stops_the_reading_and_keeps_what_came_before(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bulk, "BATCH_ROWS", 2)
    content = "external_id\nu1\nu2\nu3\n" + "x" * 1024 * 1025 + "\nu5\n"
    report, said = await shop.load_some("customers", content)
    assert (report["read"], report["created"], report["refused"]) == (4, 3, 1)
    assert said[0].startswith("line 5: Line 5 is longer than 1 MiB")
    assert "The rest is not read" in said[0]


async def test_twenty_refusals_are_shown_and_the_report_holds_all(shop: Shop):
    content = "external_id,email\n" + "".join(f"u{number},=bad\n" for number in range(30))
    _, said = await shop.load_some("customers", content)
    assert len(said) == 21
    assert said[-1] == "... and 10 more; --report FILE keeps all of them."
    report = shop.folder / "refused.csv"
    _, said = await shop.load_some("customers", content, "--report", str(report))
    assert len(said) == 20
    with report.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["line", "field", "code", "reason"]
    assert [row[:3] for row in rows[1:]] == [[str(line), "email", "value_error"] for line in range(2, 32)]


async def test_a_report_does_not_overwrite_the_file_that_is_read(shop: Shop):
    path = shop.file("external_id,email\nu1,x\n")
    result = await shop.run("import", "customers", path, "--report", path)
    assert (result.exit_code, "choose another" in result.stderr) == (2, True)
    assert (await shop.run("import", "customers", path)).stderr.startswith("line 2: email: ")


async def test_a_row_with_several_faults_is_one_refused_row(shop: Shop):
    report, said = await shop.load_some("customers", "external_id,email,phone\nu1,x,y\n")
    assert (report["read"], report["refused"], len(said)) == (1, 1, 2)


async def test_what_a_file_says_cannot_command_the_terminal(shop: Shop):
    line = '{"external_id": "u1", "\\u001b[31m[bold]red": 1}'
    _, said = await shop.load_some("customers", f'{{"external_id": "u0"}}\n{line}\n', suffix=".jsonl")
    assert "\x1b" not in said[0]
    assert "[bold]red" in said[0]


async def test_an_unknown_organization_is_told_and_nothing_lands(shop: Shop):
    result = await shop.run("import", "customers", shop.file("external_id\nu1\n"), "--org", "org_nobody")
    assert result.exit_code != 0
    assert not await shop.rows("SELECT 1 FROM customers WHERE org_id = $1", shop.merchant.org_id)


async def test_test_and_live_are_loaded_apart(shop: Shop):
    await shop.load("customers", "external_id\nu1\n", "--mode", "live")
    assert (await shop.merchant.test.get("/v1/customers/external/u1")).status_code == 404
    assert (await shop.merchant.live.get("/v1/customers/external/u1")).status_code == 200


def test_a_progress_bar_is_shown_on_a_terminal_and_nowhere_else(dsn: str, tmp_path: Path):
    create = [REEVIT, "orgs", "create", "Shop", "--json", "--database-url", dsn]
    org = json.loads(subprocess.run(create, check=True, capture_output=True, env=environment()).stdout)[
        "org_id"
    ]
    path = tmp_path / "rows.csv"
    path.write_text(_HEADER + "".join(f"r{number},u{number},100,GHS,20260101\n" for number in range(100)))
    command = [REEVIT, "import", "payments", str(path), "--org", org, "--database-url", dsn, "--json"]
    ours, theirs = pty.openpty()
    terminal = environment(TERM="xterm", COLUMNS="100")
    on_terminal = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=theirs, env=terminal)
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert "Importing payments" in shown
    assert "100 rows" in shown
    assert b'"created": 100' in on_terminal.stdout
    in_a_pipe = subprocess.run(command, check=True, capture_output=True, env=environment())
    assert in_a_pipe.stderr == b""
    assert b'"already_there": 100' in in_a_pipe.stdout
