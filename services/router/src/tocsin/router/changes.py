"""What every change of the directory leaves behind, in its own transaction: which entity it was, and a raised version.

An import may leave thousands of rows, so they are published after those of single changes, and nobody waits for them.
"""

from collections.abc import Collection, Sequence
from typing import Any, Final, Literal

from sqlalchemy import ARRAY, SmallInteger, Text, any_, cast, func, insert, literal, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.router.tables import Turn, outbox, recipient_versions

EntityKind = Literal[
    "api_key",
    "tenant",
    "category",
    "workflow",
    "template",
    "inbox_keys",
    "webhook_endpoint",
    "recipient_version",
]

LOCK_RECIPIENT = "tocsin.directory.recipient/"
LOCK_TOKEN = "tocsin.directory.token/"  # noqa: S105 - what names a lock

MANY: Final = 1_000
"""So many recipients' versions are raised before all else. Those of more, who share one address, are published as imports are: behind single changes."""

_NOTED: Final = "tocsin_noted_rows"


async def noted_rows(db: AsyncConnection) -> list[int]:
    """A list to which every row of the outbox is added that a single change leaves over this connection from now on, or depends on."""
    rows: list[int] = []
    await db.execution_options(**{_NOTED: rows})
    return rows


async def note_changed(db: AsyncConnection, kind: EntityKind, tenant: str, *key: str) -> None:
    """The relay will publish this entity as it then stands; `key` is what names it within the tenant."""
    row = {"kind": kind, "tenant": tenant, "key": list(key), "turn": Turn.of(kind, imported=False)}
    noted = await db.execute(insert(outbox).values(row).returning(outbox.c.id))
    waited_for = _waited_for(db)
    if waited_for is not None:
        waited_for += noted.scalars()


async def note_unchanged(db: AsyncConnection, kind: EntityKind, tenant: str, *key: str) -> None:
    """The entity stood as asked for already. The change that made it so may not be published yet: then that one is waited for."""
    waited_for = _waited_for(db)
    if waited_for is None:
        return
    pending = select(outbox.c.id).where(
        outbox.c.kind == kind,
        outbox.c.tenant == tenant,
        outbox.c.key == list(key),
        outbox.c.turn.in_((Turn.RIGHTS, Turn.OTHERS)),
    )
    waited_for += (await db.execute(pending)).scalars()


async def note_versions_unchanged(db: AsyncConnection, tenant: str, recipients: Collection[str]) -> None:
    """What was taken away from these recipients was taken away already. What is not published yet of it is waited for."""
    waited_for = _waited_for(db)
    if waited_for is None or not recipients:
        return
    pending = select(outbox.c.id).where(
        outbox.c.kind == "recipient_version",
        outbox.c.tenant == tenant,
        outbox.c.key[1] == any_(cast(list(recipients), ARRAY(Text))),
    )
    waited_for += (await db.execute(pending)).scalars()


async def raise_versions(
    db: AsyncConnection, tenant: str, recipients: Sequence[str], *, imported: bool = False
) -> None:
    """Something was taken away from these recipients: what was decided before is rechecked before it is sent.

    However many they are, it is two statements of one transaction.
    """
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
    kind: EntityKind = "recipient_version"
    turn = literal(int(Turn.of(kind, imported=imported or len(ids) > MANY)), SmallInteger())
    key: postgresql.array[Any] = postgresql.array([recipient], type_=Text())
    noted = insert(outbox).from_select(
        ["kind", "tenant", "key", "turn"], select(literal(kind), literal(tenant), key, turn)
    )
    rows = await db.execute(noted.returning(outbox.c.id))
    waited_for = _waited_for(db)
    if waited_for is not None and not imported:
        waited_for += rows.scalars()


def _waited_for(db: AsyncConnection) -> list[int] | None:
    options = db.sync_connection.get_execution_options() if db.sync_connection else {}
    rows: list[int] | None = options.get(_NOTED)
    return rows


async def lock_recipient(db: AsyncConnection, tenant: str, recipient: str) -> None:
    """Until the transaction ends, no other change of this recipient's preferences; the recipient need not exist."""
    await _lock(db, f"{LOCK_RECIPIENT}{tenant}/{recipient}")


async def lock_token(db: AsyncConnection, tenant: str, token: str) -> None:
    """Until the transaction ends, nobody else registers this push token. Take it before any lock of a recipient."""
    await _lock(db, f"{LOCK_TOKEN}{tenant}/{token}")


async def _lock(db: AsyncConnection, name: str) -> None:
    await db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))
