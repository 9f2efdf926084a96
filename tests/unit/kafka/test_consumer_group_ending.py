"""How a consumer ends, and when it joins its group anew, on a cluster in memory."""

import asyncio
from typing import Any

import pytest
from prometheus_client import REGISTRY
from tests.unit.kafka.conftest import HASTY, MemoryStage, Pauses, once, stubborn

from tocsin.kafka import (
    OTHERS,
    ConsumerGroup,
    ConsumptionStopped,
    DrainTooSlow,
    Fenced,
    FencedShard,
    KafkaCluster,
    KafkaFault,
    KafkaSettings,
    LeaseLost,
    NewerOwner,
    NoProgress,
    OffsetMissing,
    OwnershipLost,
    ProducerRecord,
    TransactionFailed,
)
from tocsin.runtime import Health, SystemClock
from tocsin.runtime.errors import ExitCode, exit_code_of
from tocsin.testing import ManualClock
from tocsin.testing.kafka.group import MemoryMember
from tocsin.testing.stage import HoldAt, MemoryTable, numbers, take_all
from tocsin.testing.until import until


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


async def test_those_that_leave_together_cost_one_generation(
    prepared: MemoryStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one whose leave takes longer is called to join again meanwhile, and does not."""
    members = [await prepared.copier(shards=4).start() for _ in range(4)]
    await until(lambda: all(len(member.component.held) == 1 for member in members))
    group = prepared.cluster.group(prepared.topic("copier"))
    before, leave, slow = group.generation, MemoryMember.leave, list(group.members.values())[1]

    async def leaving(member: MemoryMember) -> None:
        if member is slow:
            await until(lambda: len(group._joining) >= 2 or group.generation > before)
        await leave(member)

    monkeypatch.setattr(MemoryMember, "leave", leaving)
    await asyncio.gather(*(member.leave() for member in members[:2]))
    await until(lambda: all(len(member.component.held) == 2 for member in members[2:]))
    assert group.generation == before + 1
    await asyncio.gather(*(member.leave() for member in members[2:]))


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


@pytest.mark.parametrize(
    ("loss", "cause"),
    [
        (OwnershipLost, "expelled"),
        (NewerOwner, "fenced"),
        (LeaseLost, "lease"),
        (TransactionFailed, "transaction"),
        (DrainTooSlow, "drain"),
        (NoProgress, "standstill"),
    ],
)
async def test_a_loss_is_counted_by_its_cause(
    prepared: MemoryStage, pauses: Pauses, loss: type[OwnershipLost], cause: str
) -> None:
    labels = {"component": "copier", "lane": "none", "cause": cause}
    before = REGISTRY.get_sample_value("tocsin_rejoins_total", labels) or 0
    running = await prepared.fenced(once(loss("lost")), rejoins=1, sleep=pauses).start()
    await until(lambda: bool(pauses.seconds) and len(running.component.held) == 2)
    assert REGISTRY.get_sample_value("tocsin_rejoins_total", labels) == before + 1
    await running.leave()


def test_lost_ownerships_have_an_exit_code_of_their_own() -> None:
    lost = [LeaseLost("a"), ExceptionGroup("inner", [NewerOwner("b")])]
    assert exit_code_of(ExceptionGroup("of tasks", lost)) is ExitCode.OWNERSHIP_LOST
    assert exit_code_of(ExceptionGroup("of tasks", [*lost, LookupError("a defect")])) is ExitCode.FAILED


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


async def test_what_fails_after_the_lease_ran_out_is_a_lost_ownership_and_is_seen(
    prepared: MemoryStage, pauses: Pauses, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that was frozen while it opened a connection to PostgreSQL finds the deadline behind it. A defect would look the same, so
    the log has the traceback."""
    prepared.clock = clock = ManualClock()
    failing = [TimeoutError("connecting")]

    async def frozen(shard: FencedShard) -> None:
        if failing:
            error = failing.pop()
            clock.advance(60)
            raise error
        await take_all(shard)

    running = await prepared.fenced(frozen, rejoins=1, sleep=pauses).start()
    await until(lambda: len(pauses.seconds) == 1 and len(running.component.held) == 2)
    await running.leave()
    [line] = [record for record in caplog.records if record.getMessage() == "ownership lost, joining anew"]
    assert line.exc_info
    assert isinstance(line.exc_info[1], TimeoutError)


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
