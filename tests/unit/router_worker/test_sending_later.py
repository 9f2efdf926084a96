"""A message that is to be sent later waits in one timer, and is decided when it is due."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tocsin.contracts.codec import decode_intent, decode_timer, encode
from tocsin.contracts.ids import recipient_key, run_timer_id
from tocsin.contracts.intents import DeliveryRef, RetryMemory
from tocsin.contracts.timers import SetTimer
from tocsin.contracts.vocabulary import Channel, Lane, Reason, StatusName
from tocsin.kafka import partition_for

from .conftest import PARTITIONS

DAY = timedelta(days=1)


def timers(worker: Any, written: Any) -> list[SetTimer]:
    set_timers = [
        decode_timer(record.value or b"") for record in written.of(worker.topics.timers(Lane.TRANSACTIONAL))
    ]
    assert all(isinstance(timer, SetTimer) for timer in set_timers)
    return set_timers


def stored(record: Any) -> datetime:
    return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        ({"send_at": "2026-01-02T00:00:00Z"}, None),
        ({"delay": 86_400}, DAY),
        ({"delay": 365 * 86_400}, 365 * DAY),
    ],
)
async def test_it_waits_and_is_decided_when_it_is_due(worker, asked, after):
    key = recipient_key("acme", "ann")
    record = worker.request("ann", partition=partition_for(key, PARTITIONS), **asked)
    due = stored(record) + after if after else datetime(2026, 1, 2, tzinfo=UTC)
    written = await worker.route(record)
    assert written.names() == ["scheduled"]
    (decision,) = written.decisions()
    assert (decision.due_at, decision.rule, decision.turn, decision.again) == (due, "send_time", None, None)
    assert [rule.rule for rule in decision.rules] == ["expiry", "duplicate", "send_time"]
    (timer,) = timers(worker, written)
    assert (timer.due, timer.topic) == (due, worker.topics.intents(Lane.TRANSACTIONAL))
    assert timer.id == run_timer_id(notification=decision.notification_id, turn=0)
    assert written.of(worker.topics.timers(Lane.TRANSACTIONAL))[0].key == key

    worker.clock.set(due)
    fired = worker.record(timer.topic, key, bytes(timer.private.record))
    written = await worker.route(fired)
    assert not timers(worker, written)
    (decision,) = written.decisions()
    assert (decision.outcome, decision.again, decision.turn) == ("decided", "turn", 1)
    (job,) = written.jobs(Channel.EMAIL)
    assert job.expires_at == due + DAY, "its time to live counts from when it was due"
    assert (job.intent.due_at, job.notification_id) == (due, decision.notification_id)


async def test_what_is_in_the_past_is_due_now(worker):
    written = await worker.route(worker.event(send_at=datetime(2020, 1, 1, tzinfo=UTC)))
    assert (written.names()[0], timers(worker, written)) == ("routed", [])


async def test_extension_attributes_of_a_business_event_say_the_same(worker):
    record = worker.event(delay=60)
    (timer,) = timers(worker, await worker.route(record))
    assert timer.due == stored(record) + timedelta(seconds=60)
    intent = decode_intent(bytes(timer.private.record))
    assert (intent.due_at, intent.run.turn) == (timer.due, 1)


async def test_one_that_fired_too_early_waits_for_the_rest(worker):
    """The clock of the scheduler may run ahead of ours."""
    (timer,) = timers(worker, await worker.route(worker.event(delay=60)))
    key = recipient_key("acme", "ann")
    written = await worker.route(worker.record(timer.topic, key, bytes(timer.private.record)))
    (again,) = timers(worker, written)
    assert (again.due, again.id) == (timer.due, run_timer_id(notification=timer.notification_id, turn=1))


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"send_at": "2026-01-02T00:00:00Z", "delay": 5}, "/data/delay"),
        ({"delay": -1}, "/data/delay"),
        ({"delay": 366 * 86_400}, "/data/delay"),
        ({"delay": 10**12}, "/data/delay"),
        ({"send_at": "2036-01-02T00:00:00Z"}, "/data/send_at"),
        ({"send_at": "2026-01-02T00:00:00"}, "/data/send_at"),
        ({"delay": 3_600, "expires_at": "2026-01-01T00:59:00Z"}, "/data/delay"),
    ],
)
async def test_times_that_make_no_sense_are_refused(worker, fields, pointer):
    written = await worker.route(worker.request("ann", **fields))
    (status,) = written.statuses()
    assert (status.status, status.reason) == (StatusName.EVENT_REFUSED, Reason.SEND_TIME_INVALID)
    assert f"{pointer}: " in status.detail
    assert [dead["tocsin_dead_reason"] for dead in written.dead()] == ["send_time_invalid"]


async def test_a_life_counts_from_the_time_at_which_it_is_due(worker):
    asked = {"delay": 30 * 86_400, "expires_at": "2026-02-05T00:00:00Z"}
    assert (await worker.route(worker.request("ann", **asked))).dead() == []
    asked["expires_at"] = "2026-02-07T00:00:00Z"
    dead = (await worker.route(worker.request("ann", event_id="e2", **asked))).dead()
    assert [letter["tocsin_dead_reason"] for letter in dead] == ["lives_too_long"]


async def test_what_is_decided_again_keeps_what_was_tried(worker):
    key = recipient_key("acme", "ann")
    (job,) = (await worker.route(worker.event())).jobs(Channel.EMAIL)
    assert job.retry is None
    memory = RetryMemory(attempt=4, first_at=job.event_time, uncertain="first")
    one = DeliveryRef(channel=job.channel, step=job.step, address_key=job.address_key)
    waited = msgspec.structs.replace(job.intent, delivery=one, retry=memory)
    topic = worker.topics.intents(Lane.TRANSACTIONAL)
    written = await worker.route(worker.record(topic, key, encode(waited)))
    (again,) = written.jobs(Channel.EMAIL)
    assert (again.retry, again.delivery_id) == (memory, job.delivery_id)
    assert written.decisions()[0].again == "recheck"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"send_at": "2030-01-01T00:00:00"}, "send_time_invalid"),
        ({"send_at": "soon"}, "data_invalid"),
        ({"delay": "5"}, "data_invalid"),
        ({"delay": -1}, "send_time_invalid"),
        ({"delay": 365 * 86_400 + 1}, "send_time_invalid"),
    ],
)
async def test_a_request_over_kafka_is_refused_with_the_reason_of_the_page(worker, given, reason):
    written = await worker.route(worker.request("ann", **given))
    assert [letter["tocsin_dead_reason"] for letter in written.dead()] == [reason]


async def test_a_name_that_is_nearly_ours_is_a_dead_letter_over_kafka(worker):
    record = worker.event()
    headers = (*record.headers, ("ce_send_at", b"2030-01-01T00:00:00Z"))
    written = await worker.route(worker.record(record.topic, record.key, record.value, headers))
    (letter,) = written.dead()
    assert (letter["tocsin_dead_reason"], letter["tocsin_dead_event_id"]) == ("attribute_unknown", "e1")
    assert "Did you mean `sendat`?" in letter["tocsin_dead_detail"]
    assert written.names() == ["event_refused"]
    assert not written.jobs(Channel.EMAIL)
