"""From everything that happened to a notification to what became of it. Pure; the order of what happened does not matter."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from tocsin.contracts.limits import CLOCK_TOLERANCE_SECONDS
from tocsin.contracts.vocabulary import StatusName
from tocsin.ledger.history import StatusRow, storing_order


class State(StrEnum):
    """How a notification, a channel of it or a delivery stands."""

    ACCEPTED = "accepted"
    """Taken in, not decided yet."""
    SCHEDULED = "scheduled"
    """It waits until it is due, and is decided then."""
    IN_PROGRESS = "in_progress"
    """Decided; at least one message is still to be handed over, or will be tried again."""
    SENT = "sent"
    """All that was to be sent was taken by its provider."""
    DELIVERED = "delivered"
    """The provider says that it has reached the recipient's side."""
    UNDELIVERED = "undelivered"
    """The provider took it and says that it could not deliver it."""
    BOUNCED = "bounced"
    """The recipient's side gave it back."""
    COMPLAINED = "complained"
    """It was delivered, and the recipient called it spam."""
    PARTLY_SENT = "partly_sent"
    """Some was taken by its provider, and some ended otherwise."""
    SKIPPED = "skipped"
    """Nothing was to be sent; the decision says which rule."""
    EXPIRED = "expired"
    CANCELLED = "cancelled"
    """Its producer took it back, and nothing of it was sent."""
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Handed over, and nobody can say whether it was taken."""
    DUPLICATE = "duplicate"
    """Only repetitions of it are known."""
    CANCEL_REQUESTED = "cancel_requested"
    """It is to be cancelled, and nothing else is known of it."""


class CancellationState(StrEnum):
    """What came of a notification's cancellation."""

    REQUESTED = "requested"
    """It has not ended yet: nothing of it is sent any more, unless it had just been handed over."""
    CANCELLED = "cancelled"
    """Nothing of it was sent."""
    PARTLY = "partly"
    """Some of it had been sent, or may have been; the rest was not sent."""
    TOO_LATE = "too_late"
    """It had ended before."""


# A delivery has come to the strongest of its statuses: the later a status stands here, the stronger it is. The latest would be
# wrong, because a receipt may come before the record of sending, and a second owner may have failed where the first had sent.
_STRENGTH: Final[dict[str, int]] = {
    status: strength
    for strength, status in enumerate(
        (
            StatusName.SCHEDULED,
            StatusName.ROUTED,
            StatusName.SENDING,
            StatusName.DEFERRED,
            StatusName.SKIPPED,
            StatusName.EXPIRED,
            StatusName.CANCELLED,
            StatusName.FAILED,
            StatusName.UNKNOWN,
            StatusName.SENT,
            StatusName.DELIVERED,
            StatusName.UNDELIVERED,
            StatusName.BOUNCED,
            StatusName.COMPLAINED,
        )
    )
}
_HANDED_OVER: Final = (
    StatusName.SENT,
    StatusName.DELIVERED,
    StatusName.UNDELIVERED,
    StatusName.BOUNCED,
    StatusName.COMPLAINED,
)
_ENGAGEMENT: Final = (
    StatusName.SEEN,
    StatusName.ARCHIVED,
    StatusName.OPENED,
    StatusName.READ,
    StatusName.CLICKED,
)
"""What a person does with a message, weakest first. It is an axis of its own: of a state it says nothing."""
_STATES: Final[dict[str, State]] = {
    StatusName.ROUTED: State.IN_PROGRESS,
    StatusName.SENDING: State.IN_PROGRESS,
    StatusName.DEFERRED: State.IN_PROGRESS,
}
_MAY_HAVE_GONE: Final = (
    State.UNKNOWN,
    State.SENT,
    State.DELIVERED,
    State.UNDELIVERED,
    State.BOUNCED,
    State.COMPLAINED,
)
_OPEN: Final = (State.ACCEPTED, State.SCHEDULED, State.IN_PROGRESS, State.CANCEL_REQUESTED)
"""Something of it is still to come."""
_TOLERANCE: Final = timedelta(seconds=CLOCK_TOLERANCE_SECONDS)
_ARRIVED: Final = (State.SENT, State.DELIVERED, State.COMPLAINED)
"""Of several that came so far the first is what can be said of all."""
_WORST_FIRST: Final = (
    State.FAILED,
    State.BOUNCED,
    State.UNDELIVERED,
    State.UNKNOWN,
    State.EXPIRED,
    State.CANCELLED,
)


class DeliverySummary(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery: one address of the notification, or one decision not to send."""

    delivery_id: str | None
    channel: str | None
    address_key: str | None
    provider: str | None
    state: State
    engagement: str | None
    reason: str | None
    rule: str | None
    attempts: int
    at: datetime
    due_at: datetime | None
    """While it waits."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one notification."""

    state: State
    channels: dict[str, State]
    deliveries: list[DeliverySummary]
    due_at: datetime | None
    """While it waits."""
    accepted_at: datetime | None
    finished_at: datetime | None
    duplicates: int
    reused_id: bool
    cancellation: CancellationState | None
    cancel_requested_at: datetime | None


def summarise(rows: Sequence[StatusRow]) -> Summary:
    """The summary of one notification's statuses, each status id once, in any order.

    Where its id was used again after the window (two `accepted` of different events), the state is that of the latest use.
    """
    accepted = [row for row in rows if row.status == StatusName.ACCEPTED]
    duplicates = [row for row in rows if row.status == StatusName.DUPLICATE]
    latest = max(accepted, key=storing_order, default=None)
    # A receipt without room for the event's place counts for the latest use.
    of_latest = [row for row in rows if latest is None or row.origin in {latest.origin, ""}]
    current = _without_waits_that_are_over(row for row in of_latest if row.status in _STRENGTH)
    engagement = _engagement(of_latest)
    deliveries = [_delivery(group, engagement) for group in _groups(_since_redriven(current))]
    requests = _requests(rows, latest)
    states = [delivery.state for delivery in deliveries]
    state = _combined(states, otherwise=_undecided(accepted, duplicates, requests))
    channels: dict[str, list[State]] = {}
    for delivery in deliveries:
        if delivery.channel is not None:
            channels.setdefault(delivery.channel, []).append(delivery.state)
    finished_at = max((row.at for row in current if row.final), default=None)
    return Summary(
        state=state,
        channels={
            channel: _combined(states, otherwise=State.ACCEPTED) for channel, states in channels.items()
        },
        deliveries=deliveries,
        due_at=min((delivery.due_at for delivery in deliveries if delivery.due_at is not None), default=None),
        accepted_at=latest.at if latest else None,
        finished_at=None if state in _OPEN else finished_at,
        duplicates=len(duplicates),
        reused_id=len({row.origin for row in accepted}) > 1,
        cancellation=_cancellation(state, states, requests),
        cancel_requested_at=min((row.at for row in requests), default=None),
    )


def _without_waits_that_are_over(rows: Iterable[StatusRow]) -> list[StatusRow]:
    """What was decided when a notification was due takes the place of its having waited."""
    rows = list(rows)
    return [row for row in rows if row.status != StatusName.SCHEDULED] or rows


def _requests(rows: Iterable[StatusRow], latest: StatusRow | None) -> list[StatusRow]:
    """The wishes to cancel it; of an id that was used again, those of the latest use."""
    return [
        row
        for row in rows
        if row.status == StatusName.CANCEL_REQUESTED and (latest is None or _may_reach(row, latest))
    ]


def _may_reach(request: StatusRow, accepted: StatusRow) -> bool:
    """A test key reaches tests alone."""
    return request.at > accepted.at - _TOLERANCE and (accepted.test or not request.test)


def _undecided(
    accepted: Sequence[StatusRow], duplicates: Sequence[StatusRow], requests: Sequence[StatusRow]
) -> State:
    """How it stands before anything was decided."""
    if accepted or not (duplicates or requests):
        return State.ACCEPTED
    return State.DUPLICATE if duplicates else State.CANCEL_REQUESTED


def _cancellation(
    state: State, deliveries: Sequence[State], requests: Sequence[StatusRow]
) -> CancellationState | None:
    cancelled = State.CANCELLED in deliveries
    if not (requests or cancelled):
        return None
    if state in _OPEN:
        return CancellationState.REQUESTED
    if not cancelled:
        return CancellationState.TOO_LATE
    may_have_gone = any(state in _MAY_HAVE_GONE for state in deliveries)
    return CancellationState.PARTLY if may_have_gone else CancellationState.CANCELLED


def _since_redriven(rows: Sequence[StatusRow]) -> list[StatusRow]:
    """Without the ends from which a re-drive has brought something back: the same delivery, or the channel or the notification as a
    whole. What was sent stays sent, and what its provider told of it stays told."""
    redriven = [row for row in rows if row.redrive is not None]
    if not redriven:
        return list(rows)
    return [
        row
        for row in rows
        if row.status in _HANDED_OVER or not any(_takes_back(again, row) for again in redriven)
    ]


def _takes_back(again: StatusRow, row: StatusRow) -> bool:
    if storing_order(row) >= storing_order(again):
        return False
    if row.channel is None or row.delivery_id == again.delivery_id:
        return True
    return row.address_key is None and (row.step, row.channel) == (again.step, again.channel)


def _groups(rows: Iterable[StatusRow]) -> list[list[StatusRow]]:
    """By delivery. What was decided before there was one is grouped by its channel, or is about the notification itself."""
    groups: dict[tuple[str, str], list[StatusRow]] = {}
    for row in sorted(rows, key=storing_order):
        groups.setdefault((row.delivery_id or "", row.channel or ""), []).append(row)
    return list(groups.values())


def _engagement(rows: Sequence[StatusRow]) -> dict[str | None, str]:
    """The strongest that a person did, by delivery. What machines did counts for nothing."""
    done: dict[str | None, str] = {}
    for name in _ENGAGEMENT:
        for row in rows:
            if row.status == name and not (row.receipt and row.receipt.automated):
                done[row.delivery_id] = name
    return done


def _reach(row: StatusRow) -> tuple[int, datetime, str]:
    """How far a delivery has come with this. Of two equal ones the later counts, by the provider's clock where it told its time: the
    order in which receipts come says nothing."""
    told_at = row.receipt.at if row.receipt is not None else None
    return _STRENGTH[row.status], told_at or row.at, row.status_id


def _delivery(group: Sequence[StatusRow], engagement: Mapping[str | None, str]) -> DeliverySummary:
    strongest = max(group, key=_reach)
    strongest_first = (strongest, *group)
    address_keys = (row.address_key for row in strongest_first if row.address_key is not None)
    providers = (row.provider for row in strongest_first if row.provider is not None)
    return DeliverySummary(
        delivery_id=strongest.delivery_id,
        channel=strongest.channel,
        address_key=next(address_keys, None),
        provider=next(providers, None),
        state=_STATES.get(strongest.status) or State(strongest.status),
        engagement=engagement.get(strongest.delivery_id) if strongest.delivery_id else None,
        reason=strongest.reason,
        rule=strongest.rule,
        attempts=max((row.attempt or 0 for row in group), default=0),
        at=strongest.at,
        due_at=strongest.due_at,
    )


def _combined(states: Sequence[State], *, otherwise: State) -> State:
    """What several states come to together. What was never to be sent takes nothing away from what was."""
    for unfinished in (State.IN_PROGRESS, State.SCHEDULED):
        if unfinished in states:
            return unfinished
    ended = set(states) - {State.SKIPPED}
    if not ended:
        return State.SKIPPED if states else otherwise
    arrived = [state for state in _ARRIVED if state in ended]
    if arrived:
        return arrived[0] if len(arrived) == len(ended) else State.PARTLY_SENT
    return next(state for state in _WORST_FIRST if state in ended)
