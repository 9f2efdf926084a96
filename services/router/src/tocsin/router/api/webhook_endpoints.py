"""`/v1/webhook-endpoints`: where a tenant takes webhooks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fastapi import APIRouter, Request, Response
from sqlalchemy import RowMapping, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.observability import get_logger
from tocsin.router.api.parameters import EndpointPath
from tocsin.router.api.rows import answer, check_match, not_found, page_of, page_rows, put_row
from tocsin.router.api.transaction import Db
from tocsin.router.api.webhook_endpoint_models import SecretRotation, WebhookEndpoint, WebhookEndpointWrite
from tocsin.router.api.webhook_endpoint_store import (
    EndpointSecrets,
    new_secret,
    shown,
    stored_endpoint,
    stored_values,
)
from tocsin.router.changes import note_changed, note_unchanged
from tocsin.router.tables import webhook_endpoints
from tocsin.trust import SealBroken, SealKeyMissing
from tocsin.web import Fault, IfMatch, Manager, Page, PagingQuery, Problem, Reader, codes

log = get_logger(__name__)

router = APIRouter(tags=["Webhooks"])

MOST_ENDPOINTS: Final = 50
"""Of a tenant: a decision names each of them, and all of them can hang at once."""
_NO_SEAL_KEYS: Final = "This installation cannot keep the secrets of webhooks: its operator has to set SEAL_KEYS, and to restart the router."
_CANNOT_BE_OPENED: Final = (
    "A secret or a header that is stored cannot be opened any more: send `secrets` and `headers` again."
)


@router.get("/v1/webhook-endpoints")
async def list_webhook_endpoints(*, caller: Reader, db: Db, paging: PagingQuery) -> Page[WebhookEndpoint]:
    """All endpoints, by key."""
    query = select(webhook_endpoints).where(webhook_endpoints.c.tenant == caller.tenant)
    rows, after = await page_rows(db, query, order=[webhook_endpoints.c.key], paging=paging)
    return page_of([shown(row) for row in rows], after)


@router.get("/v1/webhook-endpoints/{endpoint}")
async def read_webhook_endpoint(
    *, caller: Reader, db: Db, endpoint: EndpointPath, response: Response
) -> WebhookEndpoint:
    """One endpoint, without its secrets."""
    row = (await db.execute(stored_endpoint(caller.tenant, endpoint))).mappings().first()
    if row is None:
        raise not_found("webhook endpoint")
    answer(response, revision=row["revision"])
    return shown(row)


@router.put(
    "/v1/webhook-endpoints/{endpoint}",
    responses={201: {"model": WebhookEndpoint, "description": "It was created"}},
)
async def save_webhook_endpoint(
    *,
    caller: Manager,
    db: Db,
    endpoint: EndpointPath,
    body: WebhookEndpointWrite,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> WebhookEndpoint:
    """Create the endpoint, or make it what the body says. Sent twice, it changes nothing more.

    A new one without `secrets` gets one, which only this answer shows: if you lose it, end it by sending one of your own.
    """
    fault = request.app.state.allowed_targets.fault_of(body.url)
    if fault is not None:
        raise Problem(
            codes.INVALID_REQUEST, fault, errors=[Fault(pointer="/url", code="url_forbidden", detail=fault)]
        )
    former = await _locked(db, caller.tenant, endpoint)
    if former is None:
        await _require_room(db, caller.tenant)
    made = new_secret() if former is None and body.secrets is None else None
    secrets = EndpointSecrets(seal=request.app.state.seal, tenant=caller.tenant, key=endpoint)
    with _sealing(request):
        values = stored_values(body, former, secrets, made)
    key = {"tenant": caller.tenant, "key": endpoint}
    row, outcome = await put_row(db, webhook_endpoints, key=key, values=values, if_match=if_match)
    note = note_unchanged if outcome == "unchanged" else note_changed
    await note(db, "webhook_endpoint", caller.tenant, endpoint)
    answer(response, revision=row["revision"], outcome=outcome)
    log.info(
        "webhook endpoint saved", tenant=caller.tenant, key=caller.key_id, endpoint=endpoint, outcome=outcome
    )
    return shown(row, made=made)


@router.delete("/v1/webhook-endpoints/{endpoint}", status_code=204)
async def delete_webhook_endpoint(
    *, caller: Manager, db: Db, endpoint: EndpointPath, if_match: IfMatch = None
) -> None:
    """Delete the endpoint. What still waits for it is not sent."""
    await _existing(db, caller.tenant, endpoint, if_match)
    await db.execute(
        delete(webhook_endpoints).where(
            webhook_endpoints.c.tenant == caller.tenant, webhook_endpoints.c.key == endpoint
        )
    )
    await note_changed(db, "webhook_endpoint", caller.tenant, endpoint)
    log.info("webhook endpoint deleted", tenant=caller.tenant, key=caller.key_id, endpoint=endpoint)


@router.post("/v1/webhook-endpoints/{endpoint}/secrets", status_code=201)
async def add_webhook_secret(
    *,
    caller: Manager,
    db: Db,
    endpoint: EndpointPath,
    body: SecretRotation,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> WebhookEndpoint:
    """Put a new secret beside the one in use: from now on calls are signed with both, until you end the former one."""
    row = await _existing(db, caller.tenant, endpoint, if_match)
    if len(row["secrets"]) > 1:
        raise Problem(
            codes.CONFLICT,
            f"Two secrets are in use. End the former one first: DELETE /v1/webhook-endpoints/{endpoint}/secrets/former.",
        )
    made = new_secret() if body.secret is None else None
    given = made if body.secret is None else body.secret.get_secret_value()
    secrets = EndpointSecrets(seal=request.app.state.seal, tenant=caller.tenant, key=endpoint)
    with _sealing(request):
        stored = [secrets.sealed(given or ""), secrets.kept(row["secrets"][0])]
    row = await _save_secrets(db, caller.tenant, endpoint, stored, response)
    response.status_code = 201
    log.info("webhook secret added", tenant=caller.tenant, key=caller.key_id, endpoint=endpoint)
    return shown(row, made=made)


@router.delete("/v1/webhook-endpoints/{endpoint}/secrets/former")
async def end_former_webhook_secret(
    *, caller: Manager, db: Db, endpoint: EndpointPath, response: Response, if_match: IfMatch = None
) -> WebhookEndpoint:
    """Sign with the newest secret alone. Where there is no other, nothing changes."""
    row = await _existing(db, caller.tenant, endpoint, if_match)
    row = await _save_secrets(db, caller.tenant, endpoint, row["secrets"][:1], response)
    log.info("former webhook secret ended", tenant=caller.tenant, key=caller.key_id, endpoint=endpoint)
    return shown(row)


async def _locked(db: AsyncConnection, tenant: str, endpoint: str) -> RowMapping | None:
    query = stored_endpoint(tenant, endpoint).with_for_update()
    row: RowMapping | None = (await db.execute(query)).mappings().first()
    return row


async def _existing(db: AsyncConnection, tenant: str, endpoint: str, if_match: str | None) -> RowMapping:
    row = await _locked(db, tenant, endpoint)
    if row is None:
        raise not_found("webhook endpoint")
    check_match(if_match, row["revision"])
    return row


async def _save_secrets(
    db: AsyncConnection, tenant: str, endpoint: str, secrets: list[str], response: Response
) -> RowMapping:
    key = {"tenant": tenant, "key": endpoint}
    row, outcome = await put_row(db, webhook_endpoints, key=key, values={"secrets": secrets}, if_match=None)
    note = note_unchanged if outcome == "unchanged" else note_changed
    await note(db, "webhook_endpoint", tenant, endpoint)
    answer(response, revision=row["revision"])
    return row


async def _require_room(db: AsyncConnection, tenant: str) -> None:
    """Return when the tenant may have another one. Two saved at the same moment may be one too many."""
    count = select(func.count()).where(webhook_endpoints.c.tenant == tenant)
    if (await db.execute(count)).scalar_one() >= MOST_ENDPOINTS:
        raise Problem(
            codes.CONFLICT, f"There are {MOST_ENDPOINTS} endpoints, which is the most. Delete one first."
        )


@contextmanager
def _sealing(request: Request) -> Iterator[None]:
    try:
        yield
    except SealKeyMissing as error:
        has_keys = request.app.state.seal.has_keys
        raise Problem(codes.CONFLICT, _CANNOT_BE_OPENED if has_keys else _NO_SEAL_KEYS) from error
    except SealBroken as error:
        raise Problem(codes.CONFLICT, _CANNOT_BE_OPENED) from error
