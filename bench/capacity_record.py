"""What was measured for planning, as it is kept in bench/record/capacity.json. Bytes are of one copy."""

from pathlib import Path
from typing import Final, Literal

import msgspec

from machine import Machine

FILE: Final = Path(__file__).with_name("record") / "capacity.json"

Way = Literal["spread", "full"]
"""How messages come: one after the other, or as a backlog, so that batches are full."""
WAYS: Final[tuple[Way, ...]] = ("spread", "full")


class Stored(msgspec.Struct, kw_only=True):
    """What one notification leaves on one topic. `bytes` are those of the broker's files, markers of transactions included."""

    records: float
    bytes: float


class Measured(msgspec.Struct, kw_only=True):
    """What one notification of a kind leaves, come in one way."""

    notifications: int
    topics: dict[str, Stored]
    """By topic without prefix and lane: `events`, `jobs.email`."""
    internal: float
    """Bytes written to Kafka's own topics of transactions and offsets, which are compacted."""
    wal: float
    """Bytes of PostgreSQL's write-ahead log, with no checkpoint meanwhile."""
    claims: float
    rows: float
    """Of `ledger.statuses`."""
    row_bytes: float
    """Of these rows together, without indexes."""
    index_bytes: float

    @property
    def kafka_bytes(self) -> float:
        """On all topics that are kept."""
        return sum(stored.bytes for stored in self.topics.values())


class Database(msgspec.Struct, kw_only=True):
    """Bytes of a row with its indexes, and what tables cost that have many rows."""

    claim: float
    timer: float
    outbox: float
    wal_beside: dict[int, float]
    """By rows that stand in the ledger and among the claims: bytes of the log an order mail, just after a checkpoint."""
    sweep_seconds: dict[int, float]
    """By rows deleted before and not vacuumed: seconds to delete 1,000 expired claims."""
    changes_per_second: float
    """Changes of recipients that the one relay publishes."""


class Record(msgspec.Struct, kw_only=True):
    """Everything."""

    machine: Machine
    kinds: dict[str, dict[Way, Measured]]
    database: Database
    archived: float
    """Bytes of a status in the Parquet files of deploy/examples/archive."""
    memory: dict[str, float]
    """Bytes of an entry in a process's memory, by what it is an entry of."""


def read(file: Path = FILE) -> Record:
    """The committed record, or another."""
    return msgspec.json.decode(file.read_bytes(), type=Record)


def write(record: Record, file: Path = FILE) -> None:
    """Rounded to what means something."""
    plain = msgspec.to_builtins(record, str_keys=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(msgspec.json.format(msgspec.json.encode(_rounded(plain)), indent=1) + b"\n")


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, float):
        return float(f"{value:.4g}")
    return value
