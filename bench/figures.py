"""What a measurement says: a figure, what it is made of, and what is wanted of it. No figure decides whether a run passes."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from processor_time import Meter
from targets import TARGETS, Target

WARM_UP = 0.2
"""The first share of a backlog is not measured: a process that has just started is compiling, connecting and filling caches."""


class Figure(msgspec.Struct, kw_only=True):
    """One line of the result. `goal` is for what is in no target."""

    name: str
    value: float
    unit: str
    run: int = 1
    target: str | None = None
    """The key of one of `targets.TARGETS`."""
    goal: float | None = None
    better: Literal["more", "less"] = "more"
    messages: int | None = None
    seconds: float | None = None
    cpu_us: dict[str, float] = {}
    """Processor microseconds a message, by process."""
    other_cores: float | None = None
    """Cores that went elsewhere meanwhile: to the bench's own looking, and to whatever else the machine was doing."""
    more: dict[str, float] = {}
    """Other values of the same measurement."""

    @property
    def towards(self) -> Target | None:
        """What is wanted of it, if anything."""
        if self.target is not None:
            return TARGETS[self.target]
        if self.goal is None:
            return None
        return Target(
            key="", metric=self.name, unit=self.unit, must=self.goal, aim=self.goal, better=self.better
        )


class Measured(msgspec.Struct, kw_only=True):
    """What a measurement found, and what is wrong with the messages."""

    figures: list[Figure] = []
    faults: list[str] = []


class Stretch(NamedTuple):
    """The measured part of a run: so many messages from `start` to `end` (seconds since 1970)."""

    start: float
    end: float
    messages: int

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / (self.end - self.start)


def stretch(times: Iterable[float], *, warm_up: float = WARM_UP) -> Stretch:
    """From the end of the warm-up to the last: messages that came in the same moment as the first are not counted."""
    ordered = sorted(times)
    if len(ordered) < 2 or ordered[0] == ordered[-1]:
        raise ValueError(f"{len(ordered)} moments are no stretch of time")
    start = ordered[int(len(ordered) * warm_up)]
    return Stretch(start, ordered[-1], sum(1 for time in ordered if time > start))


def progress_stretch(marks: Sequence[tuple[float, int]], *, warm_up: float = WARM_UP) -> Stretch:
    """The same from marks (moment, done so far), first and last mark being begin and end of the work."""
    (_, first), (end, last) = marks[0], marks[-1]
    begun = bisect_left([done for _, done in marks], first + (last - first) * warm_up)
    return Stretch(marks[begun][0], end, last - marks[begun][1])


def throughput(
    name: str,
    over: Stretch,
    meter: Meter,
    *,
    unit: str = "messages/s",
    target: str | None = None,
    load_seconds: float | None = None,
) -> Figure:
    """The figure of a stretch that the meter has seen; `load_seconds` is what the load generator says it has used."""
    used = meter.between(over.start, over.end)
    if load_seconds is not None:
        used["load"] = load_seconds
    lasted = over.end - over.start
    others = meter.machine_between(over.start, over.end) - sum(used.values())
    return Figure(
        name=name,
        value=over.rate,
        unit=unit,
        target=target,
        messages=over.messages,
        seconds=lasted,
        cpu_us={process: seconds / over.messages * 1e6 for process, seconds in used.items()},
        other_cores=max(0.0, others / lasted),
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that so large a share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def difference(what: str, expected: Collection[str], seen: Iterable[str]) -> list[str]:
    """A sentence for each way in which `seen` is not exactly the known set, each once; nothing when it is."""
    counts = Counter(seen)
    lost = [notification for notification in expected if notification not in counts]
    doubled = [notification for notification, count in counts.items() if count > 1]
    strange = counts.keys() - set(expected)
    faults = (("lost", lost), ("doubled", doubled), ("never sent", sorted(strange)))
    return [f"{what}: {len(ids)} of {len(expected)} {how}, such as {ids[0]}" for how, ids in faults if ids]


def reordered(what: str, sent: Iterable[tuple[str, str]], seen: Iterable[str]) -> list[str]:
    """A sentence where messages of one recipient were not seen in the order in which they were sent.

    `sent` are pairs of recipient and id, in that order. Only the first time counts at which an id is seen.
    """
    places: dict[str, int] = {}
    for position, notification in enumerate(seen):
        places.setdefault(notification, position)
    last: dict[str, int] = {}
    early: list[str] = []
    for recipient, notification in sent:
        place, before = places.get(notification, -1), last.get(recipient, -1)
        if 0 <= place < before:
            early.append(notification)
        last[recipient] = max(place, before)
    return (
        [f"{what}: {len(early)} before an earlier one to the same recipient, such as {early[0]}"]
        if early
        else []
    )
