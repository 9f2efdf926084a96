"""A tenant's day: what waits for the next, what is said of it, and what is never counted."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from tests.unit.router_worker.conftest import START, Worker

from tocsin.contracts.directory import TenantLimits, TenantRecord, Throttle
from tocsin.contracts.vocabulary import Channel
from tocsin.router.worker.quota import next_day


def limit(worker: Worker, a_day: int | None, **fields: Any) -> None:
    former = worker.directory.tenant("acme")
    assert former is not None
    limits = TenantLimits(messages_per_day=a_day)
    worker.publish(TenantRecord(tenant="acme", senders=former.senders, limits=limits, **fields))


async def test_what_is_over_waits_for_the_next_day_and_is_sent_then(worker: Worker) -> None:
    worker.clock.advance(12 * 3600)
    limit(worker, 2)
    written = await worker.route(*(worker.event(id=f"e{number}") for number in range(3)))
    assert [decision.outcome for decision in written.decisions()] == ["decided", "decided", "scheduled"]
    waits = written.decisions()[-1]
    assert (waits.rule, waits.reason, waits.due_at) == ("quota", "quota", START + timedelta(days=1))
    (timer,) = written.timers()
    assert timer.due == START + timedelta(days=1)
    assert worker.quotas.told == [(START.date(), "acme")]
    worker.clock.advance(12 * 3600)
    came_back = await worker.route(worker.record(timer.topic, b"k", bytes(timer.private.record)))
    (decision,) = came_back.decisions()
    assert (decision.outcome, decision.again) == ("decided", "turn")
    assert len(came_back.jobs(Channel.EMAIL)) == 1
    assert worker.quotas.asked[-1].offset == 0


async def test_without_a_quota_nobody_counts(worker: Worker) -> None:
    await worker.route(worker.event())
    limit(worker, None)
    await worker.route(worker.event(id="e2"))
    assert worker.quotas.asked == []


async def test_tests_throttled_and_expired_messages_do_not_count(
    worker: Worker, workflow: Callable[..., Any]
) -> None:
    limit(worker, 100)
    worker.publish(workflow(throttle=Throttle(limit=1, seconds=60)))
    late = worker.event(id="late")
    worker.clock.advance(7 * 86_400)
    written = await worker.route(late, worker.event(id="e1", test=True), worker.event(id="e2", test=True))
    assert len(written.jobs(Channel.EMAIL)) == 1
    assert worker.quotas.asked == []
    written = await worker.route(worker.event(id="live"), worker.event(id="throttled"))
    assert len(written.jobs(Channel.EMAIL)) == 1
    assert len(worker.quotas.asked) == 1
    worker.clock.advance(3600)
    await worker.route(worker.event(id="e3"))


async def test_the_directory_is_not_told_what_it_says(worker: Worker) -> None:
    limit(worker, 1, quota_reached_on=START.date())
    await worker.route(worker.event(id="e1"), worker.event(id="e2"))
    assert worker.quotas.told == []


def test_the_next_day_begins_at_midnight() -> None:
    assert next_day(START) == START + timedelta(days=1)
    assert next_day(START + timedelta(hours=23, minutes=59)) == START + timedelta(days=1)
