"""A record of `status.<lane>` as a row of `ledger.statuses`."""

from datetime import UTC, date, datetime
from typing import Any, Final, cast

import msgspec
from asyncpg.pgproto.pgproto import UUID

from tocsin.contracts.statuses import Status
from tocsin.kafka import Record

COLUMNS: Final = (
    "day", "stored_at", "kafka_partition", "kafka_offset",
    "status_id", "status", "final", "at", "tenant", "event_source", "event_id", "notification_id", "delivery_id",
    "recipient", "workflow", "category", "channel", "step", "address_key", "lane",
    "provider", "provider_message_id", "provider_code", "attempt", "rule", "reason", "detail", "retryable", "segments",
    "test", "locale", "template_version", "decision", "origin", "cause", "traceparent",
)  # fmt: skip
"""In the order of the tuples that `row_of` makes."""

_NUL: Final = "\x00"
_NO_DECISION: Final = msgspec.Raw(b"")


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
        status = _without_nul(_decode(record.value or b""), record)
        if status.at.tzinfo is None:
            raise StatusUnreadable("Not a status: its time has no time zone.")
        return _row(record, stored_at(record), status)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # no status, one nested too deep, or one with an id that is no UUID, or with text that is no UTF-8
        raise StatusUnreadable(f"Not a status: {type(error).__name__}.") from error


def _row(record: Record, when: datetime, status: StoredStatus) -> tuple[Any, ...]:
    notification, delivery = status.notification_id, status.delivery_id
    decision = bytes(status.decision)
    return (
        when.date(),
        when,
        record.partition,
        record.offset,
        UUID(status.status_id),
        status.status,
        status.final,
        status.at,
        status.tenant,
        status.event_source,
        status.event_id,
        None if notification is None else UUID(notification),
        None if delivery is None else UUID(delivery),
        status.recipient,
        status.workflow,
        status.category,
        status.channel,
        status.step,
        status.address_key,
        status.lane,
        status.provider,
        status.provider_message_id,
        status.provider_code,
        status.attempt,
        status.rule,
        status.reason,
        status.detail,
        status.retryable,
        status.segments,
        status.test,
        status.locale,
        status.template_version,
        decision.decode() if decision and decision != b"null" else None,
        status.origin,
        status.cause,
        status.traceparent,
    )


def _without_nul(status: StoredStatus, record: Record) -> StoredStatus:
    """PostgreSQL's text holds no NUL; a provider's words may."""
    if record.value is None or b"\\u0000" not in record.value:
        return status
    changed = {
        name: value.replace(_NUL, "")
        for name in StoredStatus.__struct_fields__
        if type(value := getattr(status, name)) is str and _NUL in value
    }
    return msgspec.structs.replace(status, **changed)


def day_of(row: tuple[Any, ...]) -> date:
    """The row's day partition."""
    return cast("date", row[0])
