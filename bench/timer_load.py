"""Timers as the router sets them: each holds the intent of a notification of its own, for one of a hundred thousand recipients."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from environment import TENANT
from tenant import DATA, workflow_of
from tocsin.contracts.codec import encode
from tocsin.contracts.events import NOTIFICATION_REQUESTED
from tocsin.contracts.ids import INGEST_SOURCE, notification_id, recipient_key, run_timer_id
from tocsin.contracts.intents import Intent, IntentPrivate, Run
from tocsin.contracts.timers import SetTimer, TimerPrivate
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import ProducerRecord

LANE = Lane.TRANSACTIONAL
RECIPIENTS = 100_000


def timers(
    prefix: str, count: int, *, first_due: datetime, within: timedelta, topics: Topics
) -> Iterator[tuple[str, ProducerRecord]]:
    """So many notifications and the records that set their timers, due at even distances from the first moment on."""
    for number in range(count):
        person = f"user-{number % RECIPIENTS:06}"
        notification = notification_id(
            tenant=TENANT,
            source=INGEST_SOURCE,
            event_id=f"{prefix}{number}",
            recipient=person,
            workflow=workflow_of(LANE),
        )
        due = first_due + within * (number / count)
        yield notification, _timer(f"{prefix}{number}", notification, person, due, topics)


def _timer(event: str, notification: str, person: str, due: datetime, topics: Topics) -> ProducerRecord:
    cause = f"{topics.events(LANE)}/0/0"
    intent = Intent(
        tenant=TENANT,
        notification_id=notification,
        event_source=INGEST_SOURCE,
        event_id=event,
        event_type=NOTIFICATION_REQUESTED,
        event_time=datetime.now(UTC),
        workflow=workflow_of(LANE),
        recipient=person,
        private=IntentPrivate(data=msgspec.Raw(encode(DATA))),
        lane=LANE,
        due_at=due,
        run=Run(turn=1),
        origin=cause,
        cause=cause,
    )
    timer = SetTimer(
        id=run_timer_id(notification=notification, turn=0),
        tenant=TENANT,
        recipient=person,
        notification_id=notification,
        due=due,
        topic=topics.intents(LANE),
        private=TimerPrivate(record=msgspec.Raw(encode(intent))),
        cause=cause,
    )
    return ProducerRecord(topics.timers(LANE), recipient_key(TENANT, person), encode(timer))
