"""The ledger's tables: their columns, and how a Kafka record becomes a row.

The columns are the fields of the records' contracts. Whoever adds a field to `Status` or to `DeadLetter` adds a column of the
same name in a migration; the row, its way back out and the answers follow by themselves.

A status is one row. A decision is one row and one more for each target that was not routed; those tell lists what to find,
and timelines are told from the decision (`history`).
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec
from asyncpg.pgproto.pgproto import UUID

from tocsin.contracts.codec import encode
from tocsin.contracts.dead_letters import DeadLetter, Headers, read_dead_letter
from tocsin.contracts.ids import dead_letter_id
from tocsin.contracts.limits import MESSAGE_LIFE_SECONDS
from tocsin.contracts.statuses import Decision, Status, Target, target_status_id
from tocsin.contracts.vocabulary import Outcome, Reason, Rule, StatusName
from tocsin.kafka import ConsumerRecord

Row = tuple[Any, ...]


class InvalidRecord(Exception):
    """The record is not what its topic says. The message says why and repeats no value."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table that is filled from topics."""

    name: str
    kind: str
    """The family of the topics."""
    columns: tuple[str, ...]
    """The first is `day`, which decides on the partition."""
    rows_of: Callable[[ConsumerRecord], Sequence[Row]]
    """The record's rows, at least one, `columns` in order; raises `InvalidRecord`."""
    key: str
    """The columns that identify a row: the same record, read again, makes no second one."""


@lru_cache(maxsize=256)
def _day_and_time(timestamp_ms: int) -> tuple[date, datetime]:
    """When the broker stored a record, UTC. It stores many in the same millisecond: a whole batch of them."""
    stored_at = datetime.fromtimestamp(timestamp_ms / 1000, UTC)
    return stored_at.date(), stored_at


def stored_day(timestamp_ms: int) -> date:
    """The day of a record's rows."""
    return _day_and_time(timestamp_ms)[0]


# Statuses and decisions


class StoredDecision(Decision, kw_only=True, omit_defaults=True, tag="decision"):
    """A decision whose rules and channels stay the JSON they came as: the ledger keeps most of it and does not read it."""

    rules: msgspec.Raw  # type: ignore[assignment]  # the same JSON, not decoded
    channels: msgspec.Raw = msgspec.Raw(b"[]")  # type: ignore[assignment]


class _Rule(msgspec.Struct, gc=False):
    """The form of a rule, so that what cannot be read back is not stored; its input may be anything. A decision has ten: without `gc`,
    which they do not need as they are in no cycle, they are decoded in four fifths of the time."""

    rule: str
    outcome: str
    input: msgspec.Raw = msgspec.Raw(b"null")


class _Expiry(msgspec.Struct):
    """What the rule `expiry` saw."""

    expires_at: datetime


class _Channel(msgspec.Struct, gc=False):
    """What is read of one channel of a decision."""

    step: str
    channel: str
    rules: list[_Rule]
    targets: list[Target]
    locale: str | None = None
    template: str | None = None
    template_version: int | None = None
    detail: str | None = None


# `_status_rows` makes the values of these columns. All others hold a field of `Status` as it is: a new field whose type PostgreSQL
# does not take as it is (a struct, a list, an id that is a uuid) belongs here.
_MADE_COLUMNS: Final = (
    "day", "stored_at", "kafka_partition", "kafka_offset", "kind",
    "status_id", "notification_id", "delivery_id", "tries", "receipt",
    "again", "redrive", "event_time", "routed", "decision", "awaited", "expires_at",
)  # fmt: skip
_NOT_STORED: Final = ("version",)
_MESSAGE_LIFE: Final = timedelta(seconds=MESSAGE_LIFE_SECONDS)
_COPIED_COLUMNS: Final = tuple(
    name for name in Status.__struct_fields__ if name not in (*_MADE_COLUMNS, *_NOT_STORED)
)
ENDED: Final = frozenset({"duplicate", "expired", "cancelled", "skipped", "failed"})
"""What a decision says of what it ended. Of a word that came later nobody knows."""
_OF_A_DECISION: Final = {
    name: f"decision.{name}" for name in _COPIED_COLUMNS if name in Decision.__struct_fields__
} | {"status": "decision.outcome", "final": "decision.outcome in ENDED"}
_OF_A_TARGET: Final = _OF_A_DECISION | {
    "status": "target.outcome", "final": "target.outcome in ENDED", "channel": "channel.channel", "step": "channel.step",
    "address_key": "target.address_key", "address_hash": "target.address_hash", "rule": "target.rule", "reason": "target.reason", "detail": "channel.detail",
    "locale": "channel.locale", "template": "channel.template", "template_version": "channel.template_version",
}  # fmt: skip


def _compiled(arguments: str, values: Mapping[str, str]) -> Callable[..., Row]:
    """What makes the values of `_COPIED_COLUMNS`. Generated once, because `operator.attrgetter` takes three times as long, and
    this runs for each row."""
    tuple_of = ", ".join(values.get(name, "None") for name in _COPIED_COLUMNS)
    return eval(f"lambda {arguments}: ({tuple_of},)")  # type: ignore[no-any-return]  # noqa: S307 - names of our own fields


_values_of_status: Final = _compiled("status", {name: f"status.{name}" for name in _COPIED_COLUMNS})
_values_of_decision: Final = _compiled("decision", _OF_A_DECISION)
_values_of_target: Final = _compiled("decision, channel, target", _OF_A_TARGET)
_decode_record: Final = msgspec.json.Decoder(StoredDecision | Status).decode
_decode_channels: Final = msgspec.json.Decoder(list[_Channel]).decode
_decode_rules: Final = msgspec.json.Decoder(list[_Rule]).decode
_decode_expiry: Final = msgspec.json.Decoder(_Expiry).decode


_NONE_OF_A_DECISION: Final = (None,) * 7


def _status_rows(record: ConsumerRecord) -> Sequence[Row]:
    raw = record.value or b""
    try:
        status = _decode_record(raw)
        if status.at.tzinfo is None:
            raise InvalidRecord("Not a status: its time has no time zone.")
        place = (*_day_and_time(record.timestamp_ms), record.partition, record.offset)
        rows = [_status_row(place, status)] if isinstance(status, Status) else _decision_rows(place, status)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # No status, one that is nested too deep, one with an id that is no UUID, or one with text that is no UTF-8.
        raise InvalidRecord(f"Not a status: {type(error).__name__}.") from error
    # Hardly a record has a backslash at all, and one byte is found three times as fast as six.
    return [_without_nul(row) for row in rows] if b"\\" in raw and b"\\u0000" in raw else rows


def _status_row(place: Row, status: Status) -> Row:
    notification, delivery = status.notification_id, status.delivery_id
    made = (
        *place,
        "status",
        UUID(status.status_id),
        None if notification is None else UUID(notification),
        None if delivery is None else UUID(delivery),
        encode(status.tries).decode() if status.tries else None,
        None if status.receipt is None else encode(status.receipt).decode(),
    )
    return made + _NONE_OF_A_DECISION + _values_of_status(status)


def _decision_rows(place: Row, decision: StoredDecision) -> list[Row]:
    """The decision, and each of its targets to which nothing goes out."""
    if decision.event_time.tzinfo is None:
        raise InvalidRecord("Not a decision: the time of its event has no time zone.")
    if decision.due_at is not None and decision.due_at.tzinfo is None:
        raise InvalidRecord("Not a decision: the time at which it is due has no time zone.")
    notification = UUID(decision.notification_id)
    rules = _decode_rules(decision.rules)
    rows: list[Row] = []  # calling `list[Row]` takes 0.35 µs, a tenth of this function
    routed: list[str] = []
    awaited: list[UUID] = []
    for channel in _decode_channels(decision.channels):
        for target in channel.targets:
            if target.outcome != StatusName.ROUTED:
                rows.append(_target_row(place, notification, decision, channel, target))
                continue
            awaited.append(UUID(target.delivery_id))
            if channel.channel not in routed:
                routed.append(channel.channel)
    if decision.outcome == Outcome.SCHEDULED:
        awaited.append(notification)
    made = (
        *place,
        "decision",
        UUID(decision.status_id),
        notification,
        None,
        None,
        None,
        decision.again,
        None if decision.redrive is None else UUID(decision.redrive),
        decision.event_time,
        routed or None,
        _told(decision),
        awaited or None,
        _expires_at(decision, rules),
    )
    rows.append(made + _values_of_decision(decision))
    return rows


def _expires_at(decision: StoredDecision, rules: Sequence[_Rule]) -> datetime:
    """When the message dies, as the first rule says; where its input was cut, the latest moment at which it can."""
    if rules and rules[0].rule == Rule.EXPIRY:
        try:
            expires_at = _decode_expiry(rules[0].input).expires_at
        except msgspec.DecodeError:
            pass  # the rules were too long
        else:
            if expires_at.tzinfo is not None:
                return expires_at
    return (decision.due_at or decision.event_time) + _MESSAGE_LIFE


def _target_row(
    place: Row, notification: UUID, decision: StoredDecision, channel: _Channel, target: Target
) -> Row:
    status = target_status_id(target, cause=decision.cause)
    made = (*place, "target", UUID(status), notification, UUID(target.delivery_id), None, None)
    return made + _NONE_OF_A_DECISION + _values_of_target(decision, channel, target)


def _told(decision: StoredDecision) -> str:
    """The rules and channels, and what else only the decision says, as JSON."""
    parts = [b'{"rules":', decision.rules, b',"channels":', decision.channels]
    if decision.truncated:
        parts.append(b',"truncated":true')
    if decision.actor is not None:
        parts += (b',"actor":', encode(decision.actor))
    if decision.link is not None:
        parts += (b',"link":', encode(decision.link))
    parts.append(b"}")
    return b"".join(parts).decode()


STATUSES: Final = Table(
    name="statuses",
    kind="status",
    columns=_MADE_COLUMNS + _COPIED_COLUMNS,
    rows_of=_status_rows,
    key="day, status_id",
)


# Dead letters


def _dead_letter_rows(record: ConsumerRecord) -> Sequence[Row]:
    try:
        letter, own_headers = read_dead_letter(record.headers)
    except msgspec.ValidationError as error:
        raise InvalidRecord("Not a dead letter: its headers describe none.") from error
    if letter.at.tzinfo is None or (letter.record_time is not None and letter.record_time.tzinfo is None):
        raise InvalidRecord("Not a dead letter: its time has no time zone.")
    return [_dead_letter_row(record, letter, own_headers, _kind_of(letter, record.topic))]


def set_aside(record: ConsumerRecord, why: InvalidRecord, *, kind: str) -> Row:
    """The row of `dead_letters` for a record that the ledger itself cannot read, of a topic of this family."""
    _, when = _day_and_time(record.timestamp_ms)
    letter = DeadLetter(
        service="ledger",
        reason=Reason.RECORD_UNREADABLE,
        detail=str(why),
        origin=record.ref,
        at=when,
        record_time=when,
    )
    return _dead_letter_row(record, letter, record.headers, kind)


def _dead_letter_row(record: ConsumerRecord, letter: DeadLetter, headers: Headers, kind: str) -> Row:
    made = (
        *_day_and_time(record.timestamp_ms),
        record.topic,
        record.partition,
        record.offset,
        UUID(dead_letter_id(record=record.ref)),
        kind,
        record.key,
        record.value,
        msgspec.json.encode([(name, base64.b64encode(value).decode()) for name, value in headers]).decode(),
    )
    return _without_nul(made + msgspec.structs.astuple(letter))


def _kind_of(letter: DeadLetter, topic: str) -> str:
    """The family of the topic that the dead record came from; `topic` is the letter's, and has the same prefix."""
    prefix = topic.rpartition("dead.")[0]
    name = letter.origin.rsplit("/", 2)[0]
    return name.removeprefix(prefix).partition(".")[0]


DEAD_LETTERS: Final = Table(
    name="dead_letters",
    kind="dead",
    columns=(
        "day", "stored_at", "kafka_topic", "kafka_partition", "kafka_offset", "id", "kind", "key", "value", "headers",
        *DeadLetter.__struct_fields__,
    ),
    rows_of=_dead_letter_rows,
    key="day, kafka_topic, kafka_partition, kafka_offset",
)  # fmt: skip


def _without_nul(row: Row) -> Row:
    """The same without NUL in its texts: PostgreSQL's text cannot hold it, and a provider's words may."""
    return tuple(value.replace("\x00", "") if isinstance(value, str) else value for value in row)
