"""`reevit export`: everything in a file that import takes back, and that a spreadsheet cannot be tricked by."""

import csv
import io
import json
import stat
import subprocess
from typing import Any

import pytest

from reevit_server.core import bulk
from tests.cli.shop import Shop
from tests.makers import created, ok
from tests.running import REEVIT, environment

_FORMATS = pytest.mark.parametrize("format", ["csv", "jsonl"])


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def _fill(shop: Shop) -> None:
    """Customers and payments of every kind, over the API."""
    everything = {
        "external_id": "usr_1",
        "email": "ada@example.com",
        "phone": "+233501234567",
        "name": 'Ada, the "first"',
        "tags": ["a;b", "c\\d", "=e"],
        "metadata": {"plan": "pro", "a.b": "x", "visits": 3, "vip": True},
    }
    await shop.merchant.customer(**everything)
    await shop.merchant.customer(external_id="=HYPERLINK(1)", name="'+already guarded")
    nameless = await shop.merchant.customer(email="bo@example.com")
    gone = await shop.merchant.customer(external_id="usr_gone", name="Eve")
    outside = {
        "provider": "external",
        "occurred_at": "2026-01-31T09:30:00.123456Z",
        "provider_ref_id": "-ps1",
    }
    first = await shop.merchant.payment(
        external_customer_id="usr_1", reference="r1", method="card", country="GH", fee_amount=3, **outside
    )
    second = await shop.merchant.payment(
        external_customer_id="usr_1", description="=two\r\nlines", currency="USD"
    )
    await shop.merchant.payment(external_customer_id="=HYPERLINK(1)", metadata={"order": "17"})
    await shop.merchant.payment(customer_id=nameless["id"])
    await shop.merchant.payment(customer_id=gone["id"])
    await shop.merchant.payment()
    await shop.merchant.payment(external_customer_id="usr_1", metadata={"sandbox": "fail:insufficient_funds"})
    await shop.merchant.payment(external_customer_id="usr_1", metadata={"sandbox": "processing"})
    await shop.merchant.refund(first["id"], amount=5000)
    await shop.merchant.refund(second["id"])
    await shop.merchant.test.delete(f"/v1/customers/{gone['id']}")


@_FORMATS
async def test_what_is_exported_is_imported_elsewhere_with_equal_totals(
    shop: Shop, second_shop: Shop, format: str
):
    await _fill(shop)
    suffix = f".{format}"
    profiles = await shop.dump("customers", "--format", format)
    history = await shop.dump("payments", "--format", format)
    assert (await second_shop.load("customers", profiles, suffix=suffix))["created"] == 3
    report = await second_shop.load("payments", history, suffix=suffix)
    # The deleted customer comes as an id without a profile, so that what it paid is not lost.
    assert (report["created"], report["customers_opened"]) == (7, 1)
    assert await second_shop.totals() == await shop.totals()
    assert not await second_shop.drift()
    there = await second_shop.customer("usr_1")
    here = await shop.customer("usr_1")
    for field in ("email", "phone", "name", "tags", "total_spent", "lifetime_value", "preferred_method"):
        assert there[field] == here[field], field
    texts = {"plan": "pro", "a.b": "x", "visits": "3", "vip": "true"}
    assert there["metadata"] == (here["metadata"] if format == "jsonl" else texts)
    assert (await second_shop.customer("%3DHYPERLINK(1)"))["name"] == "'+already guarded"


@_FORMATS
async def test_a_payment_keeps_everything_that_an_import_can_say(shop: Shop, second_shop: Shop, format: str):
    await _fill(shop)
    await second_shop.load("payments", await shop.dump("payments", "--format", format), suffix=f".{format}")
    here = ok(await shop.merchant.test.get("/v1/payments", params={"limit": 100}))["payments"]
    said = ("amount", "currency", "status", "amount_refunded", "method", "country", "description", "metadata")
    said += ("provider", "provider_ref_id", "fee_amount", "failure_code", "failure_message", "occurred_at")
    settled = [payment for payment in here if payment["status"] != "processing"]
    assert len(settled) == 7
    for payment in settled:
        there = await second_shop.payment(payment["reference"] or payment["id"])
        assert {field: there[field] for field in said} == {
            **{field: payment[field] for field in said},
            "occurred_at": payment["succeeded_at"] or payment["occurred_at"],
        }


@_FORMATS
async def test_an_export_taken_back_where_it_came_from_changes_nothing(shop: Shop, format: str):
    await _fill(shop)
    if format == "csv":  # which has no types: numbers and booleans of metadata would come back as text
        await shop.merchant.test.patch(
            "/v1/customers/external/usr_1", json={"metadata": {"visits": "", "vip": ""}}
        )
    before = await shop.state()
    profiles = await shop.dump("customers", "--format", format)
    history = await shop.dump("payments", "--format", format)
    assert (await shop.load("customers", profiles, suffix=f".{format}"))["unchanged"] == 3
    assert (await shop.load("payments", history, suffix=f".{format}"))["already_there"] == 7
    assert await shop.state() == before


async def test_no_cell_is_a_formula(shop: Shop):
    for number, start in enumerate("=+-@"):
        name = f"{start}cmd|' /C calc'!A0"
        profile = {"external_id": f"{start}{number}", "name": name, "tags": [name], "metadata": {"x": name}}
        created(await shop.merchant.test.post("/v1/customers", json=profile))
    await shop.merchant.payment(description="\t=1")
    await shop.merchant.payment(description="\r=1", metadata={"x": -1})
    cells = [
        cell
        for noun in ("customers", "payments")
        for row in table(await shop.dump(noun))
        for cell in row.values()
    ]
    assert cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert sum(cell.startswith("'") for cell in cells) == 4 * 4 + 3


async def test_columns_are_those_of_an_import_and_one_for_each_metadata_key(shop: Shop):
    await shop.merchant.customer(external_id="u1", metadata={"b": "1", "a": "2"})
    header = (await shop.dump("customers")).splitlines()[0]
    assert header == "external_id,email,phone,name,tags,created_at,metadata.a,metadata.b"
    await shop.merchant.payment(reference="r1", external_customer_id="u1")
    (row,) = table(await shop.dump("payments"))
    said = {name: value for name, value in row.items() if value and not name.endswith("_at")}
    assert said == {
        "reference": "r1",
        "external_customer_id": "u1",
        "amount": "15000",
        "currency": "GHS",
        "status": "succeeded",
        "amount_refunded": "0",
        "provider": "sandbox",
        "provider_ref_id": row["provider_ref_id"],
    }
    assert row["occurred_at"].endswith("Z")


async def test_json_lines_are_objects_with_every_column(shop: Shop):
    await shop.merchant.customer(external_id="u1", tags=["x"])
    (line,) = (await shop.dump("customers", "--format", "jsonl")).splitlines()
    profile: dict[str, Any] = json.loads(line)
    assert profile.pop("created_at").endswith("Z")
    assert profile == {
        "external_id": "u1",
        "email": None,
        "phone": None,
        "name": None,
        "tags": ["x"],
        "metadata": {},
    }


async def test_a_file_is_there_when_it_is_whole_and_only_for_its_owner(shop: Shop):
    await shop.merchant.customer(external_id="u1")
    path = shop.folder / "customers.jsonl"
    path.write_text("of yesterday\n")
    result = await shop.run("export", "customers", "--output", str(path))
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(path.read_text())["external_id"] == "u1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    refused = await shop.run("export", "customers", "--output", str(path), "--org", "org_nobody")
    assert refused.exit_code != 0
    assert json.loads(path.read_text())["external_id"] == "u1"
    assert list(shop.folder.iterdir()) == [path]


async def test_an_export_that_fails_halfway_leaves_the_file_of_yesterday(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    await shop.merchant.customer(external_id="u1", metadata={"a": 1, "b": 2})
    monkeypatch.setattr(bulk, "METADATA_COLUMNS_MAX", 1)
    path = shop.folder / "customers.csv"
    path.write_text("of yesterday\n")
    result = await shop.run("export", "customers", "--output", str(path))
    assert (result.exit_code, "use --format jsonl" in result.stderr) == (2, True)
    assert path.read_text() == "of yesterday\n"
    assert list(shop.folder.iterdir()) == [path]
    assert (await shop.run("export", "customers", "--output", str(path), "--format", "jsonl")).exit_code == 0


async def test_a_folder_that_is_not_there_is_a_usage_error(shop: Shop):
    result = await shop.run("export", "payments", "--output", str(shop.folder / "none" / "x.csv"))
    assert (result.exit_code, "There is no folder" in result.stderr) == (2, True)


async def test_an_export_is_one_instant_of_one_mode(shop: Shop):
    await shop.merchant.customer(external_id="u1")
    created(await shop.merchant.live.post("/v1/customers", json={"external_id": "u2"}))
    assert [row["external_id"] for row in table(await shop.dump("customers"))] == ["u1"]
    assert [row["external_id"] for row in table(await shop.dump("customers", "--mode", "live"))] == ["u2"]


def test_a_reader_who_leaves_early_ends_the_export_quietly(dsn: str):
    where = f"--database-url '{dsn}'"
    create = f"{REEVIT} orgs create Shop --json {where}"
    org = json.loads(
        subprocess.run(create, shell=True, check=True, capture_output=True, env=environment()).stdout
    )
    rows = "".join(f"u{number}\n" for number in range(5000))
    load = f"{REEVIT} import customers - --format csv --org {org['org_id']} {where}"
    subprocess.run(
        load,
        shell=True,
        check=True,
        input=f"external_id\n{rows}".encode(),
        env=environment(),
        capture_output=True,
    )
    head = f"{REEVIT} export customers --org {org['org_id']} {where} | head -n 1"
    done = subprocess.run(head, shell=True, check=True, capture_output=True, env=environment())
    assert (done.stdout, done.stderr) == (b"external_id,email,phone,name,tags,created_at\r\n", b"")
