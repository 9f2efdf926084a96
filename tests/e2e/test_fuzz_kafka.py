"""Whatever is written to a topic: events that cannot be used are refused one by one, and what follows them is delivered."""

import asyncio
import uuid
from collections.abc import Iterable
from random import Random
from time import monotonic
from typing import Any

import pytest
from confluent_kafka import KafkaException, Message, Producer

from tocsin.contracts.codec import decode_status
from tocsin.contracts.dead_letters import read_dead_letter
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.kafka import KafkaSettings, read_to_end
from tocsin.testing.until import until

from .hostile_records import HostileRecord, hostile_records

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

SEED = 20_261_126
A_LANE = 300
TOPICS = Topics()


async def test_hostile_events_are_refused_and_nothing_behind_them_waits(
    tocsin: Any, event: dict[str, Any], fuzz_minutes: float
) -> None:
    """With `--fuzz-minutes` over and over again, each time with others."""
    ends, seed = monotonic() + fuzz_minutes * 60, SEED
    while True:
        await one_round(tocsin, event, seed)
        seed += 1
        if monotonic() >= ends:
            return


async def one_round(tocsin: Any, event: dict[str, Any], seed: int) -> None:
    random = Random(seed)
    processes = tocsin.endpoints()["processes"]
    written = {
        ref
        for lane in Lane
        for ref in await write(tocsin.stack["kafka"], TOPICS.events(lane), hostile_records(random, A_LANE))
    }
    assert len(written) == A_LANE * len(Lane), f"seed {seed}"
    person = await tocsin.person()
    good = event | {"id": str(uuid.uuid4()), "subject": person.id}
    answer = await tocsin.api.post(
        "/v1/events", json=good, headers={"content-type": "application/cloudevents+json"}
    )
    assert answer.status_code == 202, answer.text
    notification = tocsin.notification(event_id=good["id"], source=good["source"], recipient=person.id)
    await tocsin.assert_three_messages(notification)

    async def all_are_accounted_for() -> bool:
        return written <= await outcomes(tocsin.stack["kafka"])

    await until(all_are_accounted_for, seconds=120, every=1)
    assert tocsin.endpoints()["processes"] == processes, (
        f"a process ended and was started again (seed {seed})"
    )


async def write(kafka: str, topic: str, records: Iterable[HostileRecord]) -> list[str]:
    """The places of the records."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5, "message.max.bytes": 1_000_000})
    stored: list[str] = []

    def done(error: Any, message: Message) -> None:
        if error is not None:
            raise KafkaException(error)
        stored.append(f"{topic}/{message.partition()}/{message.offset()}")

    for record in records:
        producer.produce(
            topic, key=record.key, value=record.value, headers=[*record.headers], on_delivery=done
        )
        producer.poll(0)
    assert await asyncio.to_thread(producer.flush, 60) == 0
    return stored


async def outcomes(kafka: str) -> set[str]:
    """The records of which a status or a dead letter tells."""
    settings = KafkaSettings(bootstrap_servers=kafka)
    told: set[str] = set()
    for lane in Lane:
        async for batch in read_to_end(settings=settings, topic=TOPICS.status(lane), deadline=60):
            told |= {decode_status(record.value or b"").cause for record in batch}
    async for batch in read_to_end(settings=settings, topic=TOPICS.dead("router"), deadline=60):
        told |= {read_dead_letter(record.headers)[0].origin for record in batch}
    return told
