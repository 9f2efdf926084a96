"""Statuses of what recipients do: each is a row of the transaction that changed the item, and is told to `status.<lane>` behind it.

A process that is killed loses nothing, for the row stands; it may tell a status again, and that falls together with the first: its id is
computed from the item and the status.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import Receipt, status_of_receipt
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane, StatusName
from tocsin.database import Database
from tocsin.database.reach import AWAY
from tocsin.dispatch_inapp.moved_boxes import moved
from tocsin.dispatch_inapp.new_item import AboutDelivery
from tocsin.kafka import KafkaFault, ProducerRecord, Publisher
from tocsin.observability import get_logger, metrics
from tocsin.runtime import Clock
from tocsin.runtime.tasks import first_of

log = get_logger(__name__)

AT_ONCE: Final = 500
LOOK_SECONDS: Final = 1.0
"""So often it is looked for what another process has left; what this one changes wakes it at once."""
PUBLISH_SECONDS: Final = 5.0

_TAKE: Final = """
SELECT id, tenant, recipient, item, status, at, category, about FROM inbox.changes ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_TOLD: Final = "DELETE FROM inbox.changes WHERE id = ANY($1::bigint[])"
_OLDEST: Final = "SELECT min(at) FROM inbox.changes"
_about: Final = msgspec.json.Decoder(AboutDelivery).decode


class TellingChanges:
    """A component's `run`. Processes share the rows: each takes what no other has in hand."""

    def __init__(self, *, database: Database, publisher: Publisher, topics: Topics, clock: Clock) -> None:
        self._database = database
        self._publisher = publisher
        self._topics = topics
        self._clock = clock
        self._changed = asyncio.Event()

    def wake(self) -> None:
        """A change was committed."""
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Until stopped. While PostgreSQL or Kafka is away the rows wait."""
        while not stop.is_set():
            self._changed.clear()
            try:
                while await self.tell() == AT_ONCE:
                    pass
                await self._show_oldest()
            except (*AWAY, KafkaFault) as error:
                log.warning("what recipients did is told later", reason=type(error).__name__)
                await first_of(stop.wait(), seconds=LOOK_SECONDS)
            await first_of(stop.wait(), self._changed.wait(), seconds=LOOK_SECONDS)

    async def tell(self) -> int:
        """Tell of some of the rows, and delete them once Kafka has acknowledged; how many it were."""
        async with self._database.driver("DELETE inbox.changes") as connection, connection.transaction():
            rows: Sequence[Mapping[str, Any]] = await connection.fetch(_TAKE, AT_ONCE)
            if not rows:
                return 0
            boxes: dict[tuple[str, str], list[str]] = defaultdict(list)
            for row in rows:
                boxes[row["tenant"], row["recipient"]].append(str(row["item"]))
            records = [self._record(row) for row in rows] + moved(self._topics, boxes)
            await self._publisher.publish(records, timeout=PUBLISH_SECONDS)
            await connection.execute(_TOLD, [row["id"] for row in rows])
        for row in rows:
            provider = _about(row["about"]).provider
            metrics.receipts.labels(Channel.INAPP, provider, row["status"]).inc()
        return len(rows)

    async def _show_oldest(self) -> None:
        async with self._database.driver("SELECT inbox.changes") as connection:
            oldest = await connection.fetchval(_OLDEST)
        waits = 0.0 if oldest is None else (self._clock.now() - oldest).total_seconds()
        metrics.inbox_oldest_change_seconds.set(max(0.0, waits))

    def _record(self, row: Mapping[str, Any]) -> ProducerRecord:
        about, status, item = _about(row["about"]), StatusName(row["status"]), str(row["item"])
        record = status_of_receipt(
            status,
            Receipt(id=f"{item}/{status}", at=row["at"]),
            delivery_id=item,
            lane=Lane(about.lane),
            at=self._clock.now(),
            tenant=row["tenant"],
            event_source=about.event_source,
            event_id=about.event_id,
            notification_id=about.notification_id,
            recipient=row["recipient"],
            workflow=about.workflow,
            category=row["category"],
            channel=Channel.INAPP,
            step=about.step,
            address_key=about.address_key,
            address_hash=about.address_hash,
            provider=about.provider,
            origin=about.origin,
            traceparent=about.traceparent,
        )
        key = recipient_key(row["tenant"], row["recipient"])
        return ProducerRecord(self._topics.status(Lane(about.lane)), key, encode(record))
