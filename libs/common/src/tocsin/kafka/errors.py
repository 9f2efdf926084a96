"""What can go wrong with Kafka, split by what the caller does next.

KafkaFault
├── NotStored              repeat the publish: the record is not known to be stored
├── Overloaded             repeat later: nothing was sent
├── RecordTooLarge         give up on this record: nothing was sent
├── NotReadToEnd           try again, or stop: the end of a log was not reached in time
├── GroupAtWork            stop the group's members, or wait until those that died are forgotten; then again
├── TopicFault (*)         end the process: a person runs ``tocsin topics apply``
│   ├── OffsetMissing
│   ├── PartitionsUnequal
│   └── OffsetsUnusable   leave this lane's group, be unready with the sentence, and join anew once a person has run the command
│       ├── OffsetsNotKept
│       └── CommitsUnreadable
├── PlanRefused (*)        stop: the topics differ in a way that no command may change
├── ConsumptionStopped (*) stop reading, be unready with the sentence; the process stays
│   └── ReplicaUnreadable
├── ProducerBroken         end the process: this producer can no longer keep its promise
└── OwnershipLost          close this lane's group whole (consumer, producers, work) and join anew
    ├── LeaseLost
    ├── TransactionFailed
    │   └── NewerOwner
    ├── DrainTooSlow
    └── NoProgress

(*) also an OperatorError: the message is one sentence for an operator, and the log shows it without a traceback.
"""

from collections.abc import Mapping
from typing import Final

from tocsin.kafka.records import TopicPartition
from tocsin.runtime.errors import ExitCode, OperatorError, ServiceHalted


class KafkaFault(Exception):
    """Anything this package raises on purpose. The message is one sentence for a person."""


class GroupAtWork(KafkaFault):
    """A group has members and takes no start offsets. Members that were killed count until their session ends."""


class NotStored(KafkaFault):
    """The record is not known to be stored: the deadline passed, or the broker refused it.

    It may still be stored later. Repeat it with the same id; duplicates of an id are dropped downstream.
    """


class Overloaded(KafkaFault):
    """The producer already holds as many bytes as it may. Nothing of this call was sent."""


class RecordTooLarge(KafkaFault):
    """A record is larger than its topic takes. Nothing of this call was sent."""

    def __init__(self, *, topic: str, size: int, limit: int) -> None:
        super().__init__(f"A record of {size} bytes does not fit the {limit} bytes that {topic} takes.")
        self.topic = topic
        self.size = size
        self.limit = limit


class TopicFault(KafkaFault, OperatorError):
    """The topics, or the offsets of a group, are not as `tocsin topics apply` leaves them."""


class OffsetMissing(TopicFault):
    """A group has no usable committed offset. Nothing is guessed: the process stops."""


class OffsetsUnusable(TopicFault):
    """A group has committed what its members cannot go on from. Nothing is guessed: the lane waits for a person.

    ``commits`` has each unusable commit, offset and metadata: once all of them are others, the group
    is joined anew.
    """

    def __init__(self, sentence: str, *, commits: Mapping[TopicPartition, tuple[int, str]]) -> None:
        super().__init__(sentence)
        self.commits = commits


class OffsetsNotKept(OffsetsUnusable):
    """A committed offset lies outside of what its topic keeps: records were lost before they were read."""


class CommitsUnreadable(OffsetsUnusable):
    """A commit's metadata does not say where to read back from: something else than Tocsin has written it."""


class PartitionsUnequal(TopicFault):
    """Topics that must have the same number of partitions do not, or a topic has fewer than there are shards."""


class PlanRefused(KafkaFault, OperatorError):
    """An existing topic differs in its number of partitions, which is fixed at creation."""


class ConsumptionStopped(KafkaFault, ServiceHalted):
    """The records cannot be what they should be, and a restart would read them again: a release has to change.

    Raised by the work on a group, it stops that group: it leaves, readiness fails with this sentence, the offsets stay
    where they are, and other groups go on. Raised by any other component it stops the whole service the same way.
    """


class ReplicaUnreadable(ConsumptionStopped):
    """A record of a topic that this process keeps a copy of cannot be read: everything decided from it would be wrong."""


class NotReadToEnd(KafkaFault):
    """The end of a log was not reached before the deadline, for example behind an open transaction."""


class ProducerBroken(KafkaFault):
    """The producer lost its sequence or its sender. Only a new process begins afresh."""


class OwnershipLost(KafkaFault):
    """Fenced, or expelled from the group: others may own these partitions now.

    Commit nothing any more. The group of this lane is closed whole and joins anew.
    """

    cause = "expelled"
    """As the metric `rejoins` names it."""
    exit_code = ExitCode.OWNERSHIP_LOST
    """Of a process that was to join anew too often, or lost its shards while it was to stop."""


class LeaseLost(OwnershipLost):
    """The last good heartbeat was sent too long ago: the group may have given the partitions to somebody else."""

    cause = "lease"


class TransactionFailed(OwnershipLost):
    """It is not certain that a transaction was committed. The next owner finds out; this one commits nothing more."""

    cause = "transaction"


class NewerOwner(TransactionFailed):
    """A newer owner of the shard fenced this process."""

    cause = "fenced"


class DrainTooSlow(OwnershipLost):
    """What was in flight did not end within the drain bound."""

    cause = "drain"


class NoProgress(OwnershipLost):
    """The watchdog saw the reading or a shard stand still for too long."""

    cause = "standstill"


LOSSES: Final = tuple(
    error.cause
    for error in (OwnershipLost, LeaseLost, TransactionFailed, NewerOwner, DrainTooSlow, NoProgress)
)
"""Every cause for which a group is joined anew."""
