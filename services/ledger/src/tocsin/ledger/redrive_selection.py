"""What a re-drive is to send again, as conditions on rows. They are asked again for each page, and once more when it is written."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import msgspec

from tocsin.contracts.codec import encode
from tocsin.contracts.limits import MESSAGE_LIFE_SECONDS
from tocsin.contracts.subscriptions import STATUS_SOURCE
from tocsin.kafka import TopicPartition
from tocsin.ledger.dead_letters import WHOLE, LetterFilters
from tocsin.ledger.tables import STATUSES

EndedAs = Literal["failed", "unknown", "skipped"]

PagePosition = tuple[datetime, str] | int
"""How far a re-drive has come: `stored_at` and id of a status, or the number of a dead letter."""


class NotificationSelection(msgspec.Struct, frozen=True, kw_only=True, tag_field="of", tag="notifications"):
    """Deliveries, and notifications as a whole, that ended without being sent. None fits everything."""

    tenant: str
    test: bool
    status: EndedAs = "failed"
    channel: str | None = None
    provider: str | None = None
    reason: str | None = None
    workflow: str | None = None
    recipient: str | None = None
    address_key: str | None = None
    event: str | None = None
    lane: str | None = None
    since: datetime | None = None
    until: datetime
    sent_on_another_channel: bool = False
    """Also those whose notification was sent on another channel."""


class LetterSelection(msgspec.Struct, frozen=True, kw_only=True, tag_field="of", tag="dead_letters"):
    """Dead letters of a tenant; of those that name none, where `letters_of` is empty."""

    tenant: str
    letters_of: str
    filters: LetterFilters


Selection = NotificationSelection | LetterSelection
encode_selection = encode
decode_selection = msgspec.json.Decoder(Selection).decode
_decode_place = msgspec.json.Decoder(tuple[datetime, str] | int).decode


def encode_place(place: PagePosition) -> str:
    """For the table `redrives`."""
    return encode(place).decode()


class Query(NamedTuple):
    """A statement and its parameters."""

    statement: str
    values: dict[str, Any]


class _Rows(NamedTuple):
    """The rows that a selection is about, and what of them is needed."""

    table: str
    id: str
    place: str
    possible: str
    whole: str
    conditions: Sequence[str]
    values: Mapping[str, Any]


# What was re-driven is not re-driven again. Only a new end of the same delivery is another row.
_NOT_REDRIVEN: Final = "NOT EXISTS (SELECT 1 FROM ledger.redriven r WHERE r.id = {id})"
# The event's place is still kept. Without the beginnings of the logs (NULL) nobody knows.
_KEPT: Final = """NOT EXISTS (SELECT 1 FROM unnest(CAST(:topics AS text[]), CAST(:partitions AS int[]), CAST(:starts AS bigint[]))
 AS kept(topic, number, start) WHERE split_part(s.origin, '/', 1) = kept.topic AND split_part(s.origin, '/', 2) = kept.number::text
 AND split_part(s.origin, '/', 3)::bigint < kept.start)"""
_HAS_BYTES: Final = (
    f"(s.kind IN ('events', 'intents') AND ((s.original_bytes = 0 AND s.original_headers = 0) OR {_KEPT}))"
)

# A target whose notification ended as a whole is spoken of by its decision, too: the target counts.
_OWN_ROW: Final = """(s.kind <> 'decision' OR NOT EXISTS (SELECT 1 FROM ledger.statuses t WHERE t.notification_id = s.notification_id
 AND t.kind = 'target' AND t.cause = s.cause OFFSET 0))"""
# It has not gone on since: no later end, nothing sent (a receipt proves that, too), and, of a notification as a whole, no later decision.
_STANDS: Final = """NOT EXISTS (SELECT 1 FROM ledger.statuses l WHERE l.notification_id = s.notification_id AND l.tenant = s.tenant
 AND l.status_id <> s.status_id AND CASE WHEN s.kind = 'decision'
  THEN l.kind = 'decision' AND l.status <> 'duplicate' AND (l.stored_at, l.kafka_offset) > (s.stored_at, s.kafka_offset)
  ELSE l.delivery_id = s.delivery_id AND ((l.status IN ('sent', 'delivered', 'undelivered', 'bounced', 'complained') AND l.origin IN (s.origin, ''))
   OR (l.final AND (l.stored_at, l.kafka_offset) > (s.stored_at, s.kafka_offset))) END OFFSET 0)"""
# What tells a status to an endpoint has no decision. It lives as long as any message may, from the status, which is older than its end.
_TOLD: Final = f"(s.workflow = '{STATUS_SOURCE}' AND s.stored_at > CAST(:now AS timestamptz) - interval '{MESSAGE_LIFE_SECONDS} s')"
_DECIDED: Final = """EXISTS (SELECT 1 FROM ledger.statuses d WHERE d.notification_id = s.notification_id AND d.tenant = s.tenant
 AND d.kind = 'decision' AND d.origin = s.origin AND d.expires_at > :now OFFSET 0)"""
_ALIVE: Final = f"({_TOLD} OR {_DECIDED})"
_NOT_ELSEWHERE: Final = """NOT EXISTS (SELECT 1 FROM ledger.statuses o WHERE o.notification_id = s.notification_id
 AND o.tenant = s.tenant AND o.origin = s.origin AND o.status = 'sent' AND o.channel IS DISTINCT FROM s.channel OFFSET 0)"""
# The intent to send stands: the category is sent at most once, and this may have been sent.
_NOT_BEGUN: Final = """NOT EXISTS (SELECT 1 FROM ledger.statuses b WHERE b.notification_id = s.notification_id
 AND b.delivery_id = s.delivery_id AND b.status = 'sending' OFFSET 0)"""
_EQUAL: Final = ("channel", "provider", "reason", "workflow", "recipient", "address_key", "lane")


def _rows_of(selection: Selection, now: datetime) -> _Rows:
    if isinstance(selection, NotificationSelection):
        return _status_rows(selection, now)
    conditions, values = selection.filters.conditions(selection.letters_of)
    return _Rows("ledger.dead_letters", "s.id", "s.number", _HAS_BYTES, WHOLE, conditions, values)


def _status_rows(selection: NotificationSelection, now: datetime) -> _Rows:
    # The status is written into the statement, because PostgreSQL uses an index made `WHERE status …` only for constants.
    conditions = [
        "s.tenant = :tenant",
        "s.test = :test",
        f"s.status = '{selection.status}'",
        "s.final AND s.notification_id IS NOT NULL AND s.stored_at < :until",
    ]
    values: dict[str, Any] = {"tenant": selection.tenant, "test": selection.test, "now": now}
    values["until"] = selection.until
    for name in _EQUAL:
        if (value := getattr(selection, name)) is not None:
            conditions.append(f"s.{name} = :{name}")
            values[name] = value
    if selection.event is not None:
        conditions.append("s.event_id = :event")
        values["event"] = selection.event
    if selection.since is not None:
        conditions.append("s.day >= (:since AT TIME ZONE 'UTC')::date AND s.stored_at >= :since")
        values["since"] = selection.since
    conditions += [_OWN_ROW, _STANDS, _ALIVE]
    if not selection.sent_on_another_channel:
        conditions.append(_NOT_ELSEWHERE)
    if selection.status == "unknown":
        conditions.append(_NOT_BEGUN)
    columns = ", ".join(f"s.{name}" for name in STATUSES.columns if name != "day")
    return _Rows(
        "ledger.statuses", "s.status_id", "s.stored_at, s.status_id", _KEPT, columns, conditions, values
    )


def count_query(
    selection: Selection, *, now: datetime, starts: Mapping[TopicPartition, int], most: int
) -> Query:
    """`matched` and `not_possible`, of the first `most` rows. `starts`: the first offset that each log of events still keeps."""
    rows = _rows_of(selection, now)
    conditions = " AND ".join((*rows.conditions, _NOT_REDRIVEN.format(id=rows.id)))
    return Query(
        "SELECT count(*) AS matched, count(*) FILTER (WHERE NOT possible) AS not_possible FROM ("  # noqa: S608 - from this file
        f"SELECT DISTINCT {rows.id}, {rows.possible} AS possible FROM {rows.table} s WHERE {conditions} LIMIT :most) fitting",
        {**rows.values, **_arrays(starts), "most": most},
    )


def sample_query(selection: Selection, *, now: datetime, limit: int) -> Query:
    """The oldest rows, whole."""
    rows = _rows_of(selection, now)
    conditions = " AND ".join((*rows.conditions, _NOT_REDRIVEN.format(id=rows.id)))
    return Query(
        f"SELECT {rows.whole} FROM {rows.table} s WHERE {conditions} ORDER BY {rows.place} LIMIT :limit",  # noqa: S608 - from this file
        {**rows.values, "limit": limit},
    )


def next_query(selection: Selection, *, now: datetime, after: str | None, limit: int) -> Query:
    """`id`, `day` and the place of the next rows in order."""
    rows = _rows_of(selection, now)
    conditions = [*rows.conditions, _NOT_REDRIVEN.format(id=rows.id)]
    values = {**rows.values, "limit": limit}
    match None if after is None else _decode_place(after):
        case (at, status_id):
            conditions.append("(s.stored_at, s.status_id) > (:after_at, CAST(:after_id AS uuid))")
            values |= {"after_at": at, "after_id": status_id}
        case int(number):
            conditions.append("s.number > :after_number")
            values["after_number"] = number
    return Query(
        f"SELECT {rows.id} AS id, s.day, {rows.place} FROM {rows.table} s WHERE {' AND '.join(conditions)} "  # noqa: S608 - from this file
        f"ORDER BY {rows.place} LIMIT :limit",
        values,
    )


def page_query(selection: Selection, *, now: datetime, redrive: str, page: int) -> Query:
    """The rows of a stored page, whole, that still fit."""
    rows = _rows_of(selection, now)
    return Query(
        f"SELECT {rows.whole} FROM (SELECT r.day AS of_day, r.id AS of_id FROM ledger.redriven r "  # noqa: S608 - from this file
        f"WHERE r.redrive = CAST(:redrive AS uuid) AND r.page = :page) q JOIN {rows.table} s ON s.day = q.of_day AND {rows.id} = q.of_id "
        f"WHERE {' AND '.join(rows.conditions)} ORDER BY {rows.place}",
        {**rows.values, "redrive": redrive, "page": page},
    )


def _arrays(starts: Mapping[TopicPartition, int]) -> dict[str, Any]:
    return {
        "topics": [partition.topic for partition in starts],
        "partitions": [partition.partition for partition in starts],
        "starts": list(starts.values()),
    }
