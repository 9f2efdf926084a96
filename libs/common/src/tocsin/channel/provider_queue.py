"""What waits before one provider instance, of one lane."""

from collections import deque
from collections.abc import Callable, Iterator

from tocsin.channel.delivery import Delivery
from tocsin.channel.far_ends import FarEndLine, FarEndPlaces
from tocsin.channel.lane_limit import LaneLimit


class ProviderQueue:
    """Deliveries that have begun come first."""

    def __init__(self, limit: LaneLimit, far_ends: FarEndPlaces | None) -> None:
        self._limit = limit
        self._begun: deque[Delivery] | FarEndLine = deque() if far_ends is None else FarEndLine(far_ends)
        self._new: deque[Delivery] | FarEndLine = deque() if far_ends is None else FarEndLine(far_ends)

    @property
    def ready(self) -> bool:
        """Whether something waits that may begin."""
        return bool(self._begun or self._new) and not self._limit.reached

    def __iter__(self) -> Iterator[Delivery]:
        yield from self._begun
        yield from self._new

    def __len__(self) -> int:
        return len(self._begun) + len(self._new)

    def put(self, delivery: Delivery) -> None:
        """Behind the others of its kind."""
        (self._begun if delivery.begun_at else self._new).append(delivery)

    def take(self) -> Delivery:
        """The next that may begin."""
        return self._begun.popleft() if self._begun else self._new.popleft()

    def drop(self, wanted: Callable[[Delivery], bool]) -> list[Delivery]:
        """Take these out; the others keep their order."""
        waiting = list(self)
        self._begun.clear()
        self._new.clear()
        dropped = []
        for delivery in waiting:
            if wanted(delivery):
                dropped.append(delivery)
            else:
                self.put(delivery)
        return dropped

    def leave(self, far_ends: FarEndPlaces | None) -> None:
        """Hear no more of the far ends' places."""
        if far_ends is not None:
            far_ends.lines -= {self._begun, self._new}
