"""Records that nobody should write, between good messages."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from random import Random

import asyncpg
import psutil

from hostile_records import HostileRecord, hostile_records, write_records
from scenario import Run, scenario
from scenarios.deaths import RATE
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Lane
from tocsin.testing.until import until

_RECORDS = 320
_GROWTH = 60e6  # bytes
_NO_RECORDS = [HostileRecord(b"acme/ada", value, []) for value in (b"no record", b"{\xff")]
"""Few enough that no service takes them for a broken release."""
_ACCOUNTED = "SELECT origin FROM ledger.dead_letters UNION SELECT origin FROM ledger.statuses"


@scenario(two=("router",))
async def poison_among_events(run: Run) -> None:
    """320 hostile records on `events.*` between good ones: each is accounted for, memory stays flat."""
    async with _nobody_ends_or_grows(run, "router"), run.load.flowing(RATE):
        await asyncio.sleep(1)
        run.fault()
        places = await _among_events(run, list(hostile_records(Random(11), _RECORDS)))
        await asyncio.sleep(2)
        await until(lambda: _all_accounted_for(run, places), seconds=90, every=0.5)
    run.notes.append(f"{len(places)} hostile records, each a dead letter or statuses of its own")


@scenario(two=("router", "dispatch-email", "ledger"))
async def poison_on_topics_that_only_tocsin_writes(run: Run) -> None:
    """Two records that are no record on every topic between services: each is set aside, everything else goes on."""
    places: set[str] = set()
    async with _nobody_ends_or_grows(run, "router", "dispatch-email", "ledger"), run.load.flowing(RATE):
        await asyncio.sleep(3)
        run.fault()
        for topic in Topics().all():
            if topic.family in {"intents", "jobs", "status", "dead"}:
                places.update(
                    await write_records(run.ground.kafka.bootstrap_servers, topic.name, _NO_RECORDS)
                )
        await asyncio.sleep(2)
        await until(lambda: _all_accounted_for(run, places), seconds=90, every=0.5)
    run.notes.append(f"{len(places)} records, each a dead letter")


@contextlib.asynccontextmanager
async def _nobody_ends_or_grows(run: Run, *services: str) -> AsyncIterator[None]:
    """The same processes are there at the end, and their memory is about what it was."""
    processes = {
        instance: instance.process
        for name in services
        for instance in run.ground.of(name)
        if instance.process
    }
    before = {instance: _rss(process.pid) for instance, process in processes.items()}
    yield
    for instance, process in processes.items():
        if instance.process is not process:
            run.expect(False, f"{instance.name} ended.")
            continue
        grown = _rss(process.pid) - before[instance]
        run.expect(grown < _GROWTH, f"{instance.name} grew by {grown / 1e6:.0f} MB.")


def _rss(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


async def _among_events(run: Run, records: list[HostileRecord]) -> set[str]:
    """To all lanes by turns. Returns the place of each: `topic/partition/offset`."""
    kafka, lanes = run.ground.kafka.bootstrap_servers, list(Lane)
    places: set[str] = set()
    for number, lane in enumerate(lanes):
        share = records[number :: len(lanes)]
        places.update(await write_records(kafka, Topics().events(lane), share))
    return places


async def _all_accounted_for(run: Run, places: set[str]) -> bool:
    """The ledger has a dead letter or a status whose origin is this record."""
    connection = await asyncpg.connect(run.ground.database)
    try:
        known = await connection.fetch(_ACCOUNTED)
    finally:
        await connection.close()
    return places <= {str(row[0]) for row in known}
