"""Kafka, as Tocsin uses it: the only package that imports aiokafka.

| room | what is in it |
|---|---|
| `consume` | the life of a consumer (`ConsumerGroup`), what makes it an owner (`Fenced`, `Plain`, `StoredPositions`, `FencedStored`), two workers (`ExactlyOnce`, `Projection`) |
| `produce` | `Publisher` (plain, idempotent) and transactions |
| `tables` | `Replica` and `read_to_end`: topics that everybody reads whole; `CopyAge`: as of when a copy is; `RecordReader`: single records by their place |
| `topics` | `Admin`: topics, their settings, and the start offsets of groups |
| `client` | connecting, what is used of aiokafka beyond its public names, and questions about offsets |
| `lag` | what groups and producers show on /metrics |
| `group_witness` | what groups leave unread, seen from outside |
"""

from tocsin.kafka.client.commits import (
    CommittedOffset,
    commits_unreadable,
    read_back_metadata,
    read_back_position,
)
from tocsin.kafka.client.offsets import Offsets, wait_for_topics
from tocsin.kafka.consume.cluster import Cluster, KafkaCluster
from tocsin.kafka.consume.consumer_group import ConsumerGroup
from tocsin.kafka.consume.exactly_once import ExactlyOnce, Part
from tocsin.kafka.consume.invalid_records import InvalidRecordLimit
from tocsin.kafka.consume.member import Fetching
from tocsin.kafka.consume.ownership import Fenced, FencedStored, Plain, StoredPositions
from tocsin.kafka.consume.projection import PartitionBatch, Projection, ProjectionStore, ShardRows
from tocsin.kafka.consume.shard import Batch, FencedShard, FencedStoredShard, Shard
from tocsin.kafka.errors import (
    CommitsUnreadable,
    ConsumptionStopped,
    DrainTooSlow,
    GroupAtWork,
    KafkaFault,
    LeaseLost,
    NewerOwner,
    NoProgress,
    NotReadToEnd,
    NotStored,
    OffsetMissing,
    OffsetsNotKept,
    OffsetsUnusable,
    Overloaded,
    OwnershipLost,
    PartitionsUnequal,
    PlanRefused,
    ProducerBroken,
    RecordTooLarge,
    ReplicaUnreadable,
    TopicFault,
    TransactionFailed,
)
from tocsin.kafka.group_witness import GroupView, GroupWitness, Unread
from tocsin.kafka.produce.packing import Limits
from tocsin.kafka.produce.partitioner import partition_for
from tocsin.kafka.produce.publisher import Publisher
from tocsin.kafka.produce.transactional_producer import TransactionalProducer
from tocsin.kafka.records import ConsumerRecord, Headers, ProducerRecord, RecordMetadata, TopicPartition
from tocsin.kafka.settings import KafkaSettings
from tocsin.kafka.tables.cancellations import Cancellations
from tocsin.kafka.tables.copy_age import CatchUp, CopyAge, always_current
from tocsin.kafka.tables.log_reader import LogReader, read_to_end
from tocsin.kafka.tables.record_reader import RecordReader
from tocsin.kafka.tables.replica import Replica
from tocsin.kafka.topics.admin import Admin
from tocsin.kafka.topics.plan import GroupSpec, Loss, Plan, TopicSpec
from tocsin.runtime.bounds import CRITICAL, OTHERS, GroupTimeouts, timeouts_for

__all__ = [
    "CRITICAL",
    "OTHERS",
    "Admin",
    "Batch",
    "Cancellations",
    "CatchUp",
    "Cluster",
    "CommitsUnreadable",
    "CommittedOffset",
    "ConsumerGroup",
    "ConsumerRecord",
    "ConsumptionStopped",
    "CopyAge",
    "DrainTooSlow",
    "ExactlyOnce",
    "Fenced",
    "FencedShard",
    "FencedStored",
    "FencedStoredShard",
    "Fetching",
    "GroupAtWork",
    "GroupSpec",
    "GroupTimeouts",
    "GroupView",
    "GroupWitness",
    "Headers",
    "InvalidRecordLimit",
    "KafkaCluster",
    "KafkaFault",
    "KafkaSettings",
    "LeaseLost",
    "Limits",
    "LogReader",
    "Loss",
    "NewerOwner",
    "NoProgress",
    "NotReadToEnd",
    "NotStored",
    "OffsetMissing",
    "Offsets",
    "OffsetsNotKept",
    "OffsetsUnusable",
    "Overloaded",
    "OwnershipLost",
    "Part",
    "PartitionBatch",
    "PartitionsUnequal",
    "Plain",
    "Plan",
    "PlanRefused",
    "ProducerBroken",
    "ProducerRecord",
    "Projection",
    "ProjectionStore",
    "Publisher",
    "RecordMetadata",
    "RecordReader",
    "RecordTooLarge",
    "Replica",
    "ReplicaUnreadable",
    "Shard",
    "ShardRows",
    "StoredPositions",
    "TopicFault",
    "TopicPartition",
    "TopicSpec",
    "TransactionFailed",
    "TransactionalProducer",
    "Unread",
    "always_current",
    "commits_unreadable",
    "partition_for",
    "read_back_metadata",
    "read_back_position",
    "read_to_end",
    "timeouts_for",
    "wait_for_topics",
]
