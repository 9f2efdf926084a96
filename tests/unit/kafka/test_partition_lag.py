"""What the gauges of a partition say: how many records wait, since when, and what holds readers up."""

from collections.abc import Callable
from typing import cast

import pytest
from prometheus_client import REGISTRY

from tocsin.kafka import CommittedOffset, ConsumerRecord, FencedShard, TopicPartition
from tocsin.kafka.consume.group_metrics import GroupMetrics
from tocsin.kafka.consume.member import Member
from tocsin.kafka.lag import LogEnds
from tocsin.testing.clock import ManualClock

HOUR = 3600.0
P = TopicPartition("t.status.bulk", 3)
SERVICE = "router-lag"
LABELS = {"component": SERVICE, "lane": "bulk", "kind": "status", "partition": "3"}


class Log:
    """One partition as a member of a group sees it."""

    def __init__(self) -> None:
        self.end = self.stable = self.position = 0

    def log_ends(self, _: TopicPartition) -> LogEnds:
        return LogEnds(self.position, self.stable, self.end)

    def append(self, records: int) -> None:
        self.end += records
        self.stable += records


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def shard(new_shard: Callable[..., FencedShard]) -> FencedShard:
    return new_shard({P: 0})


@pytest.fixture
def gauges(clock: ManualClock) -> GroupMetrics:
    return GroupMetrics(group=f"t.{SERVICE}.bulk", topics=["t.events.bulk"], prefix="t.", clock=clock)


@pytest.fixture
def look(gauges: GroupMetrics, log: Log, shard: FencedShard) -> Callable[[], dict[str, float | None]]:
    def look() -> dict[str, float | None]:
        gauges.show(cast("Member", log), {0: shard})
        return shown()

    return look


def shown() -> dict[str, float | None]:
    names = {"behind": "lag_messages", "age": "lag_seconds", "stuck": "last_stable_offset_age_seconds"}
    return {short: REGISTRY.get_sample_value(f"tocsin_{name}", LABELS) for short, name in names.items()}


def ms_ago(clock: ManualClock, seconds: float) -> int:
    return clock.time_ms() - round(seconds * 1000)


def read(shard: FencedShard, log: Log, *, timestamp_ms: int, records: int = 1) -> None:
    shard.put(
        [
            ConsumerRecord(*P, offset=log.position + number, timestamp_ms=timestamp_ms, key=None, value=b"x")
            for number in range(records)
        ]
    )
    log.position += records


async def test_the_oldest_counts_from_reading_to_commit(shard, log, clock, look):
    log.append(2)
    read(shard, log, timestamp_ms=ms_ago(clock, HOUR))
    read(shard, log, timestamp_ms=ms_ago(clock, 10))
    assert look() == {"behind": 2, "age": HOUR, "stuck": 0}
    await shard.take(max_records=1)
    assert look()["age"] == HOUR
    await shard.commit({P: CommittedOffset(1)})
    assert look() == {"behind": 1, "age": 10, "stuck": 0}
    await shard.take()
    await shard.commit({P: CommittedOffset(2)})
    assert look() == {"behind": 0, "age": 0, "stuck": 0}


async def test_a_fresh_record_after_an_idle_hour_is_fresh(shard, log, clock, look):
    log.append(1)
    read(shard, log, timestamp_ms=clock.time_ms())
    await shard.take()
    await shard.commit({P: CommittedOffset(1)})
    assert look() == {"behind": 0, "age": 0, "stuck": 0}
    clock.advance(HOUR)
    assert look()["age"] == 0
    clock.advance(1)
    log.append(1)
    assert look() == {"behind": 1, "age": 1, "stuck": 0}, "it came after the last look"
    read(shard, log, timestamp_ms=clock.time_ms())
    clock.advance(0.5)
    assert look() == {"behind": 1, "age": 0.5, "stuck": 0}
    await shard.take()
    assert look()["age"] == 0.5
    await shard.commit({P: CommittedOffset(2)})
    assert look() == {"behind": 0, "age": 0, "stuck": 0}


async def test_a_backlog_found_at_the_start_has_its_age(shard, log, clock, look):
    log.append(1_000_000)
    look()
    clock.advance(2)
    assert look() == {"behind": 1_000_000, "age": 2, "stuck": 0}, "known to wait since the first look"
    read(shard, log, timestamp_ms=ms_ago(clock, HOUR), records=50)
    await shard.take()
    assert look() == {"behind": 1_000_000, "age": HOUR, "stuck": 0}
    await shard.commit({P: CommittedOffset(50)})
    assert look() == {"behind": 999_950, "age": HOUR, "stuck": 0}, "the next one came after those"


async def test_what_is_worked_on_for_long_grows_old(shard, log, clock, look):
    log.append(3)
    read(shard, log, timestamp_ms=clock.time_ms(), records=3)
    await shard.take()
    clock.advance(30)
    assert look() == {"behind": 3, "age": 30, "stuck": 0}


async def test_markers_at_the_end_are_no_records(shard, log, clock, look):
    log.append(1)
    read(shard, log, timestamp_ms=clock.time_ms())
    await shard.take()
    await shard.commit({P: CommittedOffset(1)})
    log.append(1)  # the marker of the transaction that wrote it
    log.position = 2
    assert look() == {"behind": 0, "age": 0, "stuck": 0}


def test_what_is_held_no_more_is_shown_no_more(gauges, log, look):
    log.append(1)
    assert look()["behind"] == 1
    gauges.released()
    assert shown() == {"behind": None, "age": None, "stuck": None}


def test_an_open_transaction_shows_for_how_long_it_holds_readers_up(log, clock, look):
    log.end = 5
    assert look() == {"behind": 0, "age": 0, "stuck": 0}
    clock.advance(12)
    assert look()["stuck"] == 12
    log.stable = 3
    assert look()["stuck"] == 0, "it moved"
    clock.advance(4)
    assert look()["stuck"] == 4
    log.stable = log.position = 5
    assert look() == {"behind": 0, "age": 0, "stuck": 0}


async def test_up_to_when_everything_is_dealt_with(shard, log, clock):
    def until():
        ends = log.log_ends(P)
        return shard.lag[P].handled_until_ms(unread=shard.first_unread(P), ends=ends)

    log.append(2)
    assert until() is None, "some wait, and nobody knows since when"
    read(shard, log, timestamp_ms=ms_ago(clock, HOUR))
    assert until() == ms_ago(clock, HOUR)
    await shard.take()
    assert until() == ms_ago(clock, HOUR)
    await shard.commit({P: CommittedOffset(1)})
    assert until() == ms_ago(clock, HOUR), "the next one is not read yet, and younger than this"
    read(shard, log, timestamp_ms=ms_ago(clock, 10))
    await shard.take()
    await shard.commit({P: CommittedOffset(2)})
    assert until() == clock.time_ms()
