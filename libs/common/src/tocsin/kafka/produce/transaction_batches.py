"""Batches of records as a transaction writes them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from tocsin.kafka.client.transaction_requests import ProducerEpoch
from tocsin.kafka.produce.packing import BATCH_BYTES, Packed
from tocsin.kafka.records import TopicPartition

NOT_COMPRESSED: Final = 0


class TransactionBatch:
    """A batch that becomes bytes once it is known under which epoch and number it is written."""

    def __init__(self) -> None:
        self._records = 0
        self._builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=NOT_COMPRESSED,
            is_transactional=1,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=-1,
            batch_size=BATCH_BYTES,
        )

    def append(
        self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Sequence[Any]
    ) -> Any:
        """None, and the record is dropped, when the batch is full."""
        added = self._builder.append(self._records, timestamp, key, value, headers)
        self._records += added is not None
        return added

    def close(self) -> None:
        """Nothing is appended any more."""

    def encode(self, writer: ProducerEpoch, sequence: int) -> bytes:
        """The batch, to be asked for once."""
        self._builder.set_producer_state(*writer, sequence)
        return bytes(self._builder.build())


def turns(batches: Sequence[Packed[TransactionBatch]]) -> Iterator[list[Packed[TransactionBatch]]]:
    """The batches in their order, as rows in which each partition has one at most."""
    row: dict[TopicPartition, Packed[TransactionBatch]] = {}
    for batch in batches:
        if batch.partition in row:
            yield list(row.values())
            row = {}
        row[batch.partition] = batch
    if row:
        yield list(row.values())
