"""The far ends of one provider instance: a place limit for each, so that one that does not answer holds up no other.

Most instances have one far end, the provider's own API, and nothing of this is used. An instance whose deliveries go to many
places (customers' endpoints, push hosts) names them by `FarEnds.far_end`. What is known of a far end lives as long as
something waits for it or is under way to it: it is bounded by what a process holds, whatever the number of far ends.
"""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from tocsin.channel.delivery import Delivery
from tocsin.channel.line import Line
from tocsin.contracts.jobs import Job

FAR_END_ONE_IN = 8
"""One far end has at most one of so many of its instance's places, unless the provider says how many it has."""


@runtime_checkable
class FarEnds(Protocol):
    """What a provider with many far ends has, beside what `Provider` asks for."""

    def far_end(self, job: Job) -> str | None:
        """Where the job's call goes: a host, an endpoint's id. None: the instance itself, without a limit of its own."""
        ...


@runtime_checkable
class BoundedFarEnds(FarEnds, Protocol):
    """One that says how many places each far end has: where far ends are many and some are always dead, an eighth is too much."""

    far_end_places: int


class FarEndPlaces:
    """At most `places` calls at once to each far end, over all lanes."""

    def __init__(self, *, places: int) -> None:
        self.places = places
        self._taken: dict[str, int] = {}
        self._shut: set[str | None] = set()
        self.lines: set[FarEndLine] = set()
        """What waits, of each lane."""

    def has_room(self, far_end: str | None) -> bool:
        """Whether another call to this far end may begin."""
        if far_end in self._shut:
            return False
        return far_end is None or self._taken.get(far_end, 0) < self.places

    def shut(self, far_end: str | None) -> None:
        """No call to it begins."""
        self._shut.add(far_end)
        for line in self.lines:
            line.hold(far_end)

    def open_again(self, far_end: str | None) -> None:
        """Calls to it may begin."""
        self._shut.discard(far_end)
        for line in self.lines:
            line.release(far_end)

    def begin(self, far_end: str | None) -> None:
        """A call begins."""
        if far_end is None:
            return
        self._taken[far_end] = self._taken.get(far_end, 0) + 1
        if not self.has_room(far_end):
            for line in self.lines:
                line.hold(far_end)

    def end(self, far_end: str | None) -> None:
        """A call has ended."""
        if far_end is None:
            return
        self._taken[far_end] -= 1
        if not self._taken[far_end]:
            del self._taken[far_end]
        for line in self.lines:
            line.release(far_end)


class FarEndLine:
    """Deliveries that wait, as a `Line` of them: those of one far end in their order, the far ends in turn.

    It is true, and gives out, only what may begin: a far end without room is passed over.
    """

    def __init__(self, places: FarEndPlaces) -> None:
        self._places = places
        self._waiting: dict[str | None, Line] = {}
        self._turns: OrderedDict[str | None, None] = OrderedDict()
        """The far ends that something waits for and that have room."""
        places.lines.add(self)

    def __bool__(self) -> bool:
        return bool(self._turns)

    def __iter__(self) -> Iterator[Delivery]:
        return (delivery for waiting in self._waiting.values() for delivery in waiting)

    def append(self, delivery: Delivery) -> None:
        """At the end of its far end's."""
        waiting = self._waiting.get(delivery.line)
        if waiting is None:
            waiting = self._waiting[delivery.line] = Line()
        waiting.append(delivery)
        self.release(delivery.line)

    def popleft(self) -> Delivery:
        """The first of the far end whose turn it is."""
        far_end, _ = self._turns.popitem(last=False)
        waiting = self._waiting[far_end]
        delivery = waiting.popleft()
        if waiting:
            self._turns[far_end] = None
        else:
            del self._waiting[far_end]
        return delivery

    def remove(self, delivery: Delivery) -> bool:
        """Whether it was there."""
        waiting = self._waiting.get(delivery.line)
        if waiting is None or not waiting.remove(delivery):
            return False
        if not waiting:
            del self._waiting[delivery.line]
            self.hold(delivery.line)
        return True

    def waits_for(self, far_end: str | None) -> bool:
        """Whether something waits for this far end."""
        return far_end in self._waiting

    def hold(self, far_end: str | None) -> None:
        """The far end has no room."""
        self._turns.pop(far_end, None)

    def release(self, far_end: str | None) -> None:
        """The far end may have room, or something to do."""
        if far_end in self._waiting and self._places.has_room(far_end):
            self._turns.setdefault(far_end)
