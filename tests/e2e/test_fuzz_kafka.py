"""Whatever is written to a topic: events that cannot be used are refused one by one, and what follows them is delivered."""

import asyncio
import json
import signal
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from hostile_records import hostile_records, write_records
from tocsin.contracts.codec import decode_status
from tocsin.contracts.dead_letters import read_dead_letter
from tocsin.contracts.topics import Group, Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.processes import end, spawn
from tocsin.kafka import ConsumerRecord, KafkaSettings, read_to_end
from tocsin.testing.until import until

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

SEED = 20_261_126
A_LANE = 300
FEW, MANY = 1, 200
"""Hostile records a topic. One group reads every topic of dead letters, and stops at the tenth."""
TOPICS = Topics()


class Told:
    """The records of which a status or a dead letter tells. What was read once is not read again: an hour writes very many."""

    def __init__(self, kafka: str) -> None:
        self._settings = KafkaSettings(bootstrap_servers=kafka)
        self._next: dict[str, dict[int, int]] = {}
        self.places: set[str] = set()

    async def read(self) -> None:
        """To the end of all topics that tell."""
        for lane in Lane:
            for record in await self._new(TOPICS.status(lane)):
                self.places.add(decode_status(record.value or b"").cause)
        for record in await self._new(TOPICS.dead("router")):
            self.places.add(read_dead_letter(record.headers)[0].origin)

    async def _new(self, topic: str) -> list[ConsumerRecord]:
        start = self._next.get(topic)
        batches = read_to_end(settings=self._settings, topic=topic, start=start, deadline=60)
        records = [record async for batch in batches for record in batch]
        after = self._next.setdefault(topic, {})
        for record in records:
            after[record.partition] = record.offset + 1
        return records


async def test_hostile_events_are_refused_and_nothing_behind_them_waits(
    tocsin: Any, event: dict[str, Any], fuzz_minutes: float
) -> None:
    """With `--fuzz-minutes` over and over again, each time with others."""
    ends, seed, told = time.monotonic() + fuzz_minutes * 60, SEED, Told(tocsin.stack["kafka"])
    while True:
        await one_round(tocsin, event, seed, told)
        seed += 1
        if time.monotonic() >= ends:
            return


async def one_round(tocsin: Any, event: dict[str, Any], seed: int, told: Told) -> None:
    random = Random(seed)
    processes = tocsin.endpoints()["processes"]
    written = {
        ref
        for lane in Lane
        for ref in await write_records(
            tocsin.stack["kafka"], TOPICS.events(lane), hostile_records(random, A_LANE)
        )
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
        await told.read()
        return written <= told.places

    await until(all_are_accounted_for, seconds=120, every=1)
    assert tocsin.endpoints()["processes"] == processes, (
        f"a process ended and was started again (seed {seed})"
    )


@pytest.fixture
def own_stack(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A whole stack that may be spoilt: the content of its endpoints.json."""
    folder = tmp_path / "stack"
    command = [sys.executable, "-m", "tocsin.dev", "run", "--folder", str(folder)]
    process = spawn(command, log=tmp_path / "words.log", on_parent_death=signal.SIGTERM)
    try:
        deadline = time.monotonic() + 180
        while not (folder / "endpoints.json").exists():
            assert process.poll() is None, (tmp_path / "words.log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "words.log").read_text()
            time.sleep(0.2)
        yield json.loads((folder / "endpoints.json").read_text()) | {"folder": folder}
    finally:
        end(process, timeout=60)


@pytest.mark.nightly
async def test_records_that_only_tocsin_writes_end_no_process(
    own_stack: dict[str, Any], fuzz_minutes: float
) -> None:
    """A few are set aside and all others are read; many stop consumption, and readiness says so. No process ends for them."""
    random = Random(SEED)
    streams = [topic.name for topic in TOPICS.all() if topic.family in {"intents", "jobs", "status", "dead"}]
    await write_all(own_stack, streams, random, FEW)
    await until(partial(everything_is_read, own_stack), seconds=120, every=1)
    assert {status for status, _ in (await readiness(own_stack)).values()} == {200}
    ends = time.monotonic() + fuzz_minutes * 60
    while True:
        await write_all(own_stack, [*streams, TOPICS.directory, TOPICS.stops], random, MANY)
        await until(partial(everything_is_read, own_stack), seconds=120, every=1)
        if time.monotonic() >= ends:
            break
    stopped = {name: why for name, (status, why) in (await readiness(own_stack)).items() if status == 503}
    assert {
        "router",
        "ledger",
        "dispatch-email",
        "dispatch-sms",
        "dispatch-push",
        "dispatch-webhook",
    } <= stopped.keys()
    for name, why in stopped.items():
        assert "invalid" in why or "cannot be read" in why, f"{name}: {why}"
    now = json.loads((own_stack["folder"] / "endpoints.json").read_text())
    assert now["processes"] == own_stack["processes"], "a process ended and was started again"


async def write_all(stack: dict[str, Any], topics: Iterable[str], random: Random, count: int) -> None:
    for topic in topics:
        # A compacted topic takes no record without a key.
        records = [record._replace(key=record.key or b"none") for record in hostile_records(random, count)]
        await write_records(stack["kafka"], topic, records)


async def readiness(stack: dict[str, Any]) -> dict[str, tuple[int, str]]:
    """What each service answers to who asks whether it is ready."""
    async with httpx.AsyncClient(timeout=10) as client:
        answers = {name: await client.get(f"{at}/readyz") for name, at in stack["operations"].items()}
    return {name: (answer.status_code, answer.text) for name, answer in answers.items()}


async def everything_is_read(stack: dict[str, Any]) -> bool:
    """Every group of a service that is ready has committed the end of its topics. The ledger keeps its positions in its tables."""
    ready = {name for name, (status, _) in (await readiness(stack)).items() if status == 200} - {"ledger"}
    groups = [group for group in TOPICS.groups() if group.service in ready]
    return await asyncio.to_thread(all_committed, stack["kafka"], groups)


def all_committed(kafka: str, groups: Sequence[Group]) -> bool:
    admin = AdminClient({"bootstrap.servers": kafka})
    for group in groups:
        asked = [ConsumerGroupTopicPartitions(group.name)]
        (told,) = admin.list_consumer_group_offsets(asked).values()
        committed = {(at.topic, at.partition): at.offset for at in told.result().topic_partitions}
        places = [TopicPartition(topic, number) for topic, number in committed if topic in group.topics]
        ends = admin.list_offsets({place: OffsetSpec.latest() for place in places})
        for place, latest in ends.items():
            # A transaction's marker may be last, which nobody commits.
            if committed[place.topic, place.partition] < latest.result().offset - 1:
                return False
    return True
