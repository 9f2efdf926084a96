"""The life of a consumer, on a cluster in memory: how it ends, in which order it begins, and what it leaves behind."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from tests.unit.kafka.conftest import MemoryStage

from tocsin.kafka import (
    OTHERS,
    ConsumerGroup,
    ConsumerRecord,
    ConsumptionStopped,
    DrainTooSlow,
    Fenced,
    FencedShard,
    GroupTimeouts,
    KafkaCluster,
    KafkaFault,
    KafkaSettings,
    LeaseLost,
    NoProgress,
    OffsetMissing,
    PartitionsUnequal,
    Plain,
    ProducerRecord,
    Shard,
    TopicPartition,
)
from tocsin.kafka.consume import consumer_group
from tocsin.runtime import Health, SystemClock
from tocsin.testing import ManualClock
from tocsin.testing.kafka.cluster import MemoryTransactions
from tocsin.testing.kafka.group import MemoryGroup, MemoryMember
from tocsin.testing.stage import HoldAt, MemoryTable, Running, numbers, take_all
from tocsin.testing.until import until

HASTY = GroupTimeouts(send_timeout=0.01, drain_timeout=0.05, rebalance_timeout=10)
IMPATIENT = GroupTimeouts(
    send_timeout=2, drain_timeout=3, rebalance_timeout=10, heartbeat_interval=0.2, progress_timeout=0.04
)


@pytest.fixture(autouse=True)
def short_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer_group, "POLL_SECONDS", 0.01)


@pytest.fixture
async def prepared(stage: MemoryStage) -> MemoryStage:
    await stage.topics("in", "out", groups=["copier", "plain", "table"])
    return stage


class Pauses:
    """The pauses before joining anew; they end at once, and note what was left of the group."""

    def __init__(self, group: MemoryGroup) -> None:
        self._group = group
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> None:
        assert not self._group.members, "it is a member no more while it waits"
        self.seconds.append(seconds)


@pytest.fixture
def pauses(prepared: MemoryStage) -> Pauses:
    return Pauses(prepared.cluster.group(prepared.topic("copier")))


def once(error: BaseException) -> Callable[[FencedShard], Coroutine[Any, Any, None]]:
    """A worker that raises the first time it is called, in one of its shards."""
    errors = [error]

    async def work(shard: FencedShard) -> None:
        if errors:
            raise errors.pop()
        await take_all(shard)

    return work


# How consumption ends


async def test_told_to_stop_what_is_in_flight_ends_and_commits(prepared: MemoryStage) -> None:
    hold = HoldAt("before_commit")
    running = await prepared.copier(failpoints=hold).start()
    await prepared.publish_values(numbers(1))
    await hold.reached.wait()
    running.stop.set()
    await until(lambda: not running.component.held)
    assert await prepared.read("out") == []
    hold.open.set()
    await running.leave()
    assert await prepared.copied(numbers(1))
    positions = prepared.cluster.group(prepared.topic("copier")).committed.values()
    assert sorted(position.offset for position in positions) == [0, 0, 0, 1]


async def test_ownership_lost_closes_everything_and_joins_anew(prepared: MemoryStage, pauses: Pauses) -> None:
    running = await prepared.copier(rejoins=3, sleep=pauses).start()
    await prepared.publish_values(numbers(20))
    await until(lambda: prepared.copied(numbers(20)))
    other = prepared.transactions()
    await other.open()  # a newer owner, as far as the brokers know
    await prepared.publish_values(numbers(20, 40))
    await until(lambda: prepared.copied(numbers(40)))
    await running.leave()
    assert len(pauses.seconds) == 1
    assert await prepared.copied(numbers(40))


async def test_a_broker_that_is_away_is_waited_for_when_the_group_is_joined_anew(
    prepared: MemoryStage, pauses: Pauses, monkeypatch: pytest.MonkeyPatch
) -> None:
    join, away = MemoryMember.join, [KafkaFault("No Kafka broker answers.")]

    async def joining(member: MemoryMember, listener: Any) -> None:
        if pauses.seconds and away:
            raise away.pop()
        await join(member, listener)

    monkeypatch.setattr(MemoryMember, "join", joining)
    running = await prepared.fenced(once(LeaseLost("too late")), rejoins=1, sleep=pauses).start()
    await until(lambda: not away and len(running.component.held) == 2)
    await running.leave()


async def test_told_to_stop_while_the_broker_is_away_it_ends(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise KafkaFault("No Kafka broker answers.")

    monkeypatch.setattr(MemoryMember, "join", away)
    health = Health(service="test")
    running = await prepared.fenced(take_all, health=health).start()
    await until(lambda: "No Kafka broker answers" in str(health.reasons()))
    await running.leave()


async def test_told_to_stop_before_it_ever_joined_it_ends(unused_tcp_port: int) -> None:
    health = Health(service="test")
    cluster = KafkaCluster(KafkaSettings(bootstrap_servers=f"127.0.0.1:{unused_tcp_port}"))
    group: ConsumerGroup[FencedShard] = ConsumerGroup(
        cluster=cluster,
        group="tocsin.copier",
        topics=["tocsin.in"],
        ownership=Fenced(cluster=cluster, shards=2),
        work=take_all,
        timeouts=OTHERS,
        health=health,
        clock=SystemClock(),
    )
    stop = asyncio.Event()
    running = asyncio.create_task(group.run(stop))
    await until(lambda: "No Kafka broker answers" in str(health.reasons()))
    stop.set()
    await running


async def test_told_to_stop_it_ends_with_what_failed_first(prepared: MemoryStage) -> None:
    """One worker fails while all end. That another one is late comes after it."""

    async def work(shard: FencedShard) -> None:
        await shard.revoked.wait()
        if shard.number == 0:
            raise LookupError("a defect")
        await stubborn(shard)

    running = await prepared.fenced(work, timeouts=HASTY).start()
    await until(lambda: len(running.component.held) == 2)
    with pytest.raises(LookupError, match="a defect"):
        await running.leave()


async def test_an_expelled_owner_joins_anew_under_another_name(prepared: MemoryStage, pauses: Pauses) -> None:
    group = prepared.cluster.group(prepared.topic("copier"))
    running = await prepared.copier(rejoins=1, sleep=pauses).start()
    await until(lambda: len(running.component.held) == 2)
    (name, member), *_ = group.members.items()
    group.expel(member)
    await until(lambda: len(pauses.seconds) == 1 and len(running.component.held) == 2)
    assert name not in group.members
    await running.leave()


async def test_what_is_no_loss_to_be_expelled_goes_on(prepared: MemoryStage) -> None:
    group = prepared.cluster.group(prepared.topic("table"))
    table = MemoryTable()
    running = await prepared.projection(table).start()
    await until(lambda: running.partitions == 4)
    await prepared.publish_values(numbers(20))
    group.expel(next(iter(group.members.values())))
    await until(lambda: group.generation == 2 and running.partitions == 4)
    await prepared.publish_values(numbers(20, 40))
    await until(lambda: len(table.rows) >= 40)
    await running.leave()
    assert sorted(table.rows) == sorted(numbers(40))


async def test_it_joins_anew_three_times_an_hour_and_then_the_process_ends(
    prepared: MemoryStage, pauses: Pauses
) -> None:
    prepared.clock = clock = ManualClock()

    async def lose(shard: FencedShard) -> None:
        await shard.take()
        raise LeaseLost("too late")

    running = await prepared.fenced(lose, rejoins=3, sleep=pauses).start()
    await prepared.publish_values(numbers(1))
    with pytest.raises(LeaseLost, match="too late"):
        await running.ended()
    bounds = [(0.75, 1), (3, 4), (12, 16)]
    assert all(
        least <= seconds <= most for seconds, (least, most) in zip(pauses.seconds, bounds, strict=True)
    )
    clock.advance(hours=1)
    running.task = asyncio.create_task(running.component.run(running.stop))
    with pytest.raises(LeaseLost, match="too late"):
        await running.ended()
    assert len(pauses.seconds) == 6, "what happened an hour ago counts no more"


async def test_a_stop_ends_the_pause(prepared: MemoryStage) -> None:
    paused = asyncio.Event()

    async def pause(_: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    health = Health(service="test")
    running = await prepared.fenced(
        once(LeaseLost("too late")), rejoins=1, sleep=pause, health=health
    ).start()
    await paused.wait()
    assert "joins the group anew: too late" in str(health.reasons())
    await running.leave()


async def test_leases_lost_together_are_a_lost_ownership(prepared: MemoryStage, pauses: Pauses) -> None:
    lost = ExceptionGroup("of tasks", [LeaseLost("a"), ExceptionGroup("inner", [LeaseLost("b")])])
    running = await prepared.fenced(once(lost), rejoins=1, sleep=pauses).start()
    await until(lambda: len(pauses.seconds) == 1 and len(running.component.held) == 2)
    await running.leave()


async def test_a_defect_beside_a_lost_lease_ends_the_process(prepared: MemoryStage, pauses: Pauses) -> None:
    both = ExceptionGroup("of tasks", [LeaseLost("a"), LookupError("a defect")])
    running = await prepared.fenced(once(both), rejoins=1, sleep=pauses).start()
    with pytest.raises(ExceptionGroup) as caught:
        await running.ended()
    assert caught.value is both
    assert not pauses.seconds


@pytest.mark.parametrize("in_a_group", [False, True])
async def test_consumption_that_must_stop_leaves_the_process_not_ready(
    prepared: MemoryStage, in_a_group: bool
) -> None:
    stopped: Exception = ConsumptionStopped("These records are no statuses.")
    health = Health(service="test")
    work = once(ExceptionGroup("of tasks", [LeaseLost("a"), stopped]) if in_a_group else stopped)
    running = await prepared.fenced(work, rejoins=1, health=health).start()
    await until(lambda: "These records are no statuses." in str(health.reasons()))
    assert not prepared.cluster.group(prepared.topic("copier")).members
    assert running.task is not None
    assert not running.task.done()
    await running.leave()


async def test_what_an_operator_must_act_on_is_raised_alone(prepared: MemoryStage) -> None:
    missing = OffsetMissing("run `tocsin topics apply`")
    work = once(ExceptionGroup("of tasks", [LeaseLost("a"), missing]))
    running = await prepared.fenced(work, rejoins=1).start()
    with pytest.raises(OffsetMissing) as caught:
        await running.ended()
    assert caught.value is missing


async def test_a_defect_ends_the_process_and_commits_nothing(prepared: MemoryStage) -> None:
    async def faulty(batch: Any) -> list[ProducerRecord]:
        raise LookupError("a defect")

    before = dict(prepared.cluster.group(prepared.topic("copier")).committed)
    running = await prepared.exactly_once(faulty, rejoins=1).start()
    await prepared.publish_values(numbers(20))
    with pytest.raises(LookupError, match="a defect"):
        await running.ended()
    assert prepared.cluster.group(prepared.topic("copier")).committed == before


async def test_work_that_ends_by_itself_is_a_defect(prepared: MemoryStage) -> None:
    async def ends(shard: FencedShard) -> None:
        return

    running = await prepared.fenced(ends, rejoins=1).start()
    with pytest.raises(RuntimeError, match="ended by itself"):
        await running.ended()


async def test_a_fence_that_fails_ends_the_process(prepared: MemoryStage) -> None:
    running = await prepared.copier(failpoints=HoldAt("before_fence", error=RuntimeError("no fence"))).start()
    with pytest.raises(RuntimeError, match="no fence"):
        await running.ended()


# What is too slow


async def stubborn(shard: Shard) -> None:
    """Heeds no revoke."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("rejoins", [0, 3])
async def test_work_that_does_not_end_in_time_ends_the_membership(
    prepared: MemoryStage, rejoins: int
) -> None:
    """Who was told to stop does not join anew, and says why it did not end well."""
    running = await prepared.fenced(stubborn, timeouts=HASTY, rejoins=rejoins).start()
    await until(lambda: len(running.component.held) == 2)
    with pytest.raises(
        DrainTooSlow, match=r"What shards 0, 1 of tocsin\.copier held did not end within 0\.05 s"
    ):
        await running.leave()


async def test_told_to_stop_during_a_drain_that_is_too_slow_it_does_not_drain_again(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    drains: list[int] = []
    drain = ConsumerGroup._drain

    async def counted(group: ConsumerGroup[Any]) -> None:
        if group._tasks:
            drains.append(1)
        await drain(group)

    monkeypatch.setattr(ConsumerGroup, "_drain", counted)
    running = await prepared.fenced(stubborn, timeouts=HASTY).start()
    await until(lambda: len(running.component.held) == 2)
    other = await prepared.fenced(take_all).start()
    await until(lambda: drains == [1])
    with pytest.raises(DrainTooSlow):
        await running.leave()
    assert drains == [1]
    await other.leave()


async def test_it_is_not_ready_while_it_drains(prepared: MemoryStage) -> None:
    prepared.clock = ManualClock()  # for the watchdog time stands still
    health, ending = Health(service="test"), asyncio.Event()

    async def slow(shard: Shard) -> None:
        await shard.revoked.wait()
        await ending.wait()

    every_turn = replace(IMPATIENT, progress_timeout=1e-9)  # the watch looks in every turn of the event loop
    running = await prepared.fenced(slow, health=health, timeouts=every_turn).start()
    await until(lambda: health.is_ready and len(running.component.held) == 2)
    other = await prepared.fenced(take_all).start()
    await until(lambda: not running.component.held)
    for _ in range(5):
        await asyncio.sleep(0.01)
        assert "rebalancing" in str(health.reasons())
    ending.set()
    await until(lambda: health.is_ready)
    await running.leave()
    await other.leave()


async def test_work_that_outlives_its_cancellation_is_said(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_group, "LEAVE", 0.05)
    ending = asyncio.Event()

    async def immortal(shard: Shard) -> None:
        while not ending.is_set():
            try:
                await ending.wait()
            except asyncio.CancelledError:
                continue

    running = await prepared.fenced(immortal, timeouts=HASTY).start()
    await until(lambda: len(running.component.held) == 2)
    with pytest.raises(
        RuntimeError, match=r"shards \[0, 1\] of tocsin\.copier goes on although it was cancelled"
    ):
        await running.leave()
    ending.set()


async def test_a_release_that_is_too_slow_holds_up_no_other_member(prepared: MemoryStage) -> None:
    running = await prepared.fenced(stubborn, timeouts=HASTY).start()
    await until(lambda: len(running.component.held) == 2)
    other = await prepared.fenced(take_all).start()
    with pytest.raises(DrainTooSlow):
        await running.ended()
    await until(lambda: len(other.component.held) == 2)
    await other.leave()


async def test_reading_that_stands_still_ends_the_membership(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(MemoryMember, "poll", never)
    prepared.clock = clock = ManualClock()
    running = await prepared.projection(MemoryTable(), timeouts=IMPATIENT).start()
    await until(lambda: running.partitions == 4)
    clock.advance(1)
    with pytest.raises(NoProgress, match=r"The poll loop of tocsin\.table has not turned for 0\.04 s"):
        await running.ended()


async def test_a_shard_that_stands_still_ends_the_membership(prepared: MemoryStage) -> None:
    prepared.clock = clock = ManualClock()
    table = MemoryTable()
    table.may_apply.clear()
    running = await prepared.projection(table, timeouts=IMPATIENT).start()
    await prepared.publish_values(numbers(1))
    await until(lambda: table.calls == 1)
    polled = running.component._polled

    def advanced() -> bool:
        """By steps that reading keeps up with: only the shard stands still."""
        if running.component._polled > polled or clock.monotonic() == polled:
            clock.advance(0.01)
        assert running.task is not None
        return running.task.done()

    await until(advanced)
    with pytest.raises(NoProgress, match=r"Shard 0 of tocsin\.table stood still for 0\.04 s"):
        await running.ended()
    assert table.rows == []


# In which order it begins


async def test_fences_before_it_asks_for_positions_and_only_then_reads(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []

    class Notes:
        async def reach(self, name: str) -> None:
            happened.append(name)

    def noting(cls: type, method: str) -> None:
        original = getattr(cls, method)

        async def noted(self: Any, *args: Any, **kwargs: Any) -> Any:
            happened.append(method)
            return await original(self, *args, **kwargs)

        monkeypatch.setattr(cls, method, noted)

    for method in ("committed", "poll"):
        noting(MemoryMember, method)
    noting(MemoryTransactions, "open")
    noting(MemoryTransactions, "run")
    await prepared.publish_values(numbers(20))
    running = await prepared.copier(failpoints=Notes()).start()
    await until(lambda: prepared.copied(numbers(20)))
    await running.leave()
    assert happened[:6] == ["before_fence", "open", "open", "after_fence", "committed", "poll"]


async def test_topics_with_different_numbers_of_partitions_are_refused_before_it_joins(
    prepared: MemoryStage,
) -> None:
    prepared.cluster.create(prepared.topic("narrow"), partitions=2)
    for ownership in (Fenced(cluster=prepared.cluster, shards=2), Plain(shards=2)):
        group = prepared.group(take_all, ownership=ownership, group="plain", topics=["in", "narrow"])
        with pytest.raises(PartitionsUnequal, match=r"tocsin\.in: 4, tocsin\.narrow: 2"):
            await group.start()


async def test_topics_that_the_work_writes_have_as_many_partitions_too(prepared: MemoryStage) -> None:
    prepared.cluster.create(prepared.topic("narrow"), partitions=2)
    written = [prepared.topic("narrow")]
    for ownership in (Fenced(cluster=prepared.cluster, shards=2), Plain(shards=2)):
        group = prepared.group(take_all, ownership=ownership, group="plain", topics=["in"], written=written)
        with pytest.raises(PartitionsUnequal, match=r"tocsin\.in: 4, tocsin\.narrow: 2"):
            await group.start()


async def test_while_it_acquires_it_has_a_lease_and_reads_nothing(prepared: MemoryStage) -> None:
    hold = HoldAt("before_fence")
    await prepared.publish_values(numbers(20))
    running = await prepared.copier(failpoints=hold).start()
    await hold.reached.wait()
    await until(running.component._lease.ok)
    assert not running.component.held
    assert running.component._member is not None
    for number in range(4):
        ends = running.component._member.log_ends(TopicPartition(prepared.topic("in"), number))
        assert ends is not None
        assert ends.position == 0
        assert ends.end > 0
    hold.open.set()
    await until(lambda: prepared.copied(numbers(20)))
    await running.leave()


async def test_assignments_are_counted_over_memberships(prepared: MemoryStage, pauses: Pauses) -> None:
    assignments: list[int] = []
    lost = [LeaseLost("too late")]

    async def work(shard: Shard) -> None:
        assignments.append(shard.assignment)
        if lost:
            raise lost.pop()
        await take_all(shard)

    running = await prepared.plain(work, rejoins=1, sleep=pauses).start()
    await until(lambda: len(assignments) == 2)
    await running.leave()
    assert assignments == [1, 2]


# Reading by turns


async def test_a_hot_partition_does_not_starve_the_others(prepared: MemoryStage) -> None:
    batches: list[list[int]] = []

    async def work(shard: Shard) -> None:
        while batch := await shard.take(max_records=10_000, max_bytes=10**9):
            batches.append(sorted({record.partition for record in batch.records}))

    await prepared.publish(
        *(ProducerRecord(prepared.topic("in"), None, value, partition=2) for value in numbers(5_000)),
        *(ProducerRecord(prepared.topic("in"), None, b"cold", partition=number) for number in (0, 1, 3)),
    )
    running = await prepared.plain(work).start()
    await until(lambda: bool(batches))
    await running.leave()
    assert batches[0] == [0, 1, 2, 3]


async def test_the_worker_has_its_turn_after_each_read(prepared: MemoryStage) -> None:
    """Also where one partition alone has records, and nothing that is awaited has to be waited for."""
    batches: list[int] = []

    async def work(shard: Shard) -> None:
        while batch := await shard.take(max_records=10_000, max_bytes=10**9):
            batches.append(len(batch.records))

    topic = prepared.topic("in")
    await prepared.publish(*(ProducerRecord(topic, None, b"v", partition=0) for _ in range(3_000)))
    running = await prepared.plain(work).start()
    await until(lambda: sum(batches) == 3_000)
    await running.leave()
    assert batches == [consumer_group.POLL_RECORDS] * 6


async def test_reading_pauses_for_a_full_shard_alone(prepared: MemoryStage) -> None:
    """And goes on where it stood, once the worker takes."""
    may_take = asyncio.Event()
    taken: dict[int, list[int]] = {0: [], 1: []}

    async def work(shard: FencedShard) -> None:
        if shard.number == 0:
            await may_take.wait()
        while batch := await shard.take():
            taken[shard.number] += [record.offset for record in batch.records]

    async def publish(count: int, partition: int) -> None:
        topic = prepared.topic("in")
        await prepared.publish(
            *(ProducerRecord(topic, None, b"v", partition=partition) for _ in range(count))
        )

    running = await prepared.fenced(work, buffer_records=600).start()
    await publish(3_000, 0)
    await until(lambda: 0 in running.component.held and running.component.held[0].full)
    place = TopicPartition(prepared.topic("in"), 0)
    assert running.component._member is not None
    read = running.component._member.log_ends(place)
    await publish(2_000, 1)
    await until(lambda: len(taken[1]) == 2_000)
    assert running.component._member.log_ends(place) == read
    assert read is not None
    assert read.position < 1_200
    may_take.set()
    await until(lambda: len(taken[0]) == 3_000)
    await running.leave()
    assert taken == {0: list(range(3_000)), 1: list(range(2_000))}


async def test_what_arrives_while_a_shard_is_released_is_read_by_its_next_owner(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_group, "POLL_SECONDS", 5)  # the poll under way gets the records
    put: list[bool] = []
    original = Shard.put

    def noting(self: Shard, records: list[ConsumerRecord]) -> None:
        put.append(self.revoked.is_set())
        original(self, records)

    monkeypatch.setattr(Shard, "put", noting)
    may_end = asyncio.Event()
    shards: list[Shard] = []
    taken: list[bytes | None] = []

    async def work(shard: Shard) -> None:
        shards.append(shard)
        while batch := await shard.take():
            taken.extend(record.value for record in batch.records)
            await shard.commit(batch.offsets)
        if len(shards) == 1:
            await may_end.wait()

    first = await prepared.plain(work).start()
    await until(lambda: first.partitions == 4)
    second = await prepared.plain(work).start()
    await shards[0].revoked.wait()
    await prepared.publish_values(numbers(20))
    await until(lambda: bool(put))
    assert put[0], "records came while the shard was released"
    assert not any(map(shards[0].first_unread, shards[0].positions))
    may_end.set()
    await until(lambda: len(taken) >= 20)
    assert sorted(map(str, taken)) == sorted(map(str, numbers(20)))
    monkeypatch.setattr(consumer_group, "POLL_SECONDS", 0.01)
    await first.leave()
    await second.leave()


# Nothing outlives its owner


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[MemoryTransactions]:
    """All transactional producers that a test opened."""
    producers: list[MemoryTransactions] = []
    original = MemoryTransactions.open

    async def opening(self: MemoryTransactions) -> None:
        producers.append(self)
        await original(self)

    monkeypatch.setattr(MemoryTransactions, "open", opening)
    return producers


def nothing_is_left(
    stage: MemoryStage, opened: list[MemoryTransactions], mine: set[asyncio.Task[Any]]
) -> None:
    assert asyncio.all_tasks() - mine == set()
    assert not stage.cluster.group(stage.topic("copier")).members
    assert all(producer._epoch is None for producer in opened)


@pytest.mark.parametrize("rebalance", [False, True])
@pytest.mark.parametrize("how", ["cancelled", "stopped"])
async def test_nothing_outlives_a_run_that_ends_anywhere(
    prepared: MemoryStage, opened: list[MemoryTransactions], how: str, rebalance: bool
) -> None:
    """After any number of turns of the event loop: while it joins, fences, reads and writes; with ``rebalance`` also while
    it releases its shards and gets them back."""
    mine, group = asyncio.all_tasks(), prepared.cluster.group(prepared.topic("copier"))
    values: list[bytes] = []
    for turns in range(60):
        running = await prepared.copier().start()
        assert running.task is not None
        if rebalance:
            await until(partial(_holds, running, 2), every=0)
            next(iter(group.members.values())).called.set()
        await prepared.publish_values(more := numbers(len(values), len(values) + 4))
        values += more
        for _ in range(turns):
            await asyncio.sleep(0)
        if how == "cancelled":
            running.task.cancel()
            await asyncio.wait([running.task])
        else:
            await running.leave()
        nothing_is_left(prepared, opened, mine)
    running = await prepared.copier().start()
    await until(lambda: prepared.copied(values))
    await running.leave()


async def test_a_transaction_that_does_not_end_is_given_up(
    prepared: MemoryStage, opened: list[MemoryTransactions], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer_group, "LEAVE", 0.05)
    mine, hold = asyncio.all_tasks(), HoldAt("before_commit")
    running = await prepared.copier(failpoints=hold).start()
    await prepared.publish_values(numbers(1))
    await hold.reached.wait()
    assert running.task is not None
    running.task.cancel()
    await asyncio.wait([running.task])
    nothing_is_left(prepared, opened, mine)


@pytest.mark.parametrize(
    "error", [LeaseLost("lost"), LookupError("a defect"), ConsumptionStopped("no statuses")]
)
async def test_nothing_outlives_a_run_that_fails(
    prepared: MemoryStage, opened: list[MemoryTransactions], error: Exception
) -> None:
    mine = asyncio.all_tasks()
    health = Health(service="test")
    running = await prepared.fenced(once(error), health=health).start()
    if isinstance(error, ConsumptionStopped):
        await until(lambda: "no statuses" in str(health.reasons()))
        await running.leave()
    else:
        with pytest.raises(type(error)):
            await running.ended()
    assert len(opened) == 2
    nothing_is_left(prepared, opened, mine)


def _holds(running: Running, shards: int) -> bool:
    return len(running.component.held) == shards
