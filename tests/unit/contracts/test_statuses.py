"""One builder of statuses and one of decisions: what they take from what they are about, and how they name it."""

from datetime import UTC, datetime

import msgspec
import pytest

from tocsin.contracts.codec import decode_status, encode
from tocsin.contracts.ids import status_id
from tocsin.contracts.statuses import (
    Decision,
    EventRef,
    RuleOutcome,
    Status,
    Target,
    decision_of,
    status_of,
    target_status_id,
)
from tocsin.contracts.vocabulary import Channel, Lane, Outcome, StatusName
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
            f'{{"kind":"status","status_id":"{status_id(subject="e1", status="event_refused", cause="c/0/1")}",'
            '"status":"event_refused","final":true,"at":"2026-01-01T00:00:00Z","tenant":"acme","event_source":"/shop",'
            '"event_id":"e1","lane":"bulk","reason":"data_invalid","test":true,"origin":"o/0/1","cause":"c/0/1",'
            f'"traceparent":"{TRACE}"}}'
        ).encode()
    )


def test_a_record_that_is_no_valid_event_may_name_one_all_the_same():
    event = EventRef(tenant="acme", event_id="e1", origin="o/0/1")
    status = status_of(StatusName.EVENT_REFUSED, event, lane=Lane.BULK, cause="c/0/1", at=AT)
    assert (status.event_source, status.test, status.traceparent) == (None, False, None)


def test_a_decision_about_a_notification():
    intent = msgspec.structs.replace(job_for(Channel.SMS).intent, test=True, traceparent=TRACE)
    rules = [RuleOutcome(rule="expiry", outcome="alive")]
    whole = decision_of(
        intent, Outcome.SKIPPED, lane=Lane.CRITICAL, cause="c/0/1", at=AT, rules=rules, again="recheck"
    )
    assert whole == Decision(
        status_id=status_id(subject=intent.notification_id, status="decision", cause="c/0/1"),
        outcome="skipped", again="recheck", at=AT, event_time=intent.event_time, tenant="acme", event_source="tests",
        event_id="event-1", notification_id=intent.notification_id, recipient="ada", workflow="order-shipped",
        lane=Lane.CRITICAL, test=True, rules=rules, origin=intent.origin, cause="c/0/1", traceparent=TRACE,
    )  # fmt: skip


def test_a_target_is_an_array_and_may_grow():
    target = Target("d-1", "email", None, "skipped", "preference", "preference_off")
    written = b'["d-1","email",null,"skipped","preference","preference_off"]'
    assert encode(target) == written
    assert msgspec.json.decode(written[:-1] + b',"later"]', type=Target) == target
    assert target_status_id(target, cause="c/0/1") == status_id(
        subject="d-1", status="skipped", cause="c/0/1"
    )


@pytest.mark.parametrize("field", ["status", "reason", "rule", "channel"])
def test_words_of_a_status_are_open(field):
    status = status_of(StatusName.SENT, job_for(Channel.SMS), lane=Lane.BULK, cause="c/0/1", at=AT)
    newer = encode(msgspec.structs.replace(status, **{field: "of_a_newer_release"}))
    assert getattr(decode_status(newer), field) == "of_a_newer_release"
    assert encode(decode_status(newer)) == newer


@pytest.mark.parametrize("channel", list(Channel))
def test_a_status_of_a_delivery_says_all_that_its_job_says(channel):
    job = msgspec.structs.replace(job_for(channel), traceparent=TRACE, test=True, locale="de")
    status = status_of(StatusName.SENT, job, lane=job.lane, cause="c/0/1", at=AT, provider="p", attempt=2)
    assert status.status_id == status_id(subject=job.delivery_id, status="sent", cause="c/0/1")
    assert (status.event_source, status.event_id) == (job.intent.event_source, job.intent.event_id)
    same = set(Status.__struct_fields__) & set(job.__struct_fields__) - {"attempt", "cause", "version"}
    assert {name: getattr(status, name) for name in same} == {name: getattr(job, name) for name in same}
    assert same == {
        "address_hash", "address_key", "category", "channel", "delivery_id", "lane", "locale", "notification_id", "origin",
        "recipient", "step", "template", "template_version", "tenant", "test", "traceparent", "workflow",
    }  # fmt: skip
    assert (status.provider, status.attempt) == ("p", 2)
