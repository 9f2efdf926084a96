"""API keys in PostgreSQL: the SHA-256 of the secret, never the secret."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.directory import ApiKey, Scope
from tocsin.router.changes import note_changed
from tocsin.router.tables import api_keys
from tocsin.web import KeyParts


async def add(
    db: AsyncConnection,
    key: KeyParts,
    *,
    tenant: str,
    name: str,
    scopes: Sequence[Scope],
    expires_at: datetime | None = None,
    replaces: str | None = None,
) -> RowMapping:
    """Store a key made by `new_key`. The tenant exists."""
    added = insert(api_keys).values(
        tenant=tenant,
        id=key.id,
        name=name,
        mode=key.mode,
        sha256=key.sha256,
        scopes=sorted(scopes),
        expires_at=expires_at,
        replaces=replaces,
    )
    row: RowMapping = (await db.execute(added.returning(api_keys))).mappings().one()
    await note_changed(db, "api_key", tenant, key.id)
    return row


async def load(db: AsyncConnection, tenant: str, key_id: str) -> RowMapping | None:
    """One key, locked until the transaction ends."""
    query = select(api_keys).where(api_keys.c.tenant == tenant, api_keys.c.id == key_id)
    return (await db.execute(query.with_for_update())).mappings().first()


async def successor(db: AsyncConnection, tenant: str, key_id: str, now: datetime) -> str | None:
    """The id of a working key that was made to replace this one."""
    query = select(api_keys.c.id).where(
        api_keys.c.tenant == tenant,
        api_keys.c.replaces == key_id,
        api_keys.c.revoked_at.is_(None),
        or_(api_keys.c.expires_at.is_(None), api_keys.c.expires_at > now),
    )
    successor_id: str | None = (await db.execute(query.limit(1))).scalar()
    return successor_id


async def expire(db: AsyncConnection, tenant: str, key_id: str, at: datetime) -> None:
    """The key works until `at`, or as long as it did if that is shorter."""
    earliest = func.least(api_keys.c.expires_at, at)  # PostgreSQL passes over null: never
    here = (api_keys.c.tenant == tenant, api_keys.c.id == key_id)
    await db.execute(update(api_keys).where(*here).values(expires_at=earliest))
    await note_changed(db, "api_key", tenant, key_id)


async def revoke(db: AsyncConnection, tenant: str, key_id: str) -> None:
    """The key works no longer; its row stays, so that its id is never given out again."""
    here = (api_keys.c.tenant == tenant, api_keys.c.id == key_id, api_keys.c.revoked_at.is_(None))
    await db.execute(update(api_keys).where(*here).values(revoked_at=func.now()))
    await note_changed(db, "api_key", tenant, key_id)


def works(row: RowMapping, now: datetime) -> bool:
    """Whether the key is accepted."""
    return row["revoked_at"] is None and (row["expires_at"] is None or row["expires_at"] > now)


def as_record(row: RowMapping) -> ApiKey:
    """The key as `directory` carries it."""
    return ApiKey(
        tenant=row["tenant"],
        id=row["id"],
        name=row["name"],
        mode=row["mode"],
        sha256=row["sha256"],
        scopes=row["scopes"],
        expires_at=row["expires_at"],
    )
