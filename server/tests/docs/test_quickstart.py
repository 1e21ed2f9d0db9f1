"""The programs of the quickstart, and of the page that this product was made from, as a reader copies them: whole,
from the packed SDKs, in an empty folder.
"""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx
import pytest

from tests.docs.alone import ROOT, run_node, run_python
from tests.docs.pages import blocks, missing_lines
from tests.running import environment

Runner = Callable[[str, Path, dict[str, str]], str]

PAGE = ROOT / "docs/quickstart.md"
SEED = Path(__file__).parent / "seed"


@pytest.fixture
def told(server: str, organization: dict[str, str]) -> dict[str, str]:
    """What the page tells its reader to set."""
    return environment(REEVIT_API_KEY=organization["test_key"], REEVIT_BASE_URL=server)


@pytest.mark.parametrize(("language", "run"), [("python", run_python), ("javascript", run_node)])
def test_the_quickstart_prints_what_it_says(language: str, run: Runner, told: dict[str, str], tmp_path: Path):
    program, shown = programs(language)
    printed = run(program, tmp_path, told)
    assert missing_lines(shown, printed) == []
    assert len(printed.splitlines()) == len(shown.splitlines())


@pytest.fixture
def customer_of_the_seed(told: dict[str, str], organization: dict[str, str], dsn_of_docs: str) -> str:
    """Who is named there by an id that no server gives: put there by hand. Paid twice."""
    id = "cus_xyz123"
    asyncio.run(_put_customer(dsn_of_docs, organization["org_id"], id))
    for amount in (10000, 5000):
        paid = {"amount": amount, "currency": "GHS", "customer_id": id}
        headers = {"X-Reevit-Key": told["REEVIT_API_KEY"]}
        httpx.post(f"{told['REEVIT_BASE_URL']}/v1/payments", json=paid, headers=headers).raise_for_status()
    return id


@pytest.mark.parametrize(("program", "run"), [("seed.py", run_python), ("seed.mjs", run_node)])
def test_the_lines_that_this_product_was_made_from_run_as_they_stand(
    program: str, run: Runner, told: dict[str, str], customer_of_the_seed: str, tmp_path: Path
):
    printed = json.loads(run((SEED / program).read_text(encoding="utf-8"), tmp_path, told))
    ada = printed["customer"]
    assert (ada["external_id"], ada["metadata"]) == ("usr_1234", {"plan": "pro", "signup_source": "referral"})
    assert [(paid["amount"], paid["status"]) for paid in printed["history"]] == [
        (5000, "succeeded"),
        (10000, "succeeded"),
    ]
    assert {(best["id"], best["amount"]) for best in printed["topCustomers"]} == {
        (ada["id"], 15000),
        (customer_of_the_seed, 15000),
    }


async def _put_customer(dsn: str, org_id: str, id: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(
            """
            INSERT INTO customers (org_id, mode, id, name, created_at, updated_at)
            VALUES ($1, 'test', $2, 'Zoe', now(), now())
            """,
            org_id,
            id,
        )
    finally:
        await conn.close()


def programs(language: str) -> tuple[str, str]:
    """The page's blocks of one language, top to bottom, and what it says that they print."""
    found = blocks(PAGE.read_text(encoding="utf-8"))
    mine = [
        (block, after)
        for block, after in zip(found, [*found[1:], None], strict=True)
        if block.language == language
    ]
    shown = [after.text for _, after in mine if after is not None and after.language == "text"]
    return "\n\n".join(block.text for block, _ in mine) + "\n", "\n".join(shown)
