"""`/unsubscribe/{token}`: where who gets messages says that there are to be no more. No key, but the link itself."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import HTMLResponse
from pydantic import BaseModel, ConfigDict

from reevit_server import organizations
from reevit_server.core import locales, paper
from reevit_server.core.answer import Answer
from reevit_server.core.database import Connection
from reevit_server.core.http import Call, Request
from reevit_server.messages import suppressing
from reevit_server.messages.suppressing import Address
from reevit_server.messages.words import words_in

router = APIRouter(include_in_schema=False)  # pages for people

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"private, no-store"),
    (b"referrer-policy", b"no-referrer"),  # the address is the proof
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
)


class OneClick(BaseModel):
    """`List-Unsubscribe=One-Click`, as mail programs send it (RFC 8058), or the page's own button. It is not read."""

    model_config = ConfigDict(extra="ignore")


@router.get("/unsubscribe/{token}", response_model=None, response_class=HTMLResponse)
async def show_unsubscribe(call: Call, token: str) -> Answer:
    """A page with a button. To follow the link changes nothing: programs that look at mail follow links."""
    address = suppressing.address_of(call.sealer, token)
    if address is None:
        return _page("unknown", status=404)
    async with call.db.read() as conn:
        return await _page_for(conn, address, "ask", action=token)


@router.post("/unsubscribe/{token}", response_model=None, response_class=HTMLResponse)
async def unsubscribe(call: Call, token: str, given: OneClick) -> Answer:
    """Write no more to this address, but for what its owner is owed: receipts, and notices of own payments."""
    del given
    return await _change(call, token, subscribe=False)


@router.post("/unsubscribe/{token}/undo", response_model=None, response_class=HTMLResponse)
async def resubscribe(call: Call, token: str, given: OneClick) -> Answer:
    """Take that back."""
    del given
    return await _change(call, token, subscribe=True)


async def _change(call: Request, token: str, *, subscribe: bool) -> Answer:
    address = suppressing.address_of(call.sealer, token)
    if address is None:
        return _page("unknown", status=404)
    async with call.db.transaction() as conn:
        if subscribe:
            await suppressing.resubscribe(conn, address)
        else:
            await suppressing.unsubscribe(conn, address, now=call.now)
        # From this page's own address, for a proxy in front may have put something before it.
        action = f"../{token}" if subscribe else f"{token}/undo"
        return await _page_for(conn, address, "undone" if subscribe else "done", action=action)


async def _page_for(conn: Connection, address: Address, state: str, *, action: str) -> Answer:
    seller = await organizations.get_seller(conn, id=address.scope.org_id)
    return _page(
        state, locale=seller.locale, seller=paper.plain(seller.name), hint=address.hint, action=action
    )


def _page(
    state: str,
    *,
    status: int = 200,
    locale: str = "en",
    seller: str | None = None,
    hint: str | None = None,
    action: str | None = None,
) -> Answer:
    reader = locales.locale_of(locale)
    said: dict[str, Any] = {
        "state": state,
        "words": words_in(reader.language),
        "direction": reader.text_direction,
    }
    said |= {"seller": seller, "hint": hint, "action": action}
    body = paper.rendered("messages/unsubscribe.html", said)
    return Answer(status, body.encode(), content_type=b"text/html; charset=utf-8", headers=_HEADERS)
