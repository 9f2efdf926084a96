"""Which jobs of one partition are unfinished, and so how far its offset may be committed.

An offset is committed below the lowest unfinished job. Beside it stands the outcome position: where on the partition
of `status` an owner must begin to read to find every outcome of the jobs from that offset on.
"""

from dataclasses import dataclass
from typing import NamedTuple


class _Taken(NamedTuple):
    outcome_position: int
    size: int


@dataclass(frozen=True, slots=True)
class CommitPoint:
    """The next offset to commit, and the outcome position that goes with it."""

    offset: int
    outcome_position: int


class OffsetTracker:
    """The jobs of one partition from the committed offset to the newest taken.

    `offset` and `outcome_position` are what the former owner committed. `outcome_end` is an offset that the `status`
    partition has reached: outcomes of jobs that nobody has taken before stand there or behind it. The former owner may have
    taken jobs below `replayed_below`, so their outcomes may stand anywhere from `outcome_position` on: until these jobs are
    finished that position is committed, however often the owner changes meanwhile.
    """

    def __init__(self, *, offset: int, outcome_position: int, outcome_end: int, replayed_below: int) -> None:
        self._next = offset
        self._read_back_from = outcome_position
        self._outcome_end = max(outcome_position, outcome_end)
        self._replayed_below = replayed_below
        self._unfinished: dict[int, _Taken] = {}  # in the order taken, which is the order of offsets
        self.size = 0

    def __len__(self) -> int:
        return len(self._unfinished)

    @property
    def replayed(self) -> range:
        """The offsets not taken yet whose jobs a former owner may have taken."""
        return range(self._next, max(self._next, self._replayed_below))

    def end_replay(self) -> None:
        """No record is left of those that a former owner may have taken."""
        self._replayed_below = self._next

    @property
    def outcomes_begin(self) -> int:
        """Where the outcomes of replayed jobs begin."""
        return self._read_back_from

    @property
    def in_flight_span(self) -> int:
        """Offsets from the lowest unfinished job to the newest taken: what a next owner may have to look at again."""
        return self._next - next(iter(self._unfinished), self._next)

    def take(self, offset: int, *, size: int) -> None:
        """A job was read; offsets come in rising order."""
        replayed = offset < self._replayed_below
        self._unfinished[offset] = _Taken(self._read_back_from if replayed else self._outcome_end, size)
        self._next = offset + 1
        self.size += size

    def finish(self, offset: int) -> int:
        """The job's outcome is stored. Returns its size."""
        size = self._unfinished.pop(offset).size
        self.size -= size
        return size

    def outcome_stored(self, offset: int) -> None:
        """The `status` partition holds a record at `offset`."""
        self._outcome_end = max(self._outcome_end, offset + 1)

    def outcome_end(self, offset: int) -> None:
        """The `status` partition ends at `offset`."""
        self._outcome_end = max(self._outcome_end, offset)

    @property
    def commit_point(self) -> CommitPoint:
        """What may be committed now."""
        return self.commit_point_after(None)

    def commit_point_after(self, finishing: int | None) -> CommitPoint:
        """What may be committed together with the end of the job at offset `finishing`."""
        for offset, taken in self._unfinished.items():
            if offset != finishing:
                return CommitPoint(offset, taken.outcome_position)
        return CommitPoint(self._next, self._read_back_from if self.replayed else self._outcome_end)
