"""How ingest is put together."""

import asyncio
from collections.abc import Sequence

from fastapi import FastAPI

from tocsin.contracts.topics import Topics
from tocsin.ingest.cancellations_api import cancellation_routes
from tocsin.ingest.directory import Directory
from tocsin.ingest.events_api import PATH as EVENTS
from tocsin.ingest.events_api import event_routes, take_events
from tocsin.ingest.notifications_api import PATH as NOTIFICATIONS
from tocsin.ingest.notifications_api import notification_routes, take_notifications
from tocsin.ingest.openapi import describe_bodies
from tocsin.ingest.publishing import EventPublisher
from tocsin.ingest.service import IngestService
from tocsin.ingest.settings import IngestSettings
from tocsin.kafka import CopyAge, NotStored, ProducerRecord, Publisher, RecordMetadata, Replica
from tocsin.programs import CrashNote, crash_note_component
from tocsin.runtime import BODIES_BYTES, Api, Health, Service, arm
from tocsin.web import ASK_SPACING, Network, operations_app, service_app, up_to_now


def create_app(
    *,
    service: IngestService | None = None,
    health: Health | None = None,
    trusted_proxies: Sequence[Network] = (),
    max_bodies_bytes: int = BODIES_BYTES,
) -> FastAPI:
    """The HTTP surface. Without `service` it describes itself, which is all that OpenAPI needs, and answers 503."""
    service = service or _closed()
    posts = {NOTIFICATIONS: take_notifications(service), EVENTS: take_events(service)}
    app = service_app(
        name="ingest",
        health=health or Health(service="ingest"),
        summary="Takes events and requests for notifications in.",
        keys=service.directory.keys,
        bring_up_to_now=service.keys_up_to_now,
        trusted_proxies=trusted_proxies,
        max_bodies_bytes=max_bodies_bytes,
        max_body_bytes=service.limits.body_bytes,
        max_json_depth=service.limits.json_depth,
        posts=posts,
    )
    app.include_router(notification_routes(service, posts[NOTIFICATIONS]))
    app.include_router(event_routes(service, posts[EVENTS]))
    app.include_router(cancellation_routes(service))
    describe_bodies(app)
    return app


def build(settings: IngestSettings) -> Service:
    """The service of these settings; nothing connects before it is run."""
    health = Health(service="ingest")
    topics = Topics(settings.kafka.topic_prefix)
    note = CrashNote(folder=settings.programs.crash_notes, service="ingest")
    directory = Directory(note=note)
    publisher = Publisher(
        settings=settings.kafka,
        health=health,
        max_bytes=settings.buffer_bytes,
        limits={topic.name: topic.max_message_bytes for topic in topics.all() if topic.family == "events"},
    )
    replica = Replica(settings=settings.kafka, topic=topics.directory, apply=directory.apply, health=health)
    age = CopyAge(settings=settings.kafka, copy=replica, spacing=ASK_SPACING)
    service = IngestService(
        directory=directory,
        publisher=EventPublisher(
            kafka=publisher,
            topics=topics,
            timeout=settings.publish_timeout,
            retry_after=settings.retry_after,
            failpoints=arm(settings.failpoints),
        ),
        caught_up=replica.caught_up,
        limits=settings.limits,
        default_limits=settings.default_limits,
        instances=settings.instances,
        bring_up_to_now=up_to_now(age.catch_up, service="ingest"),
    )
    app = create_app(
        service=service,
        health=health,
        trusted_proxies=settings.http.trusted_proxies,
        max_bodies_bytes=settings.http.bodies_bytes,
    )
    return Service(
        operations=operations_app(name="ingest", health=health),
        api=Api(app=app, settings=settings.http),
        health=health,
        components=(crash_note_component(note), replica, age, publisher),
    )


def _closed() -> IngestService:
    publisher = EventPublisher(kafka=_Nowhere(), topics=Topics(), timeout=1, retry_after=2)
    return IngestService(directory=Directory(), publisher=publisher, caught_up=asyncio.Event())


class _Nowhere:
    """Stands for Kafka in an app that only describes itself."""

    async def publish(self, records: Sequence[ProducerRecord], *, timeout: float) -> list[RecordMetadata]:  # noqa: ARG002, ASYNC109 - as KafkaPublisher has it
        raise NotStored("There is no Kafka here.")
