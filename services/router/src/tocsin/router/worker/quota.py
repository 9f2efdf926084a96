"""A tenant's day: how many notifications it may send, counted in one statement a batch, and only for tenants that have a quota.

What is counted is committed before the Kafka transaction begins. The row holds, for each partition that is read, up to which offset it was
counted, so that a re-run counts nothing twice. Over the quota a notification waits for the next day (UTC). The tenant's entity in the
directory then says so, and ingest refuses what comes over HTTP.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple, Protocol

import msgspec
from sqlalchemy import update

from tocsin.database import Database
from tocsin.kafka import ConsumerRecord
from tocsin.observability import get_logger
from tocsin.router.changes import note_changed
from tocsin.router.policy import counts_for_a_limit, ends_by_time
from tocsin.router.tables import tenants
from tocsin.router.worker.batch import BatchContext
from tocsin.router.worker.cancellations import CancellationTimes
from tocsin.router.worker.dedupe import BatchItem
from tocsin.router.worker.load import StoredRecipients, decision_input
from tocsin.router.worker.parse import PendingIntent

log = get_logger(__name__)


class QuotaAsked(NamedTuple):
    """One notification that counts."""

    tenant: str
    place: str
    """Topic and partition of its record."""
    offset: int
    quota: int


class CountsQuotas(Protocol):
    """What of `Quotas` is used here."""

    async def count(self, day: date, asked: Sequence[QuotaAsked]) -> Sequence[bool]:
        """Which of them are within their quota, committed."""
        ...

    async def tell(self, day: date, tenants: Collection[str]) -> None:
        """These have reached their quota: the directory says so from now on."""
        ...


async def over_quota(
    items: Iterable[tuple[ConsumerRecord, BatchItem]],
    quotas: CountsQuotas,
    stored: StoredRecipients,
    kept: CancellationTimes,
    context: BatchContext,
    *,
    kept_out: Collection[str],
) -> Collection[str]:
    """The notifications of the batch that wait for the next day. What the sandbox takes, or another rule ends, is not counted."""
    asked: list[QuotaAsked] = []
    notifications: list[str] = []
    for record, item in items:
        quota = _quota_of(item, context)
        if quota is None or not isinstance(item, PendingIntent):
            continue
        if item.intent.notification_id in kept_out or ends_by_time(
            decision_input(item, stored, kept, context)
        ):
            continue
        place = f"{record.topic}/{record.partition}"
        asked.append(QuotaAsked(item.intent.tenant, place, record.offset, quota))
        notifications.append(item.intent.notification_id)
    if not asked:
        return ()
    day = context.now.date()
    within = await quotas.count(day, asked)
    over = {request.tenant for request, fits in zip(asked, within, strict=True) if not fits}
    unknown = [name for name in over if context.directory.quota_reached_on(name) != day]
    if unknown:
        await quotas.tell(day, unknown)
    return {name for name, fits in zip(notifications, within, strict=True) if not fits}


def next_day(now: datetime) -> datetime:
    """When the next day begins, UTC."""
    return datetime.combine(now.date() + timedelta(days=1), time(), UTC)


def _quota_of(item: BatchItem, context: BatchContext) -> int | None:
    if (
        not isinstance(item, PendingIntent)
        or item.intent.test
        or not counts_for_a_limit(item.intent, item.again)
    ):
        return None
    tenant = context.directory.tenant(item.intent.tenant)
    limits = tenant.limits if tenant else None
    return limits.messages_per_day if limits else None


# `places`: by topic and partition [counted up to this offset, let in up to this offset]. Within a day whoever is over stays over, so that
# the second number says of every record that was counted whether it was let in.
_COUNT: Final = """
WITH asked AS (
    SELECT * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[]) WITH ORDINALITY AS a(tenant, place, at_offset, most, number)
), held AS (
    SELECT tenant, used, places FROM directory.quota_days
    WHERE day = $1 AND tenant IN (SELECT tenant FROM asked) ORDER BY tenant FOR UPDATE
), fresh AS (
    SELECT a.tenant, a.place, a.at_offset, held.used + row_number() OVER (PARTITION BY a.tenant ORDER BY a.number) <= a.most AS let_in
    FROM asked a JOIN held ON held.tenant = a.tenant WHERE a.at_offset >= coalesce((held.places -> a.place ->> 0)::bigint, 0)
), moved AS (
    SELECT tenant, place, max(at_offset) + 1 AS counted, max(at_offset) FILTER (WHERE let_in) + 1 AS let, count(*) FILTER (WHERE let_in) AS number
    FROM fresh GROUP BY tenant, place
), summed AS (
    SELECT moved.tenant, sum(moved.number)::bigint AS number, jsonb_object_agg(
        moved.place, jsonb_build_array(moved.counted, coalesce(moved.let, (held.places -> moved.place ->> 1)::bigint, 0))) AS places
    FROM moved JOIN held ON held.tenant = moved.tenant GROUP BY moved.tenant
), updated AS (
    UPDATE directory.quota_days q SET used = q.used + summed.number, places = q.places || summed.places
    FROM summed WHERE q.day = $1 AND q.tenant = summed.tenant RETURNING q.tenant, q.places
)
SELECT held.tenant, coalesce(updated.places, held.places)::text AS places FROM held LEFT JOIN updated ON updated.tenant = held.tenant
"""
_BEGIN: Final = """
INSERT INTO directory.quota_days (tenant, day) SELECT tenant, $1 FROM unnest($2::text[]) AS asked(tenant) ORDER BY tenant ON CONFLICT DO NOTHING
"""
_EXPIRED: Final = "DELETE FROM directory.quota_days WHERE ctid IN (SELECT ctid FROM directory.quota_days WHERE day < current_date - 2 LIMIT $1)"
_places = msgspec.json.Decoder(dict[str, tuple[int, int]]).decode


class Quotas:
    """Of one database."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def count(self, day: date, asked: Sequence[QuotaAsked]) -> Sequence[bool]:
        """Which of them are within their quota, committed."""
        names = {request.tenant for request in asked}
        columns = [list(column) for column in zip(*asked, strict=True)]
        async with self._database.driver("UPDATE directory.quota_days") as connection:
            rows = await connection.fetch(_COUNT, day, *columns)
            if len(rows) < len(names):  # the first of the day
                await connection.execute(_BEGIN, day, sorted(names))
                rows = await connection.fetch(_COUNT, day, *columns)
        let_in = {row["tenant"]: _places(row["places"]) for row in rows}
        return [request.offset < let_in[request.tenant][request.place][1] for request in asked]

    async def tell(self, day: date, tenants_over: Collection[str]) -> None:
        """These have reached their quota: the directory says so from now on."""
        for tenant in sorted(tenants_over):
            async with self._database.engine.begin() as db:
                here = (tenants.c.id == tenant, tenants.c.quota_reached_on.is_distinct_from(day))
                told = await db.execute(update(tenants).where(*here).values(quota_reached_on=day))
                if told.rowcount:
                    await note_changed(db, "tenant", tenant)
                    log.warning("quota of the day is reached", tenant=tenant, day=day.isoformat())

    async def delete_expired(self, *, at_most: int) -> int:
        """Delete some rows of days that are over; how many it were."""
        async with self._database.driver() as connection:
            answer = await connection.execute(_EXPIRED, at_most)
        return int(str(answer).rpartition(" ")[2])
