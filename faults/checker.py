"""What a run shows, computed from what was sent, what the far ends took, and what `status` and the ledger say."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from load import Sent, Way

CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that a far end took."""

    way: Way
    sequence: int
    at: float
    end: str = ""
    """Which of the far ends took it."""


@dataclass(kw_only=True)
class Evidence:
    """All that is known of one run."""

    sent: list[Sent]
    taken: list[Taken]
    final: Mapping[str, Collection[str]]
    """By notification: how its delivery ended, each way of ending once."""
    deferred: Collection[str]
    """Notifications that lost their place."""
    recorded: Mapping[str, Collection[str]]
    """By notification: the ids of its records on `status`."""
    stored: Mapping[str, Collection[str]]
    """By notification: the ids of its rows in the ledger."""
    faults: list[float] = field(default_factory=list)
    """When the scenario did something, in seconds since 1970."""


@dataclass(kw_only=True)
class Findings:
    """The figures of one run."""

    sent: int
    delivered: int
    """Messages that a far end took at least once."""
    lost: int
    """Accepted, and neither taken nor ended with a reason; or said to be sent, and not taken."""
    duplicates: int
    """Takings beyond one of each message, those of messages that nobody sent among them."""
    out_of_order: int
    """First attempts that a later message of the same way was before."""
    unfinished: int
    """Without an ending on `status`."""
    two_endings: int
    """With more than one way of ending."""
    ledger_missing: int
    ledger_extra: int
    ends: dict[str, int]
    """Endings that are not `sent`, counted."""
    recovery: float | None
    """Of the critical messages sent after the first fault, the longest time from acceptance to hand-over, in seconds."""
    gap: float | None
    """The longest time without any critical hand-over, from the first fault on, in seconds."""
    slowest: dict[str, float]
    """By channel: the 99th percentile from acceptance to hand-over, in seconds."""


def examine(evidence: Evidence) -> Findings:
    """Everything that the evidence shows."""
    sent = {(message.way, message.sequence): message for message in evidence.sent}
    takings = Counter((taking.way, taking.sequence) for taking in evidence.taken)
    endings = {key: set(evidence.final.get(message.notification, ())) for key, message in sent.items()}
    first = _first(evidence.taken)
    waits = {key: first[key] - message.at for key, message in sent.items() if key in first}
    return Findings(
        sent=len(sent),
        delivered=len(sent.keys() & takings.keys()),
        lost=sum(key not in takings and (not ends or "sent" in ends) for key, ends in endings.items()),
        duplicates=sum(count - (key in sent) for key, count in takings.items()),
        out_of_order=_out_of_order(evidence),
        unfinished=sum(not ends for ends in endings.values()),
        two_endings=sum(len(ends) > 1 for ends in endings.values()),
        ledger_missing=_missing(evidence.recorded, evidence.stored, sent.values()),
        ledger_extra=_missing(evidence.stored, evidence.recorded, sent.values()),
        ends=dict(Counter(end for ends in endings.values() for end in ends if end != "sent")),
        recovery=_recovery(evidence, first),
        gap=_gap(evidence),
        slowest=_slowest(waits),
    )


Key = tuple[Way, int]


def _first(taken: Iterable[Taken]) -> dict[Key, float]:
    first: dict[Key, float] = {}
    for taking in taken:
        first.setdefault((taking.way, taking.sequence), taking.at)
    return first


def _out_of_order(evidence: Evidence) -> int:
    """Of each way, messages whose first taking came after that of a later one. Who was put off has lost its place."""
    put_off = {
        (message.way, message.sequence)
        for message in evidence.sent
        if message.notification in evidence.deferred
    }
    latest: dict[Way, int] = {}
    count = 0
    for way, sequence in _first(evidence.taken):  # in the order of the takings
        if (way, sequence) in put_off:
            continue
        count += sequence < latest.get(way, 0)
        latest[way] = max(sequence, latest.get(way, 0))
    return count


def _missing(
    here: Mapping[str, Collection[str]], there: Mapping[str, Collection[str]], sent: Iterable[Sent]
) -> int:
    """Ids that are here and not there, of the notifications that were sent."""
    return sum(
        len(set(here.get(message.notification, ())) - set(there.get(message.notification, ())))
        for message in sent
    )


def _recovery(evidence: Evidence, first: Mapping[Key, float]) -> float | None:
    if not evidence.faults:
        return None
    begun = min(evidence.faults)
    late = [
        first[message.way, message.sequence] - message.at
        for message in evidence.sent
        if message.way.lane == CRITICAL
        and message.at >= begun - 1
        and (message.way, message.sequence) in first
    ]
    return max(late, default=None)


def _gap(evidence: Evidence) -> float | None:
    """Between two hand-overs while critical messages were sent."""
    sent = [message.at for message in evidence.sent if message.way.lane == CRITICAL]
    if not evidence.faults or not sent:
        return None
    begun = min(evidence.faults)
    times = [taking.at for taking in evidence.taken if taking.way.lane == CRITICAL and taking.at >= begun]
    times = sorted([begun, *(at for at in times if at <= max(sent))])
    return max((later - earlier for earlier, later in pairwise(times)), default=None)


def _slowest(waits: Mapping[Key, float]) -> dict[str, float]:
    by_channel: dict[str, list[float]] = {}
    for (way, _), wait in waits.items():
        by_channel.setdefault(way.channel, []).append(wait)
    return {channel: percentile(values, 0.99) for channel, values in sorted(by_channel.items())}


def percentile(values: list[float], share: float) -> float:
    """The value below which so large a share lies; values must not be empty."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
