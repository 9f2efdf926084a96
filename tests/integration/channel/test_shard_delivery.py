"""The delivery of shards on a real broker: order, outcomes, offsets, rechecks, handing over, and death at the worst moments."""

import asyncio
from collections import defaultdict

import pytest
from tests.integration.channel.conftest import CHANNEL, LANE, PARTITIONS, TIGHT, Bench, Phone, job

from tocsin.channel import Accepted, Ambiguous, Answer, NotSent, Rejected, Throttled
from tocsin.channel.deferral import DeferralPolicy
from tocsin.contracts.codec import decode_intent, decode_status, decode_timer
from tocsin.contracts.intents import Intent
from tocsin.contracts.jobs import Job
from tocsin.contracts.stops import RecipientVersion, encode_stop
from tocsin.contracts.timers import SetTimer
from tocsin.contracts.vocabulary import Reason
from tocsin.kafka import (
    ConsumerGroup,
    ConsumerRecord,
    Fenced,
    FencedShard,
    GroupTimeouts,
    ProducerRecord,
    read_back_position,
)
from tocsin.observability.logger import facts_of
from tocsin.runtime import Health, SystemClock
from tocsin.testing.stage import HoldAt
from tocsin.testing.until import until

pytestmark = pytest.mark.kafka


async def test_every_job_is_sent_once_in_order_and_recorded_beside_it(bench: Bench):
    jobs = [job(number, recipient=f"r{number % 7}") for number in range(200)]
    await bench.put(*jobs)
    phone = Phone()
    async with bench.dispatcher(phone):
        statuses = await bench.until_statuses(200)
    assert {s.delivery_id for s in statuses} == {j.delivery_id for j in jobs}
    assert {s.status for s in statuses} == {"sent"}
    assert len(phone.got) == 200
    for residue in range(7):
        mine = [int(body) for body in phone.got if int(body) % 7 == residue]
        assert mine == sorted(mine)
    places = {record.ref: record.partition for record in await bench.read(bench.jobs)}
    for record in await bench.read(bench.status):
        assert places[decode_status(record.value or b"").cause] == record.partition


async def test_what_a_dispatcher_committed_the_next_one_does_not_send_again(bench: Bench):
    await bench.put(*(job(number, recipient=f"r{number}") for number in range(20)))
    first, second = Phone(), Phone()
    async with bench.dispatcher(first):
        await bench.until_statuses(20)
    await bench.put(*(job(number, recipient=f"r{number}") for number in range(20, 30)))
    async with bench.dispatcher(second):
        await bench.until_statuses(30)
    assert sorted(map(int, first.got)) == list(range(20))
    assert sorted(map(int, second.got)) == list(range(20, 30))


async def test_answers_become_statuses(bench: Bench, caplog: pytest.LogCaptureFixture):
    caplog.set_level("DEBUG", logger="tocsin.channel")
    phone = Phone(
        answers={
            "1": [Rejected(reason=Reason.ADDRESS_INVALID, code="21211")],
            "2": [NotSent(reason=Reason.UNREACHABLE), Accepted(message_id="late", segments=2)],
            "3": [NotSent(reason=Reason.UNREACHABLE)] * 3,
            "4": [Ambiguous()] * 3,
            "7": [RuntimeError("+4915112345678 is closed"), Accepted()],
        }
    )
    jobs = {n: job(n, recipient=f"r{n}") for n in range(1, 8)}
    jobs[5] = job(5, recipient="r5", expires_in=-1)
    jobs[6].providers = ["nowhere"]
    await bench.put(*jobs.values())
    async with bench.dispatcher(phone):
        statuses = {s.delivery_id: s for s in await bench.until_statuses(7)}
    told = {
        n: (s.status, s.reason, s.provider_code, s.attempt, s.provider)
        for n, j in jobs.items()
        for s in [statuses[j.delivery_id]]
    }
    assert told == {
        1: ("failed", "address_invalid", "21211", 1, "phone"),
        2: ("sent", None, None, 2, "phone"),
        3: ("failed", "retries_exhausted", None, 3, "phone"),
        4: ("unknown", "no_answer", None, 3, "phone"),
        5: ("expired", None, None, 0, None),
        6: ("failed", "provider_unknown", None, 0, None),
        7: ("sent", None, None, 2, "phone"),
    }
    assert statuses[jobs[2].delivery_id].segments == 2
    assert "5" not in phone.got
    tried_again = [facts_of(line) or {} for line in caplog.records if line.msg == "will try again"]
    assert {(line["delivery_id"], line["notification_id"], line["tenant"]) for line in tried_again} == {
        (jobs[n].delivery_id, jobs[n].notification_id, "acme") for n in (2, 3, 4, 7)
    }


async def test_a_job_decided_before_something_was_taken_away_goes_back_to_be_decided_again(bench: Bench):
    stop = encode_stop(RecipientVersion(5, raised_at=0))
    bench.stops.apply(ConsumerRecord("stops", 0, 0, 0, b"acme/ada", stop))
    old, new = job(1, recipient="ada", version=4), job(2, recipient="ada", version=5)
    await bench.put(old, new)
    phone = Phone()
    async with bench.dispatcher(phone):
        statuses = {s.delivery_id: s for s in await bench.until_statuses(2)}
    deferred = statuses[old.delivery_id]
    assert (deferred.status, deferred.reason, deferred.final) == ("deferred", "recheck", False)
    assert phone.got == ["2"]
    (record,) = await bench.read(bench.intents)
    intent = decode_intent(record.value or b"")
    assert isinstance(intent, Intent)
    assert intent.delivery is not None
    assert (intent.notification_id, intent.delivery.channel, intent.cause) == (
        old.notification_id,
        CHANNEL,
        deferred.cause,
    )


async def test_a_deferral_and_its_timer_stand_together_or_not_at_all(bench: Bench):
    await bench.put(job(1, recipient="r1"))
    hold = HoldAt("before_commit", RuntimeError("the process dies"))
    with pytest.raises(RuntimeError, match="dies"):
        async with bench.dispatcher(
            Phone(answers={"1": [Throttled(retry_after=30)]}), failpoints=hold, deferral=DeferralPolicy()
        ) as running:
            await asyncio.wait([running], timeout=30)
    assert await bench.read(bench.timers) == await bench.read(bench.status) == []
    again = Phone(answers={"1": [Throttled(retry_after=30)]})
    async with bench.dispatcher(again, deferral=DeferralPolicy()):
        (deferred,) = await bench.until_statuses(1)
    (record,) = await bench.read(bench.timers)
    timer = decode_timer(record.value or b"")
    assert isinstance(timer, SetTimer)
    assert (deferred.status, deferred.reason, deferred.due_at) == ("deferred", "throttled", timer.due)
    assert (again.got, timer.topic, record.key) == (["1"], bench.jobs, b"acme/r1")
    async with bench.dispatcher(again):  # its offset stands, too
        await bench.put(job(2, recipient="r2"))
        await bench.until_statuses(2)
    assert again.got == ["1", "2"]


async def test_after_an_ambiguous_answer_nothing_ends_as_if_it_had_not_been_sent(bench: Bench):
    stopped = job(1, recipient="ada", version=4)
    await bench.put(stopped)
    stop = encode_stop(RecipientVersion(5, raised_at=0))

    class Uncertain(Phone):
        async def send(self, job: Job) -> Answer:
            bench.stops.apply(ConsumerRecord("stops", 0, 0, 0, b"acme/ada", stop))
            self.got.append("1")
            return Ambiguous()

    phone = Uncertain()
    async with bench.dispatcher(phone):
        (status,) = await bench.until_statuses(1)
    assert (status.status, status.reason, phone.got) == ("unknown", "no_answer", ["1"])
    assert await bench.read(bench.intents) == []


async def test_an_unreadable_job_is_set_aside_and_harms_no_other(bench: Bench):
    await bench.publisher.publish([ProducerRecord(bench.jobs, b"acme/r1", b"{broken")], timeout=20)
    await bench.put(job(1, recipient="r1"))
    async with bench.dispatcher(Phone()):
        await bench.until_statuses(1)

        async def set_aside() -> bool:
            return bool(await bench.read(bench.dead))

        await until(set_aside)
    dead = await bench.read(bench.dead)
    headers = dict(dead[0].headers)
    assert headers["tocsin_dead_reason"] == b"record_unreadable"
    assert dead[0].value == b"{broken"


class Explodes:
    """Raises the first time a place is reached."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.exploded = False

    async def reach(self, name: str) -> None:
        if name == self.place and not self.exploded:
            self.exploded = True
            raise RuntimeError(f"killed at {name}")


@pytest.mark.parametrize("place", ["before_outcome", "after_outcome"])
async def test_killed_around_the_outcome_nothing_is_lost(bench: Bench, place: str):
    jobs = [job(number, recipient=f"r{number}") for number in range(40)]
    await bench.put(*jobs)
    first, second = Phone(), Phone()
    with pytest.raises(RuntimeError, match="killed at"):
        async with bench.dispatcher(first, failpoints=Explodes(place)) as running:
            await asyncio.wait([running], timeout=30)
    async with bench.dispatcher(second):
        statuses = await bench.until_statuses(40)
    assert {s.delivery_id for s in statuses} == {j.delivery_id for j in jobs}
    assert len({s.status_id for s in statuses}) == 40, "a repeated outcome has the id of the first"
    assert set(map(int, first.got + second.got)) == set(range(40))


async def test_sends_in_flight_end_before_a_shard_is_released(bench: Bench):
    phone = Phone(holds=True)
    await bench.put(*(job(number, recipient=f"r{number}") for number in range(5)))
    async with bench.dispatcher(phone):
        await until(lambda: len(phone.got) == 5)
        asyncio.get_running_loop().call_later(0.3, phone.open_gate.set)
    assert {s.status for s in await bench.until_statuses(5)} == {"sent"}
    second = Phone()
    await bench.put(job(5, recipient="r5"))
    async with bench.dispatcher(second):
        await bench.until_statuses(6)
    assert second.got == ["5"]


async def test_a_second_member_while_the_provider_is_slow_doubles_nothing_and_kills_nobody(bench: Bench):
    """All that waits would take four times as long as a drain may: only calls under way are waited for."""
    timeouts = GroupTimeouts(
        send_timeout=4, drain_timeout=5, rebalance_timeout=9, heartbeat_interval=0.2, progress_timeout=20
    )
    slow = Phone(seconds=2.5)
    await bench.put(*(job(number, recipient=f"r{number}") for number in range(48)))
    async with bench.dispatcher(slow, places=6, timeouts=timeouts) as first:
        await until(lambda: len(slow.got) == 6)
        async with bench.dispatcher(slow, places=6, timeouts=timeouts) as second:
            await bench.until_statuses(48)
            assert not first.done()
            assert not second.done()
    assert sorted(map(int, slow.got)) == list(range(48))


async def test_commits_carry_where_the_outcomes_of_what_follows_begin(bench: Bench):
    await bench.put(*(job(number, recipient=f"r{number}") for number in range(30)))
    async with bench.dispatcher(Phone()):
        await bench.until_statuses(30)
    seen: dict[int, tuple[int, int]] = {}

    async def look(shard: FencedShard) -> None:
        for place, position in shard.positions.items():
            seen[place.partition] = (position.offset, read_back_position(position.metadata) or 0)
        await shard.revoked.wait()

    group = ConsumerGroup(
        cluster=bench.cluster,
        group=bench.topics.group(CHANNEL.dispatcher, LANE),
        topics=[bench.jobs],
        ownership=Fenced(cluster=bench.cluster, shards=2),
        timeouts=TIGHT,
        work=look,
        health=Health(service="test"),
        clock=SystemClock(),
    )
    await group.open()
    stop = asyncio.Event()
    running = asyncio.create_task(group.run(stop))
    await until(lambda: len(seen) == PARTITIONS)
    stop.set()
    await running
    await group.close()
    for topic, index in ((bench.jobs, 0), (bench.status, 1)):
        ends: dict[int, int] = defaultdict(int)
        for record in await bench.read(topic):
            ends[record.partition] = max(ends[record.partition], record.offset + 1)
        assert {p: position[index] for p, position in seen.items()} == {p: ends[p] for p in range(PARTITIONS)}
