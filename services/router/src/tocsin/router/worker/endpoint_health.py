"""Endpoints of webhooks that fail: their owners are told after one and three days, and after five they are disabled.

Whoever is told is the tenant's own choice: a notice is an event of the tenant, which its workflows may take. Rows first, then the events, in
the transaction of the statuses that brought them about; read again, a status changes nothing and has its event written again.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import RowMapping, and_, func, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.codec import encode
from tocsin.contracts.events import ENDPOINT_DISABLED, ENDPOINT_FAILING, Event
from tocsin.contracts.ids import event_key, valid_tenant
from tocsin.contracts.statuses import Status
from tocsin.contracts.subscriptions import ENDPOINTS_RECIPIENT, ENDPOINTS_SOURCE, is_about_webhook
from tocsin.contracts.topics import Topics
from tocsin.contracts.values.text import is_text
from tocsin.contracts.vocabulary import Lane, Reason, StatusName
from tocsin.database import Database
from tocsin.kafka import ProducerRecord
from tocsin.observability import get_logger, metrics
from tocsin.router.changes import note_changed
from tocsin.router.policy.endpoint_health import EndpointAnswer, EndpointHealth, Notice, health_after
from tocsin.router.policy.lessons import provider_code_of
from tocsin.router.tables import webhook_endpoints as table

log = get_logger(__name__)

FAILING: Final = "failing"
"""What the endpoint's `disabled_reason` says then."""
_ENDPOINTS_FAULT: Final = frozenset(
    {Reason.UNREACHABLE, Reason.PROVIDER_ERROR, Reason.THROTTLED, Reason.ADDRESS_INVALID}
)
"""The rest is Tocsin's own: a recheck, secrets that cannot be opened, an endpoint that is disabled."""
_NOT_TAKEN: Final = frozenset({StatusName.DEFERRED, StatusName.FAILED, StatusName.UNKNOWN})

EndpointName = tuple[str, str]
"""Tenant and key."""


class Answered(NamedTuple):
    """One answer, and whose it is."""

    endpoint: EndpointName
    answer: EndpointAnswer


def answered(status: Status, *, record: str) -> Answered | None:
    """The answer of an endpoint that the status tells of; None where it tells of none, or of a test's."""
    if (
        status.address_key is None
        or status.test
        or not (is_about_webhook(status) and _is_well_formed(status))
    ):
        return None
    endpoint = (status.tenant, status.address_key)
    if status.status == StatusName.SENT:
        return Answered(endpoint, EndpointAnswer(status.at, None, record))
    if status.status in _NOT_TAKEN and status.tries and status.reason in _ENDPOINTS_FAULT:
        error = provider_code_of(status) or status.reason or ""
        return Answered(endpoint, EndpointAnswer(status.at, error[:100], record))
    return None


def _is_well_formed(status: Status) -> bool:
    """It was read from a topic: whatever stands in it, a table has to hold it."""
    key, at = status.address_key or "", status.at
    return (
        valid_tenant(status.tenant)
        and len(key) <= 256
        and is_text(key)
        and at.tzinfo is not None
        and 1970 < at.year < 9000
    )


class EndpointsWatched:
    """Of one lane."""

    def __init__(self, *, lane: Lane, topics: Topics, database: Database) -> None:
        self._events = topics.events(lane)
        self._database = database
        self._told = metrics.processed.labels("router", lane, "endpoint_notice")
        self._disabled = metrics.processed.labels("router", lane, "endpoint_disabled")

    async def learn(self, heard: Sequence[Answered]) -> list[ProducerRecord]:
        """Keep how the endpoints stand; the events that tell their owners. One query where all of them answer well."""
        answers: dict[EndpointName, list[EndpointAnswer]] = defaultdict(list)
        for endpoint, answer in heard:
            answers[endpoint].append(answer)
        notices: list[ProducerRecord] = []
        async with self._database.engine.begin() as db:
            for row in await _rows_that_matter(db, answers):
                notice = await _learnt(db, row, answers[row["tenant"], row["key"]])
                if notice is not None:
                    self._count(row, notice)
                    notices.append(self._event(row, notice))
        return notices

    def _count(self, row: RowMapping, notice: Notice) -> None:
        self._told.inc()
        if notice.disables:
            self._disabled.inc()
        line = "webhook endpoint fails and was disabled" if notice.disables else "webhook endpoint fails"
        since = notice.failing_since.isoformat()
        log.warning(line, tenant=row["tenant"], endpoint=row["key"], failing_since=since, error=notice.error)

    def _event(self, row: RowMapping, notice: Notice) -> ProducerRecord:
        since = notice.failing_since
        data = {
            "endpoint": row["key"],
            "name": row["name"],
            "failing_since": since,
            "days": (notice.at - since).days,
            "last_error": notice.error,
            "disabled": notice.disables,
        }
        event = Event(
            tenant=row["tenant"],
            source=ENDPOINTS_SOURCE,
            id=f"{row['key']}/{int(since.timestamp() * 1000)}/{notice.step}",
            type=ENDPOINT_DISABLED if notice.disables else ENDPOINT_FAILING,
            subject=ENDPOINTS_RECIPIENT,
            time=notice.at,
            data=msgspec.Raw(encode(data)),
        )
        headers, value = write_kafka(event)
        return ProducerRecord(self._events, event_key(event.tenant, event.id), value, tuple(headers))


async def _rows_that_matter(
    db: AsyncConnection, answers: Mapping[EndpointName, Sequence[EndpointAnswer]]
) -> Sequence[RowMapping]:
    """Those that have failed now or before, locked in one order."""
    failed = [name for name, given in answers.items() if any(answer.error for answer in given)]
    named = tuple_(table.c.tenant, table.c.key)
    matters = or_(table.c.failing_since.is_not(None), named.in_(failed))
    query = (
        select(table)
        .where(and_(named.in_(list(answers)), matters))
        .order_by(table.c.tenant, table.c.key)
        .with_for_update()
    )
    return (await db.execute(query)).mappings().all()


async def _learnt(db: AsyncConnection, row: RowMapping, answers: Sequence[EndpointAnswer]) -> Notice | None:
    """Write what has changed. One that is disabled, or was saved since an answer, is not judged by it."""
    former = EndpointHealth(*(row[name] for name in EndpointHealth._fields))
    current = [
        answer
        for answer in answers
        if answer.record == row["told_in"] or (row["enabled"] and answer.at > row["updated_at"])
    ]
    health, notice = health_after(former, current)
    changed: dict[str, Any] = health._asdict() if health != former else {}
    disables = notice is not None and notice.disables and row["enabled"]
    if disables:
        changed |= {
            "enabled": False,
            "disabled_reason": FAILING,
            "disabled_at": func.now(),
            "revision": row["revision"] + 1,
            "updated_at": func.now(),
        }
    if changed:
        this_one = (table.c.tenant == row["tenant"], table.c.key == row["key"])
        await db.execute(update(table).where(*this_one).values(**changed))
    if disables:
        await note_changed(db, "webhook_endpoint", row["tenant"], row["key"])
    return notice
