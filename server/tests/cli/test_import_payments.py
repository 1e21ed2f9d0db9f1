"""`reevit import payments`: every rule of a row, one payment for a reference, and totals that add up."""

import json

import pytest

from reevit_server.core import bulk
from tests.cli.shop import Shop
from tests.makers import created, ok, refused

_COLUMNS = "reference,external_customer_id,amount,currency,status,amount_refunded,method,occurred_at"
_FIRST = "r1,u1,15000,GHS,,,mobile_money,2026-01-31"


def table(*rows: str, columns: str = _COLUMNS) -> str:
    return "\n".join([columns, *rows]) + "\n"


async def test_a_payment_arrives_whole_and_opens_its_customer(shop: Shop):
    columns = (
        "reference,external_customer_id,amount,currency,method,provider,provider_ref_id,occurred_at,description,"
        "country,fee_amount,metadata.order"
    )
    row = "r1,usr_1,15000,GHS,mobile_money,paystack,ps_1,2026-01-31T10:30:00+01:00,Two chairs,GH,150,A-17"
    report = await shop.load("payments", table(row, columns=columns))
    assert report == {
        "noun": "payments",
        "dry_run": False,
        "read": 1,
        "created": 1,
        "already_there": 0,
        "customers_opened": 1,
        "refused": 0,
        "amounts": {"GHS": 15000},
    }
    payment = await shop.payment("r1")
    expected = {
        "external_customer_id": "usr_1",
        "amount": 15000,
        "amount_refunded": 0,
        "currency": "GHS",
        "status": "succeeded",
        "method": "mobile_money",
        "country": "GH",
        "description": "Two chairs",
        "metadata": {"order": "A-17"},
        "provider": "paystack",
        "provider_ref_id": "ps_1",
        "fee_amount": 150,
        "net_amount": 14850,
        "source": "import",
        "occurred_at": "2026-01-31T09:30:00Z",
        "succeeded_at": "2026-01-31T09:30:00Z",
    }
    assert {field: payment[field] for field in expected} == expected
    customer = await shop.customer("usr_1")
    assert (customer["total_spent"], customer["preferred_method"]) == (15000, "mobile_money")
    found = ok(await shop.merchant.test.get("/v1/customers", params={"search": "usr"}))["customers"]
    assert [one["id"] for one in found] == [customer["id"]]
    assert not await shop.rows("SELECT 1 FROM events WHERE org_id = $1", shop.merchant.org_id)
    assert not await shop.drift()


async def test_the_same_file_again_changes_nothing(shop: Shop):
    content = table(
        _FIRST,
        "r2,u1,5000,GHS,refunded,,card,2026-01-01",
        "r3,u2,5000,GHS,partially_refunded,2000,card,2026-01-01",
        "r4,u2,5000,GHS,failed,,card,",
        "r5,,0,GHS,succeeded,0,,20260101",
    )
    assert (await shop.load("payments", content))["created"] == 5
    before = await shop.state()
    report = await shop.load("payments", content)
    assert (report["created"], report["already_there"], report["amounts"]) == (0, 5, {})
    assert await shop.state() == before
    assert not await shop.drift()


async def test_refunds_are_dated_as_their_payment_and_lower_the_value(shop: Shop):
    await shop.load(
        "payments",
        table(
            "r1,u1,5000,GHS,refunded,,card,2026-01-01",
            "r2,u1,5000,GHS,partially_refunded,2000,card,2026-01-02",
        ),
    )
    customer = await shop.customer("u1")
    assert (customer["total_spent"], customer["total_refunded"], customer["payment_count"]) == (
        10000,
        7000,
        2,
    )
    payment = await shop.payment("r2")
    assert (payment["status"], payment["amount_refunded"]) == ("partially_refunded", 2000)
    refunds = ok(await shop.merchant.test.get(f"/v1/payments/{payment['id']}/refunds"))["refunds"]
    assert [(refund["amount"], refund["occurred_at"]) for refund in refunds] == [
        (2000, "2026-01-02T00:00:00Z")
    ]
    await shop.merchant.refund(payment["id"], amount=3000)
    assert (await shop.payment("r2"))["status"] == "refunded"
    assert not await shop.drift()


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("20260131", "2026-01-31T00:00:00Z"),
        ("2026-01-31", "2026-01-31T00:00:00Z"),
        ("2026-01-31T09:30", "2026-01-31T09:30:00Z"),
        ("2026-01-31 09:30:15", "2026-01-31T09:30:15Z"),
        ("2026-01-31T09:30:15.123456Z", "2026-01-31T09:30:15.123456Z"),
        ("2026-01-31t09:30:15z", "2026-01-31T09:30:15Z"),
        ("2026-01-31T00:30:00+0100", "2026-01-30T23:30:00Z"),
    ],
)
async def test_dates_are_read_as_utc(shop: Shop, written: str, instant: str):
    await shop.load("payments", table(f"r1,u1,100,GHS,,,,{written}"))
    assert (await shop.payment("r1"))["occurred_at"] == instant


@pytest.mark.parametrize(
    ("row", "field", "code"),
    [
        (",u1,100,GHS,,,,20260101", "reference", "required"),
        ("r1,u1,,GHS,,,,20260101", "amount", "required"),
        ("r1,u1,100,,,,,20260101", "currency", "required"),
        ("r1,u1,100,GHS,,,,", "occurred_at", "required"),
        ("r1,u1,-1,GHS,,,,20260101", "amount", "not_an_amount"),
        ("r1,u1,1.5,GHS,,,,20260101", "amount", "not_an_amount"),
        ("r1,u1,1e3,GHS,,,,20260101", "amount", "not_an_amount"),
        ("r1,u1,1_000,GHS,,,,20260101", "amount", "not_an_amount"),
        ("r1,u1,٣,GHS,,,,20260101", "amount", "not_an_amount"),
        ("r1,u1,1000000000000,GHS,,,,20260101", "amount", "less_than_equal"),
        ("r1,u1,100,ghs,,,,20260101", "currency", "value_error"),
        ("r1,u1,100,XXX,,,,20260101", "currency", "value_error"),
        ("r1,u1,100,GHS,pending,,,20260101", "status", "literal_error"),
        ("r1,u1,100,GHS,,,,20260230", "occurred_at", "not_a_date"),
        ("r1,u1,100,GHS,,,,31.01.2026", "occurred_at", "not_a_date"),
        ("r1,u1,100,GHS,,,,1769850000", "occurred_at", "not_a_date"),
        ("r1,u1,100,GHS,,,,2026-W05-6", "occurred_at", "not_a_date"),
        ("r1,u1,100,GHS,,,,0001-01-01T00:00+23:59", "occurred_at", "value_error"),
        ("r1,u1,100,GHS,,,,29990101", "occurred_at", "in_the_future"),
        ("r1,u1,100,GHS,,50,,20260101", "amount_refunded", "wrong_status"),
        ("r1,u1,100,GHS,failed,50,,20260101", "amount_refunded", "wrong_status"),
        ("r1,u1,100,GHS,refunded,50,,20260101", "amount_refunded", "wrong_status"),
        ("r1,u1,100,GHS,partially_refunded,,,20260101", "amount_refunded", "required"),
        ("r1,u1,100,GHS,partially_refunded,100,,20260101", "amount_refunded", "wrong_status"),
        ("r1,u1,0,GHS,refunded,,,20260101", "status", "refund_too_large"),
        ("r1,u1,100,GHS,,,a\tb,20260101", "method", "value_error"),
        (f"{'r' * 256},u1,100,GHS,,,,20260101", "reference", "too_long"),
        (f"r1,{'u' * 256},100,GHS,,,,20260101", "external_customer_id", "too_long"),
    ],
)
async def test_a_row_against_a_rule_is_refused_by_field_and_code(shop: Shop, row: str, field: str, code: str):
    report, said = await shop.load_some("payments", table(row, "good,u9,100,GHS,,,,20260101"))
    assert (report["created"], report["refused"]) == (1, 1)
    assert said[0].startswith(f"line 2: {field}: ")
    assert said[0].endswith(f"{code})")
    assert [
        row["external_id"]
        for row in await shop.rows(
            "SELECT external_id FROM customers WHERE org_id = $1", shop.merchant.org_id
        )
    ] == ["u9"]


@pytest.mark.parametrize(
    ("written", "currency", "minor"),
    [
        ("29.33", "USD", 2933),
        ("29.3", "USD", 2930),
        ("29.330", "USD", 2933),
        (".5", "USD", 50),
        ("0", "USD", 0),
        ("9999999999.99", "USD", 999999999999),
        ("1500", "XOF", 1500),
        ("1.234", "KWD", 1234),
    ],
)
async def test_major_amounts_are_exact_in_their_currency(shop: Shop, written: str, currency: str, minor: int):
    await shop.load("payments", table(f"r1,u1,{written},{currency},,,,20260101"), "--amounts", "major")
    assert (await shop.payment("r1"))["amount"] == minor


@pytest.mark.parametrize(
    ("written", "currency", "code"),
    [
        ("29.335", "USD", "too_many_decimals"),
        ("1.5", "XOF", "too_many_decimals"),
        ("1.00000000000000000000000000000001", "USD", "not_an_amount"),
        ("1e2", "USD", "not_an_amount"),
        ("$5", "USD", "not_an_amount"),
        ('"1,234.50"', "USD", "not_an_amount"),
        ("NaN", "USD", "not_an_amount"),
        ("-1", "USD", "not_an_amount"),
        ("99999999999.99", "USD", "less_than_equal"),
    ],
)
async def test_a_major_amount_is_never_rounded_or_guessed(shop: Shop, written: str, currency: str, code: str):
    content = table(f"r1,u1,{written},{currency},,,,20260101")
    _, said = await shop.load_some("payments", content, "--amounts", "major")
    assert said[0].endswith(f"({code})")


async def test_json_numbers_are_read_as_they_are_written(shop: Shop):
    def line(reference: str, amount: str) -> str:
        return f'{{"reference": "{reference}", "amount": {amount}, "currency": "USD", "occurred_at": 20260101}}\n'

    good = line("r1", "29.33") + line("r2", '"29.33"') + line("r3", "29")
    await shop.load("payments", good, "--amounts", "major", suffix=".jsonl")
    assert [(await shop.payment(name))["amount"] for name in ("r1", "r2", "r3")] == [2933, 2933, 2900]
    bad = line("r4", "29.3300000001") + line("r5", "true") + line("r6", "[1]")
    _, said = await shop.load_some("payments", bad, "--amounts", "major", suffix=".jsonl")
    assert [text.rpartition("(")[2] for text in said] == [
        "too_many_decimals)",
        "not_an_amount)",
        "not_an_amount)",
    ]
    _, said = await shop.load_some("payments", line("r7", "29.33"), suffix=".jsonl")
    assert "use --amounts major" in said[0]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("r1,u1,15001,GHS,,,,2026-01-31", "the row says 15001 GHS, stored is 15000 GHS"),
        ("r1,u1,15000,NGN,,,,2026-01-31", "the row says 15000 NGN, stored is 15000 GHS"),
        ("r1,u2,15000,GHS,,,,2026-01-31", "the row says customer 'u2', stored is 'u1'"),
        ("r1,,15000,GHS,,,,2026-01-31", "the row says customer 'nobody', stored is 'u1'"),
        ("r1,u1,15000,GHS,refunded,,,2026-01-31", "the row says 15000 refunded, stored is 0"),
    ],
)
@pytest.mark.parametrize("batch_rows", [1, 100])
@pytest.mark.parametrize("options", [[], ["--dry-run"]], ids=["stored", "dry"])
async def test_another_payment_of_a_known_reference_is_refused_and_says_what_differs(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, row: str, said: str, batch_rows: int, options: list[str]
):
    monkeypatch.setattr(bulk, "BATCH_ROWS", batch_rows)
    report, lines = await shop.load_some("payments", table(_FIRST, row, "r2,u1,1,GHS,,,,20260101"), *options)
    assert (report["created"], report["refused"], report["customers_opened"]) == (2, 1, 1)
    assert lines == [f"line 3: reference: 'r1' is stored already: {said} (reference_taken)"]


async def test_a_reference_that_failed_here_and_succeeded_in_the_file_is_refused(shop: Shop):
    await shop.load("payments", table("r1,u1,100,GHS,failed,,,20260101"))
    _, said = await shop.load_some("payments", table("r1,u1,100,GHS,,,,20260101"))
    assert "the row says succeeded, stored is failed" in said[0]


async def test_what_happened_to_a_payment_since_is_no_contradiction(shop: Shop):
    await shop.load("payments", table(_FIRST))
    await shop.merchant.refund((await shop.payment("r1"))["id"], amount=5000)
    assert (await shop.load("payments", table(_FIRST)))["already_there"] == 1
    customer = await shop.customer("u1")
    await shop.merchant.test.delete(f"/v1/customers/{customer['id']}")
    report = await shop.load("payments", table(_FIRST))
    assert (report["already_there"], report["customers_opened"]) == (1, 0)
    assert (await shop.merchant.test.get("/v1/customers/external/u1")).status_code == 404


async def test_a_customer_is_named_by_either_id(shop: Shop):
    known = created(await shop.merchant.test.post("/v1/customers", json={"external_id": "u1"}))
    nameless = created(await shop.merchant.test.post("/v1/customers", json={"email": "a@example.com"}))
    columns = "reference,customer_id,external_customer_id,amount,currency,occurred_at"
    report = await shop.load(
        "payments",
        table(
            f"r1,{known['id']},,100,GHS,20260101",
            "r2,,u1,100,GHS,20260101",
            f"r3,,{nameless['id']},100,GHS,20260101",
            columns=columns,
        ),
    )
    assert report["customers_opened"] == 0
    assert (await shop.customer("u1"))["total_spent"] == 200
    assert ok(await shop.merchant.test.get(f"/v1/customers/{nameless['id']}"))["total_spent"] == 100
    report, said = await shop.load_some(
        "payments",
        table(
            f"r4,{known['id']},u1,100,GHS,20260101",
            "r5,cus_nobody,,100,GHS,20260101",
            "r5,,u1,100,GHS,20260101",
            columns=columns,
        ),
    )
    assert report["created"] == 1
    assert [line.rpartition("(")[2] for line in said] == ["repeated)", "customer_not_found)"]


async def test_another_organizations_customer_is_unknown_here(shop: Shop, second_shop: Shop):
    theirs = created(await second_shop.merchant.test.post("/v1/customers", json={"external_id": "u1"}))
    columns = "reference,customer_id,amount,currency,occurred_at"
    _, said = await shop.load_some("payments", table(f"r1,{theirs['id']},100,GHS,20260101", columns=columns))
    assert said[0].endswith("(customer_not_found)")
    await shop.load("payments", table(_FIRST))
    assert ok(await second_shop.merchant.test.get("/v1/customers/external/u1"))["total_spent"] == 0


async def test_a_payment_of_a_deleted_customer_is_refused(shop: Shop):
    gone = created(await shop.merchant.test.post("/v1/customers", json={"external_id": "u1"}))
    await shop.merchant.test.delete(f"/v1/customers/{gone['id']}")
    columns = "reference,customer_id,amount,currency,occurred_at"
    _, said = await shop.load_some("payments", table(f"r1,{gone['id']},100,GHS,20260101", columns=columns))
    assert said[0].startswith("line 2: customer_id: ")
    assert said[0].endswith("(customer_deleted)")


async def test_sandbox_payments_do_not_become_live_ones(shop: Shop):
    content = table("r1,100,GHS,20260101,sandbox", columns="reference,amount,currency,occurred_at,provider")
    _, said = await shop.load_some("payments", content, "--mode", "live")
    assert said[0].endswith("(provider_not_available)")
    assert (await shop.load("payments", content))["created"] == 1


async def test_the_latest_payment_says_the_method_and_late_arrivals_do_not(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(bulk, "BATCH_ROWS", 2)
    rows = [
        "r1,u1,100,GHS,,,card,20260103",
        "r2,u1,100,GHS,,,cash,20260102",
        "r3,u1,100,GHS,,,bank,20260101",
        "r4,u1,100,GHS,failed,,voucher,20260105",
    ]
    await shop.load("payments", table(*rows))
    (total,) = await shop.totals()
    assert (total["last_method"], total["payment_count"]) == ("card", 3)
    assert (total["first_payment_at"].day, total["last_payment_at"].day) == (1, 3)
    await shop.load("payments", table("r5,u1,100,GHS,,,voucher,20260104"))
    assert (await shop.totals())[0]["last_method"] == "voucher"


async def test_imported_and_live_payments_of_one_customer_add_up(shop: Shop):
    await shop.merchant.payment(customer={"external_id": "u1"}, amount=700)
    await shop.load(
        "payments", table(_FIRST, "r2,u1,5000,GHS,refunded,,card,2026-01-01", "r3,u1,9,USD,,,,20260101")
    )
    await shop.merchant.payment(external_customer_id="u1", amount=300)
    customer = await shop.customer("u1")
    figures = {
        total["currency"]: (total["total_spent"], total["lifetime_value"]) for total in customer["totals"]
    }
    assert figures == {"GHS": (21000, 16000), "USD": (9, 9)}
    assert not await shop.drift()


@pytest.mark.parametrize("batch_rows", [1, 3, 100])
async def test_a_dry_run_foresees_exactly_what_the_import_then_does(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, batch_rows: int
):
    monkeypatch.setattr(bulk, "BATCH_ROWS", batch_rows)
    await shop.load("payments", table("r0,u0,100,GHS,,,,20260101"))
    content = table(
        "r0,u0,100,GHS,,,,20260101",
        _FIRST,
        "r2,u2,100,GHS,,,,20260101",
        _FIRST,
        "r3,u1,50,USD,partially_refunded,20,,20260101",
        "r2,u2,101,GHS,,,,20260101",
        "r4,u0,7,GHS,failed,,,20260101",
        "r5,u3,x,GHS,,,,20260101",
    )
    before = await shop.state()
    foreseen, refusals = await shop.load_some("payments", content, "--dry-run")
    assert await shop.state() == before
    done, same_refusals = await shop.load_some("payments", content)
    assert {**foreseen, "dry_run": False} == done
    assert sorted(refusals) == sorted(same_refusals)
    assert done == {
        "noun": "payments",
        "dry_run": False,
        "read": 8,
        "created": 4,
        "already_there": 2,
        "customers_opened": 2,
        "refused": 2,
        "amounts": {"GHS": 15100, "USD": 50},
    }
    assert not await shop.drift()


async def test_more_rows_than_a_batch_arrive_in_their_own_mode_only(shop: Shop):
    lines = [
        json.dumps(
            {
                "reference": f"r{number}",
                "external_customer_id": f"u{number % 500}",
                "amount": number,
                "currency": "GHS",
                "occurred_at": f"2026-01-{number % 28 + 1:02}",
            }
        )
        for number in range(bulk.BATCH_ROWS + 1)
    ]
    report = await shop.load("payments", "\n".join(lines), suffix=".jsonl")
    assert report["created"] == bulk.BATCH_ROWS + 1
    assert report["amounts"] == {"GHS": sum(range(bulk.BATCH_ROWS + 1))}
    assert not await shop.drift()
    assert ok(await shop.merchant.live.get("/v1/payments"))["payments"] == []


@pytest.mark.parametrize("provider", ["paystack", "sandbox", ""])
@pytest.mark.parametrize("status", ["succeeded", "failed"])
async def test_an_imported_payment_is_never_charged_or_changed(shop: Shop, provider: str, status: str):
    """It happened elsewhere, even if it failed there, and even if a sandbox like ours decided it."""
    columns = "reference,external_customer_id,amount,currency,status,occurred_at,provider,failure_code"
    row = f"r1,u1,15000,GHS,{status},2026-01-31,{provider},{'do_not_honor' if status == 'failed' else ''}"
    await shop.load("payments", table(row, columns=columns))
    payment, before = await shop.payment("r1"), await shop.state()
    id, client = payment["id"], shop.merchant.test
    for answer in (
        await client.patch(f"/v1/payments/intents/{id}", json={"amount": 1, "metadata": {"sandbox": ""}}),
        await client.patch(f"/v1/payments/intents/{id}", json={"customer": {"name": "Somebody else"}}),
        await client.post(f"/v1/payments/{id}/retry"),
        await client.post(f"/v1/payments/{id}/confirm"),
        await client.post(f"/v1/payments/{id}/cancel"),
        await client.post(f"/v1/sandbox/payments/{id}/complete", json={"outcome": "succeed"}),
    ):
        refused(answer, 422, "wrong_payment_state")
    assert await shop.state() == before
    assert await shop.drift() == []
