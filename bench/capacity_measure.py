"""Sends known messages through all services, kind by kind, and weighs what they leave on disk.

A kind is sent twice: `spread`, one after the other, each once the one before was handed over, and `full`, as a backlog that stands before the router begins. Every notification has to end in
the ledger as it should, or the run has a fault and is not recorded.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import asyncpg
import msgspec
from pydantic import SecretStr

import capacity_kinds
import growth_data
import loading
import logs
import timer_load
from capacity_kinds import KINDS, Kind
from capacity_record import WAYS, Database, Measured, Record, Stored, Way
from capacity_stored import Snapshot, Stores, grown
from figures import Measured as Faults
from figures import difference
from peers.installed import python
from place import Place, opened
from report import Report
from rows import Rows
from running import Steps
from shapes import Order
from tocsin.contracts.topics import Topics
from tocsin.contracts.vocabulary import Channel
from tocsin.database import Database as Pool
from tocsin.database import DatabaseSettings
from tocsin.dev import StartFailed
from tocsin.dev.api import Api
from tocsin.dev.paths import PROJECT
from tocsin.router.worker.dedupe import Claims
from tocsin.runtime import Health
from tocsin.testing.log_ends import log_ends

SERVICES = ("ingest", "router", "scheduler", "ledger", *(channel.dispatcher for channel in Channel))
SPREAD, FULL = 200, 4_000
"""Notifications of a kind."""
PATIENCE = 60.0  # seconds without progress
MANY_ROWS = 400_000
BESIDE = 500
"""Order mails beside so many rows: so few that hardly two touch the same page."""
SWEEPS = 200
SWEPT = 1_000
"""Claims that one statement deletes, as the router's sweeper does."""
TIMERS = 5_000
OUTBOX_ROWS = 20_000
CHANGED = 40_000
"""Recipients from whom something was taken away, for the relay to publish."""
ARCHIVE = PROJECT / "deploy" / "examples" / "archive"
LOOK_EVERY, LOOK_AT_OUTBOX = 0.3, 0.02  # seconds
QUIET = 1.0  # seconds for what comes twice


async def measure(folder: Path, report: Report, say: Steps, scale: float) -> Record:
    """Everything; what is wrong with messages goes to the report. `scale` is how many more messages than usual."""
    async with opened(folder, report, say) as place, Stores(place.environment) as stores:
        await stores.set(
            "checkpoint_timeout", "1d"
        )  # a checkpoint of its own would log whole pages in the middle of a kind
        await stores.set("max_wal_size", "20GB")
        environment = place.environment
        async with environment.running_role("router", "api"):
            async with Api(url=environment.url("router"), key=environment.key) as api:
                await capacity_kinds.settle(api)
            await place.rows.until_published(seconds=PATIENCE)
        async with environment.running(*SERVICES):
            weighing = Weighing(place, stores, scale)
            kinds = {name: await weighing.kind(kind) for name, kind in KINDS.items()}
            archived = await weighing.archived()
            database = await weighing.database()
    say("memory")
    program = str(Path(__file__).with_name("capacity_memory.py"))
    memory = await asyncio.to_thread(subprocess.check_output, [sys.executable, program])
    return Record(
        machine=report.machine,
        kinds=kinds,
        database=database,
        archived=archived,
        memory=msgspec.json.decode(memory, type=dict[str, float]),
    )


class Weighing:
    """Of one place, with all services running."""

    def __init__(self, place: Place, stores: Stores, scale: float) -> None:
        self._place = place
        self._environment = place.environment
        self._stores = stores
        self._scale = scale
        self._topics = Topics(place.environment.kafka.topic_prefix)
        self._number = 0

    async def kind(self, kind: Kind) -> dict[Way, Measured]:
        """Both ways of one kind."""
        return {way: await self._way(kind, way) for way in WAYS}

    async def _way(self, kind: Kind, way: Way) -> Measured:
        self._place.say(f"{kind.what}, {way}")
        if way == "spread":
            sink = self._place.sink if Channel.EMAIL in kind.channels else self._place.http_sink
            await sink.take()  # it counts from here on
            order = kind.order(self._environment, self._prefix(kind), SPREAD, sink=sink.control_port)
        else:
            order = kind.order(self._environment, self._prefix(kind), self._sized(FULL))
        # What is to wait must not wait for a router: once it is due it is sent at once.
        return await self._weighed(kind, order, backlog=way == "full" and not kind.delay)

    async def _weighed(self, kind: Kind, order: Order, *, backlog: bool) -> Measured:
        topics = dict(self._topics_of(kind))
        starts = {topic: await log_ends(self._environment.kafka, topic) for topic in topics}
        before = await self._stores.look()
        await self._sent(kind, order, backlog=backlog)
        after = await self._stores.look()
        stored = {}
        for topic, size in grown(before.topics, after.topics, list(topics)).items():
            records = await logs.read(self._environment.kafka, topic, start=starts[topic])
            stored[topics[topic]] = Stored(records=len(records) / order.count, bytes=size / order.count)
        return measured(order.count, stored, before, after)

    async def _sent(self, kind: Kind, order: Order, *, backlog: bool) -> None:
        """Returns when every notification has all its rows. What is wrong with them goes to the report."""
        began, files = time.time(), self._environment.folder / order.prefix
        if backlog:
            await self._environment.stop("router")
        result = await loading.generate("http_load.py", order, files)
        if backlog:
            self._environment.launch("router")
            await self._environment.ready("router")
        wanted = [f"{one} {status}" for one in kind.ids(order) for status in kind.statuses]
        faults = difference(
            f"{kind.what}: rows in the ledger", wanted, await self._stored(len(wanted), began)
        )
        if refused := sum(1 for status in result.statuses if status != 202):
            faults.append(f"{kind.what}: {refused} requests were not answered with 202")
        self._place.report.take(kind.key, Faults(faults=faults + self._environment.ended()))

    async def _stored(self, wanted: int, since: float) -> list[str]:
        """What the ledger holds of what came since, once it is so much and a second has passed, or nothing has come for a minute."""
        stored, moved = list[str](), time.monotonic()
        while len(stored) < wanted and time.monotonic() - moved < PATIENCE:
            await asyncio.sleep(LOOK_EVERY)
            if len(now := await self._place.rows.statuses(since)) != len(stored):
                stored, moved = now, time.monotonic()
        await asyncio.sleep(QUIET)
        return await self._place.rows.statuses(since)

    async def archived(self) -> float:
        """Bytes of a status in the archive, once today is over."""
        self._place.say("archiving statuses")
        interpreter = await asyncio.to_thread(python, ARCHIVE)
        folder, kafka = self._environment.folder / "archive", self._environment.kafka
        tomorrow = datetime.now(UTC) + timedelta(days=1, minutes=10)
        options = {
            "--kafka": kafka.bootstrap_servers, "--prefix": kafka.topic_prefix, "--folder": str(folder), "--now": tomorrow.isoformat(),
        }  # fmt: skip
        words = [word for option in options.items() for word in option]
        process = await asyncio.create_subprocess_exec(
            interpreter, ARCHIVE / "archive.py", *words, stdout=asyncio.subprocess.DEVNULL
        )
        if await process.wait():
            raise StartFailed(f"archive.py ended with exit code {process.returncode}")
        notes = [msgspec.json.decode(note.read_bytes()) for note in folder.glob("_days/*.json")]
        rows = sum(partition["rows"] for note in notes for partition in note["partitions"])
        return sum(file.stat().st_size for file in folder.rglob("*.parquet")) / float(rows)

    async def database(self) -> Database:
        """Rows of the tables that are not the ledger's, and what many rows cost."""
        timer, outbox = await self._timer(), await self._stores.outbox_row(OUTBOX_ROWS)
        beside = {await self._place.rows.count(): await self._after_a_checkpoint()}
        claim = await self._fill(self._sized(MANY_ROWS))
        beside[await self._place.rows.count()] = await self._after_a_checkpoint()
        await self._environment.stop(*SERVICES)
        await self._stores.set("autovacuum", "off")
        return Database(
            timer=timer,
            outbox=outbox,
            claim=claim,
            wal_beside=beside,
            sweep_seconds=await self._sweeps(),
            changes_per_second=await self._relay(),
        )

    async def _after_a_checkpoint(self) -> float:
        """Bytes of the write-ahead log an order mail: each page that it is the first to touch is logged whole."""
        kind = KINDS["order"]
        order = kind.order(self._environment, self._prefix(kind), BESIDE)
        await self._stores.checkpoint()
        before = await self._stores.log()
        await self._sent(kind, order, backlog=True)
        return (await self._stores.log() - before) / order.count

    async def _fill(self, rows: int) -> float:
        """Make so many rows of the ledger and so many claims; bytes of a claim."""
        self._place.say(f"making {rows:,} rows of the ledger and as many claims")
        kind, database = KINDS["order"], self._environment.database
        order = kind.order(self._environment, self._prefix(kind), capacity_kinds.BATCH)
        await self._sent(kind, order, backlog=False)
        await growth_data.statuses(database, rows, kind.ids(order)[0])
        before = await self._stores.table("directory.claims")
        await growth_data.claims(database, rows, record=f"{self._topics.events(kind.lane)}/7/")
        return (await self._stores.table("directory.claims")).minus(before).bytes / rows

    async def _timer(self) -> float:
        """Bytes of a timer that waits."""
        self._place.say("timers")
        count, due = self._sized(TIMERS), datetime.now(UTC) + timedelta(days=30)
        before = await self._stores.table("scheduler.timers")
        made = timer_load.timers("far-", count, first_due=due, within=timedelta(hours=1), topics=self._topics)
        await logs.write(self._environment.kafka, [record for _, record in made])
        async with Rows(self._environment.database, schema="scheduler") as rows:
            await rows.until_timers(before.rows + count, due_before=due + timedelta(days=1), seconds=PATIENCE)
        return (await self._stores.table("scheduler.timers")).minus(before).bytes / count

    async def _sweeps(self) -> dict[int, float]:
        """Seconds that it takes to delete 1,000 claims, by how many were deleted before; no router may run."""
        self._place.say("deleting claims as the router's sweeper does")
        settings = DatabaseSettings(url=SecretStr(self._environment.database))
        pool = Pool(settings=settings, service="bench", check=Health(service="bench").check("database"))
        claims, taken = Claims(database=pool, window=0.0), list[float]()
        try:
            for _ in range(SWEEPS):
                began = time.monotonic()
                if await claims.delete_expired(at_most=SWEPT) < SWEPT:
                    break
                taken.append(time.monotonic() - began)
        finally:
            await pool.close()
        some = max(1, len(taken) // 10)
        return {0: median(taken[:some]), (len(taken) - some) * SWEPT: median(taken[-some:])}

    async def _relay(self) -> float:
        """Changes that one relay publishes in a second: something was taken away from many recipients at once."""
        self._place.say("the relay")
        connection = await asyncpg.connect(self._environment.database)
        try:
            await connection.execute(_VERSIONS, CHANGED)
            await connection.execute(_CHANGES, CHANGED)
            waits = [(time.monotonic(), CHANGED)]
            self._environment.launch("router", "api")
            while waits[-1][1] and time.monotonic() - waits[0][0] < 2 * PATIENCE:
                await asyncio.sleep(LOOK_AT_OUTBOX)
                waits.append((time.monotonic(), int(await connection.fetchval(_WAITING))))
            await self._environment.stop("router")
        finally:
            await connection.close()
        return slope(waits)

    def _prefix(self, kind: Kind) -> str:
        self._number += 1
        return f"{kind.key}-{self._number}-"

    def _sized(self, count: int) -> int:
        """In whole thousands, as campaigns come."""
        return max(1, round(count * self._scale / 1_000)) * 1_000

    def _topics_of(self, kind: Kind) -> Iterator[tuple[str, str]]:
        """Topics of the kind's lane that are kept for a time, and what the record calls them."""
        for topic in self._topics.all():
            if topic.lane is kind.lane and topic.family != "dead":
                name = topic.family if topic.channel is None else f"{topic.family}.{topic.channel}"
                yield topic.name, name


_VERSIONS = """
INSERT INTO directory.recipient_versions (tenant, recipient, version)
SELECT 'bench', 'changed-' || number, 1 FROM generate_series(1, $1::int) AS number
"""
_CHANGES = """
INSERT INTO directory.outbox (kind, tenant, key, turn)
SELECT 'recipient_version', 'bench', ARRAY['changed-' || number], 2 FROM generate_series(1, $1::int) AS number
"""
_WAITING = "SELECT count(*) FROM directory.outbox"


def measured(count: int, stored: dict[str, Stored], before: Snapshot, after: Snapshot) -> Measured:
    """What one of so many notifications has left."""
    rows = after.tables["ledger.statuses"].minus(before.tables["ledger.statuses"])
    claims = after.tables["directory.claims"].minus(before.tables["directory.claims"])
    internal = [topic for topic in after.topics if topic.startswith("__")]
    return Measured(
        notifications=count,
        topics=stored,
        internal=sum(grown(before.topics, after.topics, internal).values()) / count,
        wal=(after.log - before.log) / count,
        claims=claims.rows / count,
        rows=rows.rows / count,
        row_bytes=rows.row_bytes / count,
        index_bytes=rows.index_bytes / count,
    )


def slope(waits: Sequence[tuple[float, int]]) -> float:
    """Rows a second that went, from the look at which the first had gone to that at which the last had."""
    begun = next((at for at, wait in enumerate(waits) if wait[1] < waits[0][1]), None)
    if begun is None or waits[-1][1]:
        raise ValueError(f"of {waits[0][1]} rows {waits[-1][1]} still wait")
    (began, first), (ended, last) = waits[max(0, begun - 1)], waits[-1]
    return (first - last) / (ended - began)
