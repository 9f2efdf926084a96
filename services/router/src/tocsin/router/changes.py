"""What every change of the directory leaves behind, in its own transaction: which entity it was, and a raised version."""

from collections.abc import Sequence
from typing import Literal

from sqlalchemy import ARRAY, Text, cast, func, insert, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.router.tables import outbox, recipient_versions

EntityKind = Literal["api_key", "tenant", "category", "workflow", "template", "recipient_version"]

LOCK_RECIPIENT = "tocsin.directory.recipient/"


async def note_changed(db: AsyncConnection, kind: EntityKind, tenant: str, *key: str) -> None:
    """The relay will publish this entity as it then stands; `key` is what names it within the tenant."""
    await db.execute(insert(outbox).values(kind=kind, tenant=tenant, key=list(key)))


async def raise_versions(db: AsyncConnection, tenant: str, recipients: Sequence[str]) -> None:
    """Something was taken away from these recipients: what was decided before is rechecked before it is sent."""
    if not recipients:
        return
    ids = sorted(set(recipients))  # in one order, so that two changes wait for each other and never deadlock
    recipient = func.unnest(cast(ids, ARRAY(Text))).column_valued("recipient")
    raised = postgresql.insert(recipient_versions).from_select(
        ["tenant", "recipient", "version"], select(literal(tenant), recipient, literal(1))
    )
    await db.execute(
        raised.on_conflict_do_update(
            index_elements=["tenant", "recipient"],
            set_={"version": recipient_versions.c.version + 1, "raised_at": func.now(), "on_stops": True},
        )
    )
    await db.execute(
        insert(outbox),
        [{"kind": "recipient_version", "tenant": tenant, "key": [recipient]} for recipient in ids],
    )


async def lock_recipient(db: AsyncConnection, tenant: str, recipient: str) -> None:
    """Until the transaction ends, no other change of this recipient's preferences; the recipient need not exist."""
    await db.execute(
        select(func.pg_advisory_xact_lock(func.hashtextextended(f"{LOCK_RECIPIENT}{tenant}/{recipient}", 0)))
    )
