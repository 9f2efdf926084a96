"""The age of the oldest due timer, as `/metrics` asks for it in a thread."""

from datetime import UTC, datetime
from typing import Any

from prometheus_client import generate_latest

from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.scheduler.firing import FiringContext
from tocsin.testing import ManualClock

NOTHING: Any = None


class Shard:
    """As it is asked how late it is, the lane loses another shard."""

    def __init__(self, context: FiringContext) -> None:
        self._shards: set[Any] = context.shards

    def overdue(self, _now: datetime) -> float:
        self._shards.discard(next(iter(self._shards - {self}), None))
        return 7.0


def test_a_shard_that_goes_meanwhile_does_not_break_metrics() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    context = FiringContext(
        lane=Lane.BULK, topics=Topics(""), table=NOTHING, offsets=NOTHING, clock=clock, writable=[], batch_records=1
    )  # fmt: skip
    shards: list[Any] = [Shard(context) for _ in range(3)]
    context.shards.update(shards)
    assert 'oldest_due_timer_seconds{lane="bulk"} 7.0' in generate_latest().decode()
