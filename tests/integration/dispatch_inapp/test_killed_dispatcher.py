"""`dispatch-inapp` is killed while it stores 10,000 items: each is there once, counted once, and told of."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import pytest
from tests.lane_topics import make_topics

from tocsin.contracts.codec import decode_status, encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane, StatusName
from tocsin.kafka import KafkaSettings, ProducerRecord, Publisher, read_to_end
from tocsin.runtime import Health
from tocsin.testing.service_process import PATIENCE, ServiceProcess, service_process
from tocsin.testing.until import until

from .conftest import Inboxes, inapp_job

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

LANE: Final = Lane.TRANSACTIONAL
JOBS: Final = 10_000
RECIPIENTS: Final = 300
KILLED_AT: Final = (1_500, 4_000, 7_000)
"""Rows at which it is killed, each time a new process."""


@dataclass(frozen=True)
class Site:
    """Topics of one lane, and how a process for it is started."""

    kafka: KafkaSettings
    database_url: str
    folder: Path

    @property
    def topics(self) -> Topics:
        return Topics(self.kafka.topic_prefix)

    async def prepare(self) -> None:
        await make_topics(self.kafka, Channel.INAPP, LANE, partitions=2)

    async def publish_jobs(self) -> Counter[str]:
        """How many each recipient gets."""
        jobs = [inapp_job(recipient=f"r{number % RECIPIENTS}", lane=LANE) for number in range(JOBS)]
        topic = self.topics.jobs(Channel.INAPP, LANE)
        records = [
            ProducerRecord(topic, recipient_key(job.tenant, job.recipient), encode(job)) for job in jobs
        ]
        publisher = Publisher(settings=self.kafka, health=Health())
        await publisher.open()
        for begin in range(0, JOBS, 1000):
            await publisher.publish(records[begin : begin + 1000], timeout=60)
        await publisher.close()
        return Counter(job.recipient for job in jobs)

    @asynccontextmanager
    async def dispatcher(self, number: int) -> AsyncIterator[ServiceProcess]:
        providers = self.folder / "providers.toml"
        providers.write_text('[[providers]]\nname = "inbox"\nkind = "inbox"\n')
        env = {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": self.kafka.topic_prefix,
            "DATABASE_URL": self.database_url,
            "DISPATCH_INAPP_PROVIDERS_FILE": str(providers),
            "DISPATCH_INAPP_SHARDS": "2",
            "LANES": LANE.value,
        }
        log = self.folder / f"dispatch-inapp-{number}.log"
        async with service_process("tocsin.dispatch_inapp", env=env, log=log) as running:
            yield running

    async def statuses(self) -> dict[str, set[str]]:
        """Delivery → what it was said to be."""
        said: dict[str, set[str]] = {}
        async for batch in read_to_end(settings=self.kafka, topic=self.topics.status(LANE), deadline=60):
            for record in batch:
                status = decode_status(record.value or b"")
                if isinstance(status, Status) and status.delivery_id is not None:
                    said.setdefault(status.delivery_id, set()).add(status.status)
        return said


async def test_killed_again_and_again_it_stores_each_item_once(
    inboxes: Inboxes, kafka_server: str, topic_prefix: str, database_url: str, tmp_path: Path
):
    kafka = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix)
    site = Site(kafka, database_url, tmp_path)
    await site.prepare()
    sent_to = await site.publish_jobs()

    async def has_stored(rows: int) -> bool:
        stored = await inboxes.rows("SELECT count(*) AS rows FROM inbox.items")
        return int(stored[0]["rows"]) >= rows

    for number, rows in enumerate(KILLED_AT):
        async with site.dispatcher(number) as process:
            await until(partial(has_stored, rows), seconds=PATIENCE)
            process.process.kill()
            await process.ended()

    async def all_are_told() -> bool:
        both = {StatusName.SENT.value, StatusName.DELIVERED.value}
        said = await site.statuses()
        return len(said) == JOBS and all(both <= statuses for statuses in said.values())

    async with site.dispatcher(len(KILLED_AT)):
        await until(lambda: has_stored(JOBS), seconds=PATIENCE)
        await until(all_are_told, seconds=PATIENCE, every=1.0)

    held = await inboxes.rows(
        "SELECT recipient, count(*) AS rows, max(seq) AS last FROM inbox.items GROUP BY recipient"
    )
    assert {row["recipient"]: row["rows"] for row in held} == sent_to
    assert all(row["rows"] == row["last"] for row in held)
    await inboxes.counts_are_those_of_rows()
