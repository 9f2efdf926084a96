"""The stack's Kafka and PostgreSQL: started here, or named by the environment."""

import asyncio
import functools
import os
import signal
from pathlib import Path

from tocsin.dev.errors import StartFailed
from tocsin.dev.installation import DATABASE
from tocsin.dev.kafka import KafkaServer
from tocsin.dev.postgres import PostgresServer, create_database, run_sql
from tocsin.dev.processes import end
from tocsin.dev.progress import Steps
from tocsin.dev.supervisor import Program, Supervisor


class Servers:
    """`kafka` and `database` are the addresses, each known once its start has returned.

    With `KAFKA_BOOTSTRAP_SERVERS` or `DATABASE_URL` in the environment that server is used, and none is started.
    """

    def __init__(self, *, data: Path, supervisor: Supervisor, steps: Steps) -> None:
        self._supervisor = supervisor
        self._steps = steps
        self._kafka = KafkaServer(data / "kafka")
        self._postgres = PostgresServer(data / "postgres")
        self._kafka_address = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        self._database_url = os.environ.get("DATABASE_URL")

    @property
    def kafka(self) -> str:
        """Bootstrap servers."""
        if self._kafka_address is None:
            raise StartFailed("Kafka has not been started.")
        return self._kafka_address

    @property
    def database(self) -> str:
        """URL of the one database all services share, each with a schema of its own."""
        if self._database_url is None:
            raise StartFailed("PostgreSQL has not been started.")
        return self._database_url

    async def start_kafka(self) -> None:
        """Returns when clients can connect."""
        if self._kafka_address is not None:
            self._steps.say("Using the Kafka that KAFKA_BOOTSTRAP_SERVERS names")
            return
        with self._steps.step("Starting Apache Kafka (the first time its jars are downloaded)"):
            await asyncio.to_thread(self._kafka.prepare)
            self._supervisor.start(Program(name="kafka", launch=self._kafka.launch, log=self._kafka.log))
            await asyncio.to_thread(self._kafka.wait_ready)
            self._kafka_address = self._kafka.bootstrap_servers

    async def start_postgres(self) -> None:
        """Returns when the database exists and takes connections."""
        if self._database_url is not None:
            self._steps.say("Using the PostgreSQL that DATABASE_URL names")
            return
        with self._steps.step("Starting PostgreSQL"):
            await asyncio.to_thread(self._postgres.prepare)
            fast = functools.partial(end, first=signal.SIGINT)
            self._supervisor.start(
                Program(name="postgres", launch=self._postgres.launch, log=self._postgres.log, stop=fast)
            )
            await asyncio.to_thread(self._postgres.wait_ready)
            exists = f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'"  # noqa: S608 -- a constant of ours
            if not await asyncio.to_thread(run_sql, self._postgres.url, exists):
                await asyncio.to_thread(create_database, self._postgres.url, DATABASE)
            self._database_url = self._postgres.url_of(DATABASE)
