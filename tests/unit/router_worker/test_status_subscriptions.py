"""A status becomes a job for each endpoint that has asked for it, and for no other."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from cloudevents.v1.conversion import to_dict
from cloudevents.v1.http import from_json

from tocsin.contracts.codec import decode_job, encode
from tocsin.contracts.directory import WebhookEndpointRecord
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import ChannelDecision, Decision, EventRef, Status, Target, status_of
from tocsin.contracts.subscriptions import NAMES, STATUS_SOURCE, event_type_of, is_about_webhook, names_of
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane, Outcome, StatusName
from tocsin.kafka import ConsumerRecord
from tocsin.router.worker.subscriptions import LIVES, StatusSubscriptions
from tocsin.testing.jobs import MARKERS, job_for

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
MS = int(AT.timestamp() * 1000)


def status(
    name: StatusName = StatusName.DELIVERED, channel: Channel = Channel.EMAIL, **fields: Any
) -> Status:
    told = status_of(name, job_for(channel), lane=Lane.BULK, cause="t.jobs.email.bulk/3/7", at=AT)
    return msgspec.structs.replace(told, **fields)


def decision(outcome: Outcome = Outcome.DECIDED, *targets: str, **fields: Any) -> Decision:
    deliveries = [
        Target(f"d{number}", "email", None, word, None, None) for number, word in enumerate(targets)
    ]
    channels = [ChannelDecision(step="1", channel="email", rules=[], targets=deliveries)] if targets else []
    required: dict[str, Any] = {
        "status_id": "s1", "at": AT, "event_time": AT, "tenant": "acme", "event_source": "/shop", "event_id": "e1",
        "notification_id": "n1", "recipient": "ada", "workflow": "w", "lane": Lane.BULK, "rules": [], "origin": "o/0/1",
        "cause": "o/0/1",
    }  # fmt: skip
    return Decision(outcome=outcome, channels=channels, **(required | fields))


def endpoint(key: str = "shop", *statuses: str, **fields: Any) -> WebhookEndpointRecord:
    required: dict[str, Any] = {"tenant": "acme", "url": "https://a.example/", "secrets": ["s"]}
    return WebhookEndpointRecord(key=key, statuses=list(statuses), **(required | fields))


def record(told: Status | Decision | bytes, *, tenant: str = "acme") -> ConsumerRecord:
    value = told if isinstance(told, bytes) else encode(told)
    return ConsumerRecord("t.status.bulk", 3, 42, MS, recipient_key(tenant, "ada"), value)


@pytest.fixture
def subscriptions(worker) -> StatusSubscriptions:
    return StatusSubscriptions(lane=Lane.BULK, topics=Topics("t."), directory=worker.directory)


def jobs(subscriptions: StatusSubscriptions, told: ConsumerRecord) -> list[Job]:
    return [decode_job(outgoing.value or b"") for outgoing in subscriptions.jobs_for(told)]


@pytest.mark.parametrize(
    ("told", "names"),
    [
        (status(StatusName.BOUNCED), {"bounced"}),
        (status(status="of a newer release"), {"of a newer release"}),
        (decision(Outcome.DECIDED, "routed", "skipped"), {"decided", "accepted", "routed", "skipped"}),
        (decision(Outcome.DECIDED, "failed", again="recheck"), {"decided", "failed"}),
        (decision(Outcome.DUPLICATE), {"duplicate"}),
        (decision(Outcome.FAILED), {"failed", "accepted"}),
    ],
)
def test_the_names_that_a_record_goes_by(told, names):
    assert names_of(told) == names


def test_every_name_can_be_asked_for_once():
    assert len(set(NAMES)) == len(NAMES)
    assert set(StatusName) | set(Outcome) == set(NAMES)


def test_types_of_events():
    assert event_type_of(status()) == "tocsin.status.delivered.v1"
    assert event_type_of(decision(Outcome.SKIPPED)) == "tocsin.decision.skipped.v1"


def test_only_those_who_have_asked_for_it_are_told(worker, subscriptions):
    worker.publish(
        endpoint("b", "delivered", "bounced"),
        endpoint("a", "*"),
        endpoint("c", "bounced"),
        endpoint("d"),
        endpoint("e", "*", tenant="other"),
    )
    told = jobs(subscriptions, record(status()))
    assert [(job.tenant, job.address_key) for job in told] == [("acme", "a"), ("acme", "b")]
    told = jobs(subscriptions, record(decision(Outcome.DECIDED, "routed", "delivered")))
    assert [job.address_key for job in told] == ["a", "b"]
    worker.withdraw(endpoint("a", "*"))
    worker.publish(endpoint("b", "opened"))
    assert jobs(subscriptions, record(status())) == []
    worker.withdraw(endpoint("b"), endpoint("c"), endpoint("e", tenant="other"))
    assert worker.directory.told == {}


def test_one_that_is_disabled_is_told_so_that_what_it_misses_is_recorded(worker, subscriptions):
    worker.publish(endpoint("a", "*", enabled=False))
    assert len(jobs(subscriptions, record(status()))) == 1


def test_how_a_webhook_went_is_told_to_nobody(worker, subscriptions):
    worker.publish(endpoint("a", "*"))
    (job,) = jobs(subscriptions, record(status()))
    for name in StatusName:
        about_it = status_of(name, job, lane=Lane.BULK, cause="t.jobs.webhook.bulk/3/0", at=AT)
        assert is_about_webhook(about_it)
        assert jobs(subscriptions, record(about_it)) == []
    assert jobs(subscriptions, record(status(channel=Channel.WEBHOOK))) == []
    assert not is_about_webhook(decision())


@pytest.mark.parametrize(
    "told",
    [
        record(b"\xff no json"),
        record(b'{"kind":"status"}'),
        record(b"[" * 100_000),
        record(b'{"kind":"of_a_newer_release"}'),
        record(status(), tenant="\xff"),
        record(status(tenant="other")),
        ConsumerRecord("t.status.bulk", 3, 42, MS, None, encode(status())),
        ConsumerRecord("t.status.bulk", 3, 42, MS, recipient_key("acme", "ada"), None),
    ],
    ids=["text", "half", "deep", "unknown", "foreign key", "another tenant's", "no key", "no value"],
)
def test_what_is_no_status_of_its_key_is_passed_over(worker, subscriptions, told):
    worker.publish(endpoint("a", "*"))
    assert subscriptions.jobs_for(told) == []


def test_the_body_is_a_cloud_event_and_the_status_as_it_is_public(worker, subscriptions):
    worker.publish(endpoint("a", "*"))
    told = status()
    value = encode(told)[:-1] + b',"from_a_newer_release":1}'
    (job,) = jobs(subscriptions, record(value))
    body = bytes(job.private.told)
    event = to_dict(from_json(body))
    assert event["data"] == json.loads(value)
    del event["data"]
    assert event == {
        "specversion": "1.0",
        "id": told.status_id,
        "source": "tocsin:status",
        "type": "tocsin.status.delivered.v1",
        "time": "2026-01-31T12:00:00Z",
        "timestamp": "2026-01-31T12:00:00Z",
        "datacontenttype": "application/json",
    }
    assert not [marker for marker in MARKERS if marker.encode() in body]


def test_the_job_is_a_message_of_its_own_and_the_same_when_the_record_is_read_again(worker, subscriptions):
    worker.publish(endpoint("a", "*"), endpoint("b", "*"))
    read = record(status(test=True))
    (first, second), again = jobs(subscriptions, read), jobs(subscriptions, read)
    assert again == [first, second]
    assert first.delivery_id != second.delivery_id
    assert first.notification_id == second.notification_id != status().notification_id
    assert (first.workflow, first.intent.event_source, first.intent.event_id) == (
        STATUS_SOURCE, STATUS_SOURCE, status().status_id,
    )  # fmt: skip
    assert (first.test, first.settled, first.lane, first.origin) == (True, True, Lane.BULK, read.ref)
    assert (first.event_time, first.expires_at) == (AT, AT + LIVES)
    (outgoing, _) = subscriptions.jobs_for(read)
    assert (outgoing.topic, outgoing.key, outgoing.partition) == ("t.jobs.webhook.bulk", read.key, 3)


def test_a_status_of_an_event_names_no_recipient(worker, subscriptions):
    worker.publish(endpoint("a", "event_refused"))
    about_it = EventRef(tenant="acme", event_id="e1", event_source="/shop", origin="o/0/1")
    told = status_of(StatusName.EVENT_REFUSED, about_it, lane=Lane.BULK, cause="o/0/1", at=AT)
    (job,) = jobs(subscriptions, record(told))
    assert (job.recipient, job.category) == ("", "")


def test_what_no_job_can_hold_is_not_told_and_holds_up_nothing(worker, subscriptions):
    worker.publish(endpoint("a", "*"))
    assert subscriptions.jobs_for(record(status(detail="x" * 2_200_000))) == []
