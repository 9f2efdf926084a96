"""Records that nobody should write, between good messages."""

import asyncio
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


@scenario(two=("router",))
async def poison_among_events(run: Run) -> None:
    """320 hostile records on `events.*` between good ones: each is accounted for, memory stays flat."""
    routers = [one for one in run.ground.of("router") if one.process]
    before = {one.name: _rss(one.process.pid) for one in routers if one.process}
    pids = {one.name: one.process.pid for one in routers if one.process}
    async with run.load.flowing(RATE):
        await asyncio.sleep(1)
        run.fault()
        places = await _write(run, list(hostile_records(Random(11), _RECORDS)))
        await asyncio.sleep(2)
    await until(lambda: _all_accounted_for(run, places), seconds=90, every=0.5)
    for one in routers:
        run.expect(one.process is not None and one.process.pid == pids[one.name], f"{one.name} ended.")
        if one.process is not None:
            grown = _rss(one.process.pid) - before[one.name]
            run.expect(grown < _GROWTH, f"{one.name} grew by {grown / 1e6:.0f} MB.")
    run.notes.append(f"{len(places)} hostile records, each a dead letter or statuses of its own")


def _rss(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


async def _write(run: Run, records: list[HostileRecord]) -> set[str]:
    """To all lanes by turns. Returns the place of each: `topic/partition/offset`."""
    kafka, lanes = run.ground.kafka.bootstrap_servers, list(Lane)
    places: set[str] = set()
    for number, lane in enumerate(lanes):
        share = records[number :: len(lanes)]
        places.update(await write_records(kafka, Topics().events(lane), share))
    return places


async def _all_accounted_for(run: Run, places: set[str]) -> bool:
    """Each record of ours is the origin of a dead letter or of a status that the ledger has."""
    connection = await asyncpg.connect(run.ground.database)
    try:
        known = await connection.fetch(
            "SELECT origin FROM ledger.dead_letters UNION SELECT origin FROM ledger.statuses"
        )
    finally:
        await connection.close()
    return places <= {str(row[0]) for row in known}
