"""What `tocsin topics apply` would do: topics as they should be beside topics as they are."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicSpec:
    """A topic as it should be. ``retention_ms`` None keeps for ever; log append time is set on all."""

    name: str
    partitions: int
    replication_factor: int = 1
    min_insync_replicas: int = 1
    cleanup: Literal["delete", "compact"] = "delete"
    retention_ms: int | None = None
    delete_retention_ms: int | None = None
    max_message_bytes: int = 1_048_576


@dataclass(frozen=True, kw_only=True, slots=True)
class TopicChange:
    """What happens to one topic: ``settings`` maps each setting to (now, then); now is None where unset."""

    spec: TopicSpec
    action: Literal["create", "configure", "same"]
    settings: dict[str, tuple[str | None, str]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupSpec:
    """A group and the topics it reads. With ``read_back``, a commit on partition p of a topic carries the end
    of partition p of ``read_back`` as its metadata (a dispatcher's outcome log)."""

    group: str
    topics: tuple[str, ...]
    read_back: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class StartOffset:
    """A start offset that is missing and would be written."""

    group: str
    topic: str
    partition: int
    offset: int
    metadata: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Everything `apply` would do; empty when ``changes`` are all "same" and ``starts`` is empty."""

    changes: tuple[TopicChange, ...]
    starts: tuple[StartOffset, ...]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.starts and all(change.action == "same" for change in self.changes)
