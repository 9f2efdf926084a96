"""A re-drive on a real broker and database: killed at each place of its page loop, doubled, beside others, with what is gone."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from tests.integration.ledger.conftest import LedgerDatabase, Log
from tests.integration.ledger.test_redrives_api import ended
from tests.unit.router_worker.conftest import Worker
from tests.unit.router_worker.conftest import make_worker as make_worker  # noqa: PLC0414 - a fixture

from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.codec import decode_intent, encode
from tocsin.contracts.dead_letters import DeadLetter, truncate_to_fit
from tocsin.contracts.events import NOTIFICATION_REQUESTED, Event
from tocsin.contracts.ids import delivery_id, notification_id
from tocsin.contracts.intents import Continuation, Intent, IntentPrivate, Redrive
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
from tocsin.contracts.vocabulary import Channel, Lane, Outcome, StatusName
from tocsin.kafka import (
    Admin,
    ConsumerRecord,
    KafkaFault,
    KafkaSettings,
    ProducerRecord,
    Publisher,
    RecordMetadata,
    TopicPartition,
    TopicSpec,
    read_to_end,
)
from tocsin.ledger import redrive_runner
from tocsin.ledger.dead_letters import LetterFilters
from tocsin.ledger.redrive_runner import RedriveRunner
from tocsin.ledger.redrive_selection import LetterSelection, NotificationSelection
from tocsin.ledger.redrives import Redrives, StoredRedrive
from tocsin.router.policy import StoredRecipient
from tocsin.runtime import NO_FAILPOINTS, Failpoints, Health, SystemClock
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

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


class FaultAt:
    """Kafka fails the first time that a place is reached."""

    def __init__(self, name: str) -> None:
        self._name: str | None = name

    async def reach(self, name: str) -> None:
        if name == self._name:
            self._name = None
            raise KafkaFault("no answer")


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
        found = [
            record
            async for records in read_to_end(
                settings=self.settings, topic=self.topics.intents(LANE), deadline=60
            )
            for record in records
        ]
        return sorted(found, key=lambda record: (record.partition, record.offset))


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


PEOPLE = [f"p{number}" for number in range(30)]


async def test_what_is_written_names_the_delivery_and_holds_its_event(ground: Ground) -> None:
    origin = await ground.fail(*PEOPLE)
    redrive = await ground.begin()
    async with ground.working():
        (stands,) = await ground.finished(redrive)
    assert (stands.written, stands.not_possible, stands.pending) == (30, 0, False)
    written = {record.recipient: record for record in await ground.written()}
    assert set(written) == set(PEOPLE)
    record = written["p7"]
    assert isinstance(record, Redrive)
    assert (record.redrive, record.subject, record.origin) == (redrive.id, mail_of("p7"), origin)
    assert msgspec.json.decode(record.event.data)["recipients"] == ["p7"]


@pytest.mark.parametrize(
    "place", ["redrive_after_page_stored", "redrive_after_page_written", "redrive_after_page_counted"]
)
async def test_killed_and_begun_again_each_is_sent_once(ground: Ground, make_worker: Any, place: str) -> None:
    await ground.fail(*PEOPLE)
    redrive = await ground.begin(rate=10)
    with pytest.raises(Died):
        await ground.runner(DieAt(place, 2)).run(asyncio.Event())
    async with ground.working():
        (stands,) = await ground.finished(redrive)
    assert (stands.written, stands.not_possible, stands.page) == (30, 0, 3)
    records = await ground.records()
    subjects = Counter(decode_intent(record.value or b"").subject for record in records)
    assert set(subjects) == {mail_of(who) for who in PEOPLE}
    assert len(records) == (40 if place == "redrive_after_page_written" else 30)
    assert await sent_by(make_worker(), records) == Counter({mail_of(who): 1 for who in PEOPLE})


async def sent_by(worker: Worker, records: Sequence[ConsumerRecord]) -> Counter[str]:
    """How often the router lets each delivery go out."""
    for who in PEOPLE:
        worker.recipients.stored["acme", who] = StoredRecipient(known=True, email=f"{who}@example.test")
    moved = [
        ConsumerRecord(
            worker.topics.intents(LANE),
            record.partition,
            record.offset,
            record.timestamp_ms,
            record.key,
            record.value,
        )
        for record in records
    ]
    worker.clock.advance((datetime.now(UTC) - worker.clock.now()).total_seconds())
    return Counter(job.delivery_id for job in (await worker.route(*moved)).jobs(Channel.EMAIL))


async def test_two_that_overlap_and_three_ledgers_send_once(ground: Ground) -> None:
    await ground.fail(*PEOPLE, provider="main")
    first, second = await ground.begin(), await ground.begin(provider="main")
    async with ground.working(ledgers=3):
        ended_both = await ground.finished(first, second)
    assert sum(each.written for each in ended_both) == 30
    assert Counter(record.subject for record in await ground.written()) == Counter(
        {mail_of(who): 1 for who in PEOPLE}
    )


async def test_one_whose_page_fails_holds_up_no_other(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redrive_runner, "AFTER_FAULT", 3600.0)
    await ground.fail("ann")
    await ground.fail("ann", tenant="other")
    first, second = await ground.begin(), await ground.begin(tenant="other")
    async with ground.working(failpoints=FaultAt("redrive_after_page_stored")):
        await ground.finished(second)
    assert (await ground.state(first)).state == "running"
    assert {record.event.tenant for record in await ground.written()} == {"other"}


async def test_what_failed_again_may_be_sent_again_and_what_is_under_way_may_not(ground: Ground) -> None:
    origin = await ground.fail("ann")
    first, repeated = await ground.begin(), await ground.begin()
    async with ground.working():
        await ground.finished(first, repeated)
        assert len(await ground.written()) == 1
        await ground.store(failed_mail("ann", "e1", "acme", origin, cause="jobs/again")[1])
        await ground.finished(await ground.begin())
    assert len(await ground.written()) == 2


async def test_two_tenants_do_not_see_each_other(ground: Ground) -> None:
    await ground.fail("ann")
    await ground.fail("ann", tenant="other")
    mine = await ground.begin()
    async with ground.working():
        await ground.finished(mine)
        assert [record.event.tenant for record in await ground.written()] == ["acme"]
        await ground.finished(await ground.begin(tenant="other"))
    assert {record.event.tenant for record in await ground.written()} == {"acme", "other"}


async def test_a_paused_one_waits_and_a_stopped_one_has_ended(ground: Ground) -> None:
    await ground.fail(*PEOPLE)
    redrive = await ground.begin(rate=5)
    now = datetime.now(UTC)

    async def begun() -> bool:
        return (await ground.state(redrive)).written > 0

    async with ground.working():
        await until(begun)
        await ground.redrives.steer("acme", redrive.id, "paused", now=now)
        other = await ground.begin(recipient="p29")
        await ground.finished(other)
        held = await ground.state(redrive)
        assert (held.state, held.pending) == ("paused", False)
        assert held.written < 30
        await ground.redrives.steer("acme", redrive.id, "stopped", now=now)
        await ground.finished(await ground.begin())
    assert (await ground.state(redrive)).written == held.written
    assert len(await ground.written()) == 30


async def test_what_is_sent_elsewhere_meanwhile_is_left_out_of_a_stored_page(ground: Ground) -> None:
    origin = await ground.fail("ann", "bob")
    redrive = await ground.begin()
    with pytest.raises(Died):
        await ground.runner(DieAt("redrive_after_page_stored", 1)).run(asyncio.Event())
    mail = failed_mail("ann", "e1", "acme", origin)[1]
    assert mail.status_id
    await ground.store(
        msgspec.structs.replace(
            ended(StatusName.SENT, mail, cause="jobs/sms"), delivery_id=None, channel="sms"
        )
    )
    async with ground.working():
        (stands,) = await ground.finished(redrive)
    assert (stands.written, stands.not_possible) == (1, 0)
    assert [record.recipient for record in await ground.written()] == ["bob"]


async def test_what_is_older_than_the_events_that_are_kept_is_counted(ground: Ground) -> None:
    gone = await ground.fail("ann", event="gone")
    topic, partition, offset = gone.rsplit("/", 2)
    await delete_up_to(ground, TopicPartition(topic, int(partition)), int(offset) + 1)
    await ground.fail("bob", event="kept")
    await ground.store(*failed_mail("cy", "never", "acme", f"{topic}/{partition}/999"))
    await ground.store(*failed_mail("dan", "foreign", "acme", "somewhere/0/1"))
    redrive = await ground.begin()
    async with ground.working():
        (stands,) = await ground.finished(redrive)
    assert (stands.written, stands.not_possible) == (1, 3)


async def delete_up_to(ground: Ground, partition: TopicPartition, offset: int) -> None:
    from aiokafka import TopicPartition as AioTopicPartition  # noqa: PLC0415
    from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete  # noqa: PLC0415

    client = AIOKafkaAdminClient(bootstrap_servers=ground.settings.bootstrap_servers)
    await client.start()
    try:
        await client.delete_records({AioTopicPartition(*partition): RecordsToDelete(before_offset=offset)})
    finally:
        await client.close()


async def test_dead_letters_are_sent_again_from_their_bytes_or_from_their_place(ground: Ground) -> None:
    topic = ground.topics.events(LANE)
    event = Event(
        tenant="acme", source="/shop", id="small", type="com.shop.shipped", data=msgspec.Raw(b'{"n":1}')
    )
    headers, value = write_kafka(event)
    stored = datetime(2026, 1, 1, tzinfo=UTC)
    await ground.store_letter(value, headers, origin=f"{topic}/0/900", workflows="a b", record_time=stored)
    large = msgspec.structs.replace(event, id="large", data=msgspec.Raw(encode({"text": "x" * 9000})))
    (place,) = await ground.events(large)
    await ground.store_letter(write_kafka(large)[1], write_kafka(large)[0], largest=8000, origin=place.ref)
    rest = Continuation(
        event=event,
        event_time=stored,
        lane=LANE,
        workflow="w",
        cursor=3,
        origin=f"{topic}/0/900",
        cause=f"{topic}/0/900",
    )
    await ground.store_letter(encode(rest), (), origin=f"{ground.topics.intents(LANE)}/0/5")
    again = Redrive(
        redrive="before",
        subject="before",
        event=event,
        event_time=stored,
        lane=LANE,
        workflows=["c"],
        origin="o",
        cause="o",
    )
    await ground.store_letter(encode(again), (), origin=f"{ground.topics.intents(LANE)}/0/6")
    await ground.store_letter(b"\xff", (), origin=f"{topic}/0/901")
    await ground.store_letter(b"{}", (), origin=f"{ground.topics.jobs(Channel.EMAIL, LANE)}/0/901")
    await ground.store_letter(b"{}", (), origin=f"{ground.topics.intents(LANE)}/0/7")
    redrive = await ground.begin_letters()
    async with ground.working():
        (stands,) = await ground.finished(redrive)
        await ground.finished(await ground.begin_letters())
    assert (stands.written, stands.not_possible) == (4, 3)
    written = {
        (
            record.event.id,
            record.cursor if isinstance(record, Continuation) else tuple(record.workflows),
        ): record
        for record in await ground.written()
    }
    assert set(written) == {("small", ("a", "b")), ("large", ()), ("small", 3), ("small", ("c",))}
    assert written["small", ("a", "b")].event_time == stored
    assert written["large", ()].origin == place.ref
    assert {record.redrive for record in written.values()} == {redrive.id}
    assert len({record.subject for record in written.values()}) == 4


async def test_letters_of_nobody_are_sent_again_for_the_tenant_that_their_event_names(ground: Ground) -> None:
    event = Event(tenant="new", source="/shop", id="e", type="com.shop.shipped")
    headers, value = write_kafka(event)
    await ground.store_letter(
        value, headers, origin=f"{ground.topics.events(LANE)}/0/900", tenant="", reason="tenant_unknown"
    )
    async with ground.working():
        await ground.finished(await ground.begin_letters(tenant=""))
    assert [record.event.tenant for record in await ground.written()] == ["new"]
