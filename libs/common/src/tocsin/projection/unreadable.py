"""Records that are not what their topic says: kept whole in table `unreadable` of the service's schema, so that nothing disappears."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from tocsin.kafka import ConsumerRecord


async def keep_unreadable(
    connection: Any, *, schema: str, records: Sequence[tuple[ConsumerRecord, str]]
) -> None:
    """Keep each with the reason why it could not be read, in the connection's transaction. A record that is there stays as it is."""
    rows = [
        (record.topic, record.partition, record.offset, datetime.fromtimestamp(record.timestamp_ms / 1000, UTC), reason, record.key, record.value)
        for record, reason in records
    ]  # fmt: skip
    if rows:
        await connection.executemany(
            f"INSERT INTO {schema}.unreadable (kafka_topic, kafka_partition, kafka_offset, stored_at, reason, key, value) "  # noqa: S608 - the name of a schema of ours
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            rows,
        )
