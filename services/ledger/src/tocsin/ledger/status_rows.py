"""A record of `status.<lane>` as a row of `ledger.statuses`."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final, TypeVar, cast

import msgspec
from asyncpg.pgproto.pgproto import UUID

from tocsin.contracts.statuses import Status
from tocsin.kafka import Record

_PLACE: Final = ("day", "stored_at", "kafka_partition", "kafka_offset")
_CONVERTED: Final = ("status_id", "notification_id", "delivery_id", "decision")
"""Fields whose column is not of the field's own type: `uuid`, and the decision's JSON as text."""
_NOT_STORED: Final = frozenset({"version"})
_AS_THEY_ARE: Final = tuple(
    name for name in Status.__struct_fields__ if name not in _CONVERTED and name not in _NOT_STORED
)

COLUMNS: Final = (*_PLACE, *_CONVERTED, *_AS_THEY_ARE)
"""In the order of the tuples that `row_of` makes. A new field of `Status` needs a column of its name, and nothing else here."""

_S = TypeVar("_S", bound=msgspec.Struct)
_NUL: Final = "\x00"
_NO_DECISION: Final = msgspec.Raw(b"")
# Generated once: on each row it takes a third of the time of `operator.attrgetter`.
_fields_as_they_are: Final[Callable[[Status], tuple[Any, ...]]] = eval(  # noqa: S307 - names of our own fields
    f"lambda status: ({', '.join(f'status.{name}' for name in _AS_THEY_ARE)},)"
)


class StoredStatus(Status, kw_only=True, omit_defaults=True):
    """A status whose decision stays the JSON it came as: it is kept, not read."""

    decision: msgspec.Raw = _NO_DECISION  # type: ignore[assignment]  # the same JSON, not taken apart


_decode: Final = msgspec.json.Decoder(StoredStatus).decode


class StatusUnreadable(Exception):
    """The record is no status; the message says why and repeats no value."""


def stored_at(record: Record) -> datetime:
    """When the broker stored the record, UTC."""
    return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)


def row_of(record: Record) -> tuple[Any, ...]:
    """The row, `COLUMNS` in order; raises `StatusUnreadable`."""
    try:
        raw = record.value or b""
        status = _decode(raw)
        if b"\\u0000" in raw:
            status = without_nul(status)
        if status.at.tzinfo is None:
            raise StatusUnreadable("Not a status: its time has no time zone.")
        when = stored_at(record)
        notification, delivery = status.notification_id, status.delivery_id
        decision = bytes(status.decision)
        converted = (
            when.date(),
            when,
            record.partition,
            record.offset,
            UUID(status.status_id),
            None if notification is None else UUID(notification),
            None if delivery is None else UUID(delivery),
            decision.decode() if decision and decision != b"null" else None,
        )
        return converted + _fields_as_they_are(status)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # no status, one nested too deep, or one with an id that is no UUID, or with text that is no UTF-8
        raise StatusUnreadable(f"Not a status: {type(error).__name__}.") from error


def without_nul(struct: _S) -> _S:
    """The same without NUL in its texts: PostgreSQL's text holds none, and a provider's words may."""
    changed = {
        name: value.replace(_NUL, "")
        for name in struct.__struct_fields__
        if type(value := getattr(struct, name)) is str and _NUL in value
    }
    return msgspec.structs.replace(struct, **changed)


def day_of(row: tuple[Any, ...]) -> date:
    """The row's day partition."""
    return cast("date", row[0])
