"""The first two events: one over HTTP, one straight to Kafka, each awaited until all of its messages are there."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from tocsin.contracts.ids import notification_id
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.api import Api
from tocsin.dev.errors import StartFailed
from tocsin.dev.sample import DATA, EVENT_TYPE, SOURCE, TENANT, WORKFLOW, WORKFLOWS
from tocsin.kafka import KafkaSettings, ProducerRecord, Publisher
from tocsin.runtime import Health

CHANNELS = frozenset(WORKFLOWS[WORKFLOW]["channels"])
TRIES = 5
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
class ArrivedMessage:
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
    record = ProducerRecord(
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


async def deliver(publish: Callable[[], Awaitable[FirstEvent]], *, api: Api, catcher: Api) -> ArrivedMessage:
    """Publishes, and returns when a message on every channel was caught and the timeline says so.

    A workflow just published reaches the router over Kafka; an event that was decided before that is published anew,
    under a new id. Raises StartFailed with what its timeline says instead.
    """
    for _ in range(TRIES):
        event = await publish()
        arrived = await _wait_for(event, api=api, catcher=catcher)
        if isinstance(arrived, ArrivedMessage):
            return arrived
    raise StartFailed(f"Of the event sent over {event.way} not every message was sent: {arrived}.")


async def _wait_for(event: FirstEvent, *, api: Api, catcher: Api) -> ArrivedMessage | str:
    """Why not every message was sent, where that is final."""
    messages: list[dict[str, Any]] = []
    timeline: dict[str, Any] = {}
    try:
        async with asyncio.timeout(ARRIVE_WITHIN):
            while True:
                messages = await _caught(event, catcher)
                _, timeline = await api.call("GET", f"/v1/timelines/{event.notification}")
                caught = {message["channel"] for message in messages}
                if caught == _in(timeline, "sent") == CHANNELS:
                    return ArrivedMessage(event=event, messages=messages, timeline=timeline)
                if ended := _ended_otherwise(timeline):
                    return ended
                if await _unmatched(event, api):
                    return f"no workflow subscribes to {EVENT_TYPE}"
                await asyncio.sleep(0.1)
    except TimeoutError as exc:
        arrived = ", ".join(sorted(message["channel"] for message in messages)) or "nothing"
        raise StartFailed(
            f"Of the event sent over {event.way}, {arrived} arrived within {ARRIVE_WITHIN:.0f} s; "
            f"its timeline says sent for: {', '.join(sorted(_in(timeline, 'sent'))) or 'nothing'}"
        ) from exc


async def _caught(event: FirstEvent, catcher: Api) -> list[dict[str, Any]]:
    messages = await catcher.do("GET", "/api/messages?brief=true")
    return [message for message in messages if message["notification_id"] == event.notification]


async def _unmatched(event: FirstEvent, api: Api) -> bool:
    unmatched = await api.do("GET", f"/v1/timelines?event={event.event_id}&status=event_unmatched")
    return bool(unmatched["data"])


def _ended_otherwise(timeline: dict[str, Any]) -> str:
    """Each message that will not be sent, with its status and reason."""
    return ", ".join(
        f"{entry.get('channel') or WORKFLOW} {entry['status']} ({entry.get('reason') or entry.get('rule')})"
        for entry in timeline.get("timeline", [])
        if entry.get("final") and entry["status"] != "sent"
    )


def _in(timeline: dict[str, Any], status: str) -> set[str]:
    """The channels on which this has happened."""
    return {entry.get("channel") or "" for entry in timeline.get("timeline", []) if entry["status"] == status}
