"""`/v1/api-keys`: keys are made, shown once, replaced while the old one still works, and revoked."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AfterValidator, BaseModel, Field
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.directory import Scope
from tocsin.observability import get_logger
from tocsin.router.api import key_store as store
from tocsin.router.api import tenants
from tocsin.router.api.fields import EACH_ONCE, Line, Moment, distinct
from tocsin.router.api.parameters import ApiKeyPath, TenantPath
from tocsin.router.api.rows import not_found, page_of, page_rows
from tocsin.router.api.transaction import Db, once_committed
from tocsin.router.tables import api_keys
from tocsin.runtime import Clock
from tocsin.web import (
    Caller,
    Fault,
    Gate,
    KeyTable,
    Manager,
    Mode,
    Operator,
    Page,
    PagingQuery,
    Problem,
    Reader,
    RequestBody,
    codes,
    new_key,
)

log = get_logger(__name__)

router = APIRouter(tags=["API keys"])


class NewApiKey(RequestBody):
    """What a key is to be."""

    name: Line = Field(default="", description="Who uses it; for people")
    mode: Mode = Field(
        default="live", description="With `test`, messages end at the sandbox, never at a provider"
    )
    scopes: Annotated[list[Scope], Field(min_length=1, json_schema_extra=EACH_ONCE), AfterValidator(distinct)]
    expires_at: Moment | None = None


class Rotation(RequestBody):
    """How long the old key still works beside the new one."""

    overlap_seconds: Annotated[int, Field(ge=0, le=31_536_000)] = 7 * 24 * 3600


class ApiKey(BaseModel):
    """A key without its secret, which nobody stores."""

    id: str
    name: str
    mode: Mode
    scopes: list[Scope]
    active: bool = Field(description="Whether it is accepted now")
    replaces: str | None = Field(description="The key it was made to replace")
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class CreatedApiKey(ApiKey):
    """A new key. This is the only time it is shown."""

    key: str


@router.get("/v1/api-keys")
async def list_api_keys(caller: Reader, db: Db, paging: PagingQuery, request: Request) -> Page[ApiKey]:
    """All keys, by id, the revoked ones too."""
    query = select(api_keys).where(api_keys.c.tenant == caller.tenant)
    rows, after = await page_rows(db, query, order=[api_keys.c.id], paging=paging)
    return page_of([_shown(row, request) for row in rows], after)


@router.post("/v1/api-keys", status_code=201)
async def create_api_key(caller: Manager, db: Db, body: NewApiKey, request: Request) -> CreatedApiKey:
    """Make a key for the tenant. It has no scope that the caller's key lacks."""
    _refuse_to_give_more(caller, body.scopes)
    created = await _create(db, caller.tenant, body, request)
    log.info("API key created", tenant=caller.tenant, key=caller.key_id, created=created.id)
    return created


@router.post("/v1/tenants/{tenant}/api-keys", status_code=201)
async def create_tenant_api_key(
    caller: Operator, db: Db, tenant: TenantPath, body: NewApiKey, request: Request
) -> CreatedApiKey:
    """Make a key for any tenant. It has no scope that the caller's key lacks."""
    _refuse_to_give_more(caller, body.scopes)
    if await tenants.load(db, tenant) is None:
        raise not_found("tenant")
    created = await _create(db, tenant, body, request)
    log.info("API key created", tenant=tenant, key=caller.key_id, created=created.id)
    return created


@router.get("/v1/api-keys/{key_id}")
async def read_api_key(caller: Reader, db: Db, key_id: ApiKeyPath, request: Request) -> ApiKey:
    """One key."""
    return _shown(await _require(db, caller.tenant, key_id), request)


@router.post("/v1/api-keys/{key_id}/rotate", status_code=201)
async def rotate_api_key(
    caller: Manager, db: Db, key_id: ApiKeyPath, body: Rotation, request: Request
) -> CreatedApiKey:
    """Make a key like this one to replace it. Both work until the overlap is over; no third is made meanwhile."""
    now = _clock(request).now()
    old = await _require(db, caller.tenant, key_id)
    _refuse_power_over_more(caller, old)
    if not store.works(old, now):
        raise Problem(
            codes.CONFLICT, "This key has expired or was revoked. Create a new one with `POST /v1/api-keys`."
        )
    if (other := await store.successor(db, caller.tenant, key_id, now)) is not None:
        raise Problem(
            codes.CONFLICT,
            f"The key `{other}` was created to replace this one. Use it, or revoke it before you rotate again.",
        )
    if old["replaces"] is not None:
        before = await store.load(db, caller.tenant, old["replaces"])
        if before is not None and store.works(before, now):
            raise Problem(
                codes.CONFLICT,
                f"This key replaces the key `{before['id']}`, which still works. Revoke that one first.",
            )
    replacement = NewApiKey(
        name=old["name"], mode=old["mode"], scopes=old["scopes"], expires_at=old["expires_at"]
    )
    created = await _create(db, caller.tenant, replacement, request, replaces=key_id)
    await store.expire(db, caller.tenant, key_id, now + timedelta(seconds=body.overlap_seconds))
    log.info("API key rotated", tenant=caller.tenant, key=caller.key_id, rotated=key_id, created=created.id)
    return created


@router.delete("/v1/api-keys/{key_id}", status_code=204)
async def revoke_api_key(caller: Manager, db: Db, key_id: ApiKeyPath, request: Request) -> None:
    """Revoke a key: everywhere it stops working within five seconds. A key that was revoked before stays so."""
    row = await _require(db, caller.tenant, key_id)
    _refuse_power_over_more(caller, row)
    await store.revoke(db, caller.tenant, key_id)
    once_committed(request, partial(_table(request).remove, key_id))
    log.info("API key revoked", tenant=caller.tenant, key=caller.key_id, revoked=key_id)


def _refuse_to_give_more(caller: Caller, scopes: Sequence[Scope]) -> None:
    """A key gives no more than it has. The tenant is the caller's, and a test key is not let in here."""
    lacking = [scope for scope in scopes if scope not in caller.scopes]
    if lacking:
        faults = [
            Fault(
                pointer=f"/scopes/{scopes.index(scope)}",
                code="scope_missing",
                detail=f"Your key does not have the scope `{scope}`",
            )
            for scope in lacking
        ]
        detail = f"A key gives no more than it has, and yours lacks {_named(lacking)}. Use a key that has it, or leave it out."
        raise Problem(codes.SCOPE_MISSING, detail, errors=faults)


def _refuse_power_over_more(caller: Caller, row: RowMapping) -> None:
    """A key neither replaces nor revokes one that can do something it cannot."""
    lacking = [scope for scope in row["scopes"] if scope not in caller.scopes]
    if lacking:
        detail = (
            f"This key has {_named(lacking)}, which yours lacks. Use a key that has every scope of this one."
        )
        raise Problem(codes.SCOPE_MISSING, detail)


def _named(scopes: Sequence[Scope]) -> str:
    return f"the scope{'s' if len(scopes) > 1 else ''} {', '.join(f'`{scope}`' for scope in scopes)}"


async def _require(db: AsyncConnection, tenant: str, key_id: str) -> RowMapping:
    row = await store.load(db, tenant, key_id)
    if row is None:
        raise not_found("API key")
    return row


async def _create(
    db: AsyncConnection, tenant: str, body: NewApiKey, request: Request, *, replaces: str | None = None
) -> CreatedApiKey:
    key = new_key(body.mode)
    row = await store.add(
        db,
        key,
        tenant=tenant,
        name=body.name,
        scopes=body.scopes,
        expires_at=body.expires_at,
        replaces=replaces,
    )
    # Others learn of it from the directory; here it works as soon as its maker has read the answer.
    once_committed(request, partial(_table(request).put, store.as_record(row)))
    return CreatedApiKey(**_shown(row, request).model_dump(), key=key.reveal())


def _shown(row: RowMapping, request: Request) -> ApiKey:
    return ApiKey(**row, active=store.works(row, _clock(request).now()))


def _clock(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


def _table(request: Request) -> KeyTable:
    gate: Gate = request.app.state.gate
    return gate.keys
