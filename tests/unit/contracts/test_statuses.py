"""One builder of statuses: what it takes from an event, a notification and a delivery, and how it names them."""

from datetime import UTC, datetime

import msgspec
import pytest

from tocsin.contracts.codec import encode
from tocsin.contracts.ids import status_id
from tocsin.contracts.statuses import EventRef, Status, status_of
from tocsin.contracts.vocabulary import Channel, Lane, StatusName
from tocsin.testing.jobs import job_for

AT = datetime(2026, 1, 1, tzinfo=UTC)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_status_of_an_event():
    event = EventRef(
        tenant="acme", event_id="e1", event_source="/shop", test=True, origin="o/0/1", traceparent=TRACE
    )
    status = status_of(
        StatusName.EVENT_REFUSED, event, lane=Lane.BULK, cause="c/0/1", at=AT, reason="data_invalid"
    )
    assert (
        encode(status)
        == (
            f'{{"status_id":"{status_id(subject="e1", status="event_refused", cause="c/0/1")}",'
            '"status":"event_refused","final":true,"at":"2026-01-01T00:00:00Z","tenant":"acme","event_source":"/shop",'
            '"event_id":"e1","lane":"bulk","reason":"data_invalid","test":true,"origin":"o/0/1","cause":"c/0/1",'
            f'"traceparent":"{TRACE}"}}'
        ).encode()
    )


def test_a_record_that_is_no_valid_event_may_name_one_all_the_same():
    event = EventRef(tenant="acme", event_id="e1", origin="o/0/1")
    status = status_of(StatusName.EVENT_REFUSED, event, lane=Lane.BULK, cause="c/0/1", at=AT)
    assert (status.event_source, status.test, status.traceparent) == (None, False, None)


def test_a_status_of_a_notification_and_of_one_delivery_of_it():
    intent = job_for(Channel.SMS).intent
    whole = status_of(StatusName.ACCEPTED, intent, lane=Lane.CRITICAL, cause="c/0/1", at=AT)
    assert whole == Status(
        status_id=status_id(subject=intent.notification_id, status="accepted", cause="c/0/1"),
        status=StatusName.ACCEPTED, final=False, at=AT, tenant="acme", event_source="tests", event_id="event-1",
        notification_id=intent.notification_id, recipient="ada", workflow="order-shipped", lane=Lane.CRITICAL,
        origin=intent.origin, cause="c/0/1",
    )  # fmt: skip
    delivery = status_of(
        StatusName.SKIPPED, intent, lane=Lane.CRITICAL, cause="c/0/1", at=AT, delivery_id="d-1"
    )
    assert delivery.status_id == status_id(subject="d-1", status="skipped", cause="c/0/1")
    assert (delivery.final, delivery.notification_id) == (True, intent.notification_id)


@pytest.mark.parametrize("channel", list(Channel))
def test_a_status_of_a_delivery_says_all_that_its_job_says(channel):
    job = msgspec.structs.replace(job_for(channel), traceparent=TRACE, test=True, locale="de")
    status = status_of(StatusName.SENT, job, lane=job.lane, cause="c/0/1", at=AT, provider="p", attempt=2)
    assert status.status_id == status_id(subject=job.delivery_id, status="sent", cause="c/0/1")
    assert (status.event_source, status.event_id) == (job.intent.event_source, job.intent.event_id)
    same = set(Status.__struct_fields__) & set(job.__struct_fields__) - {"attempt", "cause", "version"}
    assert {name: getattr(status, name) for name in same} == {name: getattr(job, name) for name in same}
    assert same == {
        "address_key", "category", "channel", "delivery_id", "lane", "locale", "notification_id", "origin", "recipient",
        "step", "template", "template_version", "tenant", "test", "traceparent", "workflow",
    }  # fmt: skip
    assert (status.provider, status.attempt) == ("p", 2)
