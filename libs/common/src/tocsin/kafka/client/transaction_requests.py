"""Requests of Kafka's transaction protocol as of Kafka 4.0 (KIP-890), which aiokafka does not speak.

The first record or offset of a partition adds it to the transaction, and each transaction has an epoch of its own. The layouts
are those of Kafka's message definitions: https://kafka.apache.org/protocol
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from struct import pack
from typing import Final, Generic, NamedTuple, TypeVar

from aiokafka.protocol.api import RequestHeader_v2, ResponseHeader_v0, ResponseHeader_v1

from tocsin.kafka.client.commits import CommittedOffset
from tocsin.kafka.client.wire import NO_TAGS, Reader, compact_string, structure, uvarint
from tocsin.kafka.records import TopicPartition

Answer = TypeVar("Answer")
Value = TypeVar("Value")

PRODUCE, API_VERSIONS, INIT_PRODUCER_ID, END_TXN, TXN_OFFSET_COMMIT = 0, 18, 22, 26, 28
ALL_IN_SYNC_REPLICAS: Final = -1
FINALIZED_FEATURES: Final = 2
"""The tag of the answer to ApiVersions that says which features the whole cluster has."""


class ProducerEpoch(NamedTuple):
    """Who writes: every batch, offset and end of a transaction bears it, and the broker refuses any but the newest."""

    producer_id: int
    epoch: int


Codes = dict[TopicPartition, int]
"""Kafka's error code of each partition; 0 is success."""


@dataclass(frozen=True, slots=True)
class WireRequest(Generic[Answer]):
    """A request in its final version, as a connection of aiokafka takes it: both the request and the reader of its answer."""

    API_KEY: int
    API_VERSION: int
    body: bytes
    read: Callable[[Reader], Answer]

    @property
    def RESPONSE_TYPE(self) -> "WireRequest[Answer]":  # noqa: N802 -- aiokafka's name
        """What reads the answer."""
        return self

    def prepare(self, _versions: Mapping[int, tuple[int, int]]) -> "WireRequest[Answer]":
        """The version was chosen before."""
        return self

    def build_request_header(self, correlation_id: int, client_id: str) -> RequestHeader_v2:
        """Goes before the body."""
        return RequestHeader_v2(self, correlation_id=correlation_id, client_id=client_id)

    def encode(self) -> bytes:
        """The body."""
        return self.body

    def parse_response_header(self, buffer: BytesIO) -> ResponseHeader_v0 | ResponseHeader_v1:
        """The header of an answer about versions is of the first kind for ever."""
        header = ResponseHeader_v0 if self.API_KEY == API_VERSIONS else ResponseHeader_v1
        return header.decode(buffer)

    def decode(self, buffer: BytesIO) -> Answer:
        """The answer behind its header."""
        return self.read(Reader(buffer.read()))


def cluster_features() -> WireRequest[dict[str, int]]:
    """Asks for the level of each feature that the whole cluster has."""
    return WireRequest(API_VERSIONS, 3, structure(compact_string("tocsin"), compact_string("1")), _features)


def init_producer(transactional_id: str, *, timeout_ms: int) -> WireRequest[tuple[int, ProducerEpoch]]:
    """Fences whoever used the id before, and ends their transaction. The answer: an error code and the new epoch."""
    body = structure(compact_string(transactional_id), pack(">iqh", timeout_ms, -1, -1))
    return WireRequest(INIT_PRODUCER_ID, 4, body, _code_and_epoch)


def produce(
    transactional_id: str, batches: Mapping[TopicPartition, bytes], *, timeout_ms: int
) -> WireRequest[Codes]:
    """One batch for each partition."""
    pieces = _by_topic(
        batches, lambda number, batch: (pack(">i", number), uvarint(len(batch) + 1), batch, NO_TAGS)
    )
    head = compact_string(transactional_id) + pack(">hi", ALL_IN_SYNC_REPLICAS, timeout_ms)
    return WireRequest(PRODUCE, 12, structure(head, *pieces), _produced)


def commit_offsets(
    transactional_id: str,
    group: str,
    writer: ProducerEpoch,
    offsets: Mapping[TopicPartition, CommittedOffset],
) -> WireRequest[Codes]:
    """Offsets of the group, as part of the transaction."""
    pieces = _by_topic(
        offsets,
        lambda number, at: (pack(">iqi", number, at.offset, -1), compact_string(at.metadata), NO_TAGS),
    )
    no_member = pack(">i", -1) + compact_string("") + NO_TAGS
    head = compact_string(transactional_id) + compact_string(group) + pack(">qh", *writer) + no_member
    return WireRequest(TXN_OFFSET_COMMIT, 5, structure(head, *pieces), _offsets_committed)


def commit_transaction(
    transactional_id: str, writer: ProducerEpoch
) -> WireRequest[tuple[int, ProducerEpoch]]:
    """Commits. The answer: an error code and the epoch of the next transaction."""
    body = structure(compact_string(transactional_id), pack(">qh?", *writer, True))
    return WireRequest(END_TXN, 5, body, _code_and_epoch)


def _by_topic(
    partitions: Mapping[TopicPartition, Value], encode: Callable[[int, Value], Iterable[bytes]]
) -> Iterator[bytes]:
    """The partitions of each topic, in pieces: joined once, megabytes of records are copied once."""
    topics: dict[str, list[tuple[int, Value]]] = {}
    for partition, value in partitions.items():
        topics.setdefault(partition.topic, []).append((partition.partition, value))
    yield uvarint(len(topics) + 1)
    for topic, values in topics.items():
        yield compact_string(topic)
        yield uvarint(len(values) + 1)
        for number, value in values:
            yield from encode(number, value)
        yield NO_TAGS


def _features(answer: Reader) -> dict[str, int]:
    answer.numbers("h")
    for _ in answer.items():
        answer.numbers("hhh")
        answer.tags()
    answer.numbers("i")
    finalized = answer.tags().get(FINALIZED_FEATURES)
    levels: dict[str, int] = {}
    if finalized is not None:
        features = Reader(finalized)
        for _ in features.items():
            name = features.string()
            levels[name], _lowest = features.numbers("hh")
            features.tags()
    return levels


def _code_and_epoch(answer: Reader) -> tuple[int, ProducerEpoch]:
    _throttled, code, producer_id, epoch = answer.numbers("ihqh")
    return code, ProducerEpoch(producer_id, epoch)


def _produced(answer: Reader) -> Codes:
    codes: Codes = {}
    for _ in answer.items():
        topic = answer.string()
        for _ in answer.items():
            number, code, *_where = answer.numbers("ihqqq")
            codes[TopicPartition(topic, number)] = code
            for _ in answer.items():
                _skip_record_error(answer)
            answer.string()
            answer.tags()
        answer.tags()
    return codes


def _skip_record_error(answer: Reader) -> None:
    answer.numbers("i")
    answer.string()
    answer.tags()


def _offsets_committed(answer: Reader) -> Codes:
    codes: Codes = {}
    answer.numbers("i")
    for _ in answer.items():
        topic = answer.string()
        for _ in answer.items():
            number, code = answer.numbers("ih")
            codes[TopicPartition(topic, number)] = code
            answer.tags()
        answer.tags()
    return codes
