"""`/v1/recipients/{recipient}/devices`: where a recipient's push messages go."""

from fastapi import APIRouter, Response
from sqlalchemy import ColumnElement, and_, delete, func, insert, not_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.limits import DEVICES_PER_RECIPIENT
from tocsin.observability import get_logger
from tocsin.router.api import recipient_store as store
from tocsin.router.api.parameters import DevicePath, RecipientPath
from tocsin.router.api.recipient_models import Devices, DeviceWrite, RegisteredDevice
from tocsin.router.api.rows import not_found
from tocsin.router.api.transaction import Db
from tocsin.router.changes import lock_token, note_unchanged, raise_versions
from tocsin.router.tables import devices, tenants
from tocsin.web import Manager, Problem, Reader, codes

log = get_logger(__name__)

router = APIRouter(tags=["Recipients"])


@router.get("/v1/recipients/{recipient}/devices")
async def list_devices(*, caller: Reader, db: Db, recipient: RecipientPath) -> Devices:
    """All devices of a recipient, by id; at most 50."""
    return await devices_of(db, caller.tenant, recipient)


@router.put(
    "/v1/recipients/{recipient}/devices/{device}",
    responses={201: {"model": RegisteredDevice, "description": "It was created"}},
)
async def save_device(
    *,
    caller: Manager,
    db: Db,
    recipient: RecipientPath,
    device: DevicePath,
    body: DeviceWrite,
    response: Response,
) -> RegisteredDevice:
    """Add the device, or make it what the body says. Sent twice, it changes nothing more but `updated_at`: the app is there.

    A token belongs to one device: whoever had it before has it no more, and what was decided for them and not yet handed over
    is decided again. Unless the tenant's `shared_devices` is set: then it stays with them, too."""
    saved = await register_device(db, caller.tenant, recipient, device, body=body, response=response)
    log.info("device saved", tenant=caller.tenant, key=caller.key_id, recipient=recipient)
    return saved


async def devices_of(db: AsyncConnection, tenant: str, recipient: str) -> Devices:
    """All devices of a recipient. 404 for one who is not stored."""
    if await store.load(db, tenant, recipient) is None:
        raise not_found("recipient")
    by_recipient = await store.load_devices(db, tenant, [recipient])
    return Devices(data=by_recipient.get(recipient, []))


async def register_device(
    db: AsyncConnection, tenant: str, recipient: str, device: str, *, body: DeviceWrite, response: Response
) -> RegisteredDevice:
    """Make the device what the body says; 201 on the response where it is new. Raises the problem of a recipient who is not stored, or
    has too many devices."""
    deprived = await _take_token(db, tenant, recipient, device, body.token)
    by_recipient = await store.load_devices(db, tenant, [recipient])
    known = {known_device.id: known_device for known_device in by_recipient.get(recipient, [])}
    old = known.get(device)
    if old is None:
        if len(known) >= DEVICES_PER_RECIPIENT:
            raise Problem(
                codes.CONFLICT,
                f"This recipient has {DEVICES_PER_RECIPIENT} devices, the most possible. Delete one first.",
            )
        key = {"tenant": tenant, "recipient": recipient, "id": device}
        added = insert(devices).values(**key, **body.model_dump())
        row = (await db.execute(added.returning(devices))).mappings().one()
        response.status_code = 201
    else:
        change = update(devices).where(*_is(tenant, recipient, device))
        change = change.values(**body.model_dump(), updated_at=func.now())
        row = (await db.execute(change.returning(devices))).mappings().one()
        if (old.token, old.kind) != (body.token, body.kind):
            deprived.append(recipient)
    await raise_versions(db, tenant, deprived)
    if old is not None and (old.token, old.kind, old.app) == (body.token, body.kind, body.app):
        await note_unchanged(db, "recipient_version", tenant, recipient)
    return RegisteredDevice(**row)


@router.get("/v1/recipients/{recipient}/devices/{device}")
async def read_device(
    *, caller: Reader, db: Db, recipient: RecipientPath, device: DevicePath
) -> RegisteredDevice:
    """One device."""
    query = select(devices).where(*_is(caller.tenant, recipient, device))
    row = (await db.execute(query)).mappings().first()
    if row is None:
        raise not_found("device")
    return RegisteredDevice(**row)


@router.delete("/v1/recipients/{recipient}/devices/{device}", status_code=204)
async def delete_device(*, caller: Manager, db: Db, recipient: RecipientPath, device: DevicePath) -> None:
    """Remove the device. What was decided for it and not yet handed over is not sent."""
    await remove_device(db, caller.tenant, recipient, device)
    log.info("device deleted", tenant=caller.tenant, key=caller.key_id, recipient=recipient)


async def remove_device(db: AsyncConnection, tenant: str, recipient: str, device: str) -> None:
    """Remove the device. 404 for one that is not there."""
    await store.lock(db, tenant, recipient)
    gone = delete(devices).where(*_is(tenant, recipient, device)).returning(devices.c.id)
    if (await db.execute(gone)).first() is None:
        raise not_found("device")
    await raise_versions(db, tenant, [recipient])


async def _take_token(db: AsyncConnection, tenant: str, recipient: str, device: str, token: str) -> list[str]:
    """Remove every other device with this token, unless the tenant shares devices; returns whose they were.

    Locks the recipient, who has to exist, and the others. Locks are taken in one order, the token's first and recipients' by
    id, so that requests that take tokens from each other wait for each other and never deadlock.
    """
    await lock_token(db, tenant, token)
    elsewhere = and_(
        devices.c.tenant == tenant, devices.c.token == token, not_(and_(*_is(tenant, recipient, device)))
    )
    shares = select(tenants.c.shared_devices).where(tenants.c.id == tenant).scalar_subquery()
    owners = (await db.execute(select(devices.c.recipient).where(elsewhere, not_(shares)))).scalars().all()
    if recipient not in await store.lock_all(db, tenant, {recipient, *owners}):
        raise not_found("recipient")
    if not owners:
        return []
    taken = delete(devices).where(elsewhere, devices.c.recipient.in_(owners)).returning(devices.c.recipient)
    return list((await db.execute(taken)).scalars())


def _is(tenant: str, recipient: str, device: str) -> tuple[ColumnElement[bool], ...]:
    return devices.c.tenant == tenant, devices.c.recipient == recipient, devices.c.id == device
