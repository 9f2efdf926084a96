"""Recipients in PostgreSQL. Every statement names the tenant; whatever takes an address away raises the version."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.channels import ADDRESS_FIELDS
from tocsin.router.api.recipient_models import Recipient, RecipientWrite, RegisteredDevice
from tocsin.router.api.rows import Outcome, page_rows
from tocsin.router.changes import raise_versions
from tocsin.router.tables import devices, preferences, recipient_versions, recipients
from tocsin.web import Paging

_FIELDS = (*ADDRESS_FIELDS, "chats", "locale", "time_zone", "attributes")

_WITH_VERSION = select(recipients, func.coalesce(recipient_versions.c.version, 0).label("version")).outerjoin(
    recipient_versions,
    (recipient_versions.c.tenant == recipients.c.tenant)
    & (recipient_versions.c.recipient == recipients.c.id),
)


async def load(db: AsyncConnection, tenant: str, recipient: str) -> tuple[Recipient, int] | None:
    """The recipient and its revision."""
    query = _WITH_VERSION.where(recipients.c.tenant == tenant, recipients.c.id == recipient)
    row = (await db.execute(query)).mappings().first()
    if row is None:
        return None
    return (await _with_devices(db, tenant, [row]))[0], row["revision"]


async def load_page(db: AsyncConnection, tenant: str, paging: Paging) -> tuple[list[Recipient], str | None]:
    """A page of recipients by id, and the next one's cursor."""
    query = _WITH_VERSION.where(recipients.c.tenant == tenant)
    rows, after = await page_rows(db, query, order=[recipients.c.id], paging=paging)
    return await _with_devices(db, tenant, rows), after


async def lock(db: AsyncConnection, tenant: str, recipient: str) -> int | None:
    """The revision, which nobody changes until the transaction ends; None where there is no such recipient."""
    query = select(recipients.c.revision).where(recipients.c.tenant == tenant, recipients.c.id == recipient)
    revision: int | None = (await db.execute(query.with_for_update())).scalar()
    return revision


async def lock_all(db: AsyncConnection, tenant: str, ids: Iterable[str]) -> set[str]:
    """Those of these recipients that exist; nobody changes them until the transaction ends."""
    return {row["id"] for row in await _lock_all(db, tenant, list(ids))}


async def save(
    db: AsyncConnection, tenant: str, writes: Mapping[str, RecipientWrite], *, imported: bool = False
) -> dict[str, Outcome]:
    """Make each recipient what its write says; the outcome of each, by id."""
    # In one order, so that two requests wait for each other and never deadlock.
    ordered = dict(sorted(writes.items()))
    while True:
        async with db.begin_nested() as attempt:
            made = set(await _insert(db, tenant, ordered))
            rows = await _lock_all(db, tenant, [recipient for recipient in ordered if recipient not in made])
            if len(made) + len(rows) == len(ordered):
                outcomes: dict[str, Outcome] = dict.fromkeys(made, "created")
                return outcomes | await _update(db, tenant, rows, writes, imported=imported)
            # One was deleted between the two statements. Locks are given back before it is made anew: whoever makes it, too, may wait for them.
            await attempt.rollback()


async def remove(db: AsyncConnection, tenant: str, recipient: str) -> None:
    """Delete the recipient, its devices and its preferences. Its version stays, raised."""
    await db.execute(
        delete(preferences).where(preferences.c.tenant == tenant, preferences.c.recipient == recipient)
    )
    await db.execute(delete(recipients).where(recipients.c.tenant == tenant, recipients.c.id == recipient))
    await raise_versions(db, tenant, [recipient])


async def load_devices(
    db: AsyncConnection, tenant: str, ids: Sequence[str]
) -> dict[str, list[RegisteredDevice]]:
    """The devices of these recipients, by recipient, each list by device id."""
    query = select(devices).where(devices.c.tenant == tenant, devices.c.recipient.in_(ids))
    by_recipient: dict[str, list[RegisteredDevice]] = defaultdict(list)
    for row in (await db.execute(query.order_by(devices.c.id))).mappings():
        by_recipient[row["recipient"]].append(RegisteredDevice.model_validate(row, from_attributes=False))
    return by_recipient


def _values(write: RecipientWrite) -> dict[str, Any]:
    fields = write.model_dump(include=set(_FIELDS))
    return {name: fields[name] for name in _FIELDS}


def _loses_address(row: RowMapping, values: Mapping[str, Any]) -> bool:
    """Whether an address that stands there is to stand there no more."""
    if any(row[name] is not None and row[name] != values[name] for name in ADDRESS_FIELDS):
        return True
    return any(chat not in values["chats"] for chat in row["chats"])


async def _insert(db: AsyncConnection, tenant: str, writes: Mapping[str, RecipientWrite]) -> Sequence[str]:
    rows = [{"tenant": tenant, "id": recipient, **_values(write)} for recipient, write in writes.items()]
    added = insert(recipients).values(rows).on_conflict_do_nothing().returning(recipients.c.id)
    made: Sequence[str] = (await db.execute(added)).scalars().all()
    return made


async def _lock_all(db: AsyncConnection, tenant: str, ids: Sequence[str]) -> Sequence[RowMapping]:
    query = select(recipients).where(recipients.c.tenant == tenant, recipients.c.id.in_(ids))
    return (await db.execute(query.order_by(recipients.c.id).with_for_update())).mappings().all()


async def _update(
    db: AsyncConnection,
    tenant: str,
    rows: Sequence[RowMapping],
    writes: Mapping[str, RecipientWrite],
    *,
    imported: bool,
) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    changes, deprived = [], []
    for row in rows:
        values = _values(writes[row["id"]])
        if all(row[name] == value for name, value in values.items()):
            outcomes[row["id"]] = "unchanged"
            continue
        outcomes[row["id"]] = "updated"
        changes.append({"which": row["id"], **values})
        if _loses_address(row, values):
            deprived.append(row["id"])
    if changes:
        where = (recipients.c.tenant == tenant) & (recipients.c.id == bindparam("which"))
        fields: dict[str, Any] = {name: bindparam(name) for name in _FIELDS}
        counted = {"revision": recipients.c.revision + 1, "updated_at": func.now()}
        await db.execute(update(recipients).where(where).values(**fields, **counted), changes)
    await raise_versions(db, tenant, deprived, imported=imported)
    return outcomes


async def _with_devices(db: AsyncConnection, tenant: str, rows: Sequence[RowMapping]) -> list[Recipient]:
    by_recipient = await load_devices(db, tenant, [row["id"] for row in rows])
    return [Recipient(**{**row, "devices": by_recipient.get(row["id"], [])}) for row in rows]
