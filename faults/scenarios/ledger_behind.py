"""The ledger is slow or far behind: nobody else waits for it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from uuid import uuid4

from confluent_kafka import Producer

from ground import OTHER
from scenario import Run, scenario
from tocsin.contracts.codec import encode
from tocsin.contracts.ids import event_key
from tocsin.contracts.statuses import Status
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane, StatusName
from tocsin.dev import PostgresServer, create_database, run_sql
from tocsin.dev.commands import run_command
from tocsin.testing.until import until
from waits import TURN_SECONDS, TURNS, expect_no_slower, waits_of

_BACKLOG = 1_000_000
_AT_ONCE = 10_000
_RATE = 20.0
_LOCK = f"BEGIN; LOCK TABLE ledger.statuses IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({TURN_SECONDS}); COMMIT"
_LOWEST_PRIORITY = 19


@scenario(two=("ledger",), nightly=True)
async def ledger_database_is_slow(run: Run) -> None:
    """The ledger's tables are locked for twelve seconds, five times: nobody else is slower."""
    waits: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(TURNS):
        waits[False] += await _turn(run)
        lock = asyncio.create_task(asyncio.to_thread(run_sql, run.ground.database, _LOCK))
        waits[True] += await _turn(run)
        await lock
    expect_no_slower(run, waits[False], waits[True], while_="the ledger's tables are locked")


@scenario(two=("ledger",), nightly=True, own_ground=True, patience=1_200)
async def ledger_is_a_million_behind(run: Run) -> None:
    """A million statuses wait for the ledger: nobody else is slower while it reads them. It has a PostgreSQL server of its own, and both
    have the lowest priority of all processes, as on a machine of their own."""
    ledgers = run.ground.of("ledger")
    for one in ledgers:
        await run.ground.stop(one)
    topic = Topics().status(Lane.BULK)
    await asyncio.to_thread(_write, run.ground.kafka.bootstrap_servers, topic)
    await until(lambda: run.endings.read >= _BACKLOG, seconds=120, every=0.5)
    waits: dict[bool, list[float]] = {False: [], True: []}
    async with _database_of_the_ledger(run) as database:
        for _ in range(TURNS):
            waits[False] += await _turn(run)
            for one in ledgers:
                run.ground.start(one, DATABASE_URL=database)
                if one.process is not None:
                    os.setpriority(os.PRIO_PROCESS, one.process.pid, _LOWEST_PRIORITY)
            await run.ground.ready(*ledgers)
            waits[True] += await _turn(run)
            for one in ledgers:
                await run.ground.stop(one)
    for one in ledgers:
        run.ground.start(one)
    expect_no_slower(run, waits[False], waits[True], while_="the ledger reads a million statuses")


@contextlib.asynccontextmanager
async def _database_of_the_ledger(run: Run) -> AsyncIterator[str]:
    """The URL of the ledger's tables on a server that stands back."""
    server = PostgresServer(run.ground.folder / "postgres-of-the-ledger")
    await asyncio.to_thread(server.prepare)
    os.setpriority(os.PRIO_PROCESS, server.launch().pid, _LOWEST_PRIORITY)  # its sessions inherit it
    try:
        await asyncio.to_thread(server.wait_ready)
        url = await asyncio.to_thread(create_database, server.url, "ledger")
        env = {**run.ground.of("ledger")[0].service.env, "DATABASE_URL": url}
        await run_command(
            ("tocsin.ledger", "migrate"), env=env, log=run.ground.folder / "postgres-of-the-ledger.log"
        )
        yield url
    finally:
        await asyncio.to_thread(server.stop)


async def _turn(run: Run) -> list[float]:
    first = len(run.load.sent)
    async with run.load.flowing(_RATE, people=30):
        await asyncio.sleep(TURN_SECONDS)
    return await waits_of(run, run.load.sent[first:])


def _write(kafka: str, topic: str) -> None:
    """About events of a tenant of their own: no message of this run is meant."""
    producer = Producer({"bootstrap.servers": kafka, "linger.ms": 20, "compression.type": "lz4"})
    for number, (key, value) in enumerate(_statuses()):
        producer.produce(topic, key=key, value=value)
        if number % _AT_ONCE == 0:
            producer.flush(60)
    if left := producer.flush(60):
        raise RuntimeError(f"The broker did not take {left} statuses.")


def _statuses() -> Iterator[tuple[bytes, bytes]]:
    origin = f"{Topics().events(Lane.BULK)}/0/0"
    for _ in range(_BACKLOG):
        event = str(uuid4())
        yield event_key(OTHER, event), encode(
            Status(
                status_id=str(uuid4()), status=StatusName.EVENT_UNMATCHED, final=True, at=datetime.now(UTC), tenant=OTHER,
                event_source="/faults", event_id=event, lane=Lane.BULK, origin=origin, cause=origin,
            )
        )  # fmt: skip
