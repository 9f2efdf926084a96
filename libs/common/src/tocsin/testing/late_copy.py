"""A copy of the directory that is behind until somebody waits for it."""

from collections.abc import Callable


class LateCopy:
    """Its `catch_up` is what ingest and the router wait for. `arrive` is what then becomes known; `waits` counts who waited."""

    def __init__(self) -> None:
        self.waits = 0
        self.in_time = True
        self.arrive: Callable[[], None] = lambda: None

    async def catch_up(self, *, seconds: float) -> bool:
        """Everything arrives at once. Both services wait a second at most."""
        if seconds != 1.0:
            raise AssertionError(f"asked to wait {seconds} s at most")
        self.waits += 1
        self.arrive()
        return self.in_time
