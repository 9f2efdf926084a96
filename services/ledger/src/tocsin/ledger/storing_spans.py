"""The spans of statuses that became rows, told once they are committed. Those of one batch share a span, below which the COPY stands."""

from collections.abc import Iterable, Sequence
from typing import Final

from tocsin.kafka import ConsumerRecord, RecordMetadata
from tocsin.ledger.tables import STATUSES, Row
from tocsin.observability import admitted, recording
from tocsin.observability.messaging import MOST_LINKS, begin_processing, begin_processing_batch
from tocsin.observability.tracing import Attributes

_COLUMNS: Final = {name: number for number, name in enumerate(STATUSES.columns)}
_PARTITION, _OFFSET = _COLUMNS["kafka_partition"], _COLUMNS["kafka_offset"]
_TRACEPARENT, _NOTIFICATION = _COLUMNS["traceparent"], _COLUMNS["notification_id"]
_COPY: Final = {"db.operation.name": "COPY", "db.collection.name": "ledger.statuses"}


def tell_spans(
    records: Sequence[ConsumerRecord],
    rows: Iterable[Row],
    *,
    group: str,
    server: Attributes,
    seconds: float,
    copying: float,
) -> None:
    """The batch took so many seconds; copying its rows and committing them took the last `copying` of them. A decision with several rows is
    one record."""
    asked = {(row[_PARTITION], row[_OFFSET]): row for row in rows if recording(row[_TRACEPARENT])}
    sampled = {place: row for place, row in asked.items() if recording(admitted(row[_TRACEPARENT]))}
    if not sampled:
        return
    topic = records[0].topic
    links = [row[_TRACEPARENT] for row in sampled.values()][:MOST_LINKS]
    batch = begin_processing_batch(records, links, group=group, ago=seconds)
    if batch is None:
        return
    batch.child("COPY ledger.statuses", "client", {**server, **_COPY}, ago=copying).end()
    for (partition, offset), row in sampled.items():
        notification = row[_NOTIFICATION]
        message = begin_processing(
            RecordMetadata(topic, partition, offset, 0),
            row[_TRACEPARENT],
            group=group,
            ago=seconds,
            batch=batch,
            notification_id=None if notification is None else str(notification),
        )
        if message is not None:
            message.end()
    batch.end()
