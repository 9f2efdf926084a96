"""`/v1/categories`: the kinds of messages recipients can switch."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import delete, select

from tocsin.contracts.directory import CategoryDefault
from tocsin.contracts.jobs import DeliveryClass, Tracking
from tocsin.contracts.limits import MESSAGE_LIFE_SECONDS
from tocsin.observability import get_logger
from tocsin.router.api.fields import Line
from tocsin.router.api.parameters import CategoryPath
from tocsin.router.api.rows import answer, check_match, not_found, page_of, page_rows, put_row
from tocsin.router.api.transaction import Db
from tocsin.router.changes import note_changed, note_unchanged
from tocsin.router.tables import categories, workflows
from tocsin.web import Fault, IfMatch, Manager, Page, PagingQuery, Problem, Reader, RequestBody, codes

log = get_logger(__name__)

router = APIRouter(tags=["Categories"])

NO_PUBLIC_URL = (
    "Recipients can switch this category off, so its messages need an unsubscribe page, and this installation has none. "
    "Set `default` to `required`, or ask your operator to set PUBLIC_URL and ROUTER_UNSUBSCRIBE_KEYS and to restart the router."
)


class CategoryWrite(RequestBody):
    """A category whole: what is left out takes its default."""

    name: Line = Field(default="", description="What recipients read")
    default: CategoryDefault = Field(
        default="on",
        description="Sent unless switched off (`on`), only if switched on (`off`), or always (`required`)",
    )
    ttl_seconds: Annotated[int, Field(ge=1, le=MESSAGE_LIFE_SECONDS)] | None = Field(
        default=None,
        description="How long a message is worth sending, at most 6 days; the lane's time to live if absent",
    )
    delivery: DeliveryClass = Field(
        default="at_least_once",
        description="After a crash a message is sent again (`at_least_once`), or never a second time, even if it may "
        "not have been sent (`at_most_once`)",
    )
    resend_elsewhere: bool = Field(
        default=False,
        description="When a provider does not say whether it has a message, ask the next one at once. The recipient may get it twice. "
        "If false, only the same provider is asked again",
    )
    tracking: Tracking = Field(
        default="off",
        description="Whether mails tell that they were opened and which links were clicked: not at all (`off`), counted without a person "
        "(`aggregate`), or as statuses of each recipient (`individual`). Needs DISPATCH_EMAIL_TRACKING_URL: without it no mail is tracked. "
        "Not possible where `default` is `required`",
    )

    @field_validator("resend_elsewhere")
    @classmethod
    def _at_most_once_is_never_resent(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("delivery") == "at_most_once":
            raise PydanticCustomError(
                "delivery_contradicts",
                "A message that is sent at most once is not sent again elsewhere. Leave `resend_elsewhere` out, or set `delivery` to "
                "`at_least_once`",
            )
        return value

    @field_validator("tracking")
    @classmethod
    def _required_is_never_tracked(cls, value: Tracking, info: ValidationInfo) -> Tracking:
        if value != "off" and info.data.get("default") == "required":
            raise PydanticCustomError(
                "tracking_contradicts",
                "Messages that nobody can switch off are never tracked. Leave `tracking` out, or set `default` to `on` or `off`",
            )
        return value


class Category(BaseModel):
    """A category as stored."""

    key: str
    name: str
    default: CategoryDefault
    ttl_seconds: int | None
    delivery: DeliveryClass
    resend_elsewhere: bool
    tracking: Tracking
    created_at: datetime
    updated_at: datetime


@router.get("/v1/categories")
async def list_categories(*, caller: Reader, db: Db, paging: PagingQuery) -> Page[Category]:
    """All categories, by key."""
    query = select(categories).where(categories.c.tenant == caller.tenant)
    rows, after = await page_rows(db, query, order=[categories.c.key], paging=paging)
    return page_of([Category(**row) for row in rows], after)


@router.get("/v1/categories/{category}")
async def read_category(*, caller: Reader, db: Db, category: CategoryPath, response: Response) -> Category:
    """One category."""
    query = select(categories).where(categories.c.tenant == caller.tenant, categories.c.key == category)
    row = (await db.execute(query)).mappings().first()
    if row is None:
        raise not_found("category")
    answer(response, revision=row["revision"])
    return Category(**row)


@router.put(
    "/v1/categories/{category}", responses={201: {"model": Category, "description": "It was created"}}
)
async def save_category(
    *,
    caller: Manager,
    db: Db,
    category: CategoryPath,
    body: CategoryWrite,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> Category:
    """Create the category, or make it what the body says. Sent twice, it changes nothing more."""
    if body.default != "required" and request.app.state.public_url is None:
        fault = Fault(
            pointer="/default",
            code="public_url_missing",
            detail="Only `required` is possible without an unsubscribe page",
        )
        raise Problem(codes.INVALID_REQUEST, NO_PUBLIC_URL, errors=[fault])
    key = {"tenant": caller.tenant, "key": category}
    row, outcome = await put_row(db, categories, key=key, values=body.model_dump(), if_match=if_match)
    if outcome != "unchanged":
        await note_changed(db, "category", caller.tenant, category)
    else:
        await note_unchanged(db, "category", caller.tenant, category)
    answer(response, revision=row["revision"], outcome=outcome)
    log.info("category saved", tenant=caller.tenant, key=caller.key_id, category=category, outcome=outcome)
    return Category(**row)


@router.delete("/v1/categories/{category}", status_code=204)
async def delete_category(
    *, caller: Manager, db: Db, category: CategoryPath, if_match: IfMatch = None
) -> None:
    """Delete a category no workflow uses. Preferences about it stay, so that who switched it off stays switched off."""
    here = (categories.c.tenant == caller.tenant, categories.c.key == category)
    revision = (await db.execute(select(categories.c.revision).where(*here).with_for_update())).scalar()
    if revision is None:
        raise not_found("category")
    check_match(if_match, revision)
    used = select(workflows.c.key).where(
        workflows.c.tenant == caller.tenant, workflows.c.category == category
    )
    if (first := (await db.execute(used.limit(1))).scalar()) is not None:
        raise Problem(
            codes.CONFLICT,
            f"The workflow `{first}` uses this category. Give it another category, or delete it, first.",
        )
    await db.execute(delete(categories).where(*here))
    await note_changed(db, "category", caller.tenant, category)
    log.info("category deleted", tenant=caller.tenant, key=caller.key_id, category=category)
