"""Archives days of Tocsin's public topics `status.<lane>` as Parquet files, and ends. Run it once a day, after 00:10 UTC.

A day is archived when it is over, whole or not at all: it is found on the topic by the broker's time, so there is no position to commit. Files are

    FOLDER/tenant=acme/day=2026-03-01/lane=bulk/3-00000000000000150000.parquet      (partition, first offset of the chunk)
    FOLDER/_days/2026-03-01.bulk.json                                               written last: this day and lane are whole

Killed at any moment, the next run begins every day without such a note again. Chunks begin at fixed offsets, so it writes the same files with the same rows,
each under another name first. Nothing is lost and no row stands twice.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import duckdb
from confluent_kafka import Consumer, KafkaError, TopicPartition

LANES = ("critical", "transactional", "bulk")
DAYS = 28
"""Days that are looked at, yesterday the last. The topics keep 30, so none of these has lost its beginning."""
SETTLED = timedelta(minutes=10)
"""After a day so much passes until it is archived: clocks of brokers differ, and transactions end."""
PATIENCE = 120.0
"""Seconds without progress, in which the transaction in front of us has to end."""
ASKED_WITHIN = 30.0
CHUNK = 50_000
COLUMNS = {
    "kafka_partition": "INTEGER", "kafka_offset": "BIGINT", "stored_at": "TIMESTAMP", "kind": "VARCHAR", "status_id": "UUID",
    "status": "VARCHAR", "happened_at": "TIMESTAMP", "notification_id": "UUID", "delivery_id": "UUID", "recipient": "VARCHAR",
    "event_source": "VARCHAR", "event_id": "VARCHAR", "workflow": "VARCHAR", "category": "VARCHAR", "channel": "VARCHAR",
    "provider": "VARCHAR", "reason": "VARCHAR", "test": "BOOLEAN", "record": "VARCHAR",
}  # fmt: skip
"""Times are UTC. `record` is the whole record as it was, so that a field of a later release is not lost. A value that is of
another type than its column is NULL there."""

Row = dict[str, Any]


class Archive:
    """The folder, and how to read the topics."""

    def __init__(self, folder: Path, settings: dict[str, Any], *, prefix: str, chunk: int) -> None:
        self._folder = folder
        self._prefix = prefix
        self._chunk = chunk
        # Where a day ends is asked as if nothing was open: a transaction that is open there is waited for and not overlooked.
        self._asking = Consumer(settings | {"isolation.level": "read_uncommitted"})
        self._reading = Consumer(
            settings | {"isolation.level": "read_committed", "enable.partition.eof": True}
        )

    def close(self) -> None:
        """Leave the brokers."""
        self._asking.close()
        self._reading.close()

    def has(self, day: date, lane: str) -> bool:
        """Whether the day is there, whole."""
        return self._note(day, lane).exists()

    def add(self, day: date, lane: str) -> int:
        """Archive one day of one lane; how many records it has."""
        topic = f"{self._prefix}status.{lane}"
        partitions = []
        for number, (start, end) in self._ranges(topic, day).items():
            rows = 0
            for offset, chunk in self._chunks(topic, number, start, end):
                self._write_chunk(day, lane, f"{number}-{offset:020}.parquet", chunk)
                rows += len(chunk)
            partitions.append({"partition": number, "start": start, "end": end, "rows": rows})
        put(self._note(day, lane), json.dumps({"topic": topic, "partitions": partitions}).encode())
        return sum(partition["rows"] for partition in partitions)

    def _note(self, day: date, lane: str) -> Path:
        return self._folder / "_days" / f"{day}.{lane}.json"

    def _ranges(self, topic: str, day: date) -> dict[int, tuple[int, int]]:
        """By partition, the first offset of the day and the first behind it."""
        found = self._asking.list_topics(topic, timeout=ASKED_WITHIN).topics[topic]
        if found.error is not None:
            raise SystemExit(f"{topic} cannot be read: {found.error.str()}")
        numbers = sorted(found.partitions)
        starts, ends = (self._begins(topic, numbers, each) for each in (day, day + timedelta(days=1)))
        return {number: (starts[number], ends[number]) for number in numbers}

    def _begins(self, topic: str, numbers: Sequence[int], day: date) -> dict[int, int]:
        """By partition, the first offset of that day or a later one; the end of the log where there is none."""
        midnight = int(datetime.combine(day, datetime.min.time(), UTC).timestamp() * 1000)
        asked = [TopicPartition(topic, number, midnight) for number in numbers]
        offsets = {}
        for found in self._asking.offsets_for_times(asked, timeout=ASKED_WITHIN):
            if found.error is not None:
                raise SystemExit(f"{topic}, partition {found.partition}: {found.error.str()}")
            offsets[found.partition] = found.offset
            if found.offset < 0:
                place = TopicPartition(topic, found.partition)
                _, offsets[found.partition] = self._asking.get_watermark_offsets(place, timeout=ASKED_WITHIN)
        return offsets

    def _chunks(self, topic: str, number: int, start: int, end: int) -> Iterator[tuple[int, list[Row]]]:
        """The rows of each chunk, and the offset at which it begins."""
        rows: list[Row] = []
        begins = start // self._chunk * self._chunk
        for row in self._rows(topic, number, start, end):
            if row["kafka_offset"] >= begins + self._chunk:
                if rows:
                    yield begins, rows
                begins, rows = row["kafka_offset"] // self._chunk * self._chunk, []
            rows.append(row)
        if rows:
            yield begins, rows

    def _rows(self, topic: str, number: int, start: int, end: int) -> Iterator[Row]:
        """Every committed record from one offset to before another."""
        if start >= end:
            return
        self._reading.assign([TopicPartition(topic, number, start)])
        moved = time.monotonic()
        while True:
            if time.monotonic() - moved > PATIENCE:
                raise SystemExit(
                    f"{topic}, partition {number}: nothing came for {PATIENCE:.0f} s before offset {end}. Is a transaction open?"
                )
            message = self._reading.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is not None and error.code() != KafkaError._PARTITION_EOF:
                raise SystemExit(f"{topic}, partition {number}: {error.str()}")
            if (message.offset() or 0) >= end:  # a later record, or the end of what is committed
                return
            if error is None:
                moved = time.monotonic()
                yield row_of(message)

    def _write_chunk(self, day: date, lane: str, name: str, rows: Sequence[Row]) -> None:
        tenants: dict[str, list[Row]] = {}
        for row in rows:
            tenants.setdefault(row.pop("tenant"), []).append(row)
        for tenant, theirs in tenants.items():
            write_parquet(
                self._folder / f"tenant={quote(tenant, safe='')}" / f"day={day}" / f"lane={lane}" / name,
                theirs,
            )


def row_of(message: Any) -> Row:
    """Of one record. What is no JSON, or names no tenant, belongs to the tenant `_`, which nobody can be called."""
    text = message.value().decode(errors="replace")
    try:
        decoded = json.loads(text)
    except ValueError:
        decoded = None
    fields = decoded if isinstance(decoded, dict) else {}
    _, stored_ms = message.timestamp()
    made = {
        "tenant": tenant if isinstance(tenant := fields.get("tenant"), str) and tenant else "_",
        "kafka_partition": message.partition(),
        "kafka_offset": message.offset(),
        "stored_at": datetime.fromtimestamp(stored_ms / 1000, UTC).replace(tzinfo=None).isoformat(),
        "status": fields.get("status") or fields.get("outcome"),
        "happened_at": utc(fields.get("at")),
        "test": fields.get("test", False),
        "record": text,
    }
    return {name: fields.get(name) for name in COLUMNS} | made


def utc(at: object) -> str | None:
    """The time as DuckDB reads one without zone; None where it is none."""
    if not isinstance(at, str):
        return None
    try:
        return datetime.fromisoformat(at).astimezone(UTC).replace(tzinfo=None).isoformat()
    except (ValueError, OverflowError):
        return None


def write_parquet(file: Path, rows: Sequence[Row]) -> None:
    """All rows, or no file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    lines, part = file.with_suffix(".ndjson"), file.with_suffix(".part")
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    texts = dict.fromkeys(COLUMNS, "VARCHAR")
    read = f"read_json({quoted(lines)}, format = 'newline_delimited', columns = {texts})"
    typed = ", ".join(f"TRY_CAST({name} AS {kind}) AS {name}" for name, kind in COLUMNS.items())
    rows_read = duckdb.sql(f"FROM {read} SELECT {typed}")
    rows_read.write_parquet(str(part), compression="zstd")
    lines.unlink()
    renamed(part, file)


def put(file: Path, content: bytes) -> None:
    """The whole content, or no file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_bytes(content)
    renamed(part, file)


def renamed(part: Path, file: Path) -> None:
    """On disk first, then under its name: what has the name is whole, also after a power cut."""
    for path in (part, part.parent):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    part.replace(file)


def quoted(path: Path) -> str:
    """As SQL has it."""
    return "'" + str(path).replace("'", "''") + "'"


def days_until(now: datetime) -> list[date]:
    """The days that are over and are kept whole, oldest first."""
    last = (now - SETTLED).astimezone(UTC).date() - timedelta(days=1)
    return [last - timedelta(days=ago) for ago in reversed(range(DAYS))]


def properties(file: Path | None) -> dict[str, str]:
    """Settings of librdkafka, a line each: `sasl.mechanism=SCRAM-SHA-512`."""
    lines = file.read_text().splitlines() if file else []
    pairs = [line.partition("=") for line in lines if line.strip() and not line.startswith("#")]
    return {name.strip(): value.strip() for name, _, value in pairs}


def main() -> int:
    """0 once every day that is over is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kafka", required=True, metavar="HOST:PORT,…", help="the brokers")
    parser.add_argument(
        "--properties", type=Path, metavar="FILE", help="settings of librdkafka, as to log in"
    )
    parser.add_argument("--folder", type=Path, required=True, help="where the archive is")
    parser.add_argument("--prefix", default="tocsin.", help="KAFKA_TOPIC_PREFIX")
    parser.add_argument("--lanes", nargs="+", choices=LANES, default=LANES)
    parser.add_argument(
        "--chunk", type=int, default=CHUNK, help="offsets of one file; leave it as it is once it was chosen"
    )
    parser.add_argument(
        "--now", type=datetime.fromisoformat, help="a moment with time zone, to try it: as if it was then"
    )
    given = parser.parse_args()
    # No group is joined and nothing is committed; librdkafka wants a name all the same.
    settings = {
        "bootstrap.servers": given.kafka, "group.id": "tocsin-archive", "enable.auto.commit": False, "auto.offset.reset": "error",
    }  # fmt: skip
    archive = Archive(
        given.folder, settings | properties(given.properties), prefix=given.prefix, chunk=given.chunk
    )
    try:
        for day in days_until(given.now or datetime.now(UTC)):
            for lane in given.lanes:
                if not archive.has(day, lane):
                    print(f"{day} {lane}: {archive.add(day, lane)} records", flush=True)
    finally:
        archive.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
