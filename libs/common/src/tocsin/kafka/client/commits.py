"""What a group has committed: the offset, what its owner wrote beside it, and whether the log still keeps it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from tocsin.kafka.errors import CommitsUnreadable, OffsetMissing, OffsetsNotKept
from tocsin.kafka.records import TopicPartition

COMMAND = "tocsin topics apply"
_LISTED = 4
"""Partitions that a sentence lists: a topic may have dozens, and the command shows all."""


class CommittedOffset(NamedTuple):
    """A committed offset: the next record to handle, and what the owner wrote beside it."""

    offset: int
    metadata: str = ""


class CommitNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """The metadata of a commit (JSON). ``read_back``: where a dispatcher begins to read the outcome log back. ``lost_from``: the offset
    committed before a person accepted that nothing is kept there; whoever acquires the partition counts what was lost and drops it.
    ``copied``: the position stands in a database, and this is a copy for those who look from outside."""

    read_back: int | None = None
    lost_from: int | None = None
    copied: bool = False


def read_note(metadata: str) -> CommitNote:
    """An empty note where the metadata is none of ours."""
    try:
        return msgspec.json.decode(metadata, type=CommitNote)
    except msgspec.MsgspecError:
        return CommitNote()


def write_note(note: CommitNote) -> str:
    """Empty metadata for an empty note."""
    return "" if note == CommitNote() else msgspec.json.encode(note).decode()


def read_back_metadata(position: int) -> str:
    """The metadata of a dispatcher's commit: where to begin reading the outcome log back."""
    return write_note(CommitNote(read_back=position))


def read_back_position(metadata: str) -> int | None:
    """The position in a commit's metadata; None when it holds none."""
    position = read_note(metadata).read_back
    return position if position is not None and position >= 0 else None


class KeptRange(NamedTuple):
    """What a partition keeps: from ``start`` up to before ``end``, which is the next offset to be written."""

    start: int
    end: int

    def holds(self, offset: int) -> bool:
        """Whether reading can go on at ``offset``."""
        return self.start <= offset <= self.end


def offset_missing(group: str, partitions: Iterable[TopicPartition]) -> OffsetMissing:
    """The sentence for partitions without any offset."""
    listed = ", ".join(f"{topic}/{number}" for topic, number in sorted(partitions))
    return OffsetMissing(f"Group {group} has no usable offset for {listed}: run `{COMMAND}`.")


def check_kept(
    group: str,
    commits: Mapping[TopicPartition, CommittedOffset],
    kept: Mapping[TopicPartition, KeptRange],
) -> None:
    """OffsetsNotKept, with what is lost and the command that reads on behind it, when a commit lies outside of its log."""
    lost = {
        partition: commit for partition, commit in commits.items() if not kept[partition].holds(commit.offset)
    }
    if not lost:
        return
    listed = _listed(
        _lost(partition, commit.offset, kept[partition]) for partition, commit in sorted(lost.items())
    )
    msg = (
        f"Group {group} was to go on where its topic keeps nothing. {listed}. To read on with what is kept, "
        f"run `{COMMAND} --accept-loss {group}`."
    )
    raise OffsetsNotKept(msg, commits=lost)


def commits_unreadable(group: str, commits: Mapping[TopicPartition, CommittedOffset]) -> CommitsUnreadable:
    """The sentence for commits that do not say where to read back from."""
    listed = _listed(f"{topic}/{number}" for topic, number in sorted(commits))
    msg = f"The commits of group {group} for {listed} do not say where to read back from: run `{COMMAND}`."
    return CommitsUnreadable(msg, commits=commits)


def _lost(partition: TopicPartition, offset: int, kept: KeptRange) -> str:
    place = f"{partition.topic}/{partition.partition}"
    if offset < kept.start:
        return f"{place} is kept from {kept.start}: lost are the {kept.start - offset} from {offset} to {kept.start - 1}"
    return f"{place} ends at {kept.end}, below the committed {offset}: it was cut off, or made anew"


def _listed(items: Iterable[str]) -> str:
    every = list(items)
    more = [f"and {len(every) - _LISTED} more"] if len(every) > _LISTED else []
    return "; ".join(every[:_LISTED] + more)
