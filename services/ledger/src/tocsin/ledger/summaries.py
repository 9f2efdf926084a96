"""From everything that happened to a notification to what became of it. Pure; the order of what happened does not matter."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

import msgspec

from tocsin.contracts.vocabulary import StatusName
from tocsin.ledger.happenings import Happening


class State(StrEnum):
    """How a notification, a channel of it or a delivery stands."""

    ACCEPTED = "accepted"
    """Taken in, not decided yet."""
    IN_PROGRESS = "in_progress"
    """Decided; at least one message is still to be handed over, or will be tried again."""
    SENT = "sent"
    """All that was to be sent was taken by its provider."""
    PARTLY_SENT = "partly_sent"
    """Some was taken by its provider, and some ended otherwise."""
    SKIPPED = "skipped"
    """Nothing was to be sent; the decision says which rule."""
    EXPIRED = "expired"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """Handed over, and nobody can say whether it was taken."""
    DUPLICATE = "duplicate"
    """Only repetitions of it are known."""


# What a delivery has come to is the strongest word said of it: the later a word stands here, the stronger. A receipt may
# come before the record of sending, and a second owner may have failed where the first had sent.
_STRENGTH: Final = {
    status: place
    for place, status in enumerate(
        (
            StatusName.ROUTED,
            StatusName.DEFERRED,
            StatusName.SKIPPED,
            StatusName.EXPIRED,
            StatusName.FAILED,
            StatusName.UNKNOWN,
            StatusName.SENT,
        )
    )
}
_STATES: Final = {
    StatusName.ROUTED: State.IN_PROGRESS,
    StatusName.DEFERRED: State.IN_PROGRESS,
}
_WORST_FIRST: Final = (
    State.FAILED,
    State.UNKNOWN,
    State.EXPIRED,
)


class DeliverySummary(msgspec.Struct, frozen=True, kw_only=True):
    """One delivery: one address of the notification, or one decision not to send."""

    delivery_id: str | None
    channel: str | None
    address_key: str | None
    provider: str | None
    state: State
    reason: str | None
    rule: str | None
    attempts: int
    at: datetime


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one notification."""

    state: State
    channels: dict[str, State]
    deliveries: list[DeliverySummary]
    accepted_at: datetime | None
    finished_at: datetime | None
    duplicates: int
    reused_id: bool


def summarise(happenings: Sequence[Happening]) -> Summary:
    """The summary of one notification's statuses, each status id once, in any order.

    Where its id was used again after the window (two `accepted` of different events), the state is that of the latest use.
    """
    accepted = [one for one in happenings if one.status is StatusName.ACCEPTED]
    latest = max(accepted, key=lambda one: (one.stored_at, one.kafka_offset), default=None)
    duplicates = [one for one in happenings if one.status is StatusName.DUPLICATE]
    current = [
        one
        for one in happenings
        if one.status in _STRENGTH and (latest is None or one.origin == latest.origin)
    ]
    deliveries = [_delivery(group) for group in _groups(current)]
    state = _state([one.state for one in deliveries], otherwise=_undecided(accepted, duplicates))
    open_ = state in (State.ACCEPTED, State.IN_PROGRESS)
    return Summary(
        state=state,
        channels=_by_channel(deliveries),
        deliveries=deliveries,
        accepted_at=latest.at if latest else None,
        finished_at=None if open_ else max((one.at for one in current if one.final), default=None),
        duplicates=len(duplicates),
        reused_id=len({one.origin for one in accepted}) > 1,
    )


def _groups(happenings: Iterable[Happening]) -> list[list[Happening]]:
    """By what they are about: a delivery; else, for what was decided before there was one, the channel or the whole."""
    groups: dict[tuple[str, str], list[Happening]] = {}
    for one in sorted(happenings, key=lambda each: (each.stored_at, each.kafka_offset)):
        groups.setdefault((one.delivery_id or "", one.channel or ""), []).append(one)
    return list(groups.values())


def _delivery(group: Sequence[Happening]) -> DeliverySummary:
    strongest = max(group, key=lambda one: (_STRENGTH[one.status], one.at))
    return DeliverySummary(
        delivery_id=strongest.delivery_id,
        channel=strongest.channel,
        address_key=_said(one.address_key for one in (strongest, *group)),
        provider=_said(one.provider for one in (strongest, *group)),
        state=_STATES.get(strongest.status) or State(strongest.status.value),
        reason=strongest.reason,
        rule=strongest.rule,
        attempts=max((one.attempt or 0 for one in group), default=0),
        at=strongest.at,
    )


def _said(values: Iterable[str | None]) -> str | None:
    return next((value for value in values if value is not None), None)


def _by_channel(deliveries: Iterable[DeliverySummary]) -> dict[str, State]:
    states: dict[str, list[State]] = {}
    for one in deliveries:
        if one.channel is not None:
            states.setdefault(one.channel, []).append(one.state)
    return {channel: _state(found, otherwise=State.ACCEPTED) for channel, found in states.items()}


def _state(states: Sequence[State], *, otherwise: State) -> State:
    """What several come to together. What was never to be sent takes nothing away from what was."""
    if State.IN_PROGRESS in states:
        return State.IN_PROGRESS
    ended = {one for one in states if one is not State.SKIPPED}
    if not ended:
        return State.SKIPPED if states else otherwise
    if State.SENT in ended:
        return State.SENT if len(ended) == 1 else State.PARTLY_SENT
    return next(one for one in _WORST_FIRST if one in ended)


def _undecided(accepted: Sequence[Happening], duplicates: Sequence[Happening]) -> State:
    return State.DUPLICATE if duplicates and not accepted else State.ACCEPTED
