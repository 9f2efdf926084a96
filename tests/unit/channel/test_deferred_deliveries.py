"""What no provider took waits in a timer, with what was tried so far; timer, deferral and offset stand together or not at all."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from prometheus_client import REGISTRY
from tests.unit.channel.conftest import JOBS, UNREACHABLE

from tocsin.channel import Accepted, Ambiguous, Answer, Throttled
from tocsin.channel.deferral import DeferralPolicy
from tocsin.contracts.codec import decode_intent, decode_job, decode_timer
from tocsin.contracts.ids import retry_timer_id
from tocsin.contracts.intents import Intent, RetryMemory
from tocsin.contracts.timers import SetTimer
from tocsin.kafka import TopicPartition
from tocsin.testing.until import until

if TYPE_CHECKING:
    from tests.unit.channel.conftest import LaneBench

FIRST_AT = datetime.now(UTC) - timedelta(hours=2)
TOMORROW = datetime.now(UTC) + timedelta(days=1)
SOON = Throttled(retry_after=30, code="429", detail="Slow down.")
LATER = Throttled(retry_after=3_600)


def timers(bench: "LaneBench") -> list[SetTimer]:
    decoded = [decode_timer(record.value or b"") for record in bench.cluster.read("t.timers.transactional")]
    assert all(isinstance(timer, SetTimer) for timer in decoded)
    return decoded


def record_of(timer: SetTimer) -> bytes:
    return bytes(timer.private.record)


async def ended(bench: "LaneBench", answers: list[Answer], **fields: Any) -> Any:
    """The status that follows from these answers to one job."""
    await bench.open()
    bench.provider().answers["1"] = [*answers]
    shard, work = bench.start()
    shard.put(bench.job(1, **fields))
    await until(lambda: bool(bench.statuses) and bench.statuses[-1].status != "sending")
    await shard.revoke()
    await work
    assert shard.committed[TopicPartition(JOBS, 0)].offset == 1
    return bench.statuses[-1]


async def test_what_is_due_within_a_minute_comes_back_as_the_job_that_it_was(bench: "LaneBench"):
    before = datetime.now(UTC)
    status = await ended(bench, [SOON])
    (timer,) = timers(bench)
    assert (status.status, status.reason, status.final, status.retryable) == (
        "deferred", "throttled", False, True,
    )  # fmt: skip
    assert (status.provider_code, status.detail, status.attempt) == ("429", "Slow down.", 1)
    assert [(attempt.provider, attempt.answer) for attempt in status.tries] == [("first", "throttled")]
    assert status.due_at == timer.due
    assert before + timedelta(seconds=30) <= timer.due <= datetime.now(UTC) + timedelta(seconds=34)
    assert (timer.topic, timer.recipient, timer.cause) == (JOBS, "r1", f"{JOBS}/0/0")
    assert timer.id == retry_timer_id(delivery="d1", cause=timer.cause)
    job = decode_job(record_of(timer))
    assert job.retry is not None
    assert (job.retry.attempt, job.retry.uncertain, job.cause) == (1, None, timer.cause)
    assert before <= job.retry.first_at <= datetime.now(UTC)
    assert msgspec.structs.replace(job, retry=None, cause=bench.job(1).cause).private == bench.job(1).private
    assert bench.cluster.read("t.intents.transactional") == []


async def test_what_waits_longer_is_decided_again_when_it_is_due(bench: "LaneBench"):
    status = await ended(bench, [LATER], expires_at=TOMORROW)
    (timer,) = timers(bench)
    assert (status.due_at, timer.topic) == (timer.due, "t.intents.transactional")
    intent = decode_intent(record_of(timer))
    assert isinstance(intent, Intent)
    assert (intent.delivery is not None, intent.retry is not None) == (True, True)
    assert (intent.cause, intent.retry and intent.retry.attempt) == (timer.cause, 1)


async def test_at_once_it_is_tried_three_times_and_then_it_waits(bench: "LaneBench"):
    status = await ended(bench, [UNREACHABLE] * 3)
    assert (status.status, status.reason, status.attempt) == ("deferred", "unreachable", 3)
    assert bench.provider().got == ["1"] * 3


async def test_attempts_are_counted_on_and_one_is_made_for_each_record(bench: "LaneBench"):
    memory = RetryMemory(attempt=5, first_at=FIRST_AT)
    bench.deferral = DeferralPolicy(cap=10)
    status = await ended(bench, [UNREACHABLE], retry=memory)
    assert (status.attempt, len(status.tries), bench.provider().got) == (6, 1, ["1"])
    job = decode_job(record_of(timers(bench)[0]))
    assert job.retry == RetryMemory(attempt=6, first_at=FIRST_AT)


async def test_a_later_attempt_that_succeeds_says_which_it_was(bench: "LaneBench"):
    status = await ended(bench, [Accepted()], retry=RetryMemory(attempt=5, first_at=FIRST_AT))
    assert (status.status, status.attempt, len(status.tries)) == ("sent", 6, 1)


async def test_what_may_have_been_sent_waits_as_a_job_whatever_the_time_and_only_its_provider_is_asked(
    bench: "LaneBench",
):
    """The router would end it as skipped or expired, which nobody knows."""
    bench.configure("first", "second", order=["first", "second"])
    status = await ended(bench, [Ambiguous(), LATER], expires_at=TOMORROW)
    assert (status.status, status.reason) == ("deferred", "throttled")
    (timer,) = timers(bench)
    assert timer.topic == JOBS
    job = decode_job(record_of(timer))
    assert job.retry is not None
    assert (job.retry.attempt, job.retry.uncertain) == (2, "first")


@pytest.mark.parametrize(
    ("fields", "asked", "ends"),
    [
        ({}, {"first": ["1"], "second": []}, ("deferred", "unreachable")),
        ({"resend_elsewhere": True}, {"first": ["1"], "second": ["1"]}, ("sent", None)),
        ({"expires_at": FIRST_AT}, {"first": [], "second": []}, ("unknown", "no_answer")),
    ],
)
async def test_what_an_earlier_record_left_open(
    bench: "LaneBench", fields: dict[str, Any], asked: dict[str, list[str]], ends: tuple[str, str | None]
):
    bench.configure("second", "first", order=["first", "second"])
    memory = RetryMemory(attempt=4, first_at=FIRST_AT, uncertain="first")
    await bench.open()
    bench.provider("first").answers["1"] = [UNREACHABLE]
    shard, _ = bench.start()
    shard.put(bench.job(1, retry=memory, **fields))
    await until(lambda: len(bench.statuses) == 1)
    (status,) = bench.statuses
    assert (status.status, status.reason) == ends
    assert {name: bench.provider(name).got for name in asked} == asked
    assert len(status.tries) == sum(map(len, asked.values()))
    if timers(bench):
        again = decode_job(record_of(timers(bench)[0])).retry
        assert again == RetryMemory(attempt=5, first_at=FIRST_AT, uncertain="first")


async def test_a_recheck_keeps_what_was_tried(bench: "LaneBench"):
    await bench.open()
    bench.raise_version("ada", 5)
    shard, _ = bench.start()
    memory = RetryMemory(attempt=5, first_at=FIRST_AT)
    shard.put(bench.job(1, recipient="ada", recipient_version=4, retry=memory))
    await until(lambda: len(bench.statuses) == 1)
    (record,) = bench.cluster.read("t.intents.transactional")
    intent = decode_intent(record.value or b"")
    assert isinstance(intent, Intent)
    assert (intent.retry, bench.statuses[0].attempt) == (memory, 5)


@pytest.mark.parametrize(
    ("policy", "fields"),
    [
        (DeferralPolicy(attempts=3), {}),
        (DeferralPolicy(), {"retry": RetryMemory(attempt=99, first_at=datetime.now(UTC))}),
        (DeferralPolicy(age=3_600), {"retry": RetryMemory(attempt=9, first_at=FIRST_AT)}),
        (DeferralPolicy(), {"expires_at": datetime.now(UTC) + timedelta(seconds=1_000_000)}),
    ],
)
async def test_when_there_is_no_time_or_attempt_left_it_fails(
    bench: "LaneBench", policy: DeferralPolicy, fields: dict[str, Any]
):
    bench.deferral = policy
    answers: list[Answer] = [UNREACHABLE] * 3
    if "expires_at" in fields:
        answers = [Throttled(retry_after=1_000_000)]
    status = await ended(bench, answers, **fields)
    assert (status.status, status.reason, status.retryable) == ("failed", "retries_exhausted", True)
    assert timers(bench) == []


async def test_at_most_once_what_was_not_taken_waits_too(bench: "LaneBench"):
    status = await ended(bench, [SOON], delivery_class="at_most_once")
    assert [status.status for status in bench.statuses] == ["sending", "deferred"]
    assert status.cause == bench.statuses[0].cause
    assert len(timers(bench)) == 1


async def test_what_is_put_off_does_not_hold_back_its_recipients_next_message(bench: "LaneBench"):
    await bench.open()
    bench.provider().answers["1"] = [SOON]
    shard, _ = bench.start()
    shard.put(*(bench.job(number, recipient="ada") for number in (1, 2)))
    await until(lambda: len(bench.statuses) == 2)
    assert [(status.delivery_id, status.status) for status in bench.statuses] == [
        ("d1", "deferred"),
        ("d2", "sent"),
    ]


async def test_how_many_wait_and_how_long_is_shown(bench: "LaneBench"):
    labels = {"component": "dispatch-sms", "lane": "transactional"}

    def shown(name: str, **more: str) -> float:
        return REGISTRY.get_sample_value(name, labels | more) or 0.0

    before = shown("tocsin_deferrals_total", reason="throttled"), shown("tocsin_deferral_seconds_count")
    await ended(bench, [SOON])
    after = shown("tocsin_deferrals_total", reason="throttled"), shown("tocsin_deferral_seconds_count")
    assert after == (before[0] + 1, before[1] + 1)
