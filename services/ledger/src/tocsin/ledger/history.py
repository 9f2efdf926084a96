"""What the ledger has stored about one notification, and the order in which a person reads it.

A decision is stored as one row. A person reads it as `accepted`, and `routed`, `skipped` or `failed` for each delivery.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from tocsin.contracts.ids import status_id
from tocsin.contracts.statuses import ChannelDecision, RuleOutcome, Status, target_status_id
from tocsin.contracts.vocabulary import Outcome, StatusName
from tocsin.ledger.tables import ENDED


class StatusRow(Status, kw_only=True, tag=False):
    """One thing that happened, and where and when the broker stored it."""

    stored_at: datetime
    kafka_partition: int
    kafka_offset: int
    decision: Any = None
    """The rules that were looked at, where the router decided it."""
    redrive: str | None = None
    """The re-drive that had it decided."""
    actor: str | None = None
    link: str | None = None
    """On `accepted`: who caused the notification, and where a reader goes from it."""


class DecisionDetail(msgspec.Struct, kw_only=True):
    """What the ledger stores of a decision as JSON: its rules, and its channels with their targets."""

    rules: list[RuleOutcome]
    channels: list[ChannelDecision] = []
    truncated: bool = False
    actor: str | None = None
    link: str | None = None


class DecisionRow(StatusRow, kw_only=True, tag=False):
    """A decision as it is stored. `status` is its outcome."""

    again: str | None = None
    event_time: datetime
    decision: DecisionDetail


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
    accepted_at = {row.origin: row.at for row in rows if row.status == StatusName.ACCEPTED}

    def sort_key(row: StatusRow) -> tuple[datetime, bool, datetime, int, int]:
        at = max(row.at, accepted_at.get(row.origin, row.at))
        return (at, row.status != StatusName.ACCEPTED, *storing_order(row))

    return sorted(rows, key=sort_key)


def storing_order(row: StatusRow) -> tuple[datetime, int, int]:
    """Sorts rows as the broker stored them."""
    return row.stored_at, row.kafka_partition, row.kafka_offset


def told(row: DecisionRow) -> Iterator[StatusRow]:
    """What a decision says, one by one: that the notification was accepted, how it ended as a whole, or what became of each
    of its targets. When one delivery is decided again, only that one is spoken of."""
    detail = row.decision
    fields = {name: getattr(row, name) for name in StatusRow.__struct_fields__}
    decision = {"rules": detail.rules, "truncated": detail.truncated}
    whole = StatusRow(**(fields | {"decision": decision}))
    if row.again is None and row.status != Outcome.DUPLICATE:
        yield _accepted(row, whole)
    for channel in detail.channels:
        rules = {"rules": [*detail.rules, *channel.rules], "truncated": detail.truncated}
        for target in channel.targets:
            yield replace(
                whole,
                status_id=target_status_id(target, cause=row.cause),
                status=target.outcome,
                final=target.outcome in ENDED,
                delivery_id=target.delivery_id,
                channel=channel.channel,
                step=channel.step,
                address_key=target.address_key,
                address_hash=target.address_hash,
                rule=target.rule,
                reason=target.reason,
                detail=channel.detail,
                locale=channel.locale,
                template=channel.template,
                template_version=channel.template_version,
                decision=rules,
            )
    if row.status != Outcome.DECIDED and not (row.again and detail.channels):
        yield whole


def _accepted(row: DecisionRow, whole: StatusRow) -> StatusRow:
    return replace(
        whole,
        status_id=status_id(subject=row.notification_id or "", status=StatusName.ACCEPTED, cause=row.cause),
        status=StatusName.ACCEPTED,
        final=False,
        at=row.event_time,
        rule=None,
        reason=None,
        decision=None,
        due_at=None,
        actor=row.decision.actor,
        link=row.decision.link,
    )
