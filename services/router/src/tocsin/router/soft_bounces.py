"""Refusals for now (a full mailbox, a phone that is off): five within seven days suppress an address, for seven days."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.database import Database

MOST: Final = 5
DAYS: Final = 7
_PERIOD: Final = f"make_interval(hours => {24 * DAYS})"

AddressKey = tuple[str, str, str]
"""Tenant, channel, hash of the address."""


class SoftBounce(NamedTuple):
    """One of them."""

    tenant: str
    channel: str
    address_hash: str
    status_id: str
    at: datetime


# Each is looked at together with those of the seven days before it, so that it does not matter in which order they are read.
_COUNT: Final = text(
    f"""
WITH asked AS (
    SELECT tenant, channel, address_hash, status_id, least(at, now()) AS at FROM unnest(
        CAST(:tenant AS text[]), CAST(:channel AS text[]), CAST(:address_hash AS text[]), CAST(:status_id AS text[]),
        CAST(:at AS timestamptz[])
    ) AS asked(tenant, channel, address_hash, status_id, at)
), kept AS (
    INSERT INTO directory.soft_bounces (tenant, channel, address_hash, status_id, at)
    SELECT * FROM asked ORDER BY tenant, channel, address_hash, status_id ON CONFLICT DO NOTHING
    RETURNING tenant, channel, address_hash, status_id, at
), known AS (
    SELECT tenant, channel, address_hash, status_id, at FROM directory.soft_bounces
    WHERE (tenant, channel, address_hash) IN (SELECT tenant, channel, address_hash FROM asked)
    UNION SELECT * FROM kept
), counted AS (
    SELECT tenant, channel, address_hash, at, count(*) OVER (
        PARTITION BY tenant, channel, address_hash ORDER BY at RANGE BETWEEN {_PERIOD} PRECEDING AND CURRENT ROW
    ) AS within FROM known
)
SELECT tenant, channel, address_hash, max(at) AS last FROM counted WHERE within >= {MOST}
GROUP BY tenant, channel, address_hash HAVING max(at) > now() - {_PERIOD}
"""  # noqa: S608 - numbers of our own
)
_FORGET: Final = text(
    "DELETE FROM directory.soft_bounces "
    "WHERE tenant = :tenant AND channel = :channel AND address_hash = ANY (CAST(:hashes AS text[]))"
)
_EXPIRED: Final = f"""
DELETE FROM directory.soft_bounces WHERE (tenant, channel, address_hash, status_id) IN (
    SELECT tenant, channel, address_hash, status_id FROM directory.soft_bounces
    WHERE at < now() - 2 * {_PERIOD} ORDER BY at LIMIT $1 FOR UPDATE SKIP LOCKED
)
"""  # noqa: S608 - a number of our own


async def count_soft_bounces(
    db: AsyncConnection, bounces: Iterable[SoftBounce]
) -> dict[AddressKey, datetime]:
    """Keep them, each once however often it comes. Returns the addresses that have had too many and are to be spared yet, and the time of the
    last one of those too many. A time to come counts as now."""
    rows = {each[:4]: each for each in bounces}
    if not rows:
        return {}
    columns = {name: list(map(attrgetter(name), rows.values())) for name in SoftBounce._fields}
    return {
        (tenant, channel, address_hash): last
        for tenant, channel, address_hash, last in await db.execute(_COUNT, columns)
    }


async def forget_soft_bounces(db: AsyncConnection, tenant: str, channel: str, hashes: Sequence[str]) -> None:
    """The address begins anew."""
    await db.execute(_FORGET, {"tenant": tenant, "channel": channel, "hashes": list(hashes)})


class SoftBounces:
    """The table, for whoever sweeps it."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def delete_expired(self, *, at_most: int) -> int:
        """Delete some that count no more, not even with one that comes seven days late; how many it were."""
        async with self._database.driver() as connection:
            answer: Any = await connection.execute(_EXPIRED, at_most)
        return int(str(answer).rpartition(" ")[2])
