"""How much of a lane may be begun and not yet recorded."""

from collections.abc import Callable


class LaneLimit:
    """How many deliveries of a lane may be begun and not yet recorded: at the limit no runner begins another.

    Calls are limited by an instance's places. This is backpressure: it is reached where outcomes are stored more slowly than
    calls end, or where very many wait for a retry. `on_room` is called when a delivery may begin again.
    """

    def __init__(self, limit: int, *, on_room: Callable[[], None]) -> None:
        self._limit = limit
        self._on_room = on_room
        self._begun = 0

    @property
    def reached(self) -> bool:
        """Whether no delivery may begin."""
        return self._begun >= self._limit

    def begin(self) -> None:
        """A delivery has begun."""
        self._begun += 1

    def end(self) -> None:
        """A delivery that had begun is recorded, or given up."""
        was_reached = self.reached
        self._begun -= 1
        if was_reached:
            self._on_room()
