"""What a measurement says: a figure, what it is made of, and the goal beside it. No figure decides whether a run passes."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Literal, NamedTuple

import msgspec

from processor_time import Meter

WARM_UP = 0.2
"""The first share of a backlog is not measured: a process that has just started is compiling, connecting and filling caches."""


class Figure(msgspec.Struct, kw_only=True):
    """One line of the result."""

    name: str
    value: float
    unit: str
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
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better == "more" else self.value < self.goal


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
    goal: float | None = None,
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
        goal=goal,
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
    lost = [one for one in expected if one not in counts]
    doubled = [one for one, count in counts.items() if count > 1]
    strange = counts.keys() - set(expected)
    found = (("lost", lost), ("doubled", doubled), ("never sent", sorted(strange)))
    return [f"{what}: {len(ids)} of {len(expected)} {how}, such as {ids[0]}" for how, ids in found if ids]
