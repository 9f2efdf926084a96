"""Prepared backlogs into topics, and topics back out: what each stage is fed with and checked by."""

import asyncio
import time
from collections.abc import Sequence

import msgspec
from aiokafka import TopicPartition as AioTopicPartition

from environment import TENANT
from tocsin.contracts.codec import decode_request
from tocsin.contracts.ids import notification_id
from tocsin.kafka import (
    ConsumerRecord,
    KafkaSettings,
    Offsets,
    ProducerRecord,
    Publisher,
    TopicPartition,
    read_to_end,
)
from tocsin.kafka.client.aiokafka_internals import wait_for_metadata
from tocsin.kafka.client.offsets import connect_reader
from tocsin.runtime import Health

CHUNK = 1000
IN_FLIGHT = 4  # chunks
QUIET = 1.0  # seconds without a new record after which a stage is taken to have ended
READ_SECONDS = 60.0
LOOK_EVERY = 0.1  # seconds
LOOK_FOR_VISIBLE = 0.02  # seconds


class Notified(msgspec.Struct):
    """Of a job or an intent, what the bench looks at."""

    notification_id: str
    recipient: str


_decode = msgspec.json.Decoder(Notified).decode


async def write(settings: KafkaSettings, records: Sequence[ProducerRecord]) -> None:
    """Store all records."""
    publisher = Publisher(settings=settings, health=Health(service="bench"), max_bytes=1 << 30)
    await publisher.open()
    try:
        for start in range(0, len(records), CHUNK * IN_FLIGHT):
            chunks = [records[at : at + CHUNK] for at in range(start, start + CHUNK * IN_FLIGHT, CHUNK)]
            await asyncio.gather(*(publisher.publish(chunk, timeout=30) for chunk in chunks if chunk))
    finally:
        await publisher.close()


async def wait_quiet(settings: KafkaSettings, topic: str, *, least: int, patience: float) -> None:
    """Returns when the topic holds `least` records and grows no more, or has not grown for so many seconds: the ids tell
    what is missing."""
    offsets = Offsets(settings=settings)
    await offsets.open()
    try:
        partitions = [TopicPartition(topic, number) for number in range(await offsets.partitions(topic))]
        last, moved = 0, time.monotonic()
        while time.monotonic() - moved < (patience if last < least else QUIET):
            await asyncio.sleep(LOOK_EVERY)
            end = sum((await offsets.ends(partitions)).values())
            if end != last:
                last, moved = end, time.monotonic()
    finally:
        await offsets.close()


async def length(settings: KafkaSettings, topic: str) -> int:
    """How many offsets the topic has given out."""
    offsets = Offsets(settings=settings)
    await offsets.open()
    try:
        partitions = [TopicPartition(topic, number) for number in range(await offsets.partitions(topic))]
        return sum((await offsets.ends(partitions)).values())
    finally:
        await offsets.close()


async def visible(
    settings: KafkaSettings, topic: str, *, least: int, patience: float
) -> list[tuple[float, int]]:
    """Marks (moment, so many more records than at first), one a move of what a reader of committed records sees.

    Ends when it has grown by `least` and rests, or has not grown for `patience` seconds. Transactions' markers take offsets, too: the
    marks are scaled to `least`.
    """
    consumer = await connect_reader(settings)
    try:
        count = await wait_for_metadata(consumer, topic)
        partitions = [AioTopicPartition(topic, number) for number in range(count)]
        first = sum((await consumer.end_offsets(partitions)).values())
        marks, moved = [(time.time(), 0)], time.time()
        while time.time() - moved < (patience if marks[-1][1] < least else QUIET):
            await asyncio.sleep(LOOK_FOR_VISIBLE)
            seen = sum((await consumer.end_offsets(partitions)).values()) - first
            if seen != marks[-1][1]:
                moved = time.time()
                marks.append((moved, seen))
            elif len(marks) == 1:
                marks[0] = (time.time(), 0)
    finally:
        await consumer.stop()
    share = least / max(1, marks[-1][1])
    return [(moment, round(seen * share)) for moment, seen in marks]


async def read(
    settings: KafkaSettings, topic: str, *, start: dict[int, int] | None = None
) -> list[ConsumerRecord]:
    """Every committed record, from `start` where it is given."""
    batches = read_to_end(settings=settings, topic=topic, start=start, deadline=READ_SECONDS)
    return [record async for records in batches for record in records]


def notified(record: ConsumerRecord) -> str:
    """The notification a job is for."""
    return _decode(record.value or b"").notification_id


def job(record: ConsumerRecord) -> tuple[str, str]:
    """The recipient and the notification a job is for."""
    decoded = _decode(record.value or b"")
    return decoded.recipient, decoded.notification_id


def messages(event: ConsumerRecord) -> list[tuple[str, str]]:
    """Recipient and notification of each message that an event of the bench's tenant becomes."""
    request = decode_request(event.value or b"")
    recipients = [who if isinstance(who, str) else who.id for who in request.recipients]
    source, id_at_source = header(event, "ce_source"), header(event, "ce_id")
    return [
        (
            who,
            notification_id(
                tenant=TENANT, source=source, event_id=id_at_source, recipient=who, workflow=request.workflow
            ),
        )
        for who in recipients
    ]


def header(record: ConsumerRecord, name: str) -> str:
    """The text of one header; empty where there is none."""
    return next((value.decode() for known, value in record.headers if known == name), "")
