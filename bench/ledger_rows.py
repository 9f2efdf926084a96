"""What does a row cost the ledger? Its own `ProjectedTable.apply` over batches of real records, with a real PostgreSQL and without Kafka.

`python bench/ledger_rows.py [--times N] [--against CHECKOUT]` prints microseconds of the ledger's processor time a row, and of the clock. With CHECKOUT
(`git worktree add`) the ledger of that checkout runs by turns with ours, on the libraries of this environment. The median of N turns
counts. A batch holds a decision and a `sent` of each of 2,500 mails.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import msgspec
import uvloop
from pydantic import SecretStr

from routed_cases import LANE, NOW, Case, as_read
from tocsin.contracts.codec import decode_job, encode
from tocsin.contracts.statuses import ProviderTry, status_of
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import StatusName
from tocsin.database import Database, DatabaseSettings
from tocsin.dev import PostgresServer
from tocsin.dev.paths import CACHE
from tocsin.kafka import ConsumerRecord, PartitionBatch, ProducerRecord, TopicPartition
from tocsin.ledger.day_partitions import DayPartitions
from tocsin.ledger.migrations import MIGRATIONS
from tocsin.ledger.projected_table import ProjectedTable
from tocsin.ledger.tables import STATUSES
from tocsin.runtime import Health
from tocsin.testing import ManualClock

PROJECT = Path(__file__).parent.parent
MAILS, BATCHES = 2_500, 6
TRIES = [ProviderTry(provider="smtp", code="250", answer="accepted", ms=3)]


class Taken(msgspec.Struct):
    """Microseconds a row."""

    cpu: float
    clock: float


async def statuses() -> list[ProducerRecord]:
    """Of the next mails, as router and dispatcher write them."""
    case, topic = Case(), Topics().status(LANE)
    written: list[ProducerRecord] = []
    for record in await case.process(case.events(MAILS * BATCHES)):
        if record.topic == topic:
            written.append(record)
            continue
        job, cause = decode_job(record.value or b""), f"{record.topic}/0/{len(written)}"
        sent = status_of(
            StatusName.SENT, job, lane=LANE, cause=cause, at=NOW, provider="smtp", provider_code="250", attempt=1, tries=TRIES
        )  # fmt: skip
        written.append(ProducerRecord(topic, record.key, encode(sent)))
    return written


def batches(records: Sequence[ConsumerRecord]) -> Iterator[list[PartitionBatch]]:
    """As the ledger reads them, many at a time."""
    positions: dict[int, int] = {}
    for start in range(0, len(records), 2 * MAILS):
        read: dict[int, list[ConsumerRecord]] = {}
        for record in records[start : start + 2 * MAILS]:
            read.setdefault(record.partition, []).append(record)
        batch = []
        for number, mine in read.items():
            partition, expected = TopicPartition(mine[0].topic, number), positions.get(number)
            positions[number] = mine[-1].offset + 1
            batch.append(
                PartitionBatch(partition=partition, records=mine, expected=expected, next=positions[number])
            )
        yield batch


async def measure(url: str) -> Taken:
    """One turn, in this process."""
    check = Health(service="ledger").check("database")
    database = Database(settings=DatabaseSettings(url=SecretStr(url)), service="ledger", check=check)
    await MIGRATIONS.upgrade(database.engine)
    async with database.driver() as connection:
        await connection.execute("TRUNCATE ledger.statuses, ledger.positions")
    clock = ManualClock(NOW)
    days = DayPartitions(database=database, clock=clock, retention_days=30)
    table = ProjectedTable(
        database=database, days=days, group="bench", lane=LANE, table=STATUSES, clock=clock
    )
    records = [as_read(record, number) for number, record in enumerate(await statuses())]
    first, *rest = batches(records)
    await table.apply(first)  # connects, makes the day
    began, used = perf_counter(), process_time()
    for batch in rest:
        await table.apply(batch)
    lasted, used = perf_counter() - began, process_time() - used
    await database.close()
    rows = sum(len(part.records) for batch in rest for part in batch)
    return Taken(cpu=used / rows * 1e6, clock=lasted / rows * 1e6)


def one_turn(checkout: Path, url: str) -> Taken:
    """By the ledger of this checkout, in a process of its own."""
    folders = (checkout.glob(pattern) for pattern in ("libs/*/src", "services/*/src"))
    sources = os.pathsep.join(sorted(str(folder) for matching in folders for folder in matching))
    command = [sys.executable, __file__, "--once", url]
    environment = os.environ | {"PYTHONPATH": sources}
    answer = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout
    return msgspec.json.decode(answer, type=Taken)


def by_turns(checkouts: dict[str, Path], times: int, url: str) -> None:
    """Measure and show it."""
    turns: dict[str, list[Taken]] = {name: [] for name in checkouts}
    for _ in range(times):
        for name, checkout in checkouts.items():
            turns[name].append(one_turn(checkout, url))
    print(f"{'microseconds a row':20}{'ledger':>8}{'clock':>8}")
    for name, taken in turns.items():
        print(
            f"{name:20}{median(turn.cpu for turn in taken):8.1f}{median(turn.clock for turn in taken):8.1f}"
        )


def main() -> None:
    """With a PostgreSQL of its own, which ends with it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=5, metavar="N", help="turns of each checkout")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="another checkout")
    parser.add_argument("--once", metavar="URL", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.once:
        sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(measure(given.once))))
        return
    checkouts = {"ours": PROJECT}
    if given.against:
        checkouts["theirs"] = given.against.resolve(strict=True)
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=CACHE) as folder:
        server = PostgresServer(Path(folder) / "postgres")
        server.start()
        try:
            by_turns(checkouts, given.times, server.url_of("postgres"))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
