"""Suppressed addresses in PostgreSQL: what deliveries teach and what people add goes in here, and comes out only by a person's hand.

Whatever is new raises, in the same transaction, the versions of all recipients who have the address: what was decided for them and is not
handed over yet is decided again. Rows hold a keyed hash, so deleting a recipient leaves its address suppressed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Final, NamedTuple

from sqlalchemy import ARRAY, Text, any_, cast, func, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.address_kinds import AddressKind
from tocsin.contracts.codec import encode
from tocsin.router.policy import ANY
from tocsin.router.soft_bounces import forget_soft_bounces
from tocsin.router.tables import devices, recipients

SuppressionKey = tuple[str, str, str, str, str, bool]
"""Tenant, channel, hash of the address, category, cause, and whether required categories are spared: what names a row."""


class NewSuppression(NamedTuple):
    """One row, as it is to stand."""

    tenant: str
    channel: str
    address_hash: str
    cause: str
    source: str
    category: str = ANY
    code: str | None = None
    notification_id: str | None = None
    key_id: str | None = None
    spares_required: bool = False
    until: datetime | None = None
    """None: for good."""

    @property
    def key(self) -> SuppressionKey:
        """What names the row."""
        return self.tenant, self.channel, self.address_hash, self.category, self.cause, self.spares_required


_KEY: Final = "tenant, channel, address_hash, category, cause, spares_required"
_TYPES: Final = {"spares_required": "boolean", "until": "timestamptz"}
_COLUMNS: Final = NewSuppression._fields
_ASKED: Final = ", ".join(f"CAST(:{column} AS {_TYPES.get(column, 'text')}[])" for column in _COLUMNS)
# One order for all transactions: two that suppress the same addresses wait for each other, and never deadlock.
_SUPPRESS: Final = text(
    f"""
INSERT INTO directory.suppressions AS standing ({", ".join(_COLUMNS)})
SELECT asked.* FROM unnest({_ASKED}) AS asked({", ".join(_COLUMNS)})
WHERE asked.tenant IN (SELECT id FROM directory.tenants)
ORDER BY {_KEY}
ON CONFLICT ({_KEY}) DO UPDATE SET
    source = excluded.source, code = excluded.code, notification_id = excluded.notification_id, key_id = excluded.key_id, until = excluded.until
WHERE standing.until IS NOT NULL AND (excluded.until IS NULL OR excluded.until > standing.until)
RETURNING {_KEY}, xmax = 0 AS created
"""  # noqa: S608 - columns of our own
)


async def suppress(db: AsyncConnection, asked: Iterable[NewSuppression]) -> dict[SuppressionKey, bool]:
    """Make these rows stand. What holds longer than it did is changed; nothing is ever shortened.

    Returns the keys of what changed, and whether each is a new row. Of equal keys the one that holds longest is taken.
    """
    rows: dict[SuppressionKey, NewSuppression] = {}
    for each in asked:
        standing = rows.get(each.key)
        if standing is None or _outlasts(each, standing):
            rows[each.key] = each
    if not rows:
        return {}
    columns = {name: list(map(attrgetter(name), rows.values())) for name in _COLUMNS}
    return {
        (tenant, channel, address_hash, category, cause, spares): created
        for tenant, channel, address_hash, category, cause, spares, created in await db.execute(
            _SUPPRESS, columns
        )
    }


def _outlasts(one: NewSuppression, other: NewSuppression) -> bool:
    return other.until is not None and (one.until is None or one.until > other.until)


async def holders(
    db: AsyncConnection, tenant: str, kind: AddressKind, addresses: Collection[str]
) -> set[str]:
    """The ids of all recipients of the tenant who have one of these addresses, in whatever case it is written."""
    if not addresses or kind.held_by_tenant:
        return set()
    asked = func.unnest(cast(list(addresses), ARRAY(Text))).column_valued("address")
    if kind.itself:
        query = select(recipients.c.id).where(
            recipients.c.tenant == tenant, recipients.c.id.in_(select(asked))
        )
    elif kind.field == devices.name:
        query = select(devices.c.recipient).where(
            devices.c.tenant == tenant, devices.c.token.in_(select(asked))
        )
    elif kind.many:
        # As texts: lists of lists would become an array of two dimensions.
        entries = [encode([{kind.entry_field: address}]).decode() for address in addresses]
        query = select(recipients.c.id).where(
            recipients.c.tenant == tenant,
            recipients.c[kind.field].contains(any_(cast(cast(entries, ARRAY(Text)), ARRAY(JSONB)))),
        )
    else:
        address = func.lower(recipients.c[kind.field])
        query = select(recipients.c.id).where(
            recipients.c.tenant == tenant, address.in_(select(func.lower(asked)))
        )
    return set((await db.execute(query)).scalars())


async def addresses_of(
    db: AsyncConnection, kind: AddressKind, owners: Sequence[tuple[str, str]]
) -> Mapping[tuple[str, str], str]:
    """The address of this kind that each of these recipients (tenant, id) has now; those who have none are left out."""
    if kind.many or not owners:
        return {}
    tenants, ids = zip(*owners, strict=True)
    asked = (
        func.unnest(cast(list(tenants), ARRAY(Text)), cast(list(ids), ARRAY(Text)))
        .table_valued("tenant", "id")
        .render_derived()
    )
    address = recipients.c[kind.field]
    query = (
        select(recipients.c.tenant, recipients.c.id, address)
        .join(asked, (recipients.c.tenant == asked.c.tenant) & (recipients.c.id == asked.c.id))
        .where(address.is_not(None))
    )
    return {(tenant, recipient): held for tenant, recipient, held in await db.execute(query)}


# Rows are locked in the order in which they are added: a removal and whoever suppresses the same address wait for each other, and never deadlock.
_REMOVE: Final = text(
    f"""
WITH named AS MATERIALIZED (
    SELECT {_KEY} FROM directory.suppressions
    WHERE tenant = :tenant AND channel = :channel AND address_hash = ANY (CAST(:hashes AS text[]))
      AND category = coalesce(CAST(:category AS text), category) AND cause = coalesce(CAST(:cause AS text), cause)
      AND spares_required = coalesce(CAST(:spares_required AS boolean), spares_required)
    ORDER BY {_KEY} FOR UPDATE
), gone AS (
    DELETE FROM directory.suppressions WHERE ({_KEY}) IN (SELECT {_KEY} FROM named) RETURNING *
)
INSERT INTO directory.suppression_removals
    (tenant, key_id, reason, channel, address_hash, category, cause, spares_required, source, code, notification_id, until, suppressed_at)
SELECT tenant, CAST(:key_id AS text), CAST(:reason AS text), channel, address_hash, category, cause, spares_required, source, code, notification_id,
       until, created_at
FROM gone ORDER BY {_KEY}
RETURNING id
"""  # noqa: S608 - columns of our own
)


async def remove(
    db: AsyncConnection,
    *,
    tenant: str,
    channel: str,
    hashes: Sequence[str],
    key_id: str,
    reason: str,
    category: str | None = None,
    cause: str | None = None,
    spares_required: bool | None = None,
) -> int:
    """Take away what is stored of the address, all of it or only what is named, and record it; how many rows it were. The category `ANY` names
    what holds for all categories.

    Its soft bounces are forgotten, too: else the next one would suppress it again.
    """
    gone = await db.execute(
        _REMOVE,
        {
            "tenant": tenant,
            "channel": channel,
            "hashes": list(hashes),
            "category": category,
            "cause": cause,
            "spares_required": spares_required,
            "key_id": key_id,
            "reason": reason,
        },
    )
    count = len(gone.all())
    if count:
        await forget_soft_bounces(db, tenant, channel, hashes)
    return count
