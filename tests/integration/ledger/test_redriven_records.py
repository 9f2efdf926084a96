"""What a re-drive writes: each delivery with its event, dead letters from their bytes or their place, and what is gone is counted."""

import asyncio
from datetime import UTC, datetime

import msgspec
import pytest
from prometheus_client import REGISTRY
from tests.integration.ledger.redrive_ground import (
    LANE,
    PARTITIONS,
    DieAt,
    Died,
    Ground,
    failed_mail,
    mail_of,
)
from tests.integration.ledger.redrive_ground import ground as ground  # noqa: PLC0414 - a fixture
from tests.integration.ledger.test_redrives_api import ended

from tocsin.contracts.cloudevents import write_kafka
from tocsin.contracts.codec import decode_intent, encode
from tocsin.contracts.events import Event
from tocsin.contracts.intents import Continuation, Redrive
from tocsin.contracts.vocabulary import Channel, StatusName
from tocsin.kafka import TopicPartition
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


async def test_what_is_written_names_the_delivery_and_holds_its_event(ground: Ground) -> None:
    people = [f"p{number}" for number in range(30)]
    origin = await ground.fail(*people)
    redrive = await ground.begin()
    async with ground.working():
        (stands,) = await ground.finished(redrive)
    assert (stands.written, stands.not_possible, stands.pending) == (30, 0, False)
    written = {record.recipient: record for record in await ground.written()}
    assert set(written) == set(people)
    record = written["p7"]
    assert isinstance(record, Redrive)
    assert (record.redrive, record.subject, record.origin) == (redrive.id, mail_of("p7"), origin)
    assert msgspec.json.decode(record.event.data)["recipients"] == ["p7"]


async def test_the_oldest_comes_first(ground: Ground) -> None:
    for number in range(3):
        await ground.fail(*(f"p{person}" for person in range(8)), event=f"e{number}")
    redrive = await ground.begin(rate=8)
    async with ground.working():
        await ground.finished(redrive)
    for partition in range(PARTITIONS):
        events = [
            decode_intent(record.value or b"").event.id
            for record in await ground.records()
            if record.partition == partition
        ]
        assert events == sorted(events)


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
    before = [redriven(outcome) for outcome in ("written", "not_possible")]
    redrive = await ground.begin(rate=2)
    async with ground.working():
        await until(lambda: REGISTRY.get_sample_value("tocsin_open_redrives", {"state": "running"}) == 1)
        (stands,) = await ground.finished(redrive)
    assert (stands.written, stands.not_possible) == (1, 3)
    counted = [redriven(outcome) for outcome in ("written", "not_possible")]
    assert [now - then for now, then in zip(counted, before, strict=True)] == [1, 3]


def redriven(outcome: str) -> float:
    return REGISTRY.get_sample_value("tocsin_redriven_total", {"outcome": outcome}) or 0.0


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
