"""Events on a real broker, what the ledger has stored about them, and re-drives of it, for tests that run them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.integration.ledger.conftest import LedgerDatabase, Log
from tests.integration.ledger.test_redrives_api import ended

from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.codec import decode_intent, encode
from tocsin.contracts.dead_letters import DeadLetter, truncate_to_fit
from tocsin.contracts.events import NOTIFICATION_REQUESTED, Event
from tocsin.contracts.ids import delivery_id, notification_id
from tocsin.contracts.intents import Intent, IntentPrivate
from tocsin.contracts.statuses import (
    ChannelDecision,
    EventRef,
    RuleOutcome,
    StatusRecord,
    Target,
    decision_of,
    status_of,
)
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane, Outcome, StatusName
from tocsin.kafka import (
    Admin,
    ConsumerRecord,
    KafkaSettings,
    ProducerRecord,
    Publisher,
    RecordMetadata,
    TopicSpec,
    read_to_end,
)
from tocsin.ledger.dead_letters import LetterFilters
from tocsin.ledger.redrive_runner import RedriveRunner
from tocsin.ledger.redrive_selection import LetterSelection, NotificationSelection
from tocsin.ledger.redrives import Redrives, StoredRedrive
from tocsin.runtime import NO_FAILPOINTS, Failpoints, Health, SystemClock
from tocsin.testing.until import until

PARTITIONS = 2
LANE = Lane.TRANSACTIONAL


class Died(BaseException):
    """Stands for SIGKILL: nothing after the place runs."""


class DieAt:
    """Dies the n-th time that a place is reached."""

    def __init__(self, name: str, time: int) -> None:
        self._name, self._left = name, time

    async def reach(self, name: str) -> None:
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                raise Died


class Ground:
    """Events on Kafka, what the ledger has stored about them, and re-drives of it."""

    def __init__(self, settings: KafkaSettings, database: LedgerDatabase) -> None:
        self.settings, self.database = settings, database
        self.topics = Topics(settings.topic_prefix)
        self.redrives = Redrives(engine=database.database.engine)
        self.admin = Admin(settings=settings)
        self.publisher = Publisher(settings=settings, health=Health(service="test"))
        self._log = {
            "statuses": Log(topic=self.topics.status(LANE)),
            "dead": Log(topic=self.topics.dead("router")),
        }
        self._next: dict[str, int | None] = {"statuses": None, "dead": None}

    async def open(self) -> None:
        await self.admin.open()
        specs = [
            TopicSpec(
                name=topic.name,
                partitions=PARTITIONS,
                cleanup="delete",
                max_message_bytes=topic.max_message_bytes,
            )
            for topic in self.topics.all()
            if topic.lane is LANE and topic.family in ("events", "intents")
        ]
        await self.admin.apply(await self.admin.plan(specs, []))
        await self.publisher.open()

    async def close(self) -> None:
        await self.publisher.close()
        await self.admin.close()

    async def events(self, *events: Event) -> list[RecordMetadata]:
        topic = self.topics.events(LANE)
        records = [
            ProducerRecord(topic, event.id.encode(), value, tuple(headers))
            for event in events
            for headers, value in [write_kafka(event)]
        ]
        return await self.publisher.publish(records, timeout=30)

    async def fail(self, *recipients: str, event: str = "e1", tenant: str = "acme", **fields: Any) -> str:
        """A direct request to all of these, whose mails failed; the event's place."""
        body = {"workflow": "shipped", "recipients": recipients, "data": {"name": "Ann"}}
        request = Event(
            tenant=tenant,
            source="/shop",
            id=event,
            type=NOTIFICATION_REQUESTED,
            data=msgspec.Raw(encode(body)),
        )
        (place,) = await self.events(request)
        statuses = [
            status for who in recipients for status in failed_mail(who, event, tenant, place.ref, **fields)
        ]
        await self.store(*statuses)
        return place.ref

    async def store(self, *statuses: StatusRecord) -> None:
        now = datetime.now(UTC) - timedelta(seconds=1)
        await self._apply(
            "statuses", "ledger.bulk", [self._log["statuses"].status(status, at=now) for status in statuses]
        )

    async def store_letter(
        self, value: bytes | None, headers: Any, *, largest: int = 4_000_000, **about: Any
    ) -> None:
        now = datetime.now(UTC) - timedelta(seconds=1)
        given: dict[str, Any] = {
            "service": "router",
            "reason": "data_invalid",
            "detail": "d",
            "tenant": "acme",
            "at": now,
        }
        letter = DeadLetter(**(given | about))
        kept = truncate_to_fit(letter, key=b"k", value=value, headers=headers, largest=largest)
        record = self._log["dead"].record(kept.value, headers=kept.headers, at=now)
        await self._apply("dead", "ledger.dead", [record])

    async def _apply(self, kind: str, group: str, records: Sequence[ConsumerRecord]) -> None:
        batch = self._log[kind].batch(*records, expected=self._next[kind])
        await self.database.table(group).apply([batch])
        self._next[kind] = batch.next

    async def begin(self, *, rate: int = 1000, tenant: str = "acme", **filters: Any) -> StoredRedrive:
        now = datetime.now(UTC)
        selection = NotificationSelection(tenant=tenant, test=False, until=now, **filters)
        return await self.redrives.begin(selection, rate=rate, matched=0, key_id="k", now=now)

    async def begin_letters(self, tenant: str = "acme") -> StoredRedrive:
        now = datetime.now(UTC)
        selection = LetterSelection(tenant="acme", letters_of=tenant, filters=LetterFilters(until=now))
        return await self.redrives.begin(selection, rate=1000, matched=0, key_id="k", now=now)

    async def state(self, redrive: StoredRedrive) -> StoredRedrive:
        stands = await self.redrives.one(redrive.tenant, redrive.id)
        assert stands is not None
        return stands

    def runner(self, failpoints: Failpoints = NO_FAILPOINTS) -> RedriveRunner:
        return RedriveRunner(
            database=self.database.database, settings=self.settings, publisher=self.publisher, clock=SystemClock(),
            retention_days=30, failpoints=failpoints,
        )  # fmt: skip

    @asynccontextmanager
    async def working(self, ledgers: int = 1, failpoints: Failpoints = NO_FAILPOINTS) -> AsyncIterator[None]:
        stop = asyncio.Event()
        tasks = [asyncio.create_task(self.runner(failpoints).run(stop)) for _ in range(ledgers)]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks)

    async def finished(self, *redrives: StoredRedrive) -> list[StoredRedrive]:
        async def all_finished() -> bool:
            return all([(await self.state(each)).state == "finished" for each in redrives])

        await until(all_finished)
        return [await self.state(each) for each in redrives]

    async def written(self) -> list[Any]:
        return [decode_intent(record.value or b"") for record in await self.records()]

    async def records(self) -> list[ConsumerRecord]:
        intents = [
            record
            async for records in read_to_end(
                settings=self.settings, topic=self.topics.intents(LANE), deadline=60
            )
            for record in records
        ]
        return sorted(intents, key=lambda record: (record.partition, record.offset))


def failed_mail(recipient: str, event: str, tenant: str, origin: str, **fields: Any) -> list[StatusRecord]:
    """A decision that routes a mail, and the mail's failure."""
    notification = notification_id(
        tenant=tenant, source="/shop", event_id=event, recipient=recipient, workflow="shipped"
    )
    delivery = mail_of(recipient, event=event, tenant=tenant)
    now = datetime.now(UTC)
    about = EventRef(tenant=tenant, event_id=event, event_source="/shop", origin=origin)
    target = Target(delivery, "email", None, "routed", None, None)
    intent = Intent(
        tenant=tenant, notification_id=notification, event_source="/shop", event_id=event, event_type="t", event_time=now,
        workflow="shipped", recipient=recipient, private=IntentPrivate(), lane=LANE, origin=origin, cause=origin,
    )  # fmt: skip
    decision = decision_of(
        intent, Outcome.DECIDED, lane=LANE, cause=f"{origin}/{recipient}", at=now, rules=[RuleOutcome(rule="expiry", outcome="alive")],
        channels=[ChannelDecision(step="1", channel="email", rules=[], targets=[target])],
    )  # fmt: skip
    sent = status_of(
        StatusName.SENT, about, lane=LANE, cause=f"jobs/{event}/{recipient}", at=now, notification_id=notification, recipient=recipient,
        workflow="shipped", delivery_id=delivery, channel="email", step="1", address_key="email",
    )  # fmt: skip
    return [decision, ended(StatusName.FAILED, sent, **fields)]


def mail_of(recipient: str, *, event: str = "e1", tenant: str = "acme") -> str:
    notification = notification_id(
        tenant=tenant, source="/shop", event_id=event, recipient=recipient, workflow="shipped"
    )
    return delivery_id(notification=notification, channel="email", step="1", address_key="email")


@pytest.fixture
async def ground(
    kafka_server: str, topic_prefix: str, ledger_database: LedgerDatabase
) -> AsyncIterator[Ground]:
    ground = Ground(KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix), ledger_database)
    await ground.open()
    yield ground
    await ground.close()
