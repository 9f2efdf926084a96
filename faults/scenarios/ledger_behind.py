"""The ledger is slow or far behind: nobody else waits for it."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
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
from tocsin.dev.processes import end, spawn
from tocsin.testing.until import until
from waits import TURN_SECONDS, TURNS, expect_no_slower, waits_of

_BACKLOG = 1_000_000
_AT_ONCE = 10_000
_RATE = 20.0
_LOCK = f"BEGIN; LOCK TABLE ledger.statuses IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep({TURN_SECONDS}); COMMIT"
_LOWEST_PRIORITY = 19
_MEMORY = Path("/dev/shm")


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
    """A million statuses wait for the ledger: nobody else is slower while it reads them than beside a process that only computes.

    Whoever computes on two processors makes others slower. So that the figure shows what the ledger does to them beyond that, the control
    turns have a process that computes, too, and the ledger has a PostgreSQL server of its own, whose files lie in memory: on one disk each
    commit of the router waits for what the ledger writes, some 70 MB a second. All of these have the lowest priority.
    """
    ledgers = run.ground.of("ledger")
    for instance in ledgers:
        await run.ground.stop(instance)
    topic = Topics().status(Lane.BULK)
    await asyncio.to_thread(_write, run.ground.kafka.bootstrap_servers, topic)
    await until(lambda: run.endings.read >= _BACKLOG, seconds=120, every=0.5)
    waits: dict[bool, list[float]] = {False: [], True: []}
    async with _server_of_the_ledger() as server:
        for number in range(TURNS):
            with _computing(run):
                waits[False] += await _turn(run)
            database = await _empty_database(
                run, server, f"ledger_{number}"
            )  # so that it is a million behind in each turn
            for instance in ledgers:
                run.ground.start(instance, DATABASE_URL=database)
                if instance.process is not None:
                    _stand_back(instance.process.pid)
            await run.ground.ready(*ledgers)
            waits[True] += await _turn(run)
            for instance in ledgers:
                await run.ground.stop(instance)
    for instance in ledgers:
        run.ground.start(instance)
    expect_no_slower(run, waits[False], waits[True], while_="the ledger reads a million statuses")


@contextlib.asynccontextmanager
async def _server_of_the_ledger() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL that stands back and has a disk of its own."""
    with _disk_of_its_own() as disk:
        server = PostgresServer(disk / "postgres")
        await asyncio.to_thread(server.prepare)
        _stand_back(server.launch().pid)  # its sessions inherit it
        try:
            await asyncio.to_thread(server.wait_ready)
            yield server
        finally:
            await asyncio.to_thread(server.stop)


@contextlib.contextmanager
def _disk_of_its_own() -> Iterator[Path]:
    """A folder in memory, where the system has such."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        Path(folder).chmod(0o755)  # PostgreSQL may run as another account
        yield Path(folder)


async def _empty_database(run: Run, server: PostgresServer, name: str) -> str:
    """The URL of a database with the ledger's tables."""
    url = await asyncio.to_thread(create_database, server.url, name)
    env = {**run.ground.of("ledger")[0].service.env, "DATABASE_URL": url}
    await run_command(
        ("tocsin.ledger", "migrate"), env=env, log=run.ground.folder / "postgres-of-the-ledger.log"
    )
    return url


@contextlib.contextmanager
def _computing(run: Run) -> Iterator[None]:
    """One processor is busy: the two ledgers and their sessions take a little more than that."""
    log = run.ground.folder / "computing.log"
    process = spawn([sys.executable, "-c", "while True: pass"], log=log)
    _stand_back(process.pid)
    try:
        yield
    finally:
        end(process)


def _stand_back(pid: int) -> None:
    """Linux shares its processors among sessions first, where it groups by them, and only then among the processes of one: a session has a
    priority of its own (sched(7), "The autogroup feature")."""
    os.setpriority(os.PRIO_PROCESS, pid, _LOWEST_PRIORITY)
    session = Path(f"/proc/{pid}/autogroup")
    if session.exists():
        session.write_text(str(_LOWEST_PRIORITY))


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
