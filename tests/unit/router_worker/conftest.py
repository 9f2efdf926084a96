"""A worker over in-memory twins: the directory fed record by record, claims and recipients in dictionaries."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
import pytest
from tests.unit.router_worker.tables_in_memory import (
    CancellationRows,
    Claims,
    Quotas,
    Recipients,
    Suppressions,
    Throttles,
)

from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.codec import decode_intent, decode_job, decode_status, encode
from tocsin.contracts.directory import (
    CategoryRecord,
    DirectoryRecord,
    Step,
    TemplateRecord,
    TenantRecord,
    WorkflowRecord,
)
from tocsin.contracts.events import CANCELLATION_REQUESTED, NOTIFICATION_REQUESTED, Event
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.recipients import Device
from tocsin.contracts.statuses import ChannelDecision, Decision, Target
from tocsin.contracts.timers import SetTimer
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import (
    Batch,
    Cancellations,
    CatchUp,
    ConsumerRecord,
    ProducerRecord,
    always_current,
    partition_for,
)
from tocsin.programs import CrashNote
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.policy import StoredRecipient
from tocsin.router.secret_keys import SecretKey
from tocsin.router.templates import Renderer
from tocsin.router.tokens import UnsubscribeTokens
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.pipeline import Router
from tocsin.router.worker.render import DeliveryRenderer
from tocsin.runtime import Health
from tocsin.testing import ManualClock

PARTITIONS = 4
START = datetime(2026, 1, 1, tzinfo=UTC)


class DecidedTarget(NamedTuple):
    """One delivery, and the decision that tells of it."""

    target: Target
    channel: ChannelDecision
    decision: Decision


@dataclass
class Written:
    """What a batch wrote, read back."""

    records: list[ProducerRecord]
    topics: Topics

    def of(self, topic: str) -> list[ProducerRecord]:
        return [record for record in self.records if record.topic == topic]

    def jobs(self, channel: Channel, lane: Lane = Lane.TRANSACTIONAL) -> list[Any]:
        return [decode_job(record.value or b"") for record in self.of(self.topics.jobs(channel, lane))]

    def intents(self, lane: Lane = Lane.TRANSACTIONAL) -> list[Any]:
        return [decode_intent(record.value or b"") for record in self.of(self.topics.intents(lane))]

    def statuses(self, lane: Lane = Lane.TRANSACTIONAL) -> list[Any]:
        """Every record of `status`: decisions, and statuses of events."""
        return [decode_status(record.value or b"") for record in self.of(self.topics.status(lane))]

    def timers(self, lane: Lane = Lane.TRANSACTIONAL) -> list[SetTimer]:
        return [
            msgspec.json.decode(record.value or b"", type=SetTimer)
            for record in self.of(self.topics.timers(lane))
        ]

    def decisions(self) -> list[Decision]:
        return [record for record in self.statuses() if isinstance(record, Decision)]

    def targets(self, outcome: str | None = None) -> list["DecidedTarget"]:
        """What was decided of each delivery, in order; only of those that came to `outcome`, where it is given."""
        decided = [
            DecidedTarget(target, channel, decision)
            for decision in self.decisions()
            for channel in decision.channels
            for target in channel.targets
        ]
        return [delivery for delivery in decided if outcome in (None, delivery.target.outcome)]

    def names(self, lane: Lane = Lane.TRANSACTIONAL) -> list[str]:
        """Of each status its name; of each decision its outcome, or, where it is `decided`, those of its targets."""
        names = []
        for record in self.statuses(lane):
            if not isinstance(record, Decision):
                names.append(record.status)
            elif record.outcome != "decided":
                names.append(record.outcome)
            else:
                names += [target.outcome for channel in record.channels for target in channel.targets]
        return names

    def dead(self) -> list[dict[str, str]]:
        return [
            {name: value.decode() for name, value in record.headers if name.startswith("tocsin_dead_")}
            for record in self.of(self.topics.dead("router"))
        ]


@dataclass
class Worker:
    """One lane's router, and what surrounds it."""

    lane: Lane = Lane.TRANSACTIONAL
    health: Health = field(default_factory=lambda: Health(service="test"))
    clock: ManualClock = field(default_factory=lambda: ManualClock(START))
    claims: Claims = field(default_factory=Claims)
    cancellation_rows: CancellationRows = field(default_factory=CancellationRows)
    throttles: Throttles = field(default_factory=Throttles)
    quotas: Quotas = field(default_factory=Quotas)
    recipients: Recipients = field(default_factory=Recipients)
    suppressions: Suppressions = field(default_factory=Suppressions)
    hash_keys: Sequence[SecretKey] = (SecretKey("h1", "h" * 32),)
    default_tenant: str | None = None
    catch_up: CatchUp = always_current

    def __post_init__(self) -> None:
        self.topics = Topics()
        self._templates = Renderer()
        self.directory = PublishedDirectory(renderer=self._templates)
        self.cancellations = Cancellations(service="test")
        self.router = Router(
            lane=self.lane,
            topics=self.topics,
            directory=self.directory,
            claims=self.claims,
            cancellations=self.cancellations,
            cancellation_rows=self.cancellation_rows,
            throttles=self.throttles,
            quotas=self.quotas,
            recipients=self.recipients,
            suppressions=self.suppressions,
            renderer=self._rendering(),
            clock=self.clock,
            hashes=AddressHashes(self.hash_keys),
            default_tenant=self.default_tenant,
            catch_up=self.catch_up,
        )
        self._offsets: dict[tuple[str, int], int] = {}

    def render_under(self, **notes: CrashNote) -> None:
        """From now on templates are rendered as by a process that opened these notes."""
        self.router._renderer = self._rendering(**notes)

    def _rendering(self, **notes: CrashNote) -> DeliveryRenderer:
        return DeliveryRenderer(
            renderer=self._templates,
            public_url="https://notify.example.test",
            tokens=UnsubscribeTokens([SecretKey("k1", "s" * 32)]),
            **notes,
        )

    def publish(self, *entities: DirectoryRecord) -> None:
        for entity in entities:
            self.directory.apply(ConsumerRecord("directory", 0, 0, 0, entity.record_key, encode(entity)))

    def withdraw(self, *entities: DirectoryRecord) -> None:
        for entity in entities:
            self.directory.apply(ConsumerRecord("directory", 0, 0, 0, entity.record_key, None))

    def record(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Iterable[tuple[str, bytes]] = (), *,
        partition: int | None = None,
    ) -> ConsumerRecord:  # fmt: skip
        where = partition_for(key or b"", PARTITIONS) if partition is None else partition
        offset = self._offsets.get((topic, where), -1) + 1
        self._offsets[topic, where] = offset
        return ConsumerRecord(topic, where, offset, self.clock.time_ms(), key, value, tuple(headers))

    def event(
        self, *, partition: int | None = None, key: bytes | None = None, **fields: Any
    ) -> ConsumerRecord:
        """A business event for ann, keyed as ingest does unless told otherwise."""
        event = Event(
            **(
                {
                    "tenant": "acme",
                    "source": "/shop",
                    "id": "e1",
                    "type": "com.shop.shipped",
                    "subject": "ann",
                    "data": msgspec.Raw(b'{"name":"Ann"}'),
                }
                | fields
            )
        )
        headers, value = write_kafka(event)
        key = key or recipient_key(event.tenant, event.subject or "")
        return self.record(self.topics.events(self.lane), key, value, headers, partition=partition)

    def request(
        self, *recipients: Any, event_id: str = "e1", partition: int | None = None, **fields: Any
    ) -> ConsumerRecord:
        """A direct request; `fields` are further fields of its data."""
        body = {"workflow": "shipped", "recipients": recipients, "data": {"name": "Ann"}} | fields
        return self.event(
            id=event_id, type=NOTIFICATION_REQUESTED, subject=None, data=msgspec.Raw(encode(body)),
            partition=partition, key=b"any",
        )  # fmt: skip

    async def route(self, *records: ConsumerRecord) -> Written:
        """What follows from the records, part by part."""
        rest, out = list(records), list[ProducerRecord]()
        while rest:
            part = await self.router.process(Batch(records=rest, partition_count=PARTITIONS))
            out += part.outgoing
            rest = rest[part.records :]
        return Written(out, self.topics)

    def cancel(
        self, *, event_id: str = "c1", tenant: str = "acme", test: bool = False, **request: str
    ) -> ConsumerRecord:
        """A cancellation, as ingest writes it."""
        event = Event(
            tenant=tenant, source="/shop", id=event_id, type=CANCELLATION_REQUESTED, test=test, data=msgspec.Raw(encode(request))
        )  # fmt: skip
        headers, value = write_kafka(event)
        return self.record(self.topics.events(self.lane), b"any", value, headers)

    async def take_cancellation(self, **request: Any) -> Written:
        """It is processed, and the copy holds it."""
        written = await self.route(self.cancel(**request))
        for record in self.as_read(written.of(self.topics.cancels)):
            self.cancellations.apply(record)
        return written

    def as_read(self, written: Iterable[ProducerRecord]) -> list[ConsumerRecord]:
        """Written records, as they are read again."""
        return [self.record(record.topic, record.key, record.value, record.headers) for record in written]


PARTS = {
    Channel.EMAIL: {"subject": "Hi {{ data.name }}", "text": "{{ links.unsubscribe }}"},
    Channel.SMS: {"body": "Sms {{ data.name }}"},
    Channel.PUSH: {"title": "Push", "body": "Push {{ data.name }}"},
}


def workflow(**changes: Any) -> WorkflowRecord:
    fields: dict[str, Any] = {
        "tenant": "acme",
        "key": "shipped",
        "revision": 1,
        "event_types": ["com.shop.shipped"],
        "category": "orders",
        "lane": Lane.CRITICAL,
        "steps": [Step(name="1", channels=tuple(PARTS))],
        "data_schema": {"type": "object", "properties": {"name": {"type": "string"}}},
    }
    return WorkflowRecord(**(fields | changes))


def templates(key: str = "shipped") -> list[TemplateRecord]:
    return [
        TemplateRecord(tenant="acme", workflow=key, channel=channel, locale="en", revision=3, parts=parts)
        for channel, parts in PARTS.items()
    ]


@pytest.fixture(name="workflow")
def workflow_fixture() -> Callable[..., WorkflowRecord]:
    return workflow


@pytest.fixture(name="templates")
def templates_fixture() -> Callable[..., list[TemplateRecord]]:
    return templates


@pytest.fixture
def make_worker() -> Callable[..., Worker]:
    """A worker whose directory has one workflow on three channels, and one person, ann."""

    def make(**changes: Any) -> Worker:
        worker = Worker(**changes)
        worker.publish(
            TenantRecord(
                tenant="acme",
                name="Acme",
                senders={Channel.EMAIL: SenderIdentity(address="shop@example.test")},
            ),
            CategoryRecord(tenant="acme", key="orders"),
            workflow(),
            *templates(),
        )
        worker.recipients.stored["acme", "ann"] = StoredRecipient(
            known=True, version=7, email="ann@example.test", phone="+4915112345678", locale="de",
            devices=(Device(id="d1", token="t1"),),
        )  # fmt: skip
        return worker

    return make


@pytest.fixture
def worker(make_worker: Callable[..., Worker]) -> Worker:
    return make_worker()
