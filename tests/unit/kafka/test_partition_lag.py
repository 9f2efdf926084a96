"""What the gauges of a partition say: how many wait, since when, and what holds readers up."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition as AioTopicPartition
from prometheus_client import REGISTRY

from tocsin.kafka import Position, Record, Slot, TopicPartition
from tocsin.kafka.group_gauges import GroupGauges
from tocsin.kafka.packing import Limits
from tocsin.kafka.projection_gauges import ProjectionGauges
from tocsin.kafka.transaction_queue import TransactionQueue
from tocsin.testing.clock import ManualClock

HOUR = 3600.0
P = TopicPartition("t.status.bulk", 3)
LABELS = {"lane": "bulk", "kind": "status", "partition": "3"}


class Log:
    """One partition as a consumer sees it."""

    def __init__(self) -> None:
        self.end = self.stable = self.position = 0
        place = SimpleNamespace(state_value=lambda _: SimpleNamespace(position=self.position))
        self._subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=place))

    def assignment(self) -> set[AioTopicPartition]:
        return {AioTopicPartition(*P)}

    def highwater(self, _: AioTopicPartition) -> int:
        return self.end

    def last_stable_offset(self, _: AioTopicPartition) -> int:
        return self.stable

    def append(self, records: int) -> None:
        self.end += records
        self.stable += records


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log() -> Log:
    return Log()


def shown(name: str, service: str) -> float | None:
    return REGISTRY.get_sample_value(name, LABELS | {"service": service})


def of(service: str) -> dict[str, float | None]:
    names = {"behind": "lag_messages", "age": "lag_seconds", "stuck": "last_stable_offset_age_seconds"}
    return {short: shown(f"tocsin_{name}", service) for short, name in names.items()}


def ms_ago(clock: ManualClock, seconds: float) -> int:
    return clock.time_ms() - round(seconds * 1000)


class TestProjection:
    SERVICE = "ledger-lag"

    @pytest.fixture
    def gauges(self, clock: ManualClock) -> ProjectionGauges:
        return ProjectionGauges(group=f"t.{self.SERVICE}.bulk", prefix="t.", clock=clock)

    @pytest.fixture
    def look(self, gauges: ProjectionGauges, log: Log) -> Callable[[int], dict[str, float | None]]:
        def look(stored: int) -> dict[str, float | None]:
            consumer: Any = log
            gauges.show(consumer, {P: stored})
            return of(self.SERVICE)

        return look

    def test_a_fresh_record_after_an_idle_hour_is_fresh(self, gauges, log, clock, look):
        log.append(1)
        log.position = 1
        gauges.handed(P, oldest_ms=clock.time_ms())
        gauges.stored(P, records=1, latest_ms=clock.time_ms())
        assert look(1) == {"behind": 0, "age": 0, "stuck": 0}
        clock.advance(HOUR)
        assert look(1)["age"] == 0
        clock.advance(1)
        log.append(1)
        assert look(1) == {"behind": 1, "age": 1, "stuck": 0}
        log.position = 2
        gauges.handed(P, oldest_ms=clock.time_ms())
        clock.advance(0.5)
        assert look(1)["age"] == 0.5
        gauges.stored(P, records=1, latest_ms=ms_ago(clock, 0.5))
        assert look(2) == {"behind": 0, "age": 0, "stuck": 0}

    def test_a_backlog_found_at_the_start_has_its_age(self, gauges, log, clock, look):
        log.append(1_000_000)
        look(0)
        clock.advance(2)
        assert look(0) == {"behind": 1_000_000, "age": 2, "stuck": 0}, "known to wait since the first look"
        log.position = 5_000
        gauges.handed(P, oldest_ms=ms_ago(clock, HOUR))
        assert look(0) == {"behind": 1_000_000, "age": HOUR, "stuck": 0}
        gauges.stored(P, records=5_000, latest_ms=ms_ago(clock, HOUR - 60))
        assert look(5_000) == {"behind": 995_000, "age": HOUR - 60, "stuck": 0}

    def test_what_is_stored_for_long_grows_old(self, gauges, log, clock, look):
        log.append(3)
        log.position = 3
        gauges.handed(P, oldest_ms=clock.time_ms())
        clock.advance(30)
        assert look(0) == {"behind": 3, "age": 30, "stuck": 0}

    def test_what_was_dropped_is_no_longer_in_hand(self, gauges, log, clock, look):
        look(0)
        log.append(1)
        gauges.handed(P, oldest_ms=ms_ago(clock, HOUR))
        gauges.dropped()
        clock.advance(3)
        assert look(0)["age"] == 3

    def test_what_is_held_no_more_is_shown_no_more(self, gauges, log, look):
        log.append(1)
        assert look(0)["behind"] == 1
        gauges.forget()
        assert of(self.SERVICE) == {"behind": None, "age": None, "stuck": None}

    def test_an_open_transaction_shows_for_how_long_it_holds_readers_up(self, log, clock, look):
        log.end = 5
        assert look(0) == {"behind": 0, "age": 0, "stuck": 0}
        clock.advance(12)
        assert look(0)["stuck"] == 12
        log.stable = 3
        assert look(0)["stuck"] == 0, "it moved"
        clock.advance(4)
        assert look(0)["stuck"] == 4
        log.stable = 5
        assert look(0)["stuck"] == 0


class TestSlots:
    SERVICE = "router-lag"

    @pytest.fixture
    def slot(self, clock: ManualClock) -> Slot:
        async def commit(_: object) -> None: ...

        async def run(outgoing: object, offsets: object) -> None: ...

        queue = TransactionQueue(
            transactions=SimpleNamespace(run=run),
            limits=Limits(None),
            clock=clock,
            gather=0,
            failed=lambda exc: None,
            observe=lambda seconds: None,
        )
        return Slot(
            number=0,
            assignment=1,
            positions={P: Position(0)},
            queue=queue,
            commit=commit,
            lease_ok=lambda: True,
            room=lambda: None,
            clock=clock,
            most_records=100,
            most_bytes=100_000,
        )

    @pytest.fixture
    def gauges(self, clock: ManualClock) -> GroupGauges:
        return GroupGauges(group=f"t.{self.SERVICE}.bulk", prefix="t.", clock=clock)

    @pytest.fixture
    def look(self, gauges: GroupGauges, log: Log, slot: Slot) -> Callable[[], dict[str, float | None]]:
        def look() -> dict[str, float | None]:
            consumer: Any = log
            gauges.show(consumer, {0: slot})
            return of(self.SERVICE)

        return look

    @staticmethod
    def read(slot: Slot, log: Log, *, timestamp_ms: int) -> None:
        record = Record(
            topic=P.topic,
            partition=P.partition,
            offset=log.position,
            timestamp_ms=timestamp_ms,
            key=None,
            value=b"x",
            headers=(),
        )
        log.position += 1
        slot.put([record])

    async def test_the_oldest_counts_from_reading_to_commit(self, slot, log, clock, look):
        log.append(2)
        self.read(slot, log, timestamp_ms=ms_ago(clock, HOUR))
        self.read(slot, log, timestamp_ms=ms_ago(clock, 10))
        assert look() == {"behind": 2, "age": HOUR, "stuck": 0}
        await slot.take(max_records=1)
        assert look()["age"] == HOUR
        await slot.commit({P: Position(1)})
        assert look() == {"behind": 1, "age": 10, "stuck": 0}
        await slot.take()
        await slot.commit({P: Position(2)})
        assert look() == {"behind": 0, "age": 0, "stuck": 0}

    async def test_a_fresh_record_after_an_idle_hour_is_fresh(self, slot, log, clock, look):
        log.append(1)
        self.read(slot, log, timestamp_ms=clock.time_ms())
        await slot.take()
        await slot.commit({P: Position(1)})
        clock.advance(HOUR)
        log.append(1)
        self.read(slot, log, timestamp_ms=clock.time_ms())
        assert look() == {"behind": 1, "age": 0, "stuck": 0}

    def test_an_open_transaction_shows_for_how_long_it_holds_readers_up(self, log, clock, look):
        log.end = 5
        look()
        clock.advance(7)
        assert look()["stuck"] == 7
        log.stable = log.position = 5
        assert look() == {"behind": 0, "age": 0, "stuck": 0}

    def test_what_is_held_no_more_is_shown_no_more(self, gauges, log, look):
        look()
        consumer: Any = log
        gauges.show(consumer, {})
        assert of(self.SERVICE) == {"behind": None, "age": None, "stuck": None}
