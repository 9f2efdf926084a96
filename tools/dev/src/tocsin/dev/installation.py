"""A broker and a database made ready for services: what benches and the proving ground begin with."""

import asyncio
from collections.abc import Awaitable, Callable

from tocsin.dev.kafka import KafkaServer
from tocsin.dev.kafka_cluster import KafkaCluster
from tocsin.dev.postgres import PostgresServer, create_database
from tocsin.dev.services import PARTITIONS

DATABASE = "tocsin"

Command = Callable[..., Awaitable[str]]
"""Runs `python -m` with these words and yields what it printed."""


async def start_servers(kafka: KafkaServer | KafkaCluster, postgres: PostgresServer) -> None:
    """Returns when both take connections and the database exists. Call it from the main thread."""
    await asyncio.gather(asyncio.to_thread(kafka.prepare), asyncio.to_thread(postgres.prepare))
    kafka.launch()
    postgres.launch()
    await asyncio.gather(asyncio.to_thread(kafka.wait_ready), asyncio.to_thread(postgres.wait_ready))
    await asyncio.to_thread(create_database, postgres.url, DATABASE)


def topics_apply(*, replicas: int = 1, partitions: int = PARTITIONS) -> tuple[str, ...]:
    """The words of `tocsin topics apply` for topics of the local size, unless another is given, with so many replicas."""
    sizes = ("--partitions", str(partitions), "--replication-factor", str(replicas))
    return ("tocsin.cli", "topics", "apply", *sizes)


async def make_topics_and_tables(
    command: Command, *, replicas: int = 1, partitions: int = PARTITIONS
) -> None:
    """Every topic with so many replicas and so many partitions a lane, every table."""
    await asyncio.gather(
        command(*topics_apply(replicas=replicas, partitions=partitions)),
        command("tocsin.router", "migrate"),
        command("tocsin.ledger", "migrate"),
        command("tocsin.scheduler", "migrate"),
    )


async def make_tenant(command: Command, tenant: str) -> str:
    """A tenant; returns a key with all scopes."""
    words = ("keys", "create", "--tenant", tenant, "--admin", "--create-tenant")
    return (await command("tocsin.cli", *words)).split()[0]
