"""How many outcomes of a lane may wait to be stored."""

from collections.abc import Callable


class LaneLimit:
    """How many deliveries of a lane may have ended and not be recorded yet: at the limit no runner begins another call.

    Calls are limited by an instance's places. This is backpressure: it is reached where outcomes are stored more slowly than
    calls end. Calls that are under way then still end, so a lane may have as many more as its instances have places. `on_room`
    is called when a call may begin again.
    """

    def __init__(self, limit: int, *, on_room: Callable[[], None]) -> None:
        self._limit = limit
        self._on_room = on_room
        self._unrecorded = 0

    @property
    def reached(self) -> bool:
        """Whether no call may begin."""
        return self._unrecorded >= self._limit

    def ended(self) -> None:
        """A delivery has ended, and is to be recorded."""
        self._unrecorded += 1

    def recorded(self) -> None:
        """It is recorded, or nobody records it any more."""
        was_reached = self.reached
        self._unrecorded -= 1
        if was_reached and not self.reached:
            self._on_room()
