"""What the table holds of one status, and the order in which a person reads them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from tocsin.contracts.statuses import Status
from tocsin.contracts.vocabulary import StatusName


class Happening(Status, kw_only=True):
    """One row of `ledger.statuses`: a status, and where and when the broker stored it."""

    stored_at: datetime
    kafka_partition: int
    kafka_offset: int
    decision: Any = None


def first_of_each(happenings: Iterable[Happening]) -> list[Happening]:
    """Each status id once: the row stored first. A re-run over midnight may have made two."""
    found: dict[str, Happening] = {}
    for one in sorted(happenings, key=_stored):
        found.setdefault(one.status_id, one)
    return list(found.values())


def in_order(happenings: Sequence[Happening]) -> list[Happening]:
    """By the time at which things happened. What follows from an event never stands before its `accepted`: machines' clocks
    differ. Equal times stand as they were stored."""
    accepted = {one.origin: one.at for one in happenings if one.status is StatusName.ACCEPTED}

    def place(one: Happening) -> tuple[datetime, bool, datetime, int, int]:
        at = max(one.at, accepted.get(one.origin, one.at))
        return (at, one.status is not StatusName.ACCEPTED, *_stored(one))

    return sorted(happenings, key=place)


def _stored(one: Happening) -> tuple[datetime, int, int]:
    return one.stored_at, one.kafka_partition, one.kafka_offset
