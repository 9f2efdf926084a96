"""Records as they are read and written: bytes in, bytes out, with the place they stand at."""

from typing import Any, NamedTuple

import msgspec

Headers = tuple[tuple[str, bytes], ...]

# A record batch's header, and what one record adds to its key, value and headers at most.
BATCH_OVERHEAD = 61
RECORD_OVERHEAD = 21
HEADER_OVERHEAD = 10


class TopicPartition(NamedTuple):
    """One partition of one topic. Equal to, and hashed like, the plain pair."""

    topic: str
    partition: int


class ConsumerRecord(msgspec.Struct, frozen=True, gc=False):
    """One record read from Kafka. ``timestamp_ms`` is the broker's (log append time, epoch milliseconds)."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()

    @property
    def ref(self) -> str:
        """``topic/partition/offset``: what `cause` and `origin` hold."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def size(self) -> int:
        """Bytes of key, value and headers: what a bound on memory counts."""
        size = len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            size += len(name) + len(value)
        return size


class ProducerRecord(msgspec.Struct, frozen=True, gc=False):
    """One record to write. Without a partition it goes where murmur2 of the key says, as in the Java client."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    partition: int | None = None

    @property
    def size(self) -> int:
        """The most bytes this record can take on the wire, alone in a batch: what topics limit."""
        size = BATCH_OVERHEAD + RECORD_OVERHEAD + len(self.key or b"") + len(self.value or b"")
        for name, value in self.headers:
            size += HEADER_OVERHEAD + (len(name) if name.isascii() else len(name.encode())) + len(value)
        return size


class RecordMetadata(msgspec.Struct, frozen=True, gc=False):
    """Where a record stands, as acknowledged by all in-sync replicas.

    ``offset`` is -1 only when the broker confirmed a repeated batch whose place it has forgotten.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int

    @property
    def ref(self) -> str:
        """``topic/partition/offset``."""
        return f"{self.topic}/{self.partition}/{self.offset}"


def from_consumer(record: Any) -> ConsumerRecord:
    """An aiokafka ConsumerRecord in our words; an absent header value reads as empty."""
    headers = record.headers
    return ConsumerRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        tuple((name, value or b"") for name, value in headers) if headers else (),
    )
