"""One shard: order, outcomes, offsets, retries, what a revoked shard leaves, and that nothing outlives it."""

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import Histogram

from tocsin.channel import Accepted, Ambiguous, NotSent, Rejected, Throttled
from tocsin.contracts.codec import decode_intent, decode_status, encode
from tocsin.contracts.intents import Intent
from tocsin.contracts.stops import RecipientVersion
from tocsin.contracts.vocabulary import Lane, Reason
from tocsin.kafka import (
    CommittedOffset,
    ConsumerRecord,
    LeaseLost,
    Limits,
    NotStored,
    OwnershipLost,
    ProducerRecord,
    TopicPartition,
    read_back_metadata,
)
from tocsin.testing.clock import ManualClock
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench

JOBS = "t.jobs.sms.transactional"
UNREACHABLE = NotSent(reason=Reason.UNREACHABLE)


class Broken(Histogram):
    """A metric that fails."""

    def __init__(self) -> None:
        """Registered nowhere."""

    def observe(self, *_: Any) -> None:
        raise RuntimeError("The metric is out of order.")


def raise_version(bench: "LaneBench", recipient: str, version: int) -> None:
    stop = RecipientVersion(tenant="acme", recipient=recipient, recipient_version=version)
    bench.versions.apply(ConsumerRecord("t.stops", 0, 0, 0, f"acme/{recipient}".encode(), encode(stop)))


async def test_jobs_are_sent_in_each_recipients_order_and_recorded_on_their_own_partition(bench: "LaneBench"):
    await bench.open()
    shard, work = bench.start(partitions=2)
    for number in range(60):
        shard.put(bench.job(number, recipient=f"r{number % 6}"), partition=number % 2)
    await until(lambda: len(bench.statuses) == 60)
    await shard.revoke()
    await work
    for recipient in range(6):
        bodies = [int(body) for body in bench.provider().got if int(body) % 6 == recipient]
        assert bodies == list(range(recipient, 60, 6))
    for record in bench.cluster.read("t.status.transactional"):
        assert decode_status(record.value or b"").cause.split("/")[1] == str(record.partition)
    ends = CommittedOffset(30, read_back_metadata(30))
    assert shard.committed == {TopicPartition(JOBS, 0): ends, TopicPartition(JOBS, 1): ends}


async def test_a_commit_says_where_outcomes_are_read_back_from(bench: "LaneBench"):
    """What was sent is behind it; a job that is not, and all later ones, have their outcomes after it."""
    await bench.open()
    shard, work = bench.start()
    shard.put(bench.job(0))
    await until(lambda: len(bench.statuses) == 1)
    bench.provider().let_go.clear()
    shard.put(bench.job(1))
    await until(lambda: bench.provider().got == ["0", "1"])
    await until(lambda: shard.committed[TopicPartition(JOBS, 0)] == CommittedOffset(1, read_back_metadata(1)))
    await shard.revoke()
    bench.provider().let_go.set()
    await work
    assert shard.committed[TopicPartition(JOBS, 0)] == CommittedOffset(2, read_back_metadata(2))


async def test_what_a_former_owner_may_have_sent_keeps_the_place_where_its_outcomes_begin(bench: "LaneBench"):
    await bench.open()
    bench.provider().let_go.clear()
    context = bench.context()
    bench.cluster.create(context.jobs, context.status, partitions=1)
    bench.cluster.logs.append((0, ProducerRecord(context.status, None, b"earlier")) for _ in range(5))
    bench.cluster.start(context.group, context.jobs, metadata=read_back_metadata(3))
    shard, _ = bench.start(context)
    shard.put(bench.job(1))
    await until(lambda: bench.provider().got == ["1"])
    await until(lambda: shard.committed[TopicPartition(JOBS, 0)] == CommittedOffset(0, read_back_metadata(3)))


async def test_an_expired_job_is_not_sent(bench: "LaneBench"):
    await bench.open()
    now = datetime.now(UTC)
    shard, _ = bench.start()
    shard.put(bench.job(1, expires_at=now - timedelta(seconds=1)), bench.job(2))
    await until(lambda: len(bench.statuses) == 2)
    assert [(status.status, status.provider, status.attempt) for status in bench.statuses] == [
        ("expired", None, 0),
        ("sent", "first", 1),
    ]
    assert bench.provider().got == ["2"]


async def test_expiry_is_looked_at_again_before_each_attempt(bench: "LaneBench"):
    clock = ManualClock()
    await bench.open(clock=clock)
    bench.provider().answers["1"] = [UNREACHABLE]
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    shard.put(bench.job(1, expires_at=clock.now() + timedelta(seconds=60)))
    await until(lambda: bench.provider().got == ["1"])
    clock.advance(60)
    bench.provider().let_go.set()
    await until(lambda: len(bench.statuses) == 1)
    assert [(status.status, status.provider, status.attempt) for status in bench.statuses] == [
        ("expired", "first", 1)
    ]
    assert bench.provider().got == ["1"]


async def test_a_job_decided_under_a_smaller_version_goes_back_with_its_offset(bench: "LaneBench"):
    await bench.open()
    raise_version(bench, "ada", 5)
    shard, work = bench.start()
    old = bench.job(1, recipient="ada", recipient_version=4)
    shard.put(old, bench.job(2, recipient="ada", recipient_version=5))
    await until(lambda: len(bench.statuses) == 2)
    (intent_record,) = bench.cluster.read("t.intents.transactional")
    intent, status = decode_intent(intent_record.value or b""), bench.statuses[0]
    assert isinstance(intent, Intent)
    assert intent.delivery is not None
    assert (intent_record.topic, intent_record.key, intent.cause) == (
        "t.intents.transactional",
        b"acme/ada",
        f"{JOBS}/0/0",
    )
    assert (intent.delivery.channel, intent.delivery.step, intent.delivery.address_key) == (
        old.channel,
        old.step,
        old.address_key,
    )
    assert (status.status, status.reason, status.final, status.provider, status.attempt) == (
        "deferred",
        "recheck",
        False,
        None,
        0,
    )
    assert bench.provider().got == ["2"]
    await shard.revoke()
    await work
    assert shard.committed[TopicPartition(JOBS, 0)].offset == 2


async def test_a_refused_transaction_ends_the_work_with_its_error(bench: "LaneBench"):
    await bench.open()
    raise_version(bench, "ada", 5)
    shard, work = bench.start()
    await until(lambda: bool(shard.group.held))
    newer = bench.cluster.transactions(
        transactional_id=f"{shard.coordinator.name}.0", group=shard.coordinator.name, limits=Limits(None)
    )
    await newer.open()
    shard.put(bench.job(1, recipient="ada", recipient_version=4))
    with pytest.raises(OwnershipLost, match="fenced"):
        await work
    assert bench.statuses == []


async def test_answers_become_statuses(bench: "LaneBench"):
    await bench.open()
    bench.provider().answers = {
        "1": [Rejected(reason=Reason.ADDRESS_INVALID, code="21211")],
        "2": [UNREACHABLE, Accepted(message_id="late", segments=2)],
        "3": [UNREACHABLE] * 3,
        "4": [Ambiguous()] * 3,
        "5": [RuntimeError("+4915112345678 is closed"), Accepted()],
    }
    shard, _ = bench.start()
    shard.put(*(bench.job(number) for number in range(1, 6)), bench.job(6, providers=["nowhere"]))
    await until(lambda: len(bench.statuses) == 6)
    told = {
        int((s.delivery_id or "")[1:]): (s.status, s.reason, s.provider_code, s.attempt, s.provider)
        for s in bench.statuses
    }
    assert told == {
        1: ("failed", "address_invalid", "21211", 1, "first"),
        2: ("sent", None, None, 2, "first"),
        3: ("failed", "retries_exhausted", None, 3, "first"),
        4: ("unknown", "no_answer", None, 3, "first"),
        5: ("sent", None, None, 2, "first"),
        6: ("failed", "provider_unknown", None, 0, None),
    }


async def test_a_call_without_an_answer_in_time_is_ambiguous(bench: "LaneBench"):
    await bench.open()
    bench.provider().let_go.clear()
    shard, _ = bench.start(bench.context(send_timeout=0.01))
    shard.put(bench.job(1))
    await until(lambda: len(bench.statuses) == 1)
    (status,) = bench.statuses
    assert (status.status, status.reason, status.detail) == (
        "unknown",
        "no_answer",
        "No answer within 0.01 s.",
    )
    assert bench.provider().cancelled == ["1"] * 3


async def test_a_retry_waits_in_nobodys_hands_and_keeps_its_recipients_order(bench: "LaneBench"):
    bench.configure("first", places=1)
    await bench.open()
    bench.provider().answers["1"] = [UNREACHABLE]
    shard, _ = bench.start()
    shard.put(bench.job(1, recipient="ada"), bench.job(2, recipient="ada"), bench.job(3, recipient="bob"))
    await until(lambda: len(bench.statuses) == 3)
    assert bench.provider().got == ["1", "3", "1", "2"]


async def test_thousands_for_a_provider_that_does_not_exist_end_one_by_one(bench: "LaneBench"):
    await bench.open()
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    shard.put(bench.job(0, recipient="ada"))
    shard.put(*(bench.job(number, recipient="ada", providers=["nowhere"]) for number in range(1, 2_000)))
    await until(lambda: bench.provider().got == ["0"])
    bench.provider().let_go.set()
    await until(lambda: len(bench.statuses) == 2_000)
    assert [status.delivery_id for status in bench.statuses] == [f"d{number}" for number in range(2_000)]


async def test_after_an_ambiguous_answer_nothing_ends_as_if_it_had_not_been_sent(bench: "LaneBench"):
    await bench.open()
    bench.provider().answers = {"1": [Ambiguous()]}
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    shard.put(bench.job(1, recipient="ada", recipient_version=4))
    await until(lambda: bench.provider().got == ["1"])
    raise_version(bench, "ada", 5)
    bench.provider().let_go.set()
    await until(lambda: len(bench.statuses) == 1)
    assert [(s.status, s.reason, s.provider, s.attempt) for s in bench.statuses] == [
        ("unknown", "no_answer", "first", 1)
    ]
    assert (bench.provider().got, bench.cluster.read("t.intents.transactional")) == (["1"], [])


async def test_after_an_ambiguous_answer_no_other_provider_is_asked(bench: "LaneBench"):
    bench.configure("first", "second")
    await bench.open()
    bench.provider("first").answers["1"] = [Ambiguous()]
    bench.provider("first").let_go.clear()
    shard, _ = bench.start()
    shard.put(bench.job(1))
    await until(lambda: bench.provider("first").got == ["1"])
    bench.configure("second")
    await bench.pool.reload()
    bench.provider("first").let_go.set()
    await until(lambda: len(bench.statuses) == 1)
    assert [(s.status, s.reason, s.provider, s.attempt) for s in bench.statuses] == [
        ("unknown", "no_answer", "first", 1)
    ]
    assert bench.provider("second").got == []


async def test_an_unreadable_job_is_set_aside_and_harms_no_other(bench: "LaneBench"):
    await bench.open()
    shard, work = bench.start()
    shard.put(b"{broken", bench.job(1))
    await until(lambda: len(bench.statuses) == 1)
    (letter,) = bench.cluster.read("t.dead.dispatch-sms")
    assert (letter.value, dict(letter.headers)["tocsin_dead_reason"]) == (b"{broken", b"record_unreadable")
    await shard.revoke()
    await work
    assert shard.committed[TopicPartition(JOBS, 0)].offset == 2


async def test_many_unreadable_jobs_stop_it(bench: "LaneBench"):
    await bench.open()
    shard, work = bench.start()
    shard.put(*[b"{broken"] * 20)
    await until(lambda: "broken release writes or reads them" in str(bench.health.reasons()))
    assert not work.done()
    assert not shard.coordinator.members
    await shard.revoke()
    await work


async def test_outcomes_are_stored_however_often_the_broker_refuses(bench: "LaneBench"):
    await bench.open()
    bench.publisher.failures = [NotStored("The broker is away.")] * 2
    shard, work = bench.start()
    shard.put(bench.job(1))
    await until(lambda: bench.provider().got == ["1"])
    await shard.revoke()
    await work
    assert bench.publisher.failures == []
    assert [status.status for status in bench.statuses] == ["sent"]
    assert shard.committed[TopicPartition(JOBS, 0)].offset == 1


async def test_no_more_begin_than_may_be_unrecorded(bench: "LaneBench"):
    await bench.open(max_unrecorded=10)
    bench.publisher.flowing.clear()
    shards, _ = bench.start(partitions=2)
    critical, _ = bench.start(bench.context(Lane.CRITICAL))
    shards.put(*(bench.job(number) for number in range(50)), partition=0)
    shards.put(*(bench.job(number) for number in range(50, 100)), partition=1)
    await until(lambda: len(bench.provider().got) == 10)
    critical.put(bench.job(100))
    await until(lambda: bench.provider().got[10:] == ["100"])  # its lane has a limit of its own
    bench.publisher.flowing.set()
    await until(lambda: len(bench.statuses) == 101)


# How it ends


async def test_what_fails_before_a_call_ends_the_work_with_its_error(bench: "LaneBench"):
    await bench.open()
    context = bench.context()
    context.age_seconds = Broken()
    shard, work = bench.start(context)
    shard.put(bench.job(1))
    with pytest.raises(RuntimeError, match="out of order"):
        await work
    assert bench.provider().got == []


async def test_what_fails_for_one_shard_while_the_pool_reloads_ends_that_shards_work(bench: "LaneBench"):
    bench.configure("first", places=1)
    await bench.open()
    bench.provider().let_go.clear()
    shard, work = bench.start()
    shard.put(bench.job(1))
    await until(lambda: bench.provider().got == ["1"])
    context = bench.context(Lane.BULK)
    context.age_seconds = Broken()
    waiting, waiting_work = bench.start(context)
    waiting.put(bench.job(2, providers=["first"]))
    await until(waiting.took_all)
    bench.configure("second")
    await bench.pool.reload()
    with pytest.raises(RuntimeError, match="out of order"):
        await waiting_work
    assert not work.done()


async def test_what_fails_after_a_transaction_ends_the_work_with_its_error(bench: "LaneBench"):
    await bench.open()
    raise_version(bench, "ada", 5)
    context = bench.context()
    context.stage_seconds = context.stage_seconds | {"record": Broken()}
    shard, work = bench.start(context)
    shard.put(bench.job(1, recipient="ada", recipient_version=4))
    with pytest.raises(RuntimeError, match="out of order"):
        await work


async def test_without_a_lease_nothing_is_sent_and_the_work_ends(bench: "LaneBench"):
    await bench.open()
    shard, work = bench.start()
    await until(lambda: bool(shard.group.held))
    shard.group._lease.end()
    shard.put(bench.job(1), bench.job(2))
    with pytest.raises(LeaseLost):
        await work
    assert (bench.provider().got, bench.statuses, shard.committed[TopicPartition(JOBS, 0)].offset) == (
        [],
        [],
        0,
    )


async def test_a_lost_shard_harms_no_other(bench: "LaneBench"):
    """The runners are the process's: the lane of the lost shard has its places back, and other lanes go on."""
    await bench.open(max_unrecorded=4)
    bench.provider().let_go.clear()
    lost, lost_work = bench.start(partitions=2)
    lost.put(*(bench.job(number) for number in range(4)))
    await until(lambda: len(bench.provider().got) == 4)
    other, other_work = bench.start(bench.context(Lane.BULK))
    other.put(*(bench.job(number) for number in range(10, 14)))
    await until(lambda: len(bench.provider().got) == 8)
    lost.coordinator.expel(next(iter(lost.coordinator.members.values())))
    lost.put(bench.job(99, providers=["nowhere"]), partition=1)  # something to commit
    with pytest.raises(OwnershipLost, match=r"expelled|refused a commit"):
        await lost_work
    assert sorted(bench.provider().cancelled) == ["0", "1", "2", "3"]
    bench.start(partitions=2)
    bench.provider().let_go.set()
    await until(lambda: len({status.delivery_id for status in bench.statuses}) == 9)
    assert sorted(bench.provider().got[8:]) == ["0", "1", "2", "3"]
    assert not other_work.done()


async def test_a_revoked_shard_ends_its_calls_under_way_and_begins_no_other(bench: "LaneBench"):
    bench.configure("first", places=4)
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    shard, work = bench.start()
    shard.put(*(bench.job(number) for number in range(100)))
    await until(lambda: len(provider.got) == 3)  # the fourth place is the critical lane's
    await shard.revoke()
    provider.let_go.set()
    await work
    assert provider.got == ["0", "1", "2"]
    assert [status.delivery_id for status in bench.statuses] == ["d0", "d1", "d2"]
    assert shard.committed[TopicPartition(JOBS, 0)].offset == 3


async def test_a_call_that_ends_in_the_moment_of_the_revocation_is_followed_by_none(bench: "LaneBench"):
    bench.configure("first", places=4)
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    member, _ = bench.start()
    member.put(*(bench.job(number) for number in range(100)))
    await until(lambda: len(provider.got) == 3)
    (shard,) = member.group.held.values()
    shard.revoked.set()
    provider.let_go.set()
    await until(lambda: member.committed[TopicPartition(JOBS, 0)].offset == 3)
    assert provider.got == ["0", "1", "2"]


async def test_what_a_revoked_shard_left_its_next_owner_sends_and_nothing_twice(bench: "LaneBench"):
    bench.configure("first", places=4)
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    shard, work = bench.start()
    shard.put(*(bench.job(number) for number in range(100)))
    await until(lambda: len(provider.got) == 3)
    await shard.revoke()
    provider.let_go.set()
    await work
    bench.start()
    await until(lambda: len(bench.statuses) == 100)
    assert sorted(map(int, provider.got)) == list(range(100))


@pytest.mark.parametrize("answer", [UNREACHABLE, Ambiguous()])
async def test_what_waits_for_its_retry_begins_anew_at_the_next_owner(bench: "LaneBench", answer: Any):
    """Also after an ambiguous answer: the next owner does not learn of it."""
    await bench.open()
    provider = bench.provider()
    provider.answers["1"] = [answer]
    shard, work = bench.start()
    shard.put(bench.job(1))
    await until(lambda: provider.got == ["1"] and not provider.inside)
    await shard.revoke()
    await work
    assert (bench.statuses, shard.committed[TopicPartition(JOBS, 0)].offset) == ([], 0)
    bench.start()
    await until(lambda: len(bench.statuses) == 1)
    assert (provider.got, bench.statuses[0].attempt) == (["1", "1"], 1)


async def test_what_a_revoked_shard_held_of_its_lane_is_free_at_once(bench: "LaneBench"):
    """A retry that waits counts in the lane's limit: other shards have its place before the drain has ended."""
    await bench.open(max_unrecorded=2)
    provider = bench.provider()
    provider.answers["1"] = [Throttled(retry_after=2)]
    shard, work = bench.start()
    shard.put(bench.job(1))
    await until(lambda: provider.got == ["1"] and not provider.inside)
    provider.let_go.clear()
    shard.put(bench.job(2))
    await until(lambda: provider.got == ["1", "2"])

    def lane_is_full() -> bool:
        return bench.pool.lane_limits[bench.lane].reached

    assert lane_is_full()
    await shard.revoke()
    for _ in range(20):  # turns of the loop, and no time: the retry itself is due in two seconds
        await asyncio.sleep(0)
    assert not lane_is_full()
    assert not work.done()
    provider.let_go.set()
    await work


async def test_nothing_ends_behind_a_call_that_was_under_way_at_the_revocation(bench: "LaneBench"):
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    shard, work = bench.start()
    shard.put(bench.job(1, recipient="ada"), bench.job(2, recipient="ada", providers=["nowhere"]))
    await until(lambda: provider.got == ["1"])
    await shard.revoke()
    provider.let_go.set()
    await work
    assert [status.delivery_id for status in bench.statuses] == ["d1"]
    assert shard.committed[TopicPartition(JOBS, 0)].offset == 1


async def test_a_call_that_wants_a_retry_after_the_revocation_is_dropped(bench: "LaneBench"):
    await bench.open()
    provider = bench.provider()
    provider.answers["1"] = [UNREACHABLE]
    provider.let_go.clear()
    shard, work = bench.start()
    shard.put(bench.job(1))
    await until(lambda: provider.got == ["1"])
    await shard.revoke()
    provider.let_go.set()
    await work
    assert (provider.got, bench.statuses) == (["1"], [])


async def test_a_drain_that_is_cancelled_ends_its_calls_and_writes_nothing_more(bench: "LaneBench"):
    await bench.open()
    provider = bench.provider()
    provider.let_go.clear()
    shard, work = bench.start()
    shard.put(bench.job(1), bench.job(2))
    await until(lambda: len(provider.got) == 2)
    await shard.revoke()
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    assert sorted(provider.cancelled) == ["1", "2"]
    provider.let_go.set()
    await bench.pool.close()
    assert bench.statuses == []


async def test_a_cancelled_work_frees_its_lane(bench: "LaneBench"):
    await bench.open(max_unrecorded=2)
    bench.publisher.flowing.clear()
    shard, work = bench.start()
    shard.put(*(bench.job(number) for number in range(5)))
    await until(lambda: len(bench.provider().got) == 2)
    work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work
    bench.publisher.flowing.set()
    bench.start()
    await until(lambda: len(bench.statuses) == 5)
