"""What the outcome log says of jobs that a former owner of their partitions may have taken.

Outcomes stand on the topic `status`, on the partition that has the number of the job's. They are read back when partitions are assigned,
before the first job is taken, so that no job is sent again whose outcome stands. An outcome is matched by the job's own record (`cause`) and
its delivery: a delivery that is decided again is another job, and a topic that was made anew uses its offsets again.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from tocsin.contracts.codec import UNREADABLE_ERRORS, decode_status
from tocsin.contracts.statuses import Status
from tocsin.contracts.vocabulary import StatusName
from tocsin.kafka import ConsumerRecord
from tocsin.runtime import Check

ENDINGS: Final = frozenset(
    {
        StatusName.SENT,
        StatusName.FAILED,
        StatusName.UNKNOWN,
        StatusName.EXPIRED,
        StatusName.CANCELLED,
        StatusName.DEFERRED,
    }
)
"""Statuses after which a job is not taken up again. A job has at most one of them; `deferred` stands together with the intent to recheck."""


class JobRecord(NamedTuple):
    """The job at `offset` has ended, or, where `ends` is false, its owner was about to send it at most once."""

    offset: int
    delivery_id: str
    ends: bool


class ReadLog(Protocol):
    """`tocsin.kafka.read_to_end`, of the cluster that is worked with."""

    def __call__(
        self, *, topic: str, partitions: Sequence[int], start: Mapping[int, int]
    ) -> AsyncIterator[list[ConsumerRecord]]:
        """Every committed record from `start` (partition to offset) to the end as it is at the call."""
        ...


class ReadingBack:
    """Of one lane: while any of its shards reads back, the process is not ready. `with` it around the reading."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._shards = 0
        check.set_ready()

    def __enter__(self) -> None:
        self._shards += 1
        self._check.set_not_ready("reading outcomes back")

    def __exit__(self, *_: object) -> None:
        self._shards -= 1
        if not self._shards:
            self._check.set_ready()


class JobRecords:
    """What records of the outcome log say of the jobs of one topic."""

    def __init__(self, jobs: str) -> None:
        self._jobs = jobs
        self._mark = f'"cause":"{jobs}/'.encode()

    def read(self, record: ConsumerRecord) -> JobRecord | None:
        """None where the record neither ends nor announces a job of the topic."""
        if record.value is None or self._mark not in record.value:  # most are about other jobs: not decoded
            return None
        try:
            status = decode_status(record.value)
        except UNREADABLE_ERRORS:
            return None
        if not isinstance(status, Status) or status.delivery_id is None:
            return None
        ends = status.status in ENDINGS
        place, _, offset = status.cause.rpartition("/")
        if not (ends or status.status == StatusName.SENDING):
            return None
        if place != f"{self._jobs}/{record.partition}" or not offset.isdecimal():
            return None
        return JobRecord(int(offset), status.delivery_id, ends)
