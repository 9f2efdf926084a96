"""`/u/{token}`: a recipient ends a category on a channel, with one press of a button or their mail program's (RFC 8058)."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.observability import get_logger
from tocsin.router import preference_store
from tocsin.router.api import unsubscribe_page
from tocsin.router.api.transaction import Db
from tocsin.router.preference_store import Source
from tocsin.router.tables import categories, tenants
from tocsin.router.tokens import UnsubscribeTokens, Unsubscription
from tocsin.web import Problem, codes, takes_any_parameter
from tocsin.web.plain_page import PAGE_HEADERS

log = get_logger(__name__)

router = APIRouter(tags=["Unsubscribe"], default_response_class=HTMLResponse)


@router.get("/u/{token}", response_class=HTMLResponse)
@takes_any_parameter
async def show_unsubscribe_page(token: str, request: Request, db: Db) -> HTMLResponse:
    """A page with a button. Opening it changes nothing: mail scanners open every link."""
    unsubscription = _tokens(request).verify(token)
    if unsubscription is None:
        return _refused(request, codes.INVALID_LINK.status)
    names = await _names(db, unsubscription)
    if names is None or names["default"] == "required":
        return _page(unsubscribe_page.required(names), 200)
    return _page(unsubscribe_page.question(names, unsubscription.channel), 200)


@router.post("/u/{token}", response_class=HTMLResponse)
@takes_any_parameter
async def unsubscribe(token: str, request: Request, db: Db) -> HTMLResponse:
    """Switch the category off on the channel. Needs no cookie and no body; repeating it changes nothing more."""
    unsubscription = _tokens(request).verify(token)
    if unsubscription is None:
        return _refused(request, codes.INVALID_LINK.status)
    names = await _names(db, unsubscription)
    if names is not None and names["default"] == "required":
        return _page(unsubscribe_page.required(names), codes.CATEGORY_REQUIRED.status)
    changed = names is not None and await preference_store.switch_off(
        db,
        unsubscription.tenant,
        unsubscription.recipient,
        channel=unsubscription.channel,
        category=unsubscription.category,
        source=await _source(request),
    )
    log.info(
        "unsubscribed",
        tenant=unsubscription.tenant,
        recipient=unsubscription.recipient,
        category=unsubscription.category,
        channel=unsubscription.channel,
        changed=changed,
    )
    return _page(unsubscribe_page.done(names, unsubscription.channel), 200)


async def _source(request: Request) -> Source:
    """A mail program posts the field that RFC 8058 names; our page's form has no field."""
    return Source.ONE_CLICK if b"List-Unsubscribe" in await request.body() else Source.UNSUBSCRIBE_PAGE


async def _names(db: AsyncConnection, unsubscription: Unsubscription) -> RowMapping | None:
    """What the page calls tenant and category; None when the tenant has no such category any more."""
    query = (
        select(tenants.c.name.label("tenant"), categories.c.name, categories.c.key, categories.c.default)
        .join(categories, categories.c.tenant == tenants.c.id)
        .where(tenants.c.id == unsubscription.tenant, categories.c.key == unsubscription.category)
    )
    return (await db.execute(query)).mappings().first()


def _tokens(request: Request) -> UnsubscribeTokens:
    tokens: UnsubscribeTokens = request.app.state.tokens
    return tokens


def _refused(request: Request, status: int) -> HTMLResponse:
    """People get a page; programs get a problem."""
    if "text/html" not in request.headers.get("accept", ""):
        raise Problem(
            codes.INVALID_LINK, "The link is incomplete, or too old. Use the link of a newer message."
        )
    return _page(unsubscribe_page.invalid(), status)


def _page(html: str, status: int) -> HTMLResponse:
    return HTMLResponse(html, status_code=status, headers=PAGE_HEADERS)
