"""Kafka, as Tocsin uses it: the only package that imports aiokafka.

Writing: `Publisher` (plain, idempotent) and the transactions of a `Slot`. Reading: `ExactlyOnce` and
`SlotGroup` (owned partitions), `Projection` (into a database), `Replica` and `read_to_end` (everybody reads). Topics: `Admin`.
"""

from tocsin.kafka.admin import Admin
from tocsin.kafka.errors import (
    DrainTooSlow,
    GroupAtWork,
    KafkaFault,
    LeaseLost,
    NoProgress,
    NotReadToEnd,
    NotStored,
    OffsetMissing,
    Overloaded,
    OwnershipLost,
    PartitionsUnequal,
    PlanRefused,
    ProducerBroken,
    RecordTooLarge,
    TopicFault,
    TransactionFailed,
)
from tocsin.kafka.exactly_once import ExactlyOnce, Part
from tocsin.kafka.failpoints import NO_FAILPOINTS, Failpoints
from tocsin.kafka.fetching import Fetching
from tocsin.kafka.offsets import Offsets, Position, read_back_metadata, read_back_position
from tocsin.kafka.packing import Limits
from tocsin.kafka.partitioner import murmur2, partition_for
from tocsin.kafka.projection import Projection
from tocsin.kafka.projection_store import Chunk, ConsumptionStopped, ProjectionStore
from tocsin.kafka.publisher import Publisher
from tocsin.kafka.read_to_end import read_to_end
from tocsin.kafka.records import Headers, Outgoing, Record, Stored, TopicPartition
from tocsin.kafka.replica import Replica
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.slot import Batch, Slot
from tocsin.kafka.slot_group import SlotGroup
from tocsin.kafka.slots import slot_of, transactional_id
from tocsin.kafka.timings import CRITICAL, OTHERS, GroupTimings, timings_for
from tocsin.kafka.topic_plan import GroupSpec, Plan, StartOffset, TopicChange, TopicSpec
from tocsin.kafka.transactions import TransactionalProducer
from tocsin.kafka.waiting import wait_for_topics

__all__ = [
    "CRITICAL",
    "NO_FAILPOINTS",
    "OTHERS",
    "Admin",
    "Batch",
    "Chunk",
    "ConsumptionStopped",
    "DrainTooSlow",
    "ExactlyOnce",
    "Failpoints",
    "Fetching",
    "GroupAtWork",
    "GroupSpec",
    "GroupTimings",
    "Headers",
    "KafkaFault",
    "KafkaSettings",
    "LeaseLost",
    "Limits",
    "NoProgress",
    "NotReadToEnd",
    "NotStored",
    "OffsetMissing",
    "Offsets",
    "Outgoing",
    "Overloaded",
    "OwnershipLost",
    "Part",
    "PartitionsUnequal",
    "Plan",
    "PlanRefused",
    "Position",
    "ProducerBroken",
    "Projection",
    "ProjectionStore",
    "Publisher",
    "Record",
    "RecordTooLarge",
    "Replica",
    "Slot",
    "SlotGroup",
    "StartOffset",
    "Stored",
    "TopicChange",
    "TopicFault",
    "TopicPartition",
    "TopicSpec",
    "TransactionFailed",
    "TransactionalProducer",
    "murmur2",
    "partition_for",
    "read_back_metadata",
    "read_back_position",
    "read_to_end",
    "slot_of",
    "timings_for",
    "transactional_id",
    "wait_for_topics",
]
