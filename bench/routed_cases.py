"""What the router is given to decide: batches of a tenant with mail, SMS and push, and the tables as dictionaries."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from operator import itemgetter
from time import process_time
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from prometheus_client import REGISTRY

import tenant as shop
from environment import TENANT
from tocsin.contracts.cancellations import Cancellation
from tocsin.contracts.codec import encode
from tocsin.contracts.directory import CategoryRecord, Step, TemplateRecord, TenantRecord, WorkflowRecord
from tocsin.contracts.jobs import SenderIdentity
from tocsin.contracts.limits import FAN_OUT_RECORDS
from tocsin.contracts.recipients import Device
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane
from tocsin.kafka import Batch, Cancellations, ConsumerRecord, ProducerRecord, partition_for
from tocsin.router.address_hashes import AddressHashes
from tocsin.router.policy import Preference, StoredRecipient
from tocsin.router.secret_keys import SecretKey
from tocsin.router.templates import Renderer
from tocsin.router.tokens import UnsubscribeTokens
from tocsin.router.worker.dedupe import Claim
from tocsin.router.worker.directory import PublishedDirectory
from tocsin.router.worker.pipeline import Router
from tocsin.router.worker.render import DeliveryRenderer
from tocsin.testing import ManualClock
from traced import trace_as_a_service, traceparent

LANE, PARTITIONS = Lane.TRANSACTIONAL, 4
EVENTS, BATCHES = 500, 12
STAGES: Final = ("read", "claim", "look_up", "decide")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
ONE, THREE = (Channel.EMAIL,), (Channel.EMAIL, Channel.SMS, Channel.PUSH)


class Taken(msgspec.Struct):
    """One case: microseconds a message in all and by stage, and what names the bytes that were written."""

    all: float
    stages: dict[str, float]
    written: str


class Tables:
    """The database."""

    def __init__(self, stored: Callable[[str], StoredRecipient]) -> None:
        self._claims: dict[bytes, Claim] = {}
        self._stored = {(TENANT, who): stored(who) for who in shop.RECIPIENTS}

    async def claim(self, asked: Iterable[tuple[bytes, Claim]]) -> Mapping[bytes, Claim]:
        return {key: self._claims.setdefault(key, claim) for key, claim in asked}

    async def load(
        self, recipients: Collection[tuple[str, str]]
    ) -> Mapping[tuple[str, str], StoredRecipient]:
        return {key: self._stored[key] for key in recipients}

    async def store(self, cancellations: Sequence[Cancellation]) -> None:
        assert not cancellations

    async def requested(self, hashes: Sequence[bytes]) -> Mapping[bytes, datetime]:  # noqa: ARG002 - nothing is kept
        return {}

    async def ask(self, asked: Sequence[Any]) -> Collection[str]:
        return [each.notification_id for each in asked]

    async def count(self, day: date, asked: Sequence[Any]) -> Sequence[bool]:  # noqa: ARG002 - all are within
        return [True for _ in asked]

    async def tell(self, day: date, tenants: Collection[str]) -> None:  # noqa: ARG002 - see above
        assert not tenants

    async def find(self, addresses: Collection[tuple[str, str, str]]) -> Mapping[tuple[str, str, str], Any]:
        assert not addresses
        return {}


class Case:
    """A router, its tenant, and one batch after the other for it."""

    def __init__(
        self, *, channels: tuple[Channel, ...] = ONE, preferences: int = 0, recipients: int = 1
    ) -> None:
        self._topics, self._per_event, self._number = Topics(), recipients, 0
        renderer = Renderer()
        directory = PublishedDirectory(renderer=renderer)
        for entity in _entities(channels):
            directory.apply(ConsumerRecord("directory", 0, 0, 0, entity.record_key, encode(entity)))
        tables = Tables(lambda who: _stored(who, preferences))
        tokens = UnsubscribeTokens([SecretKey("k1", "s" * 32)])
        self._router = Router(
            lane=LANE, topics=self._topics, directory=directory, claims=tables, recipients=tables, suppressions=tables,
            cancellations=Cancellations(service="bench"), cancellation_rows=tables, throttles=tables, quotas=tables,
            clock=ManualClock(NOW), hashes=AddressHashes([SecretKey("h1", "h" * 32)]),
            renderer=DeliveryRenderer(renderer=renderer, public_url="https://notify.bench.example", tokens=tokens),
        )  # fmt: skip

    def events(self, count: int) -> list[ConsumerRecord]:
        """Events that were not there before, as they are read."""
        numbers = range(self._number, self._number + count)
        self._number += count
        return [self._event(number) for number in numbers]

    def _event(self, number: int) -> ConsumerRecord:
        first = number % len(shop.RECIPIENTS)
        who = [shop.RECIPIENTS[(first + more) % len(shop.RECIPIENTS)] for more in range(self._per_event)]
        record = as_read(shop.record(f"event-{number}", who, lane=LANE, topics=self._topics), number)
        trace = traceparent(number)
        if trace is None:
            return record
        return replace(record, headers=(*record.headers, ("traceparent", trace.encode())))

    async def process(self, records: list[ConsumerRecord]) -> list[ProducerRecord]:
        """What follows from them."""
        out: list[ProducerRecord] = []
        while records:
            part = await self._router.process(Batch(records=records, partition_count=PARTITIONS))
            out += part.outgoing
            records = records[part.records :]
        return out

    async def batch(self) -> tuple[list[ConsumerRecord], int]:
        """The next records, and how many messages follow from them."""
        return self.events(EVENTS), EVENTS


def as_read(record: ProducerRecord, offset: int) -> ConsumerRecord:
    """A record as it is read again."""
    partition, stored = (
        partition_for(record.key or b"", PARTITIONS),
        NOW - timedelta(milliseconds=offset % 1000),
    )
    milliseconds = round(stored.timestamp() * 1000)
    return ConsumerRecord(
        record.topic, partition, offset, milliseconds, record.key, record.value, record.headers
    )


def _entities(channels: tuple[Channel, ...]) -> Iterator[Any]:
    names = {"type": "object", "required": list(shop.DATA)}
    schema = {**names, "properties": {name: {"type": "string"} for name in shop.DATA}}
    sender = SenderIdentity(address="orders@bench.example", name="Bench shop", reply_to="help@bench.example")
    key = shop.workflow_of(LANE)
    yield TenantRecord(tenant=TENANT, name="Bench", senders={Channel.EMAIL: sender})
    yield CategoryRecord(tenant=TENANT, key="orders", name="Your orders")
    yield WorkflowRecord(
        tenant=TENANT, key=key, revision=1, category="orders", lane=LANE, data_schema=schema,
        steps=[Step(name="1", channels=channels)],
    )  # fmt: skip
    for channel in channels:
        yield TemplateRecord(
            tenant=TENANT,
            workflow=key,
            channel=channel,
            locale="en",
            revision=1,
            parts=shop.PARTS_OF[channel],
        )


def _stored(who: str, preferences: int) -> StoredRecipient:
    wanted = [
        Preference("email", "orders", "*", True, "api", NOW - timedelta(days=9)),
        Preference("sms", "marketing", "*", False, "unsubscribe_page", NOW - timedelta(days=8)),
        Preference("*", "news", "*", False, "one_click", NOW - timedelta(days=7)),
    ]
    return StoredRecipient(
        known=True, version=3, email=f"{who}@bench.example", phone="+4915112345678", locale="en",
        attributes={"first_name": f"Ada {who}"}, devices=(Device(id="phone", token=f"token-of-{who}"),),
        preferences=tuple(wanted[:preferences]),
    )  # fmt: skip


class FanOut(Case):
    """Events of so many recipients that a batch takes one of them."""

    async def batch(self) -> tuple[list[ConsumerRecord], int]:
        """The next records, and how many messages follow from them."""
        return self.events(1), self._per_event


class FannedOut(FanOut):
    """The intents of such an event."""

    async def batch(self) -> tuple[list[ConsumerRecord], int]:
        """The next records, and how many messages follow from them."""
        written = await self.process(self.events(1))
        intents = [record for record in written if record.topic == self._topics.intents(LANE)]
        return [as_read(record, number) for number, record in enumerate(intents)], len(intents)


CASES: Final[Mapping[str, Callable[[], Case]]] = {
    "one mail": Case,
    "one mail, preferences": lambda: Case(preferences=3),
    "mail, SMS and push": lambda: Case(channels=THREE),
    "fan-out, event to intents": lambda: FanOut(recipients=FAN_OUT_RECORDS),
    "fan-out, intent to mail": lambda: FannedOut(recipients=FAN_OUT_RECORDS),
}


async def measure() -> dict[str, Taken]:
    """Every case once."""
    trace_as_a_service("router")
    return {name: await _measure(make()) for name, make in CASES.items()}


async def _measure(case: Case) -> Taken:
    """What the cheapest of its batches took: other work on the machine only adds to it."""
    records, _ = await case.batch()
    await case.process(records)  # compiles the templates
    digest, taken = sha256(), list[tuple[float, dict[str, float]]]()
    for _ in range(BATCHES):
        records, messages = await case.batch()
        before, began = _seconds(), process_time()
        written = await case.process(records)
        used = (process_time() - began) / messages * 1e6
        taken.append((used, {stage: (s - before[stage]) / messages * 1e6 for stage, s in _seconds().items()}))
        digest.update(
            repr([(record.topic, record.key, record.value, record.headers) for record in written]).encode()
        )
    used, stages = min(taken, key=itemgetter(0))
    return Taken(used, stages, digest.hexdigest())


def _seconds() -> dict[str, float]:
    labels = {"component": "router", "lane": LANE.value}
    return {
        stage: REGISTRY.get_sample_value("tocsin_stage_seconds_sum", {**labels, "stage": stage}) or 0.0
        for stage in STAGES
    }
