"""Who sells: what invoices say of an organization, and what may be said."""

import asyncio
from typing import Any

import asyncpg
import pydantic
import pytest

from reevit_server import organizations
from reevit_server.core.clock import utc_now
from reevit_server.core.database import Database
from reevit_server.organizations import OrganizationNotFound, Seller, SellerPatch
from tests.makers import Merchant
from tests.pictures import JPEG, png


async def opened(db: Database, name: str = "My shop") -> str:
    async with db.transaction() as conn:
        org = await organizations.create(conn, name=name, currency="GHS", now=utc_now())
    return org["id"]


async def seller(db: Database, id: str) -> Seller:
    async with db.read() as conn:
        return await organizations.get_seller(conn, id=id)


async def change(db: Database, id: str, **fields: Any) -> Seller:
    async with db.transaction() as conn:
        return await organizations.update_seller(conn, id=id, patch=SellerPatch(**fields))


async def test_an_organization_sells_under_its_own_name_at_first(db: Database):
    assert await seller(db, await opened(db)) == Seller("My shop", "", None, None, "en")


async def test_what_is_given_is_kept_and_the_rest_stays(db: Database):
    id = await opened(db)
    first = await change(
        db, id, seller_name="Kofi Ltd", seller_address="12 Oxford St\nAccra", seller_logo=JPEG
    )
    assert first == Seller("Kofi Ltd", "12 Oxford St\nAccra", JPEG, None, "en")
    second = await change(db, id, tax_line="VAT included", locale="fr_SN")
    assert second == Seller("Kofi Ltd", "12 Oxford St\nAccra", JPEG, "VAT included", "fr-SN")
    assert await change(db, id) == await seller(db, id) == second


async def test_what_is_cleared_is_gone(db: Database):
    id = await opened(db)
    await change(db, id, seller_name="Kofi Ltd", seller_address="Accra", seller_logo=png(), tax_line="VAT")
    cleared = await change(db, id, seller_name=None, seller_address="", seller_logo=None, tax_line=None)
    assert cleared == Seller("My shop", "", None, None, "en")


async def test_a_new_name_is_the_sellers_too_unless_it_has_another(db: Database):
    id = await opened(db)
    async with db.transaction() as conn:
        await organizations.update(conn, id=id, name="New shop")
    assert (await seller(db, id)).name == "New shop"
    await change(db, id, seller_name="Kofi Ltd")
    async with db.transaction() as conn:
        org = await organizations.update(conn, id=id, name="Newer shop", currency="NGN")
    assert (org["name"], org["currency"]) == ("Newer shop", "NGN")
    assert (await seller(db, id)).name == "Kofi Ltd"


async def test_nobody_elses_details_change(db: Database, merchant: Merchant, other: Merchant):
    before = await seller(db, other.org_id)
    await change(db, merchant.org_id, seller_name="Kofi Ltd", locale="sw-KE")
    assert await seller(db, other.org_id) == before


async def test_two_who_change_at_once_lose_nothing_of_each_other(db: Database):
    id = await opened(db)
    changes = (
        {"seller_name": "Kofi Ltd"},
        {"seller_address": "Accra"},
        {"tax_line": "VAT"},
        {"locale": "fr"},
    )
    await asyncio.gather(*(change(db, id, **fields) for fields in changes))
    assert await seller(db, id) == Seller("Kofi Ltd", "Accra", None, "VAT", "fr")


async def test_an_organization_that_is_not_there_is_not_found(db: Database):
    async with db.transaction() as conn:
        with pytest.raises(OrganizationNotFound):
            await organizations.get_seller(conn, id="org_unknown")
        with pytest.raises(OrganizationNotFound):
            await organizations.update_seller(conn, id="org_unknown", patch=SellerPatch(locale="fr"))
        with pytest.raises(OrganizationNotFound):
            await organizations.update(conn, id="org_unknown", name="Shop")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("  12 Oxford St  \r\n\tAccra\n\n", "12 Oxford St\nAccra"),
        ("12 Oxford St\n\nGhana", "12 Oxford St\n\nGhana"),
        ("\n".join("123456789x"), "\n".join("123456789x")),
        ("x" * 500, "x" * 500),
        ("\n".join("x" * 11), None),
        ("x" * 501, None),
        ("Accra\x1b[2J", None),
    ],
)
def test_an_address_is_a_few_lines_of_text(given: str, kept: str | None):
    if kept is not None:
        assert SellerPatch(seller_address=given).seller_address == kept
        return
    with pytest.raises(pydantic.ValidationError):
        SellerPatch(seller_address=given)


@pytest.mark.parametrize(
    "wrong",
    [
        {"seller_name": ""},
        {"seller_name": "x" * 201},
        {"seller_name": "two\nlines"},
        {"tax_line": " "},
        {"tax_line": "x" * 201},
        {"locale": "en-XX"},
        {"seller_logo": b"GIF89a"},
        {"seller_logo": png(3000, 3000)},
        {"motto": "we sell"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_could_not_be_printed_is_refused(wrong: dict[str, Any]):
    with pytest.raises(pydantic.ValidationError):
        SellerPatch(**wrong)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("seller_name", ""),
        ("seller_name", "x" * 201),
        ("seller_address", "x" * 501),
        ("tax_line", "x" * 201),
        ("seller_logo", b"GIF89a"),
        ("seller_logo", png() + bytes(256 * 1024)),
        ("locale", "english"),
        ("locale", "en_GH"),
    ],
)
async def test_the_schema_keeps_the_rules_too(db: Database, column: str, value: str | bytes):
    id = await opened(db)
    async with db.transaction() as conn:
        with pytest.raises(asyncpg.CheckViolationError):
            await conn.execute(f"UPDATE organizations SET {column} = $2 WHERE id = $1", id, value)
