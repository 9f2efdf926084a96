"""The first two events: one over HTTP, one straight to Kafka, each awaited until all of its messages are there."""

import asyncio
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec

from tocsin.contracts.ids import notification_id
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.api import Api
from tocsin.dev.errors import StartFailed
from tocsin.dev.sample import DATA, EVENT_TYPE, SOURCE, TENANT, WORKFLOW, WORKFLOWS
from tocsin.kafka import KafkaSettings, Outgoing, Publisher
from tocsin.runtime import Health

CHANNELS = frozenset(WORKFLOWS[WORKFLOW]["channels"])
ARRIVE_WITHIN = 60.0  # seconds; the first message of a fresh broker also loads its internal topics


@dataclass(frozen=True, kw_only=True)
class FirstEvent:
    """One published event, with the id of the notification it must lead to."""

    way: str
    event_id: str
    recipient: str

    @property
    def notification(self) -> str:
        """Computed here, as any producer can."""
        return notification_id(
            tenant=TENANT, source=SOURCE, event_id=self.event_id, recipient=self.recipient, workflow=WORKFLOW
        )


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """What came of one event: the catcher's messages and the ledger's timeline, as they tell them."""

    event: FirstEvent
    messages: list[dict[str, Any]]
    timeline: dict[str, Any]


async def publish_over_http(api: Api) -> FirstEvent:
    """A CloudEvent in structured mode for the sample's first recipient."""
    event = FirstEvent(way="HTTP", event_id=str(uuid.uuid4()), recipient="anna")
    envelope = {
        "specversion": "1.0",
        "id": event.event_id,
        "source": SOURCE,
        "type": EVENT_TYPE,
        "subject": event.recipient,
        "data": DATA,
    }
    await api.do("POST", "/v1/events", envelope, headers={"Content-Type": "application/cloudevents+json"})
    return event


async def publish_to_kafka(bootstrap_servers: str) -> FirstEvent:
    """A CloudEvent in binary mode for another recipient, written to the events topic as any producer would."""
    event = FirstEvent(way="Kafka", event_id=str(uuid.uuid4()), recipient="bernd")
    attributes = {
        "specversion": "1.0",
        "id": event.event_id,
        "source": SOURCE,
        "type": EVENT_TYPE,
        "subject": event.recipient,
        "tenant": TENANT,
    }
    headers = tuple((f"ce_{name}", value.encode()) for name, value in attributes.items())
    record = Outgoing(
        topic=Topics().events(Lane.TRANSACTIONAL),
        key=None,
        value=msgspec.json.encode(DATA),
        headers=(*headers, ("content-type", b"application/json")),
    )
    publisher = Publisher(settings=KafkaSettings(bootstrap_servers=bootstrap_servers), health=Health())
    await publisher.open()
    try:
        await publisher.publish([record], timeout=20)
    finally:
        await publisher.close()
    return event


async def wait_for(event: FirstEvent, *, api: Api, catcher: Api) -> Arrived:
    """Returns when a message on every channel was caught and the timeline says so; else StartFailed says what lacks."""
    messages: list[dict[str, Any]] = []
    timeline: dict[str, Any] = {}
    try:
        async with asyncio.timeout(ARRIVE_WITHIN):
            while True:
                messages = [
                    one
                    for one in await catcher.do("GET", "/api/messages?brief=true")
                    if one["notification_id"] == event.notification
                ]
                status, told = await api.call("GET", f"/v1/timelines/{event.notification}")
                timeline = told if status == 200 else {}
                if {one["channel"] for one in messages} == CHANNELS and _sent(timeline) == CHANNELS:
                    return Arrived(event=event, messages=messages, timeline=timeline)
                await asyncio.sleep(0.1)
    except TimeoutError as exc:
        caught = ", ".join(sorted(one["channel"] for one in messages)) or "nothing"
        raise StartFailed(
            f"Of the event sent over {event.way}, {caught} arrived within {ARRIVE_WITHIN:.0f} s; "
            f"its timeline says sent for: {', '.join(sorted(_sent(timeline))) or 'nothing'}"
        ) from exc


def _sent(timeline: dict[str, Any]) -> set[str]:
    return {one["channel"] for one in timeline.get("timeline", []) if one["status"] == "sent"}
