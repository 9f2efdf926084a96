"""One shard at work: order, outcomes, offsets and retries."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.channel.conftest import JOBS, UNREACHABLE

from tocsin.channel import Accepted, Ambiguous, Rejected
from tocsin.contracts.codec import decode_intent, decode_status
from tocsin.contracts.intents import Intent
from tocsin.contracts.vocabulary import Lane, Reason
from tocsin.kafka import (
    CommittedOffset,
    Limits,
    NotStored,
    OwnershipLost,
    ProducerRecord,
    TopicPartition,
    read_back_metadata,
)
from tocsin.testing.clock import ManualClock
from tocsin.testing.kafka import MemoryCluster
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench


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
    bench.raise_version("ada", 5)
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


@pytest.mark.parametrize("nobody", [{"target": "apns"}, {"providers": ["nowhere"]}])
async def test_where_nobody_serves_it_expiry_and_what_was_taken_away_still_decide(
    bench: "LaneBench", nobody: dict[str, Any]
):
    clock = ManualClock()
    await bench.open(clock=clock)
    bench.raise_version("ada", 5)
    shard, _ = bench.start()
    shard.put(
        bench.job(1, expires_at=clock.now(), **nobody),
        bench.job(2, recipient="ada", recipient_version=4, **nobody),
        bench.job(3, recipient="ada", recipient_version=5, **nobody),
    )
    await until(lambda: len(bench.statuses) == 3)
    reason = "target_unserved" if "target" in nobody else "provider_unknown"
    assert {
        status.delivery_id: (status.status, status.reason, status.attempt) for status in bench.statuses
    } == {
        "d1": ("expired", None, 0),
        "d2": ("deferred", "recheck", 0),
        "d3": ("failed", reason, 0),
    }
    assert [status.delivery_id for status in bench.statuses if status.recipient == "ada"] == ["d2", "d3"]
    assert len(bench.cluster.read("t.intents.transactional")) == 1
    assert bench.made[-1].got == []


@pytest.mark.parametrize(("days", "status"), [(6.9, "sent"), (7.1, "deferred")])
async def test_a_job_older_than_a_week_goes_back_whatever_its_version(
    bench: "LaneBench", days: float, status: str
):
    """`stops` may have forgotten why it must not go out."""
    clock = ManualClock()
    bench.cluster = MemoryCluster(prefix="t.", clock=clock)
    await bench.open(clock=clock)
    bench.provider().let_go.clear()
    shard, _ = bench.start()
    expires_at = clock.now() + timedelta(days=30)
    shard.put(*(bench.job(number, recipient="ada", expires_at=expires_at) for number in (1, 2)))
    await until(lambda: bench.provider().got == ["1"])
    clock.advance(days=days)
    bench.provider().let_go.set()
    await until(lambda: len(bench.statuses) == 2)
    assert [made.status for made in bench.statuses] == ["sent", status]
    assert len(bench.cluster.read("t.intents.transactional")) == (status == "deferred")


async def test_a_refused_transaction_ends_the_work_with_its_error(bench: "LaneBench"):
    await bench.open()
    bench.raise_version("ada", 5)
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
    shard.put(
        *(bench.job(number) for number in range(1, 6)),
        bench.job(6, providers=["nowhere"]),
        bench.job(7, target="apns"),
    )
    await until(lambda: len(bench.statuses) == 7)
    assert {status.address_hash for status in bench.statuses} == {bench.job(1).address_hash}
    told = {
        int((s.delivery_id or "")[1:]): (s.status, s.reason, s.provider_code, s.attempt, s.provider)
        for s in bench.statuses
    }
    assert told == {
        1: ("failed", "address_invalid", "21211", 1, "first"),
        2: ("sent", None, None, 2, "first"),
        3: ("deferred", "unreachable", None, 3, "first"),
        4: ("unknown", "no_answer", None, 3, "first"),
        5: ("sent", None, None, 2, "first"),
        6: ("failed", "provider_unknown", None, 0, None),
        7: ("failed", "target_unserved", None, 0, None),
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
    bench.raise_version("ada", 5)
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


@pytest.mark.parametrize(("unreadable", "stops"), [(10, False), (11, True)])
async def test_of_a_batch_all_jobs_count_before_one_stops_it(
    bench: "LaneBench", unreadable: int, stops: bool
):
    """5 % of the first batch are not over 5 %, wherever they stand."""
    await bench.open()
    shard, work = bench.start()
    shard.put(*[b"{broken"] * unreadable, *(bench.job(number) for number in range(200 - unreadable)))
    if stops:
        await until(lambda: "broken release writes or reads them" in str(bench.health.reasons()))
    else:
        await until(lambda: len(bench.cluster.read("t.dead.dispatch-sms")) == unreadable)
        await until(lambda: len(bench.statuses) == 190)
        assert "broken release" not in str(bench.health.reasons())
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
