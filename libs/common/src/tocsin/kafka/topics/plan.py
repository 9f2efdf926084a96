"""What `tocsin topics apply` would do: topics as they should be beside topics as they are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tocsin.kafka.client.commits import KeptRange
from tocsin.kafka.errors import PlanRefused
from tocsin.kafka.records import TopicPartition


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicSpec:
    """A topic as it should be. ``retention_ms`` None keeps for ever; log append time is set on all.

    ``uncompressed``: the broker unpacks what comes compressed and measures it then. Else ``max_message_bytes``
    bounds only the compressed batch, and 50 kB of gzip are 50 MB in a consumer's memory.
    """

    name: str
    partitions: int
    replication_factor: int = 1
    min_insync_replicas: int = 1
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int | None = None
    delete_retention_ms: int | None = None
    segment_ms: int | None = None
    max_message_bytes: int = 1_048_576
    uncompressed: bool = False

    @property
    def settings(self) -> dict[str, str]:
        """The topic's settings in Kafka's words."""
        settings = {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": "LogAppendTime",
            "min.insync.replicas": str(self.min_insync_replicas),
            "retention.ms": str(-1 if self.retention_ms is None else self.retention_ms),
        }
        if self.delete_retention_ms is not None:
            settings["delete.retention.ms"] = str(self.delete_retention_ms)
        if self.segment_ms is not None:
            settings["segment.ms"] = str(self.segment_ms)
        if self.uncompressed:
            settings["compression.type"] = "uncompressed"
        return settings


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicChange:
    """What happens to one topic: ``settings`` maps each setting to (now, then); now is None where unset."""

    spec: TopicSpec
    action: Literal["create", "configure", "same"]
    settings: dict[str, tuple[str | None, str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupSpec:
    """A group and the topics it reads. With ``read_back``, a commit on partition p of a topic carries the end
    of partition p of ``read_back`` as its metadata (a dispatcher's outcome log). ``stored``: positions lie with rows in a
    database, and members begin by themselves with a partition that keeps all it ever had."""

    group: str
    topics: tuple[str, ...]
    read_back: str | None = None
    stored: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StartOffset:
    """A commit that is missing, or whose metadata cannot be read, and would be written.

    ``action``: "start" where nothing was committed; "repair" keeps the offset and reads the outcome log back from its beginning.
    """

    group: str
    topic: str
    partition: int
    offset: int
    metadata: str
    action: Literal["start", "repair"] = "start"
    by_members: bool = False
    """Members commit it by themselves if the group has some (`GroupSpec.stored`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """A committed offset outside of what its topic keeps. No `apply` changes it: a person has to accept it."""

    group: str
    partition: TopicPartition
    committed: int
    kept: KeptRange

    @property
    def records(self) -> int | None:
        """How many records are gone; None where the log ends below the committed offset, so that nobody knows."""
        return self.kept.start - self.committed if self.committed < self.kept.start else None

    @property
    def read_on_at(self) -> int:
        """The nearest offset at which reading can go on. A log that ends below what was committed was read to its end."""
        return self.kept.start if self.committed < self.kept.start else self.kept.end


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything `apply` would do, and the losses that it leaves to a person."""

    changes: tuple[TopicChange, ...]
    starts: tuple[StartOffset, ...]
    losses: tuple[Loss, ...] = ()
    accepted: tuple[Loss, ...] = ()
    """Those that a person has accepted."""

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do, neither for `apply` nor for a person."""
        return (
            not self.starts
            and not self.losses
            and not self.accepted
            and all(change.action == "same" for change in self.changes)
        )


def change_of(spec: TopicSpec, *, partitions: int | None, settings: Mapping[str, str]) -> TopicChange:
    """What has to happen to a topic that has ``partitions`` (None: does not exist) and ``settings`` now."""
    if partitions is None:
        settings_to_make: dict[str, tuple[str | None, str]] = {
            name: (None, then) for name, then in spec.settings.items()
        }
        return TopicChange(spec=spec, action="create", settings=settings_to_make)
    if partitions != spec.partitions:
        msg = (
            f"{spec.name} has {partitions} partitions and should have {spec.partitions}: the number is fixed at "
            "creation. docs/operations/more-partitions.md says how to move to a new topic prefix."
        )
        raise PlanRefused(msg)
    different: dict[str, tuple[str | None, str]] = {
        name: (settings.get(name), then) for name, then in spec.settings.items() if settings.get(name) != then
    }
    return TopicChange(spec=spec, action="configure" if different else "same", settings=different)
