"""A real shop's history: the CDNOW sample, 6,919 purchases of 2,357 customers, arrives to the unit."""

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.shop import Shop
from tests.makers import ok

_SAMPLE = Path(__file__).resolve().parents[4] / "shared" / "data" / "cdnow_sample.txt"
_BEST = [("1901", 655270), ("0509", 194358), ("1981", 174758), ("1081", 162504), ("1560", 154828)]
_MINOR_UNITS = 24_409_194

pytestmark = pytest.mark.skipif(
    not _SAMPLE.exists(), reason="the CDNOW sample is not part of this project: shared/data is not beside it"
)


@pytest.fixture(scope="module")
def history() -> str:
    """The sample as a merchant would export it."""
    table = io.StringIO()
    writer = csv.writer(table)
    writer.writerow(["reference", "external_customer_id", "occurred_at", "amount", "currency"])
    for line, purchase in enumerate(_SAMPLE.read_text().splitlines(), 1):
        _, customer, date, _, dollars = purchase.split()
        writer.writerow([f"cdnow-{line}", customer, date, dollars, "USD"])
    return table.getvalue()


async def test_the_whole_history_arrives_and_a_second_import_changes_nothing(shop: Shop, history: str):
    foreseen = await shop.load("payments", history, "--amounts", "major", "--dry-run")
    report = await shop.load("payments", history, "--amounts", "major")
    assert report == {
        "noun": "payments",
        "dry_run": False,
        "read": 6919,
        "created": 6919,
        "already_there": 0,
        "customers_opened": 2357,
        "refused": 0,
        "amounts": {"USD": _MINOR_UNITS},
    }
    assert {**foreseen, "dry_run": False} == report
    assert not await shop.drift()
    totals = await shop.totals()
    assert (len(totals), sum(row["total_spent"] for row in totals)) == (2357, _MINOR_UNITS)
    (free,) = await shop.rows(
        "SELECT count(*) FROM payments WHERE org_id = $1 AND amount = 0", shop.merchant.org_id
    )
    assert free["count"] == 8
    before = await shop.state()
    again = await shop.load("payments", history, "--amounts", "major")
    assert (again["created"], again["already_there"], again["refused"]) == (0, 6919, 0)
    assert await shop.state() == before


async def test_the_five_best_customers_are_those_of_the_data(shop: Shop, history: str):
    await shop.load("payments", history, "--amounts", "major")
    top = ok(await shop.merchant.test.get("/v1/customers/top", params={"currency": "USD", "limit": 5}))
    assert [(customer["external_id"], customer["amount"]) for customer in top["customers"]] == _BEST
    best = await shop.customer("1901")
    assert (best["total_spent"], best["lifetime_value"]) == (655270, 655270)
    purchases = [line.split()[4] for line in _SAMPLE.read_text().splitlines() if line.split()[1] == "1901"]
    assert best["payment_count"] == len(purchases)
    assert sum(map(Decimal, purchases)) * 100 == 655270


async def test_the_history_moves_to_another_organization(shop: Shop, second_shop: Shop, history: str):
    await shop.load("payments", history, "--amounts", "major")
    report = await second_shop.load("payments", await shop.dump("payments"))
    assert (report["created"], report["amounts"]) == (6919, {"USD": _MINOR_UNITS})
    assert await second_shop.totals() == await shop.totals()
    assert not await second_shop.drift()
