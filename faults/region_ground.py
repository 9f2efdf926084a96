"""A ground in two regions: what lies in the first is mirrored to the second, until the first is lost."""

import asyncio
import json
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ground import PLACES
from mirror_maker import MirrorMaker
from tocsin.contracts.topics import Group, Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.dev import KafkaServer, PostgresServer, StartFailed
from tocsin.dev.installation import DATABASE, start_servers, topics_apply
from tocsin.dev.postgres import programs, run_sql
from tocsin.kafka import KafkaCluster, KafkaSettings, Offsets, TopicFault, TopicPartition
from tocsin.testing.log_ends import log_ends
from twin_ground import FIRST, TwinGround

SCHEMAS: Final = ("directory", "scheduler")
"""The ledger's is made again from the mirrored statuses."""
CLAIMS_KEPT: Final = 60.0
"""Claims younger than this at the loss are forgotten; older than the mirror was ever behind."""


class RegionGround(TwinGround):
    """The second set works in the second region: a broker and a database of its own. Providers are outside of both."""

    def __init__(
        self, folder: Path, *, settings: Mapping[str, str] | None = None, places: int = PLACES
    ) -> None:
        super().__init__(folder, settings=settings, places=places)
        self.second_kafka = KafkaServer(folder / "kafka-2")
        self.second_postgres = PostgresServer(folder / "postgres-2")
        self.mirror = MirrorMaker(folder / "mirror")
        self.lost = False

    @property
    def of_second(self) -> Mapping[str, str]:
        """Other servers, and nothing else."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.second_kafka.bootstrap_servers,
            "DATABASE_URL": self.second_database,
        }

    @property
    def second_database(self) -> str:
        """Its URL."""
        return self.second_postgres.url_of(DATABASE)

    @property
    def kafka(self) -> KafkaSettings:
        """How to reach the broker of the region that lives."""
        return self._second if self.lost else super().kafka

    @property
    def database(self) -> str:
        """The database's URL in the region that lives."""
        return self.second_database if self.lost else super().database

    @property
    def _second(self) -> KafkaSettings:
        return KafkaSettings(bootstrap_servers=self.second_kafka.bootstrap_servers)

    async def mirrored(self) -> bool:
        """Whether the second cluster knows of each group that hands over how far it has come, wherever its topics hold records."""
        return not await self.without_offset()

    async def without_offset(self) -> list[str]:
        """Partitions in the second cluster that hold records and of which a group that hands over has no offset there; or a topic that is not
        there yet."""
        missing: list[str] = []
        offsets = Offsets(settings=self._second)
        await offsets.open()
        try:
            for group in _handing_over():
                partitions = [
                    TopicPartition(topic, number)
                    for topic in group.topics
                    for number in range(await offsets.partitions(topic))
                ]
                held = [at for at, end in (await offsets.ends(partitions)).items() if end]
                if not held:
                    continue
                known = await KafkaCluster(self._second).committed(group.name, held)
                missing += [f"{group.name} {at.topic}/{at.partition}" for at in held if at not in known]
        except TopicFault as fault:
            missing.append(str(fault))
        finally:
            await offsets.close()
        return missing

    def dump(self) -> None:
        """The schemas that are restored, as they are now."""
        for schema in SCHEMAS:
            _run("pg_dump", "--format=custom", f"--schema={schema}", f"--file={self._dump(schema)}", self.database)  # fmt: skip

    async def lose(self) -> None:
        """The first region is gone: its processes, its broker, its database, and the mirror that reads from it."""
        processes = [one for (_, number), one in self.instances.items() if number == FIRST]
        for instance in processes:
            instance.wanted = False
        await asyncio.gather(*(self._end(instance, signal.SIGKILL) for instance in processes))
        await asyncio.gather(*map(asyncio.to_thread, (self.kafka_server.kill, self.postgres.kill)))
        self.mirror.kill()
        self.lost = True

    def restore(self, *, lost_at: float) -> None:
        """The dumps into the second database, made fit for logs in which records have other offsets."""
        for schema in SCHEMAS:
            run_sql(self.second_database, f"CREATE SCHEMA {schema}")
            _run("pg_restore", "--exit-on-error", "--single-transaction", f"--schema={schema}", f"--dbname={self.second_database}",
                 str(self._dump(schema)))  # fmt: skip
        run_sql(self.second_database, "DELETE FROM scheduler.positions")
        kept = f"to_timestamp({lost_at - CLAIMS_KEPT})"
        run_sql(self.second_database, f"DELETE FROM directory.claims WHERE claimed_at > {kept}")

    async def make_topics(self) -> list[str]:
        """What is missing is made; groups that the mirror has told nothing of begin where their topics begin. Those of which that would
        send again what is kept, before anything is changed."""
        plan = json.loads(await self.command_of_second(*topics_apply(), "--dry-run", "--json"))
        starts = {(start["group"], start["topic"], start["partition"]) for start in plan["starts"]}
        handing_over = {group.name for group in _handing_over()}
        fresh = {topic for group, topic, _ in starts if group in handing_over}
        held = {topic: await log_ends(self._second, topic) for topic in fresh}
        unsafe = [
            f"{group} {topic}/{number}"
            for group, topic, number in sorted(starts)
            if group in handing_over and held[topic].get(number)
        ]
        if not unsafe:
            await self.command_of_second(*topics_apply())
        return unsafe

    def _dump(self, schema: str) -> Path:
        return self.folder / f"{schema}.dump"

    async def _open(self) -> None:
        await start_servers(self.second_kafka, self.second_postgres)
        await asyncio.to_thread(self.mirror.prepare)
        await super()._open()
        self.mirror.launch(
            first=self.kafka_server.bootstrap_servers, second=self.second_kafka.bootstrap_servers
        )

    async def _close(self) -> None:
        await super()._close()
        self.mirror.kill()
        self.second_kafka.kill()
        self.second_postgres.stop()


def _handing_over() -> list[Group]:
    """The groups whose offsets say what has been sent; the others repeat without harm."""
    topics = Topics()
    routers = {topics.group("router", lane) for lane in Lane}
    return [group for group in topics.groups() if group.outcome_topic is not None or group.name in routers]


def _run(program: str, *words: str) -> None:
    ended = subprocess.run([str(programs() / program), *words], capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise StartFailed(f"{program}: {ended.stderr.strip()}")
