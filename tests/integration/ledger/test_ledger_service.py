"""The ledger as processes of its own, on a real broker and database: killed, doubled, frozen, told to stop."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from tests.integration.restoring import dump, fresh_postgres, restore

from tocsin.contracts.codec import encode
from tocsin.contracts.dead_letters import DeadLetter
from tocsin.contracts.directory import ApiKeyRecord
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import StatusRecord
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev.postgres import run_sql
from tocsin.kafka import Admin, GroupSpec, KafkaFault, KafkaSettings, ProducerRecord, Publisher, TopicSpec
from tocsin.runtime import Health, SystemClock
from tocsin.runtime.errors import ExitCode
from tocsin.testing.service_process import PATIENCE, ServiceProcess, service_process
from tocsin.web import KeyParts, new_key

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]

PARTITIONS = 4


async def until(condition: Callable[[], Awaitable[bool]], *, seconds: float = PATIENCE) -> None:
    """Wait until the condition holds; fail after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the condition lies in other processes
            await asyncio.sleep(0.05)


class Running:
    """One ledger process."""

    def __init__(self, started: ServiceProcess, client: httpx.AsyncClient, operations: str) -> None:
        self.started = started
        self.process = started.process
        self.client = client
        self.operations = operations

    async def ready(self) -> bool:
        return (await self.client.get(f"{self.operations}/readyz")).status_code == 200

    async def metrics(self) -> str:
        return (await self.client.get(f"{self.operations}/metrics")).text

    async def ended(self) -> int:
        return await self.started.ended()

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()


class LedgerEnvironment:
    """Topics, groups, a key, and a database; and statuses that are published to be found again."""

    def __init__(
        self, settings: KafkaSettings, ledger_database: Any, database_url: str, folder: Path
    ) -> None:
        self.settings = settings
        self.topics = Topics(settings.topic_prefix)
        self.ledger_database = ledger_database
        self.url = database_url
        self.published: set[str] = set()
        self.key: KeyParts = new_key("live")
        self._environment = {
            "KAFKA_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "KAFKA_TOPIC_PREFIX": settings.topic_prefix,
            "LEDGER_BATCH_RECORDS": "100",
        }
        self._folder = folder
        self._publisher = Publisher(settings=settings, health=Health(service="test"))

    async def open(self) -> None:
        admin = Admin(settings=self.settings)
        await admin.open()
        specs = [
            TopicSpec(
                name=topic.name,
                partitions=topic.partitions or PARTITIONS,
                cleanup="compact" if topic.compacted else "delete",
                max_message_bytes=topic.max_message_bytes,
            )
            for topic in self.topics.all()
            if topic.family in ("status", "dead", "directory")
        ]
        groups = [
            GroupSpec(group=group.name, topics=group.topics)
            for group in self.topics.groups()
            if group.service == "ledger"
        ]
        try:
            await admin.apply(await admin.plan(specs, []))
            await until(lambda: self._starts(admin, specs, groups))
        finally:
            await admin.close()
        await self._publisher.open()
        entity = ApiKeyRecord(
            tenant="acme", id=self.key.id, mode="live", sha256=self.key.sha256, scopes=["read"]
        )
        await self._publisher.publish(
            [ProducerRecord(self.topics.directory, entity.record_key, encode(entity))], timeout=20
        )

    async def _starts(self, admin: Admin, specs: list[TopicSpec], groups: list[GroupSpec]) -> bool:
        """Groups have the same names in every test: a member killed in the last one counts until its session ends."""
        try:
            await admin.apply(await admin.plan(specs, groups))
        except KafkaFault:
            return False
        return True

    async def revoke_key(self) -> None:
        tombstone = ProducerRecord(self.topics.directory, f"api_key/acme/{self.key.id}".encode(), None)
        await self._publisher.publish([tombstone], timeout=20)

    async def close(self) -> None:
        await self._publisher.close()

    async def publish(self, statuses_of: Any, numbers: range, *, lane: Lane = Lane.BULK) -> None:
        statuses = [
            status
            for number in numbers
            for status in statuses_of(f"person-{number}", "email", "sms", lane=lane)
        ]
        await self.publish_records(*statuses, lane=lane)

    async def publish_records(self, *statuses: StatusRecord, lane: Lane = Lane.BULK) -> None:
        self.published |= {status.status_id for status in statuses}
        topic = self.topics.status(lane)
        await self._publisher.publish(
            [
                ProducerRecord(topic, recipient_key("acme", status.recipient or ""), encode(status))
                for status in statuses
            ],
            timeout=20,
        )

    async def publish_dead_letter(self, number: int) -> None:
        letter = DeadLetter(
            service="router",
            reason="data_invalid",
            detail="d",
            origin=f"e/0/{number}",
            at=SystemClock().now(),
        )
        record = ProducerRecord(self.topics.dead("router"), b"k", b"raw", tuple(letter.headers()))
        await self._publisher.publish([record], timeout=20)

    async def stored(self) -> list[str]:
        statement = "SELECT status_id FROM ledger.statuses"
        return (await asyncio.to_thread(run_sql, self.url, statement)).split()

    async def complete(self) -> bool:
        return set(await self.stored()) >= self.published

    async def exactly_once(self) -> None:
        """Each status published stands there, once; nothing else does; each position is its partition's end."""
        await until(self.complete)
        stored = await self.stored()
        assert len(stored) == len(set(stored))
        assert set(stored) == self.published

    @asynccontextmanager
    async def ledger(self, **environment: str) -> AsyncIterator[Running]:
        log = self._folder / f"ledger-{os.urandom(3).hex()}.log"
        env = self._environment | {"DATABASE_URL": self.url} | environment
        async with service_process("tocsin.ledger", env=env, log=log) as started:
            operations, api = await started.addresses(2)
            headers = {"authorization": f"Bearer {self.key.reveal()}"}
            async with httpx.AsyncClient(base_url=api, timeout=20, headers=headers) as client:
                yield Running(started, client, operations)


@pytest.fixture
async def environment(
    kafka_server: str, topic_prefix: str, ledger_database: Any, database_url: str, tmp_path: Path
) -> AsyncIterator[LedgerEnvironment]:
    settings = KafkaSettings(bootstrap_servers=kafka_server, topic_prefix=topic_prefix)
    environment = LedgerEnvironment(settings, ledger_database, database_url, tmp_path)
    await environment.open()
    yield environment
    await environment.close()


async def test_it_keeps_what_happens_and_answers_for_it(
    environment: LedgerEnvironment, statuses_of: Any
) -> None:
    async with environment.ledger() as ledger:
        await until(ledger.ready)
        for place, lane in enumerate(Lane):
            await environment.publish(statuses_of, range(place * 10, place * 10 + 10), lane=lane)
        await environment.publish_dead_letter(1)
        await environment.exactly_once()
        (accepted,) = statuses_of("person-3")
        body = (await ledger.client.get(f"/v1/timelines/{accepted.notification_id}")).json()
        assert [each["status"] for each in body["timeline"]] == [
            "accepted",
            "routed",
            "routed",
            "sent",
            "sent",
        ]
        metrics = await ledger.metrics()
        written = 'tocsin_processed_messages_total{component="ledger",lane="bulk",outcome="written"} 30.0'
        assert written in metrics
        assert 'tocsin_ledger_delay_seconds_count{lane="bulk"} 30.0' in metrics

        async def dead_letter_is_stored() -> bool:
            return len(await environment.ledger_database.rows("SELECT 1 FROM ledger.dead_letters")) == 1

        async def lag_is_shown() -> bool:
            shown = await ledger.metrics()
            return 'tocsin_lag_messages{component="ledger",kind="status",lane="bulk"' in shown

        await until(dead_letter_is_stored)
        await until(lag_is_shown)
        assert await ledger.stop() == 0


async def test_a_revoked_key_stops_within_five_seconds(environment: LedgerEnvironment) -> None:
    async with environment.ledger(LANES="bulk") as ledger:

        async def refused() -> bool:
            return (await ledger.client.get("/v1/timelines")).status_code == 401

        await until(ledger.ready)
        assert not await refused()
        await environment.revoke_key()
        await until(refused, seconds=5)


@pytest.mark.nightly
async def test_it_counts_what_nobody_ended(environment: LedgerEnvironment, statuses_of: Any) -> None:
    """It looks every 30 s, at the partitions that it holds and has read."""
    decision, sent = statuses_of("ann", "email", at=SystemClock().now() - timedelta(days=7))
    await environment.publish_records(decision)
    async with environment.ledger(LANES="bulk") as ledger:

        async def counted(number: int) -> bool:
            return f'tocsin_overdue_notifications{{lane="bulk"}} {number}.0' in await ledger.metrics()

        await until(ledger.ready)
        await until(lambda: counted(1))
        answer = await ledger.client.get("/v1/timelines", params={"overdue": True})
        assert [summary["recipient"] for summary in answer.json()["data"]] == ["ann"]
        await environment.publish_records(sent)
        await until(lambda: counted(0))
        assert await ledger.stop() == 0


@pytest.mark.parametrize(
    "place", ["while_rows_are_copied:2", "before_rows_commit", "before_rows_commit:4", "after_rows_commit"]
)
async def test_killed_before_or_after_the_commit_of_rows(
    environment: LedgerEnvironment, statuses_of: Any, place: str
) -> None:
    await environment.publish(statuses_of, range(150))
    async with environment.ledger(LANES="bulk", FAILPOINTS=f"{place}=kill") as dying:
        assert await dying.ended() == -signal.SIGKILL
    assert not await environment.complete()
    async with environment.ledger(LANES="bulk") as ledger:
        await environment.publish(statuses_of, range(150, 200))
        await environment.exactly_once()
        assert await ledger.stop() == 0


async def test_two_share_the_partitions_and_one_is_killed(
    environment: LedgerEnvironment, statuses_of: Any
) -> None:
    async with environment.ledger(LANES="bulk") as first, environment.ledger(LANES="bulk") as second:
        await until(first.ready)
        await until(second.ready)
        for start in range(0, 200, 20):
            await environment.publish(statuses_of, range(start, start + 20))
        await environment.exactly_once()
        await environment.publish(statuses_of, range(200, 400))
        first.process.kill()
        await environment.publish(statuses_of, range(400, 500))
        await environment.exactly_once()
        assert await second.stop() == 0


async def test_one_that_was_frozen_loses_nothing_and_doubles_nothing(
    environment: LedgerEnvironment, statuses_of: Any
) -> None:
    async with environment.ledger(LANES="bulk") as first:
        await until(first.ready)
        await environment.publish(statuses_of, range(100))
        first.process.send_signal(signal.SIGSTOP)
        async with environment.ledger(LANES="bulk") as second:
            await environment.publish(statuses_of, range(100, 200))
            await environment.exactly_once()
            first.process.send_signal(signal.SIGCONT)
            await environment.publish(statuses_of, range(200, 300))
            await environment.exactly_once()
            assert await second.stop() == 0


async def test_one_that_is_frozen_while_rows_are_copied_is_followed(
    environment: LedgerEnvironment, statuses_of: Any
) -> None:
    await environment.publish(statuses_of, range(150))
    async with environment.ledger(LANES="bulk", FAILPOINTS="while_rows_are_copied:2=freeze") as frozen:
        await until(lambda: is_frozen(frozen.process.pid))
        async with environment.ledger(LANES="bulk") as second:
            await environment.publish(statuses_of, range(150, 200))
            await environment.exactly_once()
            assert second.started.said("ended the session of a ledger that held rows and did not go on")
            frozen.process.send_signal(signal.SIGCONT)
            await environment.publish(statuses_of, range(200, 250))
            await environment.exactly_once()
            assert await second.stop() == 0


async def test_restored_from_a_dump_it_makes_again_what_came_after_it(
    environment: LedgerEnvironment, statuses_of: Any, tmp_path: Path
) -> None:
    async with environment.ledger(LANES="bulk") as ledger:
        await environment.publish(statuses_of, range(100))
        await environment.exactly_once()
        dump(environment.url, "ledger", tmp_path / "ledger.dump")
        await environment.publish(statuses_of, range(100, 200))
        await environment.exactly_once()
        assert await ledger.stop() == 0
    with fresh_postgres(tmp_path / "fresh") as environment.url:
        run_sql(environment.url, "CREATE SCHEMA ledger")
        restore(environment.url, "ledger", tmp_path / "ledger.dump")
        assert not await environment.complete()
        async with environment.ledger(LANES="bulk") as ledger:
            await environment.publish(statuses_of, range(200, 250))
            await environment.exactly_once()
            assert await ledger.stop() == 0


async def is_frozen(pid: int) -> bool:
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


async def test_without_migrations_the_command_is_named(
    environment: LedgerEnvironment, tmp_path: Path
) -> None:
    async with environment.ledger_database.database.driver() as connection:
        await connection.execute("DROP SCHEMA ledger CASCADE")
    async with environment.ledger() as ledger:
        assert await ledger.ended() == ExitCode.OPERATOR_MUST_ACT
        assert "python -m tocsin.ledger migrate" in str(ledger.started.lines())
