"""An event that cancels: what follows from it, and what it holds back of what is decided afterwards."""

import json
from collections.abc import Callable
from datetime import timedelta

import msgspec
import pytest

from tocsin.contracts.codec import decode_cancellation, encode
from tocsin.contracts.directory import TenantRecord
from tocsin.contracts.ids import notification_id
from tocsin.contracts.intents import DeliveryRef
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.router.policy import StoredRecipient
from tocsin.router.worker.cancellations import times_kept

from .conftest import Worker

ID = notification_id(tenant="acme", source="/shop", event_id="e1", recipient="ann", workflow="shipped")


async def test_a_cancellation_is_kept_published_and_told(worker: Worker) -> None:
    written = await worker.route(worker.cancel(notification_id=ID))
    [record] = written.of("tocsin.cancels")
    assert record.key == f"acme/notification/{ID}".encode()
    cancellation = decode_cancellation(record.value or b"")
    assert (cancellation.notification_id, cancellation.requested_at) == (ID, worker.clock.now())
    assert worker.cancellation_rows.rows == {cancellation.hash: worker.clock.now()}
    [status] = written.statuses()
    assert (status.status, status.final, status.notification_id) == ("cancel_requested", False, ID)
    assert (status.at, status.event_id, status.cancel_key) == (worker.clock.now(), "c1", None)


async def test_the_cancellation_of_a_key_is_told_of_its_own_event(worker: Worker) -> None:
    written = await worker.route(worker.cancel(key="order-1"))
    [record] = written.of("tocsin.cancels")
    assert record.key == b"acme/cancel/order-1"
    [status] = written.statuses()
    assert (status.status, status.notification_id, status.event_id, status.cancel_key) == (
        "cancel_requested", None, "c1", "order-1",
    )  # fmt: skip


async def test_a_repeated_cancellation_reaches_nothing_that_came_in_between(worker: Worker) -> None:
    await worker.take_cancellation(key="order-1")
    worker.clock.advance(10)
    written = await worker.take_cancellation(key="order-1")
    assert written.names() == ["event_duplicate"]
    assert not written.of("tocsin.cancels")
    assert set(worker.cancellation_rows.rows.values()) == {worker.clock.now() - timedelta(seconds=10)}


async def test_the_same_record_again_changes_nothing(worker: Worker) -> None:
    record = worker.cancel(key="order-1")
    first, again = await worker.route(record), await worker.route(record)
    assert [(record.topic, record.key, record.value) for record in first.records] == [
        (record.topic, record.key, record.value) for record in again.records
    ]


@pytest.mark.parametrize("named", [{"notification_id": ID}, {"key": "order-1"}])
async def test_what_is_cancelled_before_it_is_decided_is_not_sent(
    worker: Worker, named: dict[str, str]
) -> None:
    event = worker.request("ann", cancel_key="order-1")
    worker.clock.advance(1)
    await worker.take_cancellation(**named)
    written = await worker.route(event)
    assert not written.jobs(Channel.EMAIL)
    [decision] = written.decisions()
    assert (decision.outcome, decision.rule, decision.channels) == ("cancelled", "cancellation", [])
    assert decision.cancel_key == "order-1"
    assert decision.rules[-1].rule == "cancellation"
    assert json.loads(encode(decision.rules[-1].input)) == {
        "requested_at": worker.clock.now().isoformat().replace("+00:00", "Z")
    }


async def test_what_came_after_a_keys_cancellation_is_sent(worker: Worker) -> None:
    await worker.take_cancellation(key="order-1")
    worker.clock.advance(1)
    written = await worker.route(worker.request("ann", cancel_key="order-1"))
    assert len(written.jobs(Channel.EMAIL)) == 1


async def test_the_key_of_a_business_event_stands_on_intents_and_jobs(worker: Worker) -> None:
    written = await worker.route(worker.event(cancel_key="order-7"))
    [job] = written.jobs(Channel.EMAIL)
    assert (job.intent.cancel_key, written.decisions()[0].cancel_key) == ("order-7", "order-7")


async def test_a_fan_out_is_cancelled_where_it_is_not_decided_yet(worker: Worker) -> None:
    """Its intents stand already, or are still to come: each is looked at when it is decided."""
    worker.recipients.stored |= {
        ("acme", f"r{number}"): StoredRecipient(known=True, email="r@example.org") for number in range(4)
    }
    event = worker.request("r0", "r1", "r2", "r3", cancel_key="order-1")
    intents = (await worker.route(event)).of("tocsin.intents.transactional")
    sent = await worker.route(*worker.as_read(intents[:2]))
    worker.clock.advance(1)
    await worker.take_cancellation(key="order-1")
    held = await worker.route(*worker.as_read(intents[2:]))
    assert (len(sent.jobs(Channel.EMAIL)), held.names()) == (2, ["cancelled", "cancelled"])


async def test_one_delivery_that_is_rechecked_ends_as_cancelled(worker: Worker) -> None:
    [job] = (await worker.route(worker.request("ann"))).jobs(Channel.EMAIL)
    worker.clock.advance(1)
    await worker.take_cancellation(notification_id=ID)
    ref = DeliveryRef(channel="email", step="1", address_key="email")
    again = msgspec.structs.replace(job.intent, delivery=ref)
    written = await worker.route(
        worker.record("tocsin.intents.transactional", b"acme/ann", encode(again), partition=0)
    )
    assert [(delivery.target.delivery_id, delivery.target.outcome) for delivery in written.targets()] == [
        (job.delivery_id, "cancelled")
    ]


@pytest.mark.parametrize(("test", "names"), [(False, {"cancelled"}), (True, {"routed"})])
async def test_a_test_cancels_tests_alone(worker: Worker, test: bool, names: set[str]) -> None:
    event = worker.request("ann", cancel_key="order-1")
    worker.clock.advance(1)
    await worker.take_cancellation(key="order-1", test=test)
    assert set((await worker.route(event)).names()) == names


async def test_the_same_key_of_another_tenant_is_another_key(worker: Worker) -> None:
    worker.publish(TenantRecord(tenant="other", name="Other"))
    event = worker.request("ann", cancel_key="order-1")
    worker.clock.advance(1)
    await worker.take_cancellation(key="order-1", tenant="other")
    assert len((await worker.route(event)).jobs(Channel.EMAIL)) == 1
    assert len(worker.cancellations) == 1


async def test_rows_are_asked_once_for_what_names_a_due_time_and_for_nothing_else(worker: Worker) -> None:
    """The topic forgets after a week; of what a timer brings back a month later the rows know."""
    intent = (await worker.route(worker.request("ann", cancel_key="order-1"))).jobs(Channel.EMAIL)[0].intent
    worker.clock.advance(1)
    await worker.route(worker.cancel(notification_id=ID))  # its record is no longer on the topic
    assert worker.cancellation_rows.queries == 0
    due = msgspec.structs.replace(
        intent,
        due_at=intent.event_time + timedelta(days=30),
        expires_at=intent.event_time + timedelta(days=31),
    )
    worker.clock.advance(30 * 86_400)
    fired = [
        worker.record("tocsin.intents.transactional", b"acme/ann", encode(intent), partition=0)
        for intent in (due, msgspec.structs.replace(due, notification_id=ID[:-1] + "0", cancel_key=None))
    ]
    written = await worker.route(*fired)
    assert (written.names()[0], len(written.jobs(Channel.EMAIL))) == ("cancelled", 1)
    assert worker.cancellation_rows.queries == 1
    assert await times_kept([intent], worker.cancellation_rows) == {}
    assert worker.cancellation_rows.queries == 1


@pytest.mark.parametrize(
    ("data", "reason", "pointer"),
    [
        ({}, "data_invalid", "/data:"),
        ({"key": "a", "notification_id": ID}, "data_invalid", "/data:"),
        ({"key": ""}, "cancel_key_invalid", "/data/key:"),
        ({"key": 7}, "data_invalid", "/data/key:"),
        ({"notification_id": "n"}, "data_invalid", "/data/notification_id:"),
        ({"keys": "a"}, "field_unknown", "/data:"),
        ([], "data_invalid", "/data:"),
    ],
)
async def test_a_cancellation_without_sense_is_a_dead_letter(
    worker: Worker, data: object, reason: str, pointer: str
) -> None:
    record = worker.event(
        id="c1",
        type="tocsin.cancellation.requested.v1",
        subject=None,
        data=msgspec.Raw(encode(data)),
        key=b"x",
    )
    written = await worker.route(record)
    [letter] = written.dead()
    assert letter["tocsin_dead_reason"] == reason
    assert letter["tocsin_dead_detail"].startswith(pointer), letter["tocsin_dead_detail"]
    assert written.names() == ["event_refused"]
    assert not worker.cancellation_rows.rows


async def test_a_key_without_sense_is_a_dead_letter(worker: Worker) -> None:
    written = await worker.route(worker.request("ann", cancel_key=""))
    [letter] = written.dead()
    assert letter["tocsin_dead_reason"] == "cancel_key_invalid"
    assert letter["tocsin_dead_detail"].startswith("shipped: /data/cancel_key:")


@pytest.mark.parametrize("lane", list(Lane))
async def test_every_lane_takes_a_cancellation(make_worker: Callable[..., Worker], lane: Lane) -> None:
    worker = make_worker(lane=lane)
    written = await worker.route(worker.cancel(key="order-1"))
    assert len(written.of("tocsin.cancels")) == 1
    assert [status.status for status in written.statuses(lane)] == ["cancel_requested"]
