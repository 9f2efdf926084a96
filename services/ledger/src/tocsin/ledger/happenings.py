"""What the table holds of one status, and the order in which a person reads them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from tocsin.contracts.vocabulary import StatusName


class Happening(msgspec.Struct, kw_only=True, frozen=True):
    """One row of `ledger.statuses`; names as in `contracts.statuses.Status`, and where and when the broker stored it."""

    status_id: str
    status: StatusName
    final: bool
    at: datetime
    stored_at: datetime
    kafka_partition: int
    kafka_offset: int
    tenant: str
    lane: str
    origin: str
    cause: str
    test: bool = False
    event_source: str | None = None
    event_id: str | None = None
    notification_id: str | None = None
    delivery_id: str | None = None
    recipient: str | None = None
    workflow: str | None = None
    category: str | None = None
    channel: str | None = None
    step: str | None = None
    address_key: str | None = None
    provider: str | None = None
    provider_message_id: str | None = None
    provider_code: str | None = None
    attempt: int | None = None
    rule: str | None = None
    reason: str | None = None
    detail: str | None = None
    retryable: bool | None = None
    segments: int | None = None
    locale: str | None = None
    template_version: int | None = None
    decision: Any = None
    traceparent: str | None = None


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
