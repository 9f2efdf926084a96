"""What the ledger has stored about one notification, and the order in which a person reads it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.contracts.statuses import Status
from tocsin.contracts.vocabulary import StatusName


class StatusRow(Status, kw_only=True):
    """One row of `ledger.statuses`: a status, and where and when the broker stored it."""

    stored_at: datetime
    kafka_partition: int
    kafka_offset: int
    decision: Any = None


class NotificationHistory(msgspec.Struct, frozen=True):
    """Everything that happened to one notification, each status id once.

    `truncated` is true where more is stored than was read.
    """

    rows: list[StatusRow]
    truncated: bool


def deduplicated(rows: Iterable[StatusRow]) -> list[StatusRow]:
    """Each status id once, in the row that was stored first. A status that was written again after midnight has two rows."""
    first: dict[str, StatusRow] = {}
    for row in sorted(rows, key=storing_order):
        first.setdefault(row.status_id, row)
    return list(first.values())


def in_order(rows: Sequence[StatusRow]) -> list[StatusRow]:
    """By the time at which things happened, and by the time of storing where that is equal.

    The clocks of machines differ. So what follows from an event never stands before the `accepted` of that event.
    """
    accepted_at = {row.origin: row.at for row in rows if row.status is StatusName.ACCEPTED}

    def sort_key(row: StatusRow) -> tuple[datetime, bool, datetime, int, int]:
        at = max(row.at, accepted_at.get(row.origin, row.at))
        return (at, row.status is not StatusName.ACCEPTED, *storing_order(row))

    return sorted(rows, key=sort_key)


def storing_order(row: StatusRow) -> tuple[datetime, int, int]:
    """Sorts rows as the broker stored them."""
    return row.stored_at, row.kafka_partition, row.kafka_offset
