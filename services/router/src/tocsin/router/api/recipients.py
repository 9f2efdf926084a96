"""`/v1/recipients`: who can be reached, where, in which language."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.ids import valid_recipient
from tocsin.contracts.values.identifier import ADDRESS_RULE, is_address_like
from tocsin.contracts.vocabulary import Reason
from tocsin.observability import get_logger
from tocsin.router.api import recipient_store as store
from tocsin.router.api.parameters import RecipientPath
from tocsin.router.api.recipient_models import (
    BulkAnswer,
    BulkAnswers,
    BulkRecipients,
    IdentifiedRecipient,
    Recipient,
    RecipientWrite,
)
from tocsin.router.api.rows import answer, check_match, not_found, page_of
from tocsin.router.api.tenants import address_like_ids
from tocsin.router.api.transaction import Db
from tocsin.web import (
    Fault,
    IfMatch,
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

router = APIRouter(tags=["Recipients"])


@router.get("/v1/recipients")
async def list_recipients(*, caller: Reader, db: Db, paging: PagingQuery) -> Page[Recipient]:
    """All recipients, by id."""
    return page_of(*await store.load_page(db, caller.tenant, paging))


@router.post(
    "/v1/recipients/bulk",
    responses={207: {"model": BulkAnswers, "description": "Some were refused"}},
)
@judges_texts
async def save_recipients(
    *, caller: Manager, db: Db, body: BulkRecipients, response: Response
) -> BulkAnswers:
    """Create or update up to 1,000 recipients; each has its own answer, in the order sent. Sent twice, it changes nothing more."""
    address_like = await address_like_ids(db, caller.tenant)
    answers, valid = _sorted_out(body.recipients, address_like=address_like)
    if valid:
        writes = {write.id: write for write in valid.values()}
        outcomes = await store.save(db, caller.tenant, writes, imported=True)
        for index, write in valid.items():
            answers[index] = BulkAnswer(id=write.id, result=outcomes[write.id])
    items = [answers[index] for index in range(len(body.recipients))]
    refused = len(items) - len(valid)
    if refused:
        response.status_code = 207
    log.info("recipients saved", tenant=caller.tenant, key=caller.key_id, saved=len(valid), refused=refused)
    if not valid:
        detail = "No recipient was saved; each one's reason stands in items."
        raise Problem(
            codes.BATCH_REFUSED, detail, extensions={"items": [item.model_dump() for item in items]}
        )
    return BulkAnswers(items=items)


@router.get("/v1/recipients/{recipient}")
async def read_recipient(
    *, caller: Reader, db: Db, recipient: RecipientPath, response: Response
) -> Recipient:
    """One recipient."""
    stored, revision = await _require(db, caller.tenant, recipient)
    answer(response, revision=revision)
    return stored


@router.put(
    "/v1/recipients/{recipient}", responses={201: {"model": Recipient, "description": "It was created"}}
)
async def save_recipient(
    *,
    caller: Manager,
    db: Db,
    recipient: RecipientPath,
    body: RecipientWrite,
    response: Response,
    if_match: IfMatch = None,
) -> Recipient:
    """Create the recipient, or make it what the body says. Sent twice, it changes nothing more."""
    await refuse_address(db, caller.tenant, recipient)
    if if_match is not None:
        check_match(if_match, await store.lock(db, caller.tenant, recipient))
    outcome = (await store.save(db, caller.tenant, {recipient: body}))[recipient]
    stored, revision = await _require(db, caller.tenant, recipient)
    answer(response, revision=revision, outcome=outcome)
    log.info("recipient saved", tenant=caller.tenant, key=caller.key_id, recipient=recipient, outcome=outcome)
    return stored


@router.delete("/v1/recipients/{recipient}", status_code=204)
async def delete_recipient(
    *, caller: Manager, db: Db, recipient: RecipientPath, if_match: IfMatch = None
) -> None:
    """Delete the recipient with its devices and preferences. What was decided for it and not yet handed over is not sent."""
    revision = await store.lock(db, caller.tenant, recipient)
    if revision is None:
        raise not_found("recipient")
    check_match(if_match, revision)
    await store.remove(db, caller.tenant, recipient)
    log.info("recipient deleted", tenant=caller.tenant, key=caller.key_id, recipient=recipient)


async def _require(db: AsyncConnection, tenant: str, recipient: str) -> tuple[Recipient, int]:
    loaded = await store.load(db, tenant, recipient)
    if loaded is None:
        raise not_found("recipient")
    return loaded


async def refuse_address(db: AsyncConnection, tenant: str, recipient: str) -> None:
    """Raise the problem where the id in the path is an address, and the tenant's ids are not."""
    if is_address_like(recipient) and not await address_like_ids(db, tenant):
        fault = Fault(pointer="path:recipient", code=Reason.RECIPIENT_IS_ADDRESS, detail=ADDRESS_RULE)
        raise Problem(codes.INVALID_REQUEST, f"{ADDRESS_RULE}.", errors=[fault])


def _sorted_out(
    items: list[Any], *, address_like: bool
) -> tuple[dict[int, BulkAnswer], dict[int, IdentifiedRecipient]]:
    """By index: the answers of those refused, and those that can be saved."""
    refused: dict[int, BulkAnswer] = {}
    valid: dict[int, IdentifiedRecipient] = {}
    seen: set[str] = set()
    for index, item in enumerate(items):
        try:
            recipient = IdentifiedRecipient.model_validate(item)
        except ValidationError as error:
            refused[index] = BulkAnswer(id=_id_of(item), result="refused", errors=_faults(index, error))
            continue
        if not address_like and is_address_like(recipient.id):
            named = ProblemError(
                pointer=f"/recipients/{index}/id", code=Reason.RECIPIENT_IS_ADDRESS, detail=ADDRESS_RULE
            )
            refused[index] = BulkAnswer(id=recipient.id, result="refused", errors=[named])
            continue
        if recipient.id in seen:
            twice = ProblemError(
                pointer=f"/recipients/{index}/id",
                code="repeated",
                detail="The request has this id twice. Only the first was saved",
            )
            refused[index] = BulkAnswer(id=recipient.id, result="refused", errors=[twice])
            continue
        seen.add(recipient.id)
        valid[index] = recipient
    return refused, valid


def _faults(index: int, error: ValidationError) -> list[ProblemError]:
    return [
        ProblemError(
            pointer=json_pointer(["recipients", index, *fault["loc"]]),
            code=fault["type"],
            detail=in_plain_words(fault),
        )
        for fault in error.errors(include_url=False, include_input=False)
    ]


def _id_of(item: Any) -> str | None:
    """What an item that was refused calls itself, where that is an id."""
    given = item.get("id") if isinstance(item, dict) else None
    return given if isinstance(given, str) and valid_recipient(given) else None
