"""The ledger's tables: their columns, and how a Kafka record becomes a row.

The columns are the fields of the records' contracts. Whoever adds a field to `Status` or to `DeadLetter` adds a column of the
same name in a migration; the row, its way back out and the answers follow by themselves.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from asyncpg.pgproto.pgproto import UUID

from tocsin.contracts.dead_letters import DeadLetter, read_dead_letter
from tocsin.contracts.statuses import Status
from tocsin.kafka import Record

Row = tuple[Any, ...]
_StructT = TypeVar("_StructT", bound=msgspec.Struct)


class InvalidRecord(Exception):
    """The record is not what its topic says. The message says why and repeats no value."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that is filled from topics."""

    name: str
    columns: tuple[str, ...]
    """The first is `day`, which decides on the partition."""
    row_of: Callable[[Record], Row]
    """The record's row, `columns` in order; raises `InvalidRecord`."""
    key: str
    """The columns that identify a row: the same record, read again, makes no second one."""


def stored_at(record: Record) -> datetime:
    """When the broker stored the record, UTC."""
    return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)


# Statuses


class StatusWithRawDecision(Status, kw_only=True, omit_defaults=True):
    """A status whose decision stays the JSON it came as: the ledger keeps it and does not read it."""

    decision: msgspec.Raw = msgspec.Raw(b"")  # type: ignore[assignment]  # the same JSON, not decoded


# `_status_row` makes the values of these columns. All others hold a field of `Status` as it is: a new field whose type PostgreSQL
# does not take as it is (a struct, a list, an id that is a uuid) belongs here.
_MADE_COLUMNS: Final = (
    "day", "stored_at", "kafka_partition", "kafka_offset",
    "status_id", "notification_id", "delivery_id", "decision",
)  # fmt: skip
_NOT_STORED: Final = ("version",)
_COPIED_COLUMNS: Final = tuple(
    name for name in Status.__struct_fields__ if name not in (*_MADE_COLUMNS, *_NOT_STORED)
)
# Generated once, because `operator.attrgetter` takes three times as long, and this runs for each row.
_copied_fields: Final[Callable[[Status], Row]] = eval(  # noqa: S307 - names of our own fields
    f"lambda status: ({', '.join(f'status.{name}' for name in _COPIED_COLUMNS)},)"
)
_decode_status: Final = msgspec.json.Decoder(StatusWithRawDecision).decode


def _status_row(record: Record) -> Row:
    raw = record.value or b""
    try:
        status = _decode_status(raw)
        if b"\\u0000" in raw:
            status = _without_nul(status)
        if status.at.tzinfo is None:
            raise InvalidRecord("Not a status: its time has no time zone.")
        when = stored_at(record)
        notification, delivery = status.notification_id, status.delivery_id
        decision = bytes(status.decision)
        made = (
            when.date(),
            when,
            record.partition,
            record.offset,
            UUID(status.status_id),
            None if notification is None else UUID(notification),
            None if delivery is None else UUID(delivery),
            decision.decode() if decision and decision != b"null" else None,
        )
        return made + _copied_fields(status)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # No status, one that is nested too deep, one with an id that is no UUID, or one with text that is no UTF-8.
        raise InvalidRecord(f"Not a status: {type(error).__name__}.") from error


STATUSES: Final = Table(
    name="statuses",
    columns=_MADE_COLUMNS + _COPIED_COLUMNS,
    row_of=_status_row,
    key="day, status_id",
)


# Dead letters


def _dead_letter_row(record: Record) -> Row:
    try:
        letter, own_headers = read_dead_letter(record.headers)
    except msgspec.ValidationError as error:
        raise InvalidRecord("Not a dead letter: its headers describe none.") from error
    if letter.at.tzinfo is None:
        raise InvalidRecord("Not a dead letter: its time has no time zone.")
    if b"\x00" in b"".join([value for _, value in record.headers]):
        letter = _without_nul(letter)
    when = stored_at(record)
    made = (
        when.date(),
        when,
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        msgspec.json.encode(
            [(name, base64.b64encode(value).decode()) for name, value in own_headers]
        ).decode(),
    )
    return made + msgspec.structs.astuple(letter)


DEAD_LETTERS: Final = Table(
    name="dead_letters",
    columns=(
        "day", "stored_at", "kafka_topic", "kafka_partition", "kafka_offset", "key", "value", "headers",
        *DeadLetter.__struct_fields__,
    ),
    row_of=_dead_letter_row,
    key="day, kafka_topic, kafka_partition, kafka_offset",
)  # fmt: skip


def _without_nul(struct: _StructT) -> _StructT:
    """The same without NUL in its texts: PostgreSQL's text cannot hold it, and a provider's words may."""
    changed = {
        name: value.replace("\x00", "")
        for name in struct.__struct_fields__
        if type(value := getattr(struct, name)) is str and "\x00" in value
    }
    return msgspec.structs.replace(struct, **changed)
