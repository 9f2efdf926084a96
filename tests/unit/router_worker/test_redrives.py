"""What the router makes of a re-drive's records: once for each subject, by the directory as it stands now, with the event's own time."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from tests.unit.router_worker.conftest import START, Worker

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import Step
from tocsin.contracts.events import CANCELLATION_REQUESTED, NOTIFICATION_REQUESTED, Event
from tocsin.contracts.ids import delivery_id, event_key, notification_id, recipient_key
from tocsin.contracts.intents import Continuation, DeliveryRef, Redrive
from tocsin.contracts.recipients import InlineRecipient
from tocsin.contracts.statuses import status_of
from tocsin.contracts.vocabulary import Channel, Lane, StatusName
from tocsin.kafka import ConsumerRecord
from tocsin.router.policy import Preference
from tocsin.router.worker.subscriptions import job_of
from tocsin.testing.jobs import job_for

REDRIVE = "5d1f6a0e-6f0b-4d6c-9b58-0c7f4a2f9a11"
NOTIFICATION = notification_id(
    tenant="acme", source="/shop", event_id="e1", recipient="ann", workflow="shipped"
)
EMAIL = delivery_id(notification=NOTIFICATION, channel="email", step="1", address_key="email")
EMAIL_REF = DeliveryRef(channel="email", step="1", address_key="email")
ORIGIN = "tocsin.events.transactional/3/42"


def event(**fields: Any) -> Event:
    given = {"tenant": "acme", "source": "/shop", "id": "e1", "type": "com.shop.shipped", "subject": "ann"}
    return Event(**({"data": msgspec.Raw(b'{"name":"Ann"}')} | given | fields))


def request(*recipients: Any, **fields: Any) -> Event:
    body = {"workflow": "shipped", "recipients": recipients, "data": {"name": "Ann"}} | fields
    return event(type=NOTIFICATION_REQUESTED, subject=None, data=msgspec.Raw(encode(body)))


def redrive(worker: Worker, of: Event, **fields: Any) -> ConsumerRecord:
    """Of ann's mail, unless `fields` say otherwise."""
    given: dict[str, Any] = {
        "redrive": REDRIVE, "subject": EMAIL, "event": of, "event_time": START, "lane": Lane.TRANSACTIONAL,
        "notification_id": NOTIFICATION, "workflow": "shipped", "recipient": "ann", "delivery": EMAIL_REF,
        "origin": ORIGIN, "cause": "tocsin.jobs.email.transactional/0/7",
    }  # fmt: skip
    record = Redrive(**(given | fields))
    key = recipient_key("acme", "ann") if record.recipient else event_key("acme", of.id)
    return worker.record(worker.topics.intents(worker.lane), key, encode(record))


def of_event(worker: Worker, of: Event, **fields: Any) -> ConsumerRecord:
    """Of a dead letter."""
    nobody = {"notification_id": None, "workflow": None, "recipient": None, "delivery": None}
    return redrive(worker, of, **({"subject": "letter-1"} | nobody | fields))


async def test_one_delivery_is_decided_again_and_only_that_one(worker: Worker) -> None:
    written = await worker.route(redrive(worker, event()))
    (job,) = written.jobs(Channel.EMAIL)
    assert (job.delivery_id, job.private.address, job.origin) == (EMAIL, "ann@example.test", ORIGIN)
    assert job.event_time == START
    assert not written.jobs(Channel.SMS)
    (decision,) = written.decisions()
    assert (decision.again, decision.redrive, decision.notification_id) == ("redrive", REDRIVE, NOTIFICATION)
    assert [target.target.delivery_id for target in written.targets("routed")] == [EMAIL]


async def test_preferences_are_asked_again(worker: Worker) -> None:
    ann = worker.recipients.stored["acme", "ann"]
    off = (Preference("email", "*", "*", False, "api", START),)
    worker.recipients.stored["acme", "ann"] = msgspec.structs.replace(ann, preferences=off)
    written = await worker.route(redrive(worker, event()))
    assert not written.jobs(Channel.EMAIL)
    (skipped,) = written.targets("skipped")
    assert (skipped.target.delivery_id, skipped.target.reason) == (EMAIL, "preference_off")


async def test_what_is_past_its_expiry_expires(worker: Worker) -> None:
    worker.clock.advance(timedelta(days=1).total_seconds())
    written = await worker.route(redrive(worker, event()))
    assert written.names() == ["expired"]
    (ended,) = written.targets("expired")
    assert ended.target.delivery_id == EMAIL


@pytest.mark.parametrize("of", [event(delay=5 * 86_400), request("ann", delay=5 * 86_400)])
async def test_what_waited_is_not_past_its_expiry_before_it_was_due(worker: Worker, of: Event) -> None:
    worker.clock.advance(timedelta(days=5, hours=23).total_seconds())
    (job,) = (await worker.route(redrive(worker, of))).jobs(Channel.EMAIL)
    assert job.expires_at == START + timedelta(days=6)


async def test_two_equal_records_count_once_and_another_redrive_counts_again(worker: Worker) -> None:
    first, second = redrive(worker, event()), redrive(worker, event())
    assert len((await worker.route(first)).records) == 2
    assert (await worker.route(second)).records == []
    assert len((await worker.route(first)).records) == 2  # the same record once more is a re-run
    other = redrive(worker, event(), redrive="6d1f6a0e-6f0b-4d6c-9b58-0c7f4a2f9a11")
    assert len((await worker.route(other)).records) == 2


async def test_what_a_producer_gave_inline_counts_again(worker: Worker) -> None:
    given = InlineRecipient(id="ann", email="ann@work.test")
    written = await worker.route(redrive(worker, request(given, expires_at=START + timedelta(hours=2))))
    (job,) = written.jobs(Channel.EMAIL)
    assert (job.private.address, job.expires_at) == ("ann@work.test", START + timedelta(hours=2))


async def test_what_a_workflows_expression_finds_counts_again(
    worker: Worker, workflow: Callable[..., Any], templates: Callable[..., Any]
) -> None:
    worker.publish(workflow(recipients="data.people", data_schema=None), *templates())
    people = b'{"name":"Ann","people":[{"id":"bob"},{"id":"ann","email":"ann@data.test"}]}'
    (job,) = (await worker.route(redrive(worker, event(data=msgspec.Raw(people))))).jobs(Channel.EMAIL)
    assert job.private.address == "ann@data.test"
    worker.publish(workflow(recipients="data.nobody", data_schema=None), *templates())
    later = redrive(worker, event(data=msgspec.Raw(people)), redrive="other")
    (job,) = (await worker.route(later)).jobs(Channel.EMAIL)
    assert job.private.address == "ann@example.test"


async def test_a_workflow_that_is_gone_ends_the_delivery(
    worker: Worker, workflow: Callable[..., Any]
) -> None:
    worker.withdraw(workflow())
    written = await worker.route(redrive(worker, event()))
    (failed,) = written.targets("failed")
    assert (failed.target.delivery_id, failed.target.reason) == (EMAIL, "workflow_unknown")


async def test_a_channel_whose_addresses_were_never_looked_at_is_decided_whole(worker: Worker) -> None:
    whole = DeliveryRef(channel="push", step="1", address_key="")
    subject = delivery_id(notification=NOTIFICATION, channel="push", step="1", address_key="")
    written = await worker.route(redrive(worker, event(), delivery=whole, subject=subject))
    (job,) = written.jobs(Channel.PUSH)
    assert job.address_key == "d1"


async def test_a_notification_that_ended_as_a_whole_is_decided_whole(worker: Worker) -> None:
    written = await worker.route(redrive(worker, event(), delivery=None, subject=NOTIFICATION))
    assert [len(written.jobs(channel)) for channel in Channel] == [1, 1, 1, 0, 0, 0]
    (decision,) = written.decisions()
    assert (decision.again, decision.redrive) == ("redrive", REDRIVE)


async def test_a_recheck_of_what_was_redriven_says_both(worker: Worker) -> None:
    (job,) = (await worker.route(redrive(worker, event()))).jobs(Channel.EMAIL)
    intent = msgspec.structs.replace(job.intent, delivery=EMAIL_REF)
    record = worker.record(worker.topics.intents(worker.lane), b"k", encode(intent))
    (decision,) = (await worker.route(record)).decisions()
    assert (decision.again, decision.redrive) == ("recheck", REDRIVE)


async def test_a_redrive_with_a_request_that_nobody_can_read_is_a_dead_letter(worker: Worker) -> None:
    broken = event(type=NOTIFICATION_REQUESTED, data=msgspec.Raw(b'{"workflow":1}'))
    (letter,) = (await worker.route(redrive(worker, broken))).dead()
    assert letter["tocsin_dead_reason"] == "record_unreadable"


async def decided(worker: Worker, *records: ConsumerRecord) -> Any:
    """What follows from the records, and from the intents that follow from them."""
    first = await worker.route(*records)
    intents = worker.as_read([record for record in first.records if ".intents." in record.topic])
    return first, await worker.route(*intents)


async def test_an_event_that_was_a_dead_letter_is_taken_with_its_own_time(worker: Worker) -> None:
    worker.clock.advance(3600)
    first, second = await decided(worker, of_event(worker, event()))
    accepted = first.statuses()[0]
    assert (accepted.status, accepted.at, accepted.origin) == ("event_accepted", START, ORIGIN)
    (job,) = second.jobs(Channel.EMAIL)
    assert (job.notification_id, job.event_time, job.origin) == (NOTIFICATION, START, ORIGIN)
    (decision,) = second.decisions()
    assert (decision.again, decision.redrive) == (None, REDRIVE)


async def test_an_event_is_taken_once_for_a_redrive_and_not_after_its_producer_has_repeated_it(
    worker: Worker,
) -> None:
    first, second = of_event(worker, event()), of_event(worker, event())
    assert (await worker.route(first)).intents()
    assert (await worker.route(second)).records == []
    repeated = event(id="e2")
    assert (await worker.route(worker.event(id="e2"))).names()
    written = await worker.route(of_event(worker, repeated, subject="letter-2"))
    assert written.names() == ["duplicate"]


async def test_only_the_workflows_that_refused_the_event_take_it_again(
    worker: Worker, workflow: Callable[..., Any], templates: Callable[..., Any]
) -> None:
    strict = {"type": "object", "required": ["sku"]}
    worker.publish(workflow(key="strict", data_schema=strict), *templates("strict"))
    written = await worker.route(worker.event(partition=0))
    (letter,) = written.dead()
    assert letter["tocsin_dead_workflows"] == "strict"
    assert (
        letter["tocsin_dead_record_time"] == "2026-01-01 00:00:00+00:00"
        or letter["tocsin_dead_record_time"] == "2026-01-01T00:00:00Z"
    )
    worker.publish(workflow(key="strict", data_schema=None), *templates("strict"))
    origin = f"{worker.topics.events(worker.lane)}/0/0"
    again = of_event(worker, event(), workflows=["strict"], origin=origin)
    intents = (await worker.route(again)).intents()
    assert [intent.workflow for intent in intents] == ["strict"]


async def test_an_event_that_is_refused_again_is_a_dead_letter_again(
    worker: Worker, workflow: Callable[..., Any]
) -> None:
    worker.publish(workflow(data_schema={"type": "object", "required": ["sku"]}))
    written = await worker.route(of_event(worker, event()))
    (letter,) = written.dead()
    assert (letter["tocsin_dead_reason"], letter["tocsin_dead_event_id"]) == ("data_invalid", "e1")
    unknown = await worker.route(of_event(worker, event(tenant="nobody"), subject="letter-3"))
    assert [letter["tocsin_dead_reason"] for letter in unknown.dead()] == ["tenant_unknown"]
    nobody = await worker.route(of_event(worker, event(type="com.shop.none"), subject="letter-4"))
    assert nobody.names() == ["event_unmatched"]


CANCELS = event(id="c1", type=CANCELLATION_REQUESTED, subject=None, data=msgspec.Raw(b'{"key":"order-1"}'))


async def test_a_cancellation_that_was_a_dead_letter_takes_effect(worker: Worker) -> None:
    """It reaches what came before it, and not what was sent under its key since."""
    before = worker.request("ann", event_id="e1", cancel_key="order-1")
    worker.clock.advance(60)
    asked_at = worker.clock.now()
    worker.clock.advance(60)
    since = worker.request("ann", event_id="e2", cancel_key="order-1")
    worker.clock.advance(60)
    written = await worker.route(of_event(worker, CANCELS, event_time=asked_at))
    assert not written.dead()
    [status] = written.statuses()
    assert (status.status, status.cancel_key, status.event_id) == ("cancel_requested", "order-1", "c1")
    assert (status.at, status.origin) == (asked_at, ORIGIN)
    assert list(worker.cancellation_rows.rows.values()) == [asked_at]
    for record in worker.as_read(written.of(worker.topics.cancels)):
        worker.cancellations.apply(record)
    assert (await worker.route(before)).names() == ["cancelled"]
    assert len((await worker.route(since)).jobs(Channel.EMAIL)) == 1


async def test_a_cancellation_is_taken_once_for_a_redrive_and_not_after_its_producer_has_repeated_it(
    worker: Worker,
) -> None:
    first, second = of_event(worker, CANCELS), of_event(worker, CANCELS)
    assert (await worker.route(first)).names() == ["cancel_requested"]
    assert (await worker.route(second)).records == []
    assert (await worker.route(first)).names() == ["cancel_requested"]  # a re-run
    await worker.take_cancellation(event_id="c2", key="order-1")
    repeated = msgspec.structs.replace(CANCELS, id="c2")
    written = await worker.route(of_event(worker, repeated, subject="letter-2"))
    assert written.names() == ["event_duplicate"]
    assert not written.of(worker.topics.cancels)


async def test_a_cancellation_that_is_refused_again_is_a_dead_letter_again(worker: Worker) -> None:
    broken = msgspec.structs.replace(CANCELS, data=msgspec.Raw(b'{"keys":"order-1"}'))
    written = await worker.route(of_event(worker, broken))
    [letter] = written.dead()
    assert (letter["tocsin_dead_reason"], letter["tocsin_dead_event_id"]) == ("field_unknown", "c1")
    assert written.names() == ["event_refused"]
    assert not worker.cancellation_rows.rows


async def test_a_fan_out_that_could_not_go_on_goes_on_once(
    worker: Worker, workflow: Callable[..., Any]
) -> None:
    worker.publish(workflow(steps=[Step(name="1", channels=(Channel.EMAIL,))]))
    people = [f"p{number}" for number in range(4)]
    rest = Continuation(
        event=request(*people), event_time=START, lane=Lane.TRANSACTIONAL, workflow="shipped", cursor=1,
        redrive=REDRIVE, subject="letter-5", origin=ORIGIN, cause=ORIGIN,
    )  # fmt: skip
    topic = worker.topics.intents(worker.lane)
    first, second = (worker.record(topic, b"k", encode(rest)) for _ in range(2))
    intents = (await worker.route(first)).intents()
    assert [(intent.recipient, intent.redrive) for intent in intents] == [
        (name, REDRIVE) for name in people[1:]
    ]
    assert (await worker.route(second)).records == []


@pytest.mark.parametrize("fields", [{"subject": None}, {"redrive": None}])
async def test_a_continuation_of_the_routers_own_is_not_claimed(
    worker: Worker, fields: dict[str, Any]
) -> None:
    given = {"redrive": REDRIVE, "subject": "letter-6"} | fields
    rest = Continuation(
        event=request("a", "b"), event_time=START, lane=Lane.TRANSACTIONAL, workflow="shipped", cursor=0,
        origin=ORIGIN, cause=ORIGIN, **given,
    )  # fmt: skip
    await worker.route(worker.record(worker.topics.intents(worker.lane), b"k", encode(rest)))
    assert worker.claims.rows == {}


def of_status(worker: Worker, value: bytes, redrive_id: str = REDRIVE) -> ConsumerRecord:
    told = event(source="tocsin:status", type="tocsin.status.bounced.v1", data=msgspec.Raw(value))
    ref = DeliveryRef(channel="webhook", step="told", address_key="shop")
    return redrive(
        worker, told, redrive=redrive_id, subject="webhook-1", workflow="tocsin:status", delivery=ref
    )


async def test_a_status_is_told_again_once_as_the_webhook_that_it_was(worker: Worker) -> None:
    bounced = status_of(
        StatusName.BOUNCED, job_for(Channel.EMAIL), lane=Lane.TRANSACTIONAL, cause="receipt", at=START
    )
    value = encode(bounced)
    first = job_of(bounced, value, endpoint="shop", lane=Lane.TRANSACTIONAL, stored_at=START, origin=ORIGIN)
    written = await worker.route(of_status(worker, value), of_status(worker, value))
    (job,) = written.jobs(Channel.WEBHOOK)
    assert (job.delivery_id, job.private, job.expires_at, job.settled) == (
        first.delivery_id, first.private, first.expires_at, True,
    )  # fmt: skip
    assert (job.intent.redrive, job.origin) == (REDRIVE, ORIGIN)
    assert written.decisions() == []


async def test_a_status_of_no_form_is_a_dead_letter(worker: Worker) -> None:
    written = await worker.route(of_status(worker, b"{}"))
    assert written.jobs(Channel.WEBHOOK) == []
    assert [letter["tocsin_dead_reason"] for letter in written.dead()] == ["record_unreadable"]
