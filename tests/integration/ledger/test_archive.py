"""The recipe of docs/operations/archive.md: days of `status` become Parquet files, once, and tell what the ledger tells."""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from peers.installed import python
from tocsin.contracts.codec import encode
from tocsin.contracts.ids import recipient_key
from tocsin.contracts.statuses import StatusRecord
from tocsin.kafka import ConsumerRecord, KafkaSettings, PartitionBatch, TopicPartition, read_to_end

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.nightly]

ROOT = Path(__file__).parents[3]
RECIPE = ROOT / "deploy" / "examples" / "archive"
PAGE = ROOT / "docs" / "operations" / "archive.md"
PARTITIONS, DAYS, RECIPIENTS = 3, 3, 10
WITHIN = 120.0  # seconds
ASK = """
import duckdb, json, sys
duckdb.sql(sys.argv[1])
answer = duckdb.sql(sys.argv[2])
print(json.dumps([dict(zip(answer.columns, row)) for row in answer.fetchall()], default=str))
"""


@pytest.fixture(scope="session")
def interpreter() -> Path:
    """What the recipe is run by: its own pinned packages, and nothing of ours."""
    return python(RECIPE)


class Ground:
    """One topic with statuses of several days, and the archive of it."""

    def __init__(self, interpreter: Path, kafka: str, prefix: str, folder: Path) -> None:
        self._interpreter = interpreter
        self._kafka = kafka
        self._prefix = prefix
        self.folder = folder
        self.topic = f"{prefix}status.bulk"
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.days = [today - timedelta(days=DAYS - number) for number in range(DAYS)]
        self.over = today + timedelta(minutes=11)
        """A moment at which the last of the days is over, and today is not."""

    def make_topic(self) -> None:
        # As Tocsin has it, but for the time: records of former days cannot be written under the broker's own.
        config = {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}
        admin = AdminClient({"bootstrap.servers": self._kafka})
        for made in admin.create_topics([NewTopic(self.topic, PARTITIONS, 1, config=config)]).values():
            made.result(WITHIN)

    def write(self, statuses: Sequence[tuple[datetime, StatusRecord]]) -> None:
        producer = Producer({"bootstrap.servers": self._kafka, "partitioner": "murmur2"})
        self._produce(producer, statuses)

    def write_bytes(self, at: datetime, *values: bytes) -> None:
        producer = Producer({"bootstrap.servers": self._kafka})
        for value in values:
            producer.produce(self.topic, value, b"k", timestamp=round(at.timestamp() * 1000))
        assert producer.flush(WITHIN) == 0

    def write_and_abort(self, statuses: Sequence[tuple[datetime, StatusRecord]]) -> None:
        """To be written last: the marker behind it has the time of now."""
        producer = Producer(
            {"bootstrap.servers": self._kafka, "transactional.id": self._prefix, "partitioner": "murmur2"}
        )
        producer.init_transactions(WITHIN)
        producer.begin_transaction()
        self._produce(producer, statuses)
        producer.abort_transaction(WITHIN)

    def _produce(self, producer: Producer, statuses: Sequence[tuple[datetime, StatusRecord]]) -> None:
        for at, status in statuses:
            key = recipient_key(status.tenant, status.recipient or "")
            producer.produce(self.topic, encode(status), key, timestamp=round(at.timestamp() * 1000))
        assert producer.flush(WITHIN) == 0

    def start(self, *, now: datetime | None = None, chunk: int = 1) -> subprocess.Popen[str]:
        command = [
            str(self._interpreter), str(RECIPE / "archive.py"), "--kafka", self._kafka, "--prefix", self._prefix, "--lanes", "bulk",
            "--folder", str(self.folder), "--chunk", str(chunk), "--now", (now or self.over).isoformat(),
        ]  # fmt: skip
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *, now: datetime | None = None, chunk: int = 1) -> str:
        said, wrong = (process := self.start(now=now, chunk=chunk)).communicate(timeout=WITHIN)
        assert process.returncode == 0, wrong
        return said

    def files(self) -> dict[str, int]:
        """Every file that is whole, and when it was written."""
        found = self.folder.glob("tenant=*/day=*/lane=*/*.parquet")
        return {str(file.relative_to(self.folder)): file.stat().st_mtime_ns for file in found}

    def ask(self, question: str) -> list[dict[str, Any]]:
        """As the page asks."""
        view = block("CREATE VIEW").replace("/srv/archive", str(self.folder))
        command = [str(self._interpreter), "-c", ASK, view, question]
        answer = subprocess.run(command, check=True, capture_output=True, text=True, timeout=WITHIN)
        return list(json.loads(answer.stdout))

    async def records(self) -> list[ConsumerRecord]:
        """What any reader of committed records sees."""
        settings = KafkaSettings(bootstrap_servers=self._kafka)
        return [
            record async for records in read_to_end(settings=settings, topic=self.topic) for record in records
        ]


def block(begins: str) -> str:
    """The question on the page that begins so."""
    blocks = re.findall(r"^ *```sql\n(.*?)^ *```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    return str(next(text for text in blocks if text.strip().startswith(begins)))


@pytest.fixture
def ground(
    interpreter: Path, kafka_server: str, topic_prefix: str, tmp_path: Path, statuses_of: Any
) -> Ground:
    ground = Ground(interpreter, kafka_server, topic_prefix, tmp_path / "archive")
    ground.make_topic()
    for day in ground.days:
        made = [
            (day + timedelta(hours=number), status)
            for number in range(RECIPIENTS)
            for status in statuses_of(
                f"user-{number}", "email", "sms", event=f"{day:%d}", at=day + timedelta(hours=number)
            )
        ]
        again = made[-1]  # a dispatcher that died writes a status a second time
        ground.write([*made, again])
    ground.write_and_abort([(day + timedelta(hours=23), made[0][1])])
    return ground


async def fill(ledger_database: Any, records: Sequence[ConsumerRecord]) -> None:
    """Let the ledger read these and nothing else."""
    async with ledger_database.database.driver() as connection:
        await connection.execute("TRUNCATE ledger.statuses, ledger.positions")
    parts: dict[TopicPartition, list[ConsumerRecord]] = {}
    for record in records:
        parts.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
    await ledger_database.table().apply(
        [
            PartitionBatch(partition=partition, records=mine, expected=None, next=mine[-1].offset + 1)
            for partition, mine in parts.items()
        ]
    )


async def test_the_archive_tells_what_the_ledger_tells_whenever_it_was_killed(
    ground: Ground, ledger_database: Any, timelines: Any
) -> None:
    killed = ground.start()
    deadline = time.monotonic() + WITHIN
    while not ground.files() and killed.poll() is None and time.monotonic() < deadline:  # noqa: ASYNC110 - it lies in another process
        await asyncio.sleep(0.001)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -9
    begun = ground.files()

    said = ground.run()
    whole = ground.files()
    assert begun.keys() < whole.keys()
    assert {int(count) for count in re.findall(r"bulk: (\d+) records", said)} - {0} == {RECIPIENTS * 3 + 1}
    assert ground.run() == ""
    assert ground.files() == whole

    records = await ground.records()
    rows = ground.ask("SELECT * FROM archived ORDER BY kafka_partition, kafka_offset")
    assert {(row["tenant"], row["lane"]) for row in rows} == {("acme", "bulk")}
    places = [(row["kafka_partition"], row["kafka_offset"]) for row in rows]
    assert places == sorted((record.partition, record.offset) for record in records)
    assert {row["day"] for row in rows} == {str(day.date()) for day in ground.days}

    await fill(ledger_database, records)
    told = await answers(timelines, rows)
    await fill(ledger_database, [read_again(row, ground.topic) for row in rows])
    assert await answers(timelines, rows) == told
    counts = await ledger_database.rows(
        "SELECT day, count(*) FROM ledger.statuses WHERE kind <> 'target' GROUP BY day"
    )
    assert {str(day): count for day, count in counts} == {
        str(day.date()): counted(ground, day) for day in ground.days
    }


async def test_the_questions_of_the_page_find_one_notification_and_one_recipient(ground: Ground) -> None:
    ground.run(chunk=1_000)
    known = ground.ask(
        "SELECT notification_id FROM archived WHERE recipient = 'user-3' ORDER BY happened_at LIMIT 1"
    )[0]
    asked = block("SELECT happened_at, status").replace(
        "00000000-0000-0000-0000-000000000000", known["notification_id"]
    )
    assert [row["status"] for row in ground.ask(asked)] == ["decided", "sent", "sent"]
    asked = block("SELECT happened_at, lane").replace("'anna'", "'user-3'")
    days = [row["happened_at"][:10] for row in ground.ask(asked)]
    assert days == [str(day.date()) for day in reversed(ground.days)]


async def test_a_day_that_is_not_over_waits_for_a_later_run(ground: Ground) -> None:
    last = ground.days[-1]
    ground.run(now=last + timedelta(days=1, minutes=9), chunk=1_000)
    assert counted(ground, last) == 0
    ground.run(now=last + timedelta(days=1, minutes=10), chunk=1_000)
    assert counted(ground, last) == RECIPIENTS * 3


async def test_what_is_no_status_is_kept_whole_beside_those_that_are(ground: Ground) -> None:
    strange = [
        b'{"tenant": 5}',
        b"no JSON",
        b'{"tenant": "acme", "at": "yesterday", "status_id": "7", "test": "maybe"}',
    ]
    ground.write_bytes(ground.days[0], *strange)
    ground.run(chunk=1_000)
    rows = ground.ask("SELECT tenant, record, happened_at, status_id FROM archived WHERE status_id IS NULL")
    assert {row["record"].encode(): row["tenant"] for row in rows} == dict(
        zip(strange, ("_", "_", "acme"), strict=True)
    )
    assert {row["happened_at"] for row in rows} == {None}
    assert counted(ground, ground.days[1]) == RECIPIENTS * 3


def counted(ground: Ground, day: datetime) -> int:
    """Statuses of a day in the archive, as the page counts them."""
    question = block("SELECT lane, count").replace("2026-03-01", str(day.date()))
    return sum(next(value for name, value in row.items() if name != "lane") for row in ground.ask(question))


async def answers(timelines: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The ledger's answer about each notification."""
    ids = sorted({row["notification_id"] for row in rows})
    assert len(ids) == RECIPIENTS * DAYS
    found = {one: await timelines.get(f"/v1/timelines/{one}") for one in ids}
    assert {answer.status_code for answer in found.values()} == {200}
    return {one: answer.json() for one, answer in found.items()}


def read_again(row: Mapping[str, Any], topic: str) -> ConsumerRecord:
    """The record of which the archive has a row."""
    stored = datetime.fromisoformat(row["stored_at"]).replace(tzinfo=UTC)
    return ConsumerRecord(
        topic=topic,
        partition=row["kafka_partition"],
        offset=row["kafka_offset"],
        timestamp_ms=round(stored.timestamp() * 1000),
        key=b"k",
        value=row["record"].encode(),
    )
