"""`/v1/suppressions`: addresses to which nothing goes. No address ever stands in a URL, a log line or an answer."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Request, Response
from pydantic import ValidationError
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from tocsin.contracts.channels import CHANNELS
from tocsin.contracts.vocabulary import Channel
from tocsin.observability import get_logger
from tocsin.router import suppressions as store
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.api.rows import not_found, page_of, page_rows
from tocsin.router.api.suppression_models import (
    Cause,
    ImportedRow,
    ImportedRows,
    KeyOrAll,
    NamedAddress,
    Removed,
    StoredRemoval,
    StoredSuppression,
    SuppressionImport,
    SuppressionRemoval,
    Suppressions,
    SuppressionWrite,
)
from tocsin.router.api.transaction import Db
from tocsin.router.changes import note_versions_unchanged, raise_versions
from tocsin.router.policy import ANY
from tocsin.router.suppressions import NewSuppression
from tocsin.router.tables import suppression_removals, suppressions
from tocsin.web import (
    Caller,
    Manager,
    Page,
    PagingQuery,
    Problem,
    Reader,
    codes,
    in_plain_words,
    json_pointer,
    judges_texts,
)
from tocsin.web.problem import ProblemError

log = get_logger(__name__)

router = APIRouter(tags=["Suppressions"])

_ORDER = [
    suppressions.c[name] for name in ("channel", "address_hash", "category", "cause", "spares_required")
]

_RESULTS: Final[dict[bool | None, Literal["created", "updated", "unchanged"]]] = {
    True: "created",
    False: "updated",
    None: "unchanged",
}


@router.get("/v1/suppressions")
async def list_suppressions(
    *,
    caller: Reader,
    db: Db,
    paging: PagingQuery,
    channel: Channel | None = None,
    cause: Cause | None = None,
    category: Annotated[
        KeyOrAll | None, Query(description="Only those of this category; `*`: of all categories")
    ] = None,
) -> Page[StoredSuppression]:
    """All suppressed addresses, by channel and hash; also those whose time has passed."""
    query = select(suppressions).where(suppressions.c.tenant == caller.tenant)
    for name, wanted in (("channel", channel), ("cause", cause), ("category", category)):
        if wanted is not None:
            query = query.where(suppressions.c[name] == wanted)
    rows, after = await page_rows(db, query, order=_ORDER, paging=paging)
    return page_of([_shown(row) for row in rows], after)


@router.post("/v1/suppressions", responses={201: {"model": Suppressions, "description": "It was new"}})
async def add_suppression(
    *,
    caller: Manager,
    db: Db,
    body: SuppressionWrite,
    request: Request,
    response: Response,
    afterwards: BackgroundTasks,
) -> Suppressions:
    """Let nothing more go to an address. What was decided before and is not handed over yet is not sent. Sent twice, it changes nothing more.

    What stands is never shortened or weakened: remove it first. Answers with all that is stored of the address.
    """
    row = _row(caller, body, _hashes(request))
    changed = await store.suppress(db, [row])
    owners = await _holders(db, caller.tenant, [body])
    if changed:
        await raise_versions(db, caller.tenant, sorted(owners))
        afterwards.add_task(_look_again, request.app.state.engine, caller.tenant, [body], owners)
    else:
        await note_versions_unchanged(db, caller.tenant, owners)
    if changed.get(row.key):
        response.status_code = 201
    log.info(
        "suppression added",
        tenant=caller.tenant,
        key=caller.key_id,
        channel=body.channel.value,
        cause=body.cause,
    )
    return await _stored(db, caller.tenant, body, request)


@router.post(
    "/v1/suppressions/bulk",
    responses={207: {"model": ImportedRows, "description": "Some were refused"}},
)
@judges_texts
async def import_suppressions(
    *,
    caller: Manager,
    db: Db,
    body: SuppressionImport,
    request: Request,
    response: Response,
    afterwards: BackgroundTasks,
) -> ImportedRows:
    """Add up to 1,000 addresses; each has its own answer, in the order sent. Sent twice, it changes nothing more."""
    answers, valid = _sorted_out(body.suppressions)
    hashes = _hashes(request)
    rows = {index: _row(caller, write, hashes) for index, write in valid.items()}
    changed = await store.suppress(db, rows.values())
    new = [write for index, write in valid.items() if rows[index].key in changed]
    owners = await _holders(db, caller.tenant, new)
    await raise_versions(db, caller.tenant, sorted(owners), imported=True)
    if new:
        afterwards.add_task(_look_again, request.app.state.engine, caller.tenant, new, owners)
    told = dict(changed)
    for index, row in rows.items():
        answers[index] = ImportedRow(result=_RESULTS[told.pop(row.key, None)])
    items = [answers[index] for index in range(len(body.suppressions))]
    refused = len(items) - len(valid)
    log.info(
        "suppressions imported", tenant=caller.tenant, key=caller.key_id, saved=len(valid), refused=refused
    )
    if not valid:
        detail = "No address was suppressed; each one's reason stands in items."
        raise Problem(
            codes.BATCH_REFUSED, detail, extensions={"items": [item.model_dump() for item in items]}
        )
    if refused:
        response.status_code = 207
    return ImportedRows(items=items)


@router.post("/v1/suppressions/search")
async def find_suppressions(*, caller: Reader, db: Db, body: NamedAddress, request: Request) -> Suppressions:
    """All that is stored of one address. It is a POST, so that the address stands in no URL."""
    return await _stored(db, caller.tenant, body, request)


@router.post("/v1/suppressions/remove")
async def remove_suppression(
    *, caller: Manager, db: Db, body: SuppressionRemoval, request: Request
) -> Removed:
    """Let messages go to an address again, from the next decision on. Your key's id and the reason are kept.

    A provider may still refuse the address: most have a list of their own.
    """
    removed = await store.remove(
        db,
        tenant=caller.tenant,
        channel=body.channel,
        hashes=_hashes_of(body, _hashes(request)),
        key_id=caller.key_id,
        reason=body.reason,
        category=body.category,
        cause=body.cause,
        spares_required=body.spares_required,
    )
    if not removed:
        raise not_found("suppression")
    log.info(
        "suppression removed",
        tenant=caller.tenant,
        key=caller.key_id,
        channel=body.channel.value,
        removed=removed,
    )
    return Removed(removed=removed)


@router.get("/v1/suppressions/removals")
async def list_suppression_removals(*, caller: Reader, db: Db, paging: PagingQuery) -> Page[StoredRemoval]:
    """What was removed, by whom and why; the oldest first."""
    query = select(suppression_removals).where(suppression_removals.c.tenant == caller.tenant)
    rows, after = await page_rows(db, query, order=[suppression_removals.c.id], paging=paging)
    shown = [StoredRemoval(**{**row, "category": _category(row)}) for row in rows]
    return page_of(shown, after)


async def _stored(db: AsyncConnection, tenant: str, named: NamedAddress, request: Request) -> Suppressions:
    query = select(suppressions).where(
        suppressions.c.tenant == tenant,
        suppressions.c.channel == named.channel,
        suppressions.c.address_hash.in_(_hashes_of(named, _hashes(request))),
    )
    rows = (await db.execute(query.order_by(*_ORDER))).mappings()
    return Suppressions(data=[_shown(row) for row in rows])


async def _holders(db: AsyncConnection, tenant: str, named: Sequence[NamedAddress]) -> set[str]:
    """Who of the tenant's recipients has one of the addresses. Of a hash alone nobody knows."""
    owners: set[str] = set()
    for channel in Channel:
        addresses = {each.address for each in named if each.channel is channel and each.address is not None}
        owners |= await store.holders(db, tenant, CHANNELS[channel].address, addresses)
    return owners


async def _look_again(
    engine: AsyncEngine, tenant: str, named: Sequence[NamedAddress], told: set[str]
) -> None:
    """Who was given an address while its row was not visible yet may have been decided without it: raise them, too."""
    async with engine.begin() as db:
        late = await _holders(db, tenant, named) - told
        await raise_versions(db, tenant, sorted(late))


def _row(caller: Caller, write: SuppressionWrite, hashes: AddressHashes) -> NewSuppression:
    return NewSuppression(
        tenant=caller.tenant,
        channel=write.channel.value,
        address_hash=_hashes_of(write, hashes)[0],
        cause=write.cause,
        source=write.source,
        category=write.category or ANY,
        key_id=caller.key_id,
        spares_required=write.spares_required,
        until=write.until,
    )


def _hashes_of(named: NamedAddress, hashes: AddressHashes) -> list[str]:
    """Under each key, the first first."""
    if named.address is None:
        return [named.address_hash or ""]
    return hashes.all_of(CHANNELS[named.channel].address.comparable(named.address))


def _hashes(request: Request) -> AddressHashes:
    hashes: AddressHashes | None = request.app.state.hashes
    if hashes is None:
        raise RuntimeError("This application was made to be described, not to be called: it has no keys.")
    return hashes


def _sorted_out(items: list[Any]) -> tuple[dict[int, ImportedRow], dict[int, SuppressionWrite]]:
    """By index: the answers of those refused, and those that can be saved."""
    refused: dict[int, ImportedRow] = {}
    valid: dict[int, SuppressionWrite] = {}
    for index, item in enumerate(items):
        try:
            valid[index] = SuppressionWrite.model_validate(item)
        except ValidationError as error:
            refused[index] = ImportedRow(result="refused", errors=_faults(index, error))
    return refused, valid


def _faults(index: int, error: ValidationError) -> list[ProblemError]:
    return [
        ProblemError(
            pointer=json_pointer(["suppressions", index, *fault["loc"]]),
            code=fault["type"],
            detail=in_plain_words(fault),
        )
        for fault in error.errors(include_url=False, include_input=False)
    ]


def _shown(row: RowMapping) -> StoredSuppression:
    return StoredSuppression(**{**row, "category": _category(row)})


def _category(row: RowMapping) -> str | None:
    return None if row["category"] == ANY else row["category"]
