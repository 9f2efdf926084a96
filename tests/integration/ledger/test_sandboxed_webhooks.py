"""What endpoints would have got for messages of a test key, read from the jobs that their statuses name; nothing of live messages."""

from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from tests.integration.ledger.conftest import START, LedgerDatabase, Log

from tocsin.contracts.codec import encode
from tocsin.contracts.directory import ApiKeyRecord, Scope
from tocsin.contracts.jobs import Job
from tocsin.contracts.statuses import status_of
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel, Lane, StatusName
from tocsin.contracts.webhook_body import body_of
from tocsin.kafka import (
    Admin,
    ConsumerRecord,
    KafkaFault,
    KafkaSettings,
    ProducerRecord,
    Publisher,
    TopicPartition,
    TopicSpec,
)
from tocsin.ledger import create_app
from tocsin.ledger.sandboxed_webhooks import KafkaRecords, SandboxedWebhookReader
from tocsin.runtime import Health
from tocsin.testing.jobs import job_for
from tocsin.web import KeyTable, new_key
from tocsin.web.keys import Mode

pytestmark = pytest.mark.postgres

TOPICS = Topics()
JOBS = TOPICS.jobs(Channel.WEBHOOK, Lane.BULK)


class Ground:
    """Jobs as they stand on Kafka, their ends as the ledger has stored them, and callers."""

    def __init__(self, database: LedgerDatabase) -> None:
        self._database, self._log = database, Log()
        self._next: int | None = None
        self._number = 0
        self.kept: dict[Any, ConsumerRecord] = {}
        self.away = False
        self.keys = KeyTable()
        reader = SandboxedWebhookReader(engine=database.database.engine, topics=TOPICS, records=self._records)
        self._app = create_app(keys=self.keys, sandboxed=reader)

    async def _records(self, places: Any) -> Any:
        if self.away:
            raise KafkaFault("no answer")
        return {place: self.kept[place] for place in places if place in self.kept}

    async def ended(
        self, name: StatusName = StatusName.SENT, *, seconds: float = 0, topic: str = JOBS, **fields: Any
    ) -> Job:
        """A job of the channel that ended so."""
        self._number += 1
        given = {
            "test": True,
            "address_key": "shop",
            "delivery_id": f"3b0f6c1e-9d4b-5a53-8e33-{self._number:012d}",
        } | fields
        job = job_for(Channel.WEBHOOK, **given)
        place = (TopicPartition(topic, 0), self._number)
        self.kept[place] = ConsumerRecord(topic, 0, self._number, 0, b"acme/ada", encode(job))
        told = status_of(name, job, lane=Lane.BULK, cause=f"{topic}/0/{self._number}", at=START)
        batch = self._log.batch(
            self._log.status(told, at=START + timedelta(seconds=seconds or self._number)), expected=self._next
        )
        await self._database.table().apply([batch])
        self._next = batch.next
        return job

    def client(
        self, *, tenant: str = "acme", mode: Mode = "test", scope: Scope = "read"
    ) -> httpx.AsyncClient:
        key = new_key(mode)
        self.keys.put(
            ApiKeyRecord(tenant=tenant, id=key.id, mode=key.mode, sha256=key.sha256, scopes=[scope])
        )
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self._app),
            base_url="http://ledger",
            headers={"authorization": f"Bearer {key.reveal()}"},
        )

    async def seen(self, since: float = 0, **who: Any) -> list[Any]:
        """All pages."""
        query: dict[str, Any] = {"since": (START + timedelta(seconds=since)).isoformat(), "limit": 2}
        data: list[Any] = []
        async with self.client(**who) as client:
            while True:
                page = (await client.get("/v1/test-webhooks", params=query)).json()
                data += page["data"]
                if not page["has_more"]:
                    return data
                query["cursor"] = page["next_cursor"]


@pytest.fixture
def ground(ledger_database: LedgerDatabase) -> Ground:
    return Ground(ledger_database)


async def test_those_of_the_tenants_test_key_oldest_first_as_they_would_have_been_sent(
    ground: Ground,
) -> None:
    jobs = [await ground.ended() for _ in range(5)]
    await ground.ended(StatusName.DEFERRED)
    failed = await ground.ended(StatusName.FAILED)
    expected = [(job.delivery_id, "shop", body_of(job).decode()) for job in [*jobs, failed]]
    seen = await ground.seen()
    assert [(each["webhook_id"], each["endpoint"], each["body"]) for each in seen] == expected
    assert [each["status"] for each in seen] == ["sent"] * 5 + ["failed"]
    assert len(await ground.seen(since=5)) == 2
    assert len(await ground.seen(since=5.5)) == 1


async def test_two_of_the_same_moment_are_both_shown(ground: Ground) -> None:
    for _ in range(5):
        await ground.ended(seconds=1)
    assert len({each["webhook_id"] for each in await ground.seen()}) == 5


async def test_nothing_of_live_messages_and_of_other_tenants_or_channels(ground: Ground) -> None:
    await ground.ended(test=False)
    await ground.ended(tenant="other")
    assert await ground.seen() == []
    assert len(await ground.seen(tenant="other")) == 1


async def test_a_job_that_is_not_what_its_status_says_is_not_shown(ground: Ground) -> None:
    for changed in ({"test": False}, {"tenant": "other"}):
        job = await ground.ended()
        place = max(ground.kept, key=lambda each: each[1])
        value = encode(msgspec.structs.replace(job, **changed))
        ground.kept[place] = msgspec.structs.replace(ground.kept[place], value=value)
    await ground.ended(topic="tocsin.jobs.email.bulk")
    assert [each["body"] for each in await ground.seen()] == [None] * 3


async def test_what_is_no_longer_kept_has_no_body(ground: Ground) -> None:
    await ground.ended()
    ground.kept.clear()
    assert [each["body"] for each in await ground.seen()] == [None]


async def test_a_live_key_sees_nothing_and_a_key_without_the_right_neither(ground: Ground) -> None:
    query = {"since": START.isoformat()}
    async with ground.client(mode="live") as live, ground.client(scope="send") as sender:
        refused = await live.get("/v1/test-webhooks", params=query)
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        assert (await sender.get("/v1/test-webhooks", params=query)).json()["code"] == "scope_missing"


async def test_while_kafka_is_away_it_says_so(ground: Ground) -> None:
    await ground.ended()
    ground.away = True
    async with ground.client() as client:
        answer = await client.get("/v1/test-webhooks", params={"since": START.isoformat()})
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (
        503,
        "not_ready",
        "5",
    )


@pytest.mark.kafka
async def test_jobs_are_read_from_a_broker_by_their_place(kafka_server: str, topic_prefix: str) -> None:
    settings = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix)
    topic = Topics(topic_prefix).jobs(Channel.WEBHOOK, Lane.BULK)
    admin, publisher = Admin(settings=settings), Publisher(settings=settings, health=Health(service="test"))
    await admin.open()
    specs = [TopicSpec(name=topic, partitions=1, cleanup="delete", max_message_bytes=2_097_152)]
    await admin.apply(await admin.plan(specs, []))
    await admin.close()
    await publisher.open()
    job = job_for(Channel.WEBHOOK, test=True)
    stored = await publisher.publish([ProducerRecord(topic, b"acme/ada", encode(job))] * 2, timeout=30)
    await publisher.close()
    place = (TopicPartition(topic, 0), stored[1].offset)
    records = await KafkaRecords(settings)([place, (TopicPartition(topic, 0), 99)])
    assert {place: record.value for place, record in records.items()} == {place: encode(job)}
