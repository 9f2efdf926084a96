"""What waits before one provider instance, of one lane."""

from collections.abc import Callable, Iterator

from tocsin.channel.delivery import Delivery
from tocsin.channel.far_ends import FarEndLine, FarEndPlaces
from tocsin.channel.lane_limit import LaneLimit
from tocsin.channel.line import Line


class ProviderQueue:
    """Deliveries that have begun come first."""

    def __init__(self, limit: LaneLimit, far_ends: FarEndPlaces | None) -> None:
        self._limit = limit
        self._begun = Line() if far_ends is None else FarEndLine(far_ends)
        self._new = Line() if far_ends is None else FarEndLine(far_ends)

    @property
    def ready(self) -> bool:
        """Whether something waits that may begin."""
        return bool(self._begun or self._new) and not self._limit.reached

    def __iter__(self) -> Iterator[Delivery]:
        yield from self._begun
        yield from self._new

    def put(self, delivery: Delivery) -> None:
        """Behind the others of its kind."""
        (self._begun if delivery.begun_at else self._new).append(delivery)

    def take(self) -> Delivery:
        """The next that may begin."""
        return self._begun.popleft() if self._begun else self._new.popleft()

    def remove(self, delivery: Delivery) -> bool:
        """Take this one out; the others keep their order. Whether it was there."""
        return self._begun.remove(delivery) or self._new.remove(delivery)

    def drop(self, wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take these out; the others keep their order."""
        dropped = [delivery for delivery in self if wanted(delivery)]
        for delivery in dropped:
            self.remove(delivery)
        return dropped

    def waits_for(self, far_end: str | None) -> bool:
        """Whether something waits for this far end; without far ends, whether anything waits."""
        return self._begun.waits_for(far_end) or self._new.waits_for(far_end)

    def leave(self, far_ends: FarEndPlaces | None) -> None:
        """Hear no more of the far ends' places."""
        if far_ends is not None:
            far_ends.lines -= {self._begun, self._new}
